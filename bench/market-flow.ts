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
/** One that has time calls three times meanwhile, if nobody answers. */
export const PATIENT_MS = 3000;

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
  const buy = (name: string, machine: string, waitMs: number) => ({
    id: `buy-${name}`,
    type: 'iota-buy',
    ...PLACE,
    machine,
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
    waitSeconds: String(waitMs / 1000),
    choose: 'cheapest',
    wires: [['contract'], ['purchase']],
  });
  const buyer = (n: number) => [
    machine(`machine-${n}`),
    { id: `wallet-${n}`, type: 'iota-wallet', ...PLACE, machine: `machine-${n}`, action: '', wires: [['answer'], []] },
    { id: `pay-${n}`, type: 'iota-pay', ...PLACE, machine: `machine-${n}`, wires: [['receipt'], ['progress']] },
    buy(String(n), `machine-${n}`, BIDS_MS),
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
    ...['answer', 'receipt', 'progress', 'problem', 'start', 'stop', 'event', 'contract', 'purchase'].map(sink),
    { id: 'catch', type: 'catch', ...PLACE, scope: null, uncaught: false, wires: [['problem']] },
    ...Array.from({ length: buyers }, (_, n) => buyer(n)).flat(),
    buy('patient', 'machine-0', PATIENT_MS),
    ...each,
  ];
}
