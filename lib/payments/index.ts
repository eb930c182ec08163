export { Account, type AccountSettings } from './account';
export { book } from './book';
export { type Clock, systemClock } from './clock';
export type { AccountIdentity, AccountPorts } from './engine';
export * from './order';
export { contactTarget } from './payees';
export { newPaymentId } from './payment-id';
export {
  ATTEMPT_TRANSITIONS,
  type AttemptState,
  PAYMENT_TRANSITIONS,
  type PaymentState,
  printTransitions,
} from './transitions';
