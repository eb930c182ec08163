import type { JsonObject } from '../../journal';
import type { OfferEvent, OfferEventName } from '../market-order';
import type { CancelReason, Unit } from '../messages/message';
import { durationOf } from '../quantity';
import type { ContractRow } from './contract-book';

/** What a seller knows of a contract beside its state. Amounts are base units, times Unix milliseconds. */
export type SellerFacts = {
  readonly title: string;
  readonly unit: Unit;
  readonly quantity: string;
  readonly underpaid: 'refund' | 'topUp';
  /** Seconds that the buyer gives us. */
  readonly deliverWithin: number | null;
  /** Null in an inquiry. */
  readonly price: string | null;
  readonly amount: string | null;
  /** Hash of our proposal, and until when it binds us. */
  readonly proposal: string | null;
  readonly validUntil: number | null;
  /** When we confirmed, the money is due by then. */
  readonly payBy: number | null;
  readonly coveredAt: number | null;
  readonly startedAt: number | null;
  /** Where it ends by time. */
  readonly until: number | null;
  readonly deliverBy: number | null;
  readonly metered: string | null;
  readonly endedAt: number | null;
  /** Why it did not go as agreed. */
  readonly reason: CancelReason | null;
  readonly text: string | null;
};

export type SellerRow = ContractRow<'seller'>;

/** Nobody but the seller's desk writes facts of sellers. */
export function factsOf({ facts }: Pick<SellerRow, 'facts'>): SellerFacts {
  return facts as unknown as SellerFacts;
}

export function asFacts(facts: Partial<SellerFacts>): JsonObject {
  return facts;
}

export const NO_FACTS: Omit<SellerFacts, 'title' | 'unit' | 'quantity' | 'underpaid' | 'deliverWithin'> = {
  price: null,
  amount: null,
  proposal: null,
  validUntil: null,
  payBy: null,
  coveredAt: null,
  startedAt: null,
  until: null,
  deliverBy: null,
  metered: null,
  endedAt: null,
  reason: null,
  text: null,
};

/** Milliseconds; null where the service does not end by time. */
export function durationIn({ unit, quantity }: SellerFacts): number | null {
  return durationOf(unit, quantity);
}

/** contract.md "iota-offer": what the flow is told. */
export function offerEvent(row: SellerRow, event: OfferEventName, more: Partial<OfferEvent> = {}): OfferEvent {
  const { quantity, unit, until } = factsOf(row);
  return {
    contractId: row.contractId,
    event,
    service: row.service,
    quantity,
    unit,
    until: until === null ? null : new Date(until).toISOString(),
    buyer: row.peer,
    ...more,
  };
}
