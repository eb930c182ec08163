/** What crosses between a node, the vault and back. Everything here is plain data. */

/** A payment as a flow asks for it: nothing in it has been checked yet. */
export interface PaymentOrder {
  readonly to: unknown;
  readonly amount: unknown;
  readonly reference?: unknown;
  readonly paymentId?: unknown;
  readonly splits?: unknown;
  /** Who asked, so that a receipt finds its way back after a restart. */
  readonly origin: PaymentOrigin;
}

export interface PaymentOrigin {
  readonly nodeId: string;
  readonly topic?: string;
  readonly messageId?: string;
}

/** contract.md "Receipt": amounts are base units as decimal strings, times ISO 8601. */
export interface Receipt {
  readonly paymentId: string;
  readonly status: 'confirmed';
  readonly network: string;
  readonly transactionId: string;
  readonly from: string;
  readonly to: readonly { readonly address: string; readonly amount: string }[];
  readonly amount: string;
  readonly token: string;
  readonly decimals: number;
  readonly reference: string;
  readonly submittedAt: string;
  readonly confirmedAt: string;
  readonly remaining: readonly { readonly window: string; readonly amount: string }[];
}

/** What happened to a payment after its intent was durable. */
export type PaymentReport =
  | {
      readonly kind: 'submitted' | 'unknown';
      readonly paymentId: string;
      readonly transactionId: string | null;
      readonly origin: PaymentOrigin;
    }
  /** Must be acknowledged with `reported(paymentId)` once the flow has it; comes again after a restart otherwise. */
  | {
      readonly kind: 'confirmed';
      readonly paymentId: string;
      readonly receipt: Receipt;
      readonly redelivered: boolean;
      readonly origin: PaymentOrigin;
    }
  | {
      readonly kind: 'failed';
      readonly paymentId: string;
      readonly code: string;
      readonly detail: string;
      readonly message: string;
      readonly parameters: Readonly<Record<string, string | number>>;
      readonly origin: PaymentOrigin;
    };

/** What accepting an order answers. `receipt` is there when this payment was confirmed before (a replay). */
export interface AcceptedPayment {
  readonly paymentId: string;
  readonly receipt?: Receipt;
}

/** contract.md "Payment event". */
export interface ReceivedPayment {
  readonly eventId: string;
  readonly transactionId: string;
  readonly from: string | null;
  readonly to: string;
  readonly amount: string;
  readonly token: string;
  readonly decimals: number;
  readonly reference: string | null;
  readonly confirmedAt: string;
  readonly status: 'confirmed';
}

export interface Balance {
  readonly address: string;
  readonly did: string;
  readonly token: string;
  readonly decimals: number;
  readonly total: string;
  readonly reserved: string;
  readonly available: string;
  readonly pending: string;
}

export interface HistoryEntry {
  readonly kind: 'paid' | 'received';
  /** paymentId of what we paid, eventId of what we received. */
  readonly id: string;
  readonly status: string;
  readonly at: string;
  readonly amount: string;
  readonly counterparty: string | null;
  readonly reference: string | null;
  readonly transactionId: string | null;
}

/**
 * Bytes to be kept on the ledger under a tag, for everybody to find: no payment, but it takes a deposit where the ledger
 * wants one. The same `recordId` is the same record: asking again changes nothing.
 */
export interface RecordOrder {
  readonly recordId: string;
  readonly tag: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A record that is on the ledger for good. */
export interface RecordReport {
  readonly recordId: string;
  readonly transactionId: string;
  readonly height: number;
  /** Unix milliseconds of the ledger. */
  readonly confirmedAt: number;
}

export type ListenFrom = 'now' | 'last' | 'beginning';

/** What an account tells on its own, beside reports and received payments: goes to the wallet's second output. */
export type AccountEvent =
  /** Nothing is signed any more until a person has looked. `reason`: `foreign-spend`, `paid-twice`, `journal`. */
  | {
      readonly event: 'frozen';
      readonly code: 'JOURNAL_DAMAGED';
      readonly reason: string;
      readonly outputId: string | null;
      readonly by: string | null;
    }
  /** Payments received while nobody read the ledger cannot be known any more through this node. */
  | { readonly event: 'history-pruned'; readonly code: 'HISTORY_PRUNED'; readonly message: string }
  /** A record needs more than is free of payments; it is made as soon as there is enough. Told once until it is. */
  | {
      readonly event: 'record-waiting';
      readonly code: 'FUNDS_INSUFFICIENT';
      readonly recordId: string;
      readonly message: string;
    }
  /** A record that this ledger does not take, whatever one pays for it. Nothing was recorded; it is not tried again. */
  | {
      readonly event: 'record-failed';
      readonly code: string;
      readonly detail: string;
      readonly recordId: string;
      readonly message: string;
    }
  /** Something that should not happen did; the account goes on. */
  | { readonly event: 'trouble'; readonly message: string };

/** Everything an account tells unasked. */
export type AccountSignal =
  | { readonly report: PaymentReport }
  /** Must be acknowledged with `delivered(listenerId, eventId)`; comes again after a restart otherwise. */
  | { readonly listenerId: string; readonly payment: ReceivedPayment; readonly redelivered: boolean }
  /** Must be acknowledged with `recordReported(recordId)`; comes again after a restart otherwise. */
  | { readonly record: RecordReport; readonly redelivered: boolean }
  | { readonly event: AccountEvent };
