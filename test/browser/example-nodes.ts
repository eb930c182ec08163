/** A node of each type, as the examples have it. */
export const NODES = {
  'iota-pay': 'pay-example-pay',
  'iota-wallet': 'pay-example-where',
  'iota-listen': 'listen-example-listen',
  'iota-sign-data': 'sign-data-example-sign',
  'iota-verify-data': 'verify-data-example-verify',
  'iota-offer': 'offer-example-offer',
  'iota-buy': 'buy-example-buy',
  'iota-machine': 'pay-example-customer',
  'iota-ledger': 'pay-example-ledger',
} as const;
