/** What crosses between nodes, the vault and the market worker. Everything here is plain data. */
import type { Receipt } from '../payments/order';
import type { Place, Unit } from './messages/message';

/** Where machines meet. The ledger as channel follows later. */
export type ChannelSettings = MqttSettings;

/** Settings of an `mqtt-broker` node. Secrets are in it: never in a log, an error or an id. */
export interface MqttSettings {
  readonly kind: 'mqtt';
  /** mqtt, mqtts, ws or wss */
  readonly url: string;
  /** 3 = MQTT 3.1, 4 = 3.1.1, 5 */
  readonly version: 3 | 4 | 5;
  /** Seconds. */
  readonly keepalive: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: {
    /** PEM */
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly passphrase?: string;
    readonly servername?: string;
    readonly alpn?: string;
    readonly verify: boolean;
  };
}

/** Properties of an `iota-offer` node as the flow has them: checked by {@link parseOfferTerms}. */
export interface OfferSettings {
  readonly service: unknown;
  readonly title: unknown;
  /** Per unit; empty: comes from the flow, and nothing is offered before. */
  readonly price: unknown;
  readonly unit: unknown;
  /** "lat,lng"; empty: nowhere in particular. */
  readonly place: unknown;
  /** JSON Schema, object or text; empty: anything goes. */
  readonly parameters: unknown;
  /** Seconds that a proposal binds us. */
  readonly validFor: unknown;
  /** Contracts at a time. */
  readonly capacity: unknown;
  /** Seconds between payment and start; empty: does not say. */
  readonly leadSeconds: unknown;
  /** False: every call is an inquiry, which the flow answers with a price. */
  readonly autoPropose: unknown;
  /** What becomes of a payment that is too small: `refund` | `topUp`. */
  readonly underpaid: unknown;
}

/** Checked. Amounts are base units. */
export interface OfferTerms {
  readonly service: string;
  readonly title: string;
  readonly price: string | null;
  readonly unit: Unit;
  readonly place: Place | null;
  readonly parameters: { readonly [key: string]: unknown } | null;
  readonly validFor: number;
  readonly capacity: number;
  readonly leadSeconds: number | null;
  readonly autoPropose: boolean;
  readonly underpaid: 'refund' | 'topUp';
}

/** What a flow tells its offer. `contractId` null: the offer itself. */
export type OfferCommand =
  | { readonly command: 'price'; readonly price: unknown; readonly contractId: string | null }
  | { readonly command: 'pause' | 'resume' }
  /** With a contractId: that inquiry, proposal or contract only. */
  | { readonly command: 'withdraw'; readonly contractId: string | null }
  | { readonly command: 'meter'; readonly contractId: string; readonly quantity: unknown }
  | { readonly command: 'delivered'; readonly contractId: string }
  | { readonly command: 'failed'; readonly contractId: string; readonly text: string | null };

export type OfferEventName =
  | 'start'
  | 'stop'
  | 'inquiry'
  | 'proposed'
  | 'accepted'
  | 'rejected'
  | 'expired'
  | 'cancelled'
  | 'underpaid'
  | 'overpaid'
  | 'refund-waiting'
  | 'refunded'
  | 'completed'
  /** A message that does not fit its contract was left aside. */
  | 'refused';

/** contract.md "iota-offer": what every output carries. */
export interface OfferEvent {
  readonly contractId: string | null;
  readonly event: OfferEventName;
  readonly service: string;
  readonly quantity: string | null;
  readonly unit: Unit;
  /** When the service ends by itself: RFC 3339, or null where it ends by quantity or by the flow. */
  readonly until: string | null;
  /** did of the buyer */
  readonly buyer: string | null;
  readonly parameters?: unknown;
  /** Base units: what is asked, came in, or went back. */
  readonly amount?: string;
  readonly token?: string;
  readonly decimals?: number;
  readonly reason?: string;
  readonly transactionId?: string;
  /** The finished contract, with `completed` and `refunded`. */
  readonly contract?: Contract;
}

export type Choice = 'cheapest' | 'fastest' | 'nearest' | 'weighted' | 'jsonata';

/** Properties and payload of an `iota-buy` node: checked by {@link parseBuyOrder}. */
export interface BuySettings {
  readonly service: unknown;
  readonly parameters: unknown;
  readonly quantity: unknown;
  readonly maxPrice: unknown;
  readonly near: unknown;
  readonly maxDistance: unknown;
  readonly waitSeconds: unknown;
  readonly choose: unknown;
  /** `{ price, time, distance }`: non-negative numbers, of which one at least is not 0. */
  readonly weights: unknown;
  /** JSONata over `{ proposals, call }`; its answer is one proposal, its `seller` or its index; nothing = none. */
  readonly expression: unknown;
  /** Percent around the median price of at least three proposals; those outside are left out. Empty or 0: no band. */
  readonly priceBand: unknown;
  readonly deliverWithin: unknown;
}

/** Checked. */
export interface BuyOrder {
  readonly service: string;
  readonly parameters: unknown;
  /** Exact decimal. */
  readonly quantity: string;
  /** Base units per unit. */
  readonly maxPrice: string | null;
  readonly near: Place | null;
  readonly maxDistance: number | null;
  readonly waitSeconds: number;
  readonly choice: ChoiceRule;
  readonly deliverWithin: number | null;
}

export interface ChoiceRule {
  readonly choose: Choice;
  readonly weights: { readonly price: number; readonly time: number; readonly distance: number } | null;
  readonly expression: string | null;
  readonly priceBand: number;
}

/** A proposal as rules and expressions see it. */
export interface Bid {
  /** Hash of the proposal. */
  readonly hash: string;
  /** did */
  readonly seller: string;
  readonly title: string;
  readonly unit: Unit;
  readonly price: string;
  readonly quantity: string;
  readonly amount: string;
  readonly leadSeconds: number | null;
  readonly place: Place | null;
  /** Kilometres from `near`; null where one of both is not known. */
  readonly distance: number | null;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export interface Ranking {
  /** Best first. */
  readonly ranked: readonly Bid[];
  readonly leftOut: readonly { readonly bid: Bid; readonly reason: 'price' | 'band' | 'distance' | 'expression' }[];
  /** A sentence: which rule, among how many, and what the next best was. */
  readonly because: string;
}

export type Verdict = 'completed' | 'failed' | 'refunded' | 'cancelled';

/** contract.md "Contract": what both sides can prove afterwards; `messages` are the signed documents, in their order. */
export interface Contract {
  readonly contractId: string;
  readonly status: Verdict;
  readonly side: 'buyer' | 'seller';
  readonly network: string;
  readonly service: string;
  readonly buyer: { readonly did: string; readonly address: string };
  /** Null: there was none (a call that nobody answered). */
  readonly seller: { readonly did: string; readonly address: string } | null;
  readonly price: string | null;
  readonly unit: Unit | null;
  readonly quantity: string;
  readonly amount: string | null;
  readonly token: string;
  readonly decimals: number;
  readonly chosenBecause: string | null;
  /** Why it ended as it did, where that is not simply "delivered". */
  readonly reason: string | null;
  /** Quantity that was metered, if it was. */
  readonly metered: string | null;
  /** The buyer's: what it paid. The seller's: what it paid back. */
  readonly receipts: readonly Receipt[];
  /** Signed documents (data-integrity). */
  readonly messages: readonly { readonly [key: string]: unknown }[];
  readonly endedAt: string;
}

/** Progress of a purchase: contract.md "iota-buy", output 2. */
export interface BuyProgress {
  readonly contractId: string;
  readonly event:
    | 'called'
    | 'proposal'
    | 'declined'
    | 'refused'
    | 'accepted'
    | 'confirmed'
    | 'paid'
    | 'metered'
    | 'late'
    | 'unknown';
  readonly seller: string | null;
  readonly [more: string]: unknown;
}

/** An offer card that was found on a channel. */
export interface FoundOffer {
  /** Hash of the card; stable. */
  readonly eventId: string;
  readonly event: 'offered' | 'withdrawn';
  readonly seller: string;
  /** Whether its seller is connected, as far as the channel knows. */
  readonly online: boolean;
  readonly service: string;
  readonly title: string;
  readonly unit: Unit;
  readonly price: string | null;
  readonly token: string;
  readonly decimals: number;
  readonly place: Place | null;
  readonly distance: number | null;
  readonly parameters: unknown;
  readonly leadSeconds: number | null;
  readonly expires: string;
}

export interface OfferSearch {
  /** Empty: every service. */
  readonly service: string;
  readonly near: Place | null;
  readonly maxDistance: number | null;
  /** Base units per unit. */
  readonly maxPrice: string | null;
}
