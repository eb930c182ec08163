import type { SqlRow, SqlValue } from '../journal';
import type { Cursor } from '../ledger';
import type { Address, BaseUnits } from '../values';
import type { BudgetMoment } from './budget-clock';
import type { PaymentOrigin } from './order';
import type { AttemptState, PaymentState } from './transitions';

export interface PaymentRow {
  readonly paymentId: string;
  /** A record has no payee, reference and origin (`records.ts`); its amount is what its deposit takes, once it is signed. */
  readonly kind: 'payment' | 'record';
  readonly state: PaymentState;
  /** Journal sequence of its present intent. */
  readonly intent: number;
  readonly intendedAt: number;
  readonly payee: Address;
  readonly amount: BaseUnits;
  readonly reference: string;
  readonly origin: PaymentOrigin;
  /** The attempt that settled it. */
  readonly transactionId: string | null;
  readonly failure: { readonly code: string; readonly detail: string; readonly message: string } | null;
}

export interface PartRow {
  readonly address: Address;
  readonly amount: BaseUnits;
}

export interface AttemptRow {
  readonly transactionId: string;
  readonly state: AttemptState;
  readonly signedAt: number;
  readonly submittedAt: number | null;
  readonly expiresEpoch: number | null;
  readonly height: number | null;
  readonly confirmedAt: number | null;
}

export interface OutputRow {
  readonly amount: BaseUnits;
  readonly spentBy: string | null;
  readonly spendable: boolean;
  /** A record of ours. */
  readonly record: boolean;
}

export interface AccountRow {
  readonly address: string;
  readonly cursor: Cursor;
  readonly height: number;
  readonly ledgerTime: number;
  readonly frozen: string | null;
  /** When the latest intent was judged, or the account opened. */
  readonly budget: BudgetMoment;
}

export interface ReceivedRow {
  readonly position: number;
  readonly eventId: string;
  readonly transactionId: string;
  readonly sender: string | null;
  readonly amount: BaseUnits;
  readonly reference: string | null;
  readonly confirmedAt: number;
}

export function paymentOf(row: SqlRow): PaymentRow {
  return {
    paymentId: text(row.payment_id),
    kind: row.kind === 'record' ? 'record' : 'payment',
    state: text(row.state) as PaymentState,
    intent: Number(row.intent),
    intendedAt: Number(row.intended_at),
    payee: text(row.payee) as Address,
    amount: units(row.amount),
    reference: text(row.reference),
    origin: JSON.parse(text(row.origin)) as PaymentOrigin,
    transactionId: textOrNull(row.transaction_id),
    failure: row.failure === null ? null : (JSON.parse(text(row.failure)) as PaymentRow['failure']),
  };
}

export function attemptOf(row: SqlRow): AttemptRow {
  return {
    transactionId: text(row.transaction_id),
    state: text(row.state) as AttemptState,
    signedAt: Number(row.signed_at),
    submittedAt: numberOrNull(row.submitted_at),
    expiresEpoch: numberOrNull(row.expires_epoch),
    height: numberOrNull(row.height),
    confirmedAt: numberOrNull(row.confirmed_at),
  };
}

export function receivedOf(row: SqlRow): ReceivedRow {
  return {
    position: Number(row.position),
    eventId: text(row.event_id),
    transactionId: text(row.transaction_id),
    sender: textOrNull(row.sender),
    amount: units(row.amount),
    reference: textOrNull(row.reference),
    confirmedAt: Number(row.confirmed_at),
  };
}

export function text(value: SqlValue | undefined): string {
  return String(value);
}

export function textOrNull(value: SqlValue | undefined): string | null {
  return value === null || value === undefined ? null : String(value);
}

function numberOrNull(value: SqlValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value);
}

export function units(value: SqlValue | undefined): BaseUnits {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number') return BigInt(value);
  throw new TypeError('not an amount');
}
