/** One machine, what it sells and what it buys. */
export interface SideOptions {
  readonly name: string;
  readonly offers?: readonly OfferProperties[];
  /** A buy node for each service. */
  readonly buys?: readonly BuyProperties[];
}

export interface OfferProperties {
  readonly service: string;
  readonly [property: string]: unknown;
}

export interface BuyProperties {
  readonly service: string;
  readonly [property: string]: unknown;
}

export interface Surroundings {
  readonly ledger: Readonly<Record<string, unknown>>;
  readonly brokerPort: number;
  readonly protocolVersion?: string;
  /** Where everything that leaves a node is written. */
  readonly logFile: string;
}

const POLICY = {
  maxPerPayment: '20 IOTA',
  budgets: [{ amount: '900 IOTA', window: '24h' }],
  payees: ['*'],
};
const PLACE = { z: 'market', x: 0, y: 0 };

/** Names of the nodes of a side. */
export const offerNode = (service: string) => `offer-${service}`;
export const buyNode = (service: string) => `buy-${service}`;

/**
 * A Node-RED flow of one machine on the marketplace. `POST /tell/<node>` puts a message into a node; whatever leaves one is
 * a line in a file, synced: it left, whatever happens to the process after.
 */
export function sideFlow(options: SideOptions, { ledger, brokerPort, protocolVersion, logFile }: Surroundings) {
  const { name, offers = [], buys = [] } = options;
  const machine = `machine-${name}`;
  const nodes: object[] = [
    { id: 'market', type: 'tab', label: name },
    { id: 'ledger', type: 'iota-ledger', name: '', ...ledger },
    {
      id: 'broker',
      type: 'mqtt-broker',
      name: '',
      broker: '127.0.0.1',
      port: String(brokerPort),
      clientid: '',
      autoConnect: true,
      usetls: false,
      protocolVersion: protocolVersion ?? '4',
      keepalive: '60',
      cleansession: true,
    },
    {
      id: machine,
      type: 'iota-machine',
      name,
      ledger: 'ledger',
      key: `market-${name}`,
      accountIndex: 0,
      policy: JSON.stringify(POLICY),
      contacts: '{}',
    },
    ...told('wallet', ['wallet']),
    { id: 'wallet', type: 'iota-wallet', ...PLACE, machine, action: '', wires: [['kept-wallet-0'], ['kept-wallet-1']] },
    ...told('pay', ['pay']),
    { id: 'pay', type: 'iota-pay', ...PLACE, machine, wires: [['kept-pay-0'], []] },
    {
      id: 'contracts',
      type: 'iota-listen',
      ...PLACE,
      source: 'contracts',
      machine,
      from: 'beginning',
      wires: [['kept-contracts-0']],
    },
    { id: 'catch', type: 'catch', ...PLACE, scope: null, uncaught: false, wires: [['kept-error-0']] },
    { id: 'status', type: 'status', ...PLACE, scope: null, wires: [['kept-status-0']] },
    ...['wallet-0', 'wallet-1', 'pay-0', 'contracts-0', 'error-0', 'status-0'].map((output) => keeper(output, logFile)),
  ];
  for (const { service, ...more } of offers) {
    const id = offerNode(service);
    nodes.push(
      ...told(id, [id]),
      {
        id,
        type: 'iota-offer',
        ...PLACE,
        machine,
        channel: 'mqtt',
        broker: 'broker',
        service,
        title: service,
        price: '0.1 IOTA',
        unit: 'second',
        place: '',
        parameters: '',
        validFor: 60,
        capacity: 10,
        leadSeconds: '',
        autoPropose: true,
        underpaid: 'refund',
        ...more,
        wires: [0, 1, 2].map((output) => [`kept-${id}-${output}`]),
      },
      ...[0, 1, 2].map((output) => keeper(`${id}-${output}`, logFile)),
    );
  }
  for (const { service, ...more } of buys) {
    const id = buyNode(service);
    nodes.push(
      ...told(id, [id]),
      {
        id,
        type: 'iota-buy',
        ...PLACE,
        machine,
        channel: 'mqtt',
        broker: 'broker',
        service,
        parameters: 'payload.parameters',
        parametersType: 'msg',
        quantity: 'payload.quantity',
        quantityType: 'msg',
        maxPrice: 'payload.maxPrice',
        maxPriceType: 'msg',
        near: '',
        nearType: 'str',
        maxDistance: '',
        waitSeconds: 2,
        choose: 'cheapest',
        deliverWithin: '',
        ...more,
        wires: [[`kept-${id}-0`], [`kept-${id}-1`]],
      },
      ...[0, 1].map((output) => keeper(`${id}-${output}`, logFile)),
    );
  }
  return nodes;
}

/** `POST /tell/<name>` with `{ topic?, payload?, ... }`. */
function told(name: string, to: readonly string[]): object[] {
  return [
    {
      id: `told-${name}`,
      type: 'http in',
      ...PLACE,
      url: `/tell/${name}`,
      method: 'post',
      wires: [[`told-to-${name}`]],
    },
    {
      id: `told-to-${name}`,
      type: 'function',
      ...PLACE,
      func: 'node.send([{ ...msg, payload: "ok" }, null]);\nreturn [null, msg.payload];',
      outputs: 2,
      libs: [],
      wires: [[`told-ok-${name}`], to],
    },
    { id: `told-ok-${name}`, type: 'http response', ...PLACE, statusCode: '', wires: [] },
  ];
}

function keeper(output: string, logFile: string): object {
  return {
    id: `kept-${output}`,
    type: 'function',
    ...PLACE,
    func: `const fs = global.get('process').mainModule.require('fs');
const { req, res, ...told } = msg;
const file = fs.openSync(${JSON.stringify(logFile)}, 'a');
fs.writeSync(file, JSON.stringify({ output: ${JSON.stringify(output)}, told }) + '\\n');
fs.fsyncSync(file);
fs.closeSync(file);`,
    outputs: 0,
    libs: [],
    wires: [],
  };
}
