import type { OfferState } from '../../lib/runtime';
import { formatAmount } from '../../lib/values';
import { failed, type Status } from '../status';

export const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-offer.status.starting' };
const WITHOUT_PRICE: Status = { fill: 'yellow', shape: 'ring', text: 'iota-offer.status.price' };
const ASKING: Status = { fill: 'green', shape: 'ring', text: 'iota-offer.status.asking' };
const PAUSED: Status = { fill: 'grey', shape: 'dot', text: 'iota-offer.status.paused' };
const WITHDRAWN: Status = { fill: 'grey', shape: 'ring', text: 'iota-offer.status.withdrawn' };
const OFFLINE: Status = { fill: 'yellow', shape: 'ring', text: 'iota-offer.status.offline' };

/** Read alike in every language. */
const PER_UNIT: Readonly<Record<string, string>> = { second: '/s', minute: '/min', hour: '/h', kWh: '/kWh' };

export interface OfferLook {
  readonly decimals: number;
  readonly unit: unknown;
  /** False: prices come with the answers of the flow. */
  readonly autoPropose: boolean;
}

/** How an offer stands. Amounts and counts stand in no language. */
export function offerLook(offer: OfferState, look: OfferLook): Status {
  switch (offer.phase) {
    case 'starting':
      return STARTING;
    case 'withdrawn':
      return WITHDRAWN;
    case 'offline':
      return OFFLINE;
    case 'wrong':
      return failed(offer.error);
    case 'open':
      return openLook(offer, look);
  }
}

function openLook({ delivering, price, paused }: OfferState & { phase: 'open' }, look: OfferLook): Status {
  const amount =
    price === null ? '' : `${formatAmount(BigInt(price), look.decimals)}${PER_UNIT[String(look.unit)] ?? ''}`;
  // What runs is what people look for first.
  if (delivering > 0) return { fill: 'blue', shape: 'dot', text: `▶ ${delivering}` };
  if (paused) return PAUSED;
  if (amount !== '') return { fill: 'green', shape: 'dot', text: amount };
  return look.autoPropose ? WITHOUT_PRICE : ASKING;
}
