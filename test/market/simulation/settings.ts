import type { BuySettings, OfferSettings } from '../../../lib/market';

/** Fields of nodes that nobody filled in. */
export const NO_SETTINGS: OfferSettings & BuySettings = {
  service: '',
  title: '',
  price: '',
  unit: '',
  place: '',
  parameters: '',
  validFor: '',
  capacity: '',
  leadSeconds: '',
  autoPropose: '',
  underpaid: '',
  quantity: '',
  maxPrice: '',
  near: '',
  maxDistance: '',
  waitSeconds: '',
  choose: '',
  weights: '',
  expression: '',
  priceBand: '',
  deliverWithin: '',
};
