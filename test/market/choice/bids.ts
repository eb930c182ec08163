import type { Bid, ChoiceRule } from '../../../lib/market';
import type { MessageBodies } from '../../../lib/market/messages/message';

export function bid(seller: string, more: Partial<Bid> = {}): Bid {
  const price = more.price ?? '100';
  return {
    hash: `hash-of-${seller}`,
    seller,
    title: 'Charging at the gate',
    unit: 'kWh',
    price,
    quantity: '1',
    amount: price,
    leadSeconds: null,
    place: null,
    distance: null,
    expiresAt: 1_800_000_000_000,
    ...more,
  };
}

export const CALL: MessageBodies['call'] = {
  service: 'charging',
  parameters: { plug: 'type-2' },
  quantity: '1',
  maxPrice: null,
  near: null,
  maxDistance: null,
  deliverWithin: null,
};

export const rule = (choose: ChoiceRule['choose'], more: Partial<ChoiceRule> = {}): ChoiceRule => ({
  choose,
  weights: null,
  expression: null,
  priceBand: 0,
  ...more,
});
