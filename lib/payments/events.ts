import type { Append, JournalEvent } from '../journal';

/**
 * What the payment engine writes into the journal. Amounts are decimal strings of base units. Every body names its
 * network: one journal holds one identity with its accounts on several networks.
 */
export type BookEvents = {
  /** First opening of the account: what it holds now is where its history begins. */
  'account.opened': {
    network: string;
    address: string;
    cursor: string;
    height: number;
    ledgerTime: number;
    systemTime: number;
  };
  /** Outputs that came to the address. `known` ones are holdings found at first opening, not payments received. */
  'account.received': { network: string; known: boolean; outputs: ReceivedRecord[] };
  'account.spent': { network: string; spends: { outputId: string; by: string }[] };
  /** Everything up to this cursor is in the journal. */
  'account.read': { network: string; cursor: string; height: number; ledgerTime: number };
  'account.frozen': { network: string; reason: string; outputId: string | null; by: string | null };

  'payment.intended': {
    network: string;
    paymentId: string;
    to: string;
    amount: string;
    reference: string;
    parts: { address: string; amount: string }[];
    origin: { nodeId: string; topic?: string; messageId?: string };
    /** When it was judged, for the windows of budgets. */
    time: { ledger: number; system: number; ledgerShown: number; systemShown: number };
  };
  /**
   * A record that is to be made. From here on the journal treats it as a payment of its own kind, under the id that
   * `recordKey` makes of its own: the events of payments are its events, too.
   */
  'record.intended': {
    network: string;
    paymentId: string;
    /** Hex. */
    tag: string;
    /** Of its bytes, which lie in a side table until nobody needs them. */
    sha256: string;
  };
  'payment.cleared': { network: string; paymentId: string };
  'payment.rejected': { network: string; paymentId: string; code: string; detail: string; message: string };
  'payment.failed': { network: string; paymentId: string; code: string; detail: string; message: string };
  'payment.reported': { network: string; paymentId: string };

  'attempt.signed': {
    network: string;
    transactionId: string;
    /** Of the signed bytes, which lie in a side table until nobody needs them. */
    sha256: string;
    payments: string[];
    inputs: string[];
    /** What comes back, where its output id is known before the ledger has executed it. */
    change: { outputId: string; amount: string; index: number; record?: true }[];
    /** What its record takes out of money that was free: its deposit less those of the records that it spends. */
    deposit?: string;
    fee: string;
    expiresEpoch: number | null;
  };
  'attempt.submitted': { network: string; transactionId: string };
  'attempt.final': { network: string; transactionId: string; height: number; confirmedAt: number; node: string };
  'attempt.dead': {
    network: string;
    transactionId: string;
    height: number;
    conflictingId: string | null;
    reason: string;
    node: string;
  };

  /** A listener's cursor: everything up to `position` was handed to it. */
  'listener.moved': { network: string; source: string; listenerId: string; position: number };
};

export type ReceivedRecord = {
  outputId: string;
  transactionId: string;
  outputIndex: number;
  amount: string;
  from: string | null;
  reference: string | null;
  height: number;
  confirmedAt: number;
  spendable: boolean;
  eventId: string;
  /** A record that we have put on the ledger ourselves. */
  record?: true;
};

/** Appends one of our events with the body that its type has. */
export function record<T extends keyof BookEvents>(append: Append, type: T, body: BookEvents[T]): JournalEvent {
  return append(type, body);
}
