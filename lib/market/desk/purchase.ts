import type { JsonObject } from '../../journal';
import type { Receipt } from '../../payments';
import type { Address } from '../../values';
import type { Bid, BuyProgress, ChoiceRule } from '../market-order';
import type { MessageBodies, RejectReason, Unit } from '../messages/message';
import { addressOfDid, referenceOf } from '../messages/names';
import type { ContractRow } from './contract-book';
import type { Floor } from './floor';
import { MARKET_NODE } from './market-doors';
import type { MarketOrigin } from './market-ports';

/** What was agreed with the seller that we accepted last. */
export interface Agreed {
  /** did */
  readonly seller: string;
  /** Hash of its proposal. */
  readonly proposal: string;
  /** Hash of our accept. */
  readonly accept: string;
  readonly unit: Unit;
  readonly price: string;
  readonly amount: string;
  /** Unix milliseconds, from the seller's accept: null until then. */
  readonly payBy: number | null;
}

/** Of a proposal that can still be chosen: amounts were counted when it came. */
export type Candidate = Pick<Bid, 'hash' | 'seller' | 'unit' | 'price' | 'amount' | 'expiresAt'>;

export interface ReceivedRefund {
  readonly eventId: string;
  readonly transactionId: string;
  readonly amount: string;
}

/** What the journal holds of a purchase beside its state. The call itself is among the documents. */
export interface PurchaseFacts {
  readonly origin: MarketOrigin;
  readonly choice: ChoiceRule;
  readonly quantity: string;
  /** Seconds, or null: what the call says. */
  readonly deliverWithin: number | null;
  /** In the order of the choice; null: not chosen yet. Each is tried once. */
  readonly ranked: readonly Candidate[] | null;
  /** How many of them were tried or passed over. */
  readonly tried: number;
  /** Why others were not taken, by the hash of their proposal. */
  readonly leftOut: { readonly [hash: string]: RejectReason };
  readonly because: string | null;
  readonly agreed: Agreed | null;
  readonly receipt: Receipt | null;
  readonly refunds: readonly ReceivedRefund[];
  readonly metered: string | null;
  /** When that reading came, Unix milliseconds. */
  readonly meteredAt: number | null;
  /** Why it ended as it did. */
  readonly reason: string | null;
  /** Answers to what came too late: there is an end to them. */
  readonly lateAnswers: number;
}

export type PurchaseRow = ContractRow<'buyer'>;

/** What the flow hears on the way. */
export interface Told {
  readonly event: BuyProgress['event'];
  readonly seller: string | null;
  readonly [more: string]: unknown;
}

export function factsOf(row: PurchaseRow): PurchaseFacts {
  return row.facts as unknown as PurchaseFacts;
}

/** Why the proposal that was accepted last was taken. */
export function chosenBecause({
  because,
  tried,
  ranked,
}: Pick<PurchaseFacts, 'because' | 'tried' | 'ranked'>): string | null {
  const taken = ranked?.[tried - 1];
  if (because === null || !taken || tried === 1) return because;
  return `${because}; taken: number ${tried}, amount ${taken.amount}, since those before it could not be had`;
}

/** For {@link ContractBook}. */
export function factsToKeep(facts: Partial<PurchaseFacts>): JsonObject {
  return facts as unknown as JsonObject;
}

/** Payee and amount come from the signed proposal: who signed it is who is paid, whatever else was said since. */
export function orderFor(
  contractId: string,
  { seller, amount }: { readonly seller: string; readonly amount: string },
  { ports }: Floor,
) {
  const reference = referenceOf(contractId);
  return {
    to: addressOfDid(seller, ports.network.addressForm),
    amount,
    reference,
    // Asked for again, by whatever process, it is the same payment.
    paymentId: reference,
    origin: { nodeId: MARKET_NODE, topic: contractId },
  };
}

export function sellerAddress({ seller }: Agreed, { ports }: Floor): Address {
  return addressOfDid(seller, ports.network.addressForm);
}

/** Whether all that was paid has come back. */
export function isRefunded({ refunds, agreed }: PurchaseFacts): boolean {
  const back = refunds.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
  return agreed !== null && back >= BigInt(agreed.amount);
}

/** The call as it was signed. */
export function callOf(row: PurchaseRow, { letters }: Floor): MessageBodies['call'] {
  const call = letters.documents(row).find(({ type, direction }) => type === 'call' && direction === 'out');
  if (!call) throw new Error(`the call of ${row.contractId} is not there`);
  return (JSON.parse(call.text) as { body: MessageBodies['call'] }).body;
}
