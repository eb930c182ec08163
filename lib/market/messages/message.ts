/**
 * What machines say to each other on the marketplace (contract.md "Marketplace messages"), as plain data. Every message is
 * signed as a data-integrity document; the schemas in `schemas/` say the same and are published with the package.
 */
export const MESSAGE_TYPES = [
  'offer',
  'call',
  'proposal',
  'accept',
  'reject',
  'paid',
  'delivered',
  'complete',
  'cancel',
] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number];

export const UNITS = ['once', 'second', 'minute', 'hour', 'kWh', 'piece', 'record'] as const;
export type Unit = (typeof UNITS)[number];

/** WGS 84, degrees. */
export type Place = { readonly lat: number; readonly lng: number };

/** Amounts are whole base units, quantities exact decimals, both as text; times RFC 3339 in UTC; durations seconds. */
export interface MessageBodies {
  /** A card that lies on the channel for everybody to find. `price` null: asked for with a call. */
  readonly offer: {
    readonly service: string;
    readonly title: string;
    readonly unit: Unit;
    readonly price: string | null;
    readonly token: string;
    readonly decimals: number;
    readonly place: Place | null;
    /** JSON Schema of the parameters that a call may have. For people and their editors: a buyer never compiles it. */
    readonly parameters: { readonly [key: string]: unknown } | null;
    readonly capacity: number;
    readonly leadSeconds: number | null;
  };
  readonly call: {
    readonly service: string;
    readonly parameters: unknown;
    readonly quantity: string;
    /** Per unit. */
    readonly maxPrice: string | null;
    readonly near: Place | null;
    /** Kilometres. */
    readonly maxDistance: number | null;
    /** From the payment on; for a timed service on top of its duration. */
    readonly deliverWithin: number | null;
  };
  /** Binding for its sender until it expires. */
  readonly proposal: {
    readonly service: string;
    readonly title: string;
    readonly unit: Unit;
    /** Per unit. */
    readonly price: string;
    readonly quantity: string;
    /** price x quantity, rounded up to a base unit. */
    readonly amount: string;
    readonly token: string;
    readonly decimals: number;
    readonly place: Place | null;
    /** How long after the payment the service starts; null: it does not say. */
    readonly leadSeconds: number | null;
    /** From the seller's accept on. */
    readonly payWithin: number;
  };
  /**
   * From the buyer: takes the proposal that `previous` names. From the seller: confirms that accept, and only now is the
   * buyer to pay.
   */
  readonly accept: {
    readonly amount: string;
    /** Null from the buyer. */
    readonly payBy: string | null;
  };
  readonly reject: {
    readonly reason: RejectReason;
    /** For people. */
    readonly text: string | null;
  };
  readonly paid: {
    readonly amount: string;
    readonly reference: string;
    readonly transactionId: string;
  };
  readonly delivered: {
    /** False: a meter reading on the way. */
    readonly final: boolean;
    /** So far. */
    readonly quantity: string;
    readonly startedAt: string;
    readonly endedAt: string | null;
  };
  readonly complete: {
    /** Null: as it was delivered. Else the buyer ends it before its time, and pays for all of it nevertheless. */
    readonly stoppedAt: string | null;
  };
  readonly cancel: {
    readonly reason: CancelReason;
    readonly text: string | null;
    /** What was paid back, and what for. */
    readonly refund: {
      readonly amount: string;
      readonly transactionId: string;
      /** Transactions of the payments it gives back. */
      readonly of: readonly string[];
    } | null;
  };
}

export const REJECT_REASONS = [
  /** The buyer took another one. */
  'not-chosen',
  /** The proposal came after the choice. */
  'late',
  /** The proposal is not what was called for, or not one that can be judged. */
  'invalid',
  'price',
  'distance',
  /** The call's parameters are not what the seller's schema wants. */
  'parameters',
  'quantity',
  /** The seller has as much to do as it can. */
  'capacity',
  'paused',
  'withdrawn',
  'expired',
  /** Written in another version, or with members that are not known. */
  'version',
  /** Less came in than was agreed; the rest may follow until the payment is due. */
  'underpaid',
  'policy',
  'declined',
] as const;
export type RejectReason = (typeof REJECT_REASONS)[number];

export const CANCEL_REASONS = [
  /** A person or a flow of its sender wants it no more. */
  'withdrawn',
  /** The buyer cannot or may not pay. */
  'not-payable',
  'not-paid',
  /** No answer came in time. */
  'silent',
  /** The delivery did not come in time. */
  'late',
  'failed',
  /** The seller was interrupted (power, restart) and cannot say that it delivered. */
  'interrupted',
  'not-started',
] as const;
export type CancelReason = (typeof CANCEL_REASONS)[number];

/** Members that every message has. */
export interface Envelope<T extends MessageType> {
  readonly v: 1;
  readonly type: T;
  /** UUIDv7 */
  readonly id: string;
  /** Lower-case hex SHA-256 of the RFC 8785 bytes of the signed call; null in `offer` and `call`. */
  readonly contractId: T extends 'offer' | 'call' ? null : string;
  readonly from: string;
  readonly to: T extends 'offer' | 'call' ? null : string;
  readonly network: string;
  /** The same hash of the document that this one answers; null in `offer` and `call`. */
  readonly previous: T extends 'offer' | 'call' ? null : string;
  readonly at: string;
  readonly expires: string;
  readonly body: MessageBodies[T];
}

export type Message = { readonly [T in MessageType]: Envelope<T> }[MessageType];
export type MessageOf<T extends MessageType> = Envelope<T>;

/** A message from outside whose size, form, schema and signature were checked, and that its `from` signed it. */
export interface SignedMessage<T extends MessageType = MessageType> {
  /** Lower-case hex SHA-256 of `text`. */
  readonly hash: string;
  /** RFC 8785 text of the signed document: what is kept, hashed and sent. */
  readonly text: string;
  readonly message: MessageOf<T>;
}
