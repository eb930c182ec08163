import { CodedError } from '../errors';
import type { PaymentRow } from './book-rows';
import type { Engine } from './engine';
import type { AcceptedPayment } from './order';
import type { CheckedOrder } from './order-check';
import { receiptOf } from './statements';

/** Replay, join or mismatch; undefined for a payment that may be intended. */
export function knownPayment(paymentId: string, order: CheckedOrder, engine: Engine): AcceptedPayment | undefined {
  const payment = engine.book.payment(paymentId);
  if (!payment) return undefined;
  if (!isSame(payment, order, engine)) {
    throw new CodedError('PAYMENT_MISMATCH', 'default', `the payment ${paymentId} was another one`, { paymentId });
  }
  if (payment.state === 'REJECTED' || payment.state === 'FAILED') return undefined;
  const receipt = receiptOf(payment, engine);
  return receipt ? { paymentId, receipt } : { paymentId };
}

function isSame(payment: PaymentRow, order: CheckedOrder, { book }: Engine): boolean {
  const parts = book.parts(payment.paymentId);
  return (
    payment.payee === order.to &&
    payment.amount === order.amount &&
    payment.reference === order.reference &&
    parts.length === order.parts.length &&
    order.parts.every(
      ({ address, amount }, index) => parts[index]?.address === address && parts[index].amount === amount,
    )
  );
}
