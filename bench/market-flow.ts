/** A node without a place is taken for a config node. */
const PLACE = { z: 'bench', x: 100, y: 100 };

const POLICY = JSON.stringify({
  maxPerPayment: '1 IOTA',
  budgets: [{ amount: '900 IOTA', window: '24h' }],
  payees: ['*'],
});

export const SERVICE = 'bench';
/** How long a buyer waits for proposals. */
export const BIDS_MS = 500;

/** Machines that buy and machines that sell. */
export function marketFlow(options: { buyers: number; sellers: number; ledger: object; brokerPort: number }): object[] {
  const { buyers, sellers, ledger, brokerPort } = options;
  const sink = (id: string) => ({ id, type: 'bench-sink', ...PLACE, wires: [] });
  const machine = (id: string) => ({
    id,
    type: 'iota-machine',
    ledger: 'ledger',
    key: '',
    accountIndex: 0,
    policy: POLICY,
    contacts: '{}',
  });
  const each = Array.from({ length: sellers }, (_, n) => [
    machine(`seller-${n}`),
    {
      id: `offer-${n}`,
      type: 'iota-offer',
      ...PLACE,
      machine: `seller-${n}`,
      channel: 'mqtt',
      broker: 'broker',
      service: SERVICE,
      title: `Seller ${n}`,
      price: `0.${n + 1} IOTA`,
      unit: 'once',
      validFor: '600',
      capacity: '1000000',
      underpaid: 'refund',
      wires: [['start', `delivered-${n}`], ['stop'], ['event']],
    },
    {
      id: `delivered-${n}`,
      type: 'change',
      ...PLACE,
      rules: [{ t: 'set', p: 'topic', pt: 'msg', to: 'delivered', tot: 'str' }],
      wires: [[`offer-${n}`]],
    },
  ]).flat();
  const buyer = (n: number) => [
    machine(`machine-${n}`),
    { id: `wallet-${n}`, type: 'iota-wallet', ...PLACE, machine: `machine-${n}`, action: '', wires: [['answer'], []] },
    { id: `pay-${n}`, type: 'iota-pay', ...PLACE, machine: `machine-${n}`, wires: [['receipt'], ['progress']] },
    {
      id: `buy-${n}`,
      type: 'iota-buy',
      ...PLACE,
      machine: `machine-${n}`,
      channel: 'mqtt',
      broker: 'broker',
      service: SERVICE,
      quantity: '1',
      quantityType: 'str',
      parameters: 'payload.parameters',
      parametersType: 'msg',
      maxPrice: '',
      maxPriceType: 'str',
      near: '',
      nearType: 'str',
      waitSeconds: String(BIDS_MS / 1000),
      choose: 'cheapest',
      wires: [['contract'], ['purchase']],
    },
  ];
  return [
    { id: 'bench', type: 'tab', label: 'Bench' },
    { id: 'ledger', type: 'iota-ledger', ...ledger },
    {
      id: 'broker',
      type: 'mqtt-broker',
      broker: '127.0.0.1',
      port: String(brokerPort),
      protocolVersion: '4',
      keepalive: '60',
      cleansession: true,
    },
    ...['answer', 'receipt', 'progress', 'problem', 'start', 'stop', 'event', 'contract', 'purchase', 'found'].map(
      sink,
    ),
    { id: 'catch', type: 'catch', ...PLACE, scope: null, uncaught: false, wires: [['problem']] },
    ...Array.from({ length: buyers }, (_, n) => buyer(n)).flat(),
    ...each,
  ];
}

/** The node that finds offers; added to a flow of its own, since it costs what it finds. */
export function searchNode(service: string): object {
  return {
    id: 'search',
    type: 'iota-listen',
    ...PLACE,
    source: 'offers',
    machine: 'machine-0',
    channel: 'mqtt',
    broker: 'broker',
    service,
    near: '',
    maxDistance: '',
    maxPrice: '',
    wires: [['found']],
  };
}
