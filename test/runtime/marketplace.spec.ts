import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { BuySettings, ChannelSettings, Contract, OfferEvent, OfferSettings } from '../../lib/market/market-order';
import type { FinishedContract, LedgerConnection, Machine, OfferDesk, OfferState } from '../../lib/runtime';
import { freePorts } from '../flows/node-red-process';

// The bundle, because the runtime starts worker threads from the files beside it.
const bundle = () =>
  require(resolve(__dirname, '..', '..', 'dist', 'runtime.js')) as typeof import('../../lib/runtime');

const POLICY = { budgets: [{ amount: '100 IOTA', window: '24h' }], payees: ['*'] };
const ANCHORING = { tag: 'me1:log', batchCount: 1000, batchSeconds: 60 };

const OFFER: OfferSettings = {
  service: 'drilling',
  title: 'Holes',
  price: '2 IOTA',
  unit: 'second',
  place: '',
  parameters: '',
  validFor: 60,
  capacity: 1,
  leadSeconds: '',
  autoPropose: true,
  underpaid: 'refund',
};

const NEED: BuySettings = {
  service: 'drilling',
  parameters: undefined,
  quantity: '1',
  maxPrice: undefined,
  near: undefined,
  maxDistance: undefined,
  waitSeconds: 3,
  choose: 'cheapest',
  weights: undefined,
  expression: undefined,
  priceBand: undefined,
  deliverWithin: undefined,
};

/** One offer with what its node hears. */
class Seller {
  readonly events: OfferEvent[] = [];
  readonly states: OfferState[] = [];
  readonly #waiting = new Set<() => void>();
  readonly desk: OfferDesk;

  constructor(machine: Machine, nodeId: string, channel: ChannelSettings, settings: Partial<OfferSettings> = {}) {
    const heard = (event: OfferEvent) => {
      this.events.push(event);
      this.#look();
    };
    this.desk = machine.marketplace.offer(
      { nodeId, channel, settings: { ...OFFER, ...settings } },
      {
        start: heard,
        stop: heard,
        event: heard,
        state: (state) => {
          this.states.push(state);
          this.#look();
        },
      },
    );
  }

  names(): string[] {
    return this.events.map(({ event }) => event);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((again) => this.#waiting.add(again));
  }

  open(): Promise<void> {
    return this.until(() => this.states.at(-1)?.phase === 'open');
  }

  heard(name: OfferEvent['event']): Promise<void> {
    return this.until(() => this.names().includes(name));
  }

  #look(): void {
    for (const again of this.#waiting) again();
    this.#waiting.clear();
  }
}

describe('the marketplace, with its real threads', function () {
  this.timeout(90_000);
  let userDir: string;
  let port: number;
  let brokerPort: number;
  let workers: Worker[];
  const remember = (worker: Worker) => workers.push(worker);

  const ledgerOf = () =>
    bundle()
      .runtimeOf({ settings: { userDir }, events: new EventEmitter() })
      .openLedger({ nodeId: 'ledger', network: 'sandbox-tangle', port, deviceBrokerPort: brokerPort });
  const machineOf = (ledger: LedgerConnection, key: string) =>
    bundle()
      .runtimeOf({ settings: { userDir }, events: new EventEmitter() })
      .openMachine({ nodeId: key, key, accountIndex: 0, policy: POLICY, contacts: null, anchoring: ANCHORING }, ledger);
  const channel = (): ChannelSettings => ({
    kind: 'mqtt',
    url: `mqtt://127.0.0.1:${brokerPort}`,
    version: 4,
    keepalive: 60,
  });
  const funded = async (...machines: Machine[]): Promise<void> => {
    for (const machine of machines) {
      while ((await machine.balance()).available === '0') await new Promise((retry) => setTimeout(retry, 50));
    }
  };
  const total = async (machine: Machine) => BigInt((await machine.balance()).total);
  const buy = (machine: Machine, settings: Partial<BuySettings> = {}, heard: string[] = []) =>
    machine.marketplace.buy(
      { settings: { ...NEED, ...settings }, channel: channel(), origin: { nodeId: 'buy', messageId: 'm1' } },
      ({ event }) => heard.push(event),
    );

  beforeEach(async () => {
    workers = [];
    process.on('worker', remember);
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-market-'));
    [port, brokerPort] = (await freePorts(2)) as [number, number];
  });
  afterEach(async () => {
    await bundle().closeRuntimes();
    process.off('worker', remember);
    await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
    assert.equal(workers.filter((worker) => worker.threadId !== -1).length, 0, 'no thread is left behind');
  });

  it('finds the cheapest of three, pays it, and is served for as long as it paid', async () => {
    const ledger = ledgerOf();
    const machines = ['buyer', 'dear', 'cheap', 'middle'].map((key) => machineOf(ledger, key));
    const [buyer, dear, cheap, middle] = machines as [Machine, Machine, Machine, Machine];
    await funded(...machines);
    const before = await Promise.all([buyer, cheap].map(total));
    const sellers = [
      new Seller(dear, 'offer-dear', channel(), { price: '3 IOTA' }),
      new Seller(cheap, 'offer-cheap', channel(), { price: '1 IOTA' }),
      new Seller(middle, 'offer-middle', channel()),
    ];
    await Promise.all(sellers.map((seller) => seller.open()));
    const [, served] = sellers as [Seller, Seller, Seller];
    const finished = new Promise<FinishedContract>((found) => {
      cheap.marketplace.listenContracts({ listenerId: 'l', from: 'now' }, (event) => found(event));
    });
    const heard: string[] = [];
    buyer.marketplace.attendPurchases('buy', channel(), { contract: () => {}, failure: () => {}, channel: () => {} });
    const contract = await buy(buyer, {}, heard);
    assert.equal(contract.status, 'completed');
    assert.match(contract.chosenBecause ?? '', /cheapest/);
    assert.equal(contract.amount, '1000000');
    assert.deepEqual(
      heard.filter((event) => event !== 'proposal' && event !== 'called'),
      ['accepted', 'confirmed', 'paid'],
    );
    assert.equal((await finished).contract.contractId, contract.contractId);
    await served.heard('completed');
    const [start, stop] = served.events.filter(({ event, contractId }) => contractId && /start|stop/.test(event));
    assert.deepEqual([start?.event, stop?.event], ['start', 'stop']);
    const after = await Promise.all([buyer, cheap].map(total));
    assert.deepEqual(
      [(before[0] ?? 0n) - (after[0] ?? 0n), (after[1] ?? 0n) - (before[1] ?? 0n)],
      [1_000_000n, 1_000_000n],
    );
    await Promise.all([sellers[0], sellers[2]].map((seller) => seller?.heard('rejected')));
    for (const { desk } of sellers) desk.close();
  });

  for (const file of ['vault', 'market'] as const) {
    it(`comes to the same end on both sides although the ${file}'s thread dies in the middle`, async () => {
      const ledger = ledgerOf();
      const machines = ['buyer', 'seller'].map((key) => machineOf(ledger, key));
      const [buyer, selling] = machines as [Machine, Machine];
      await funded(buyer, selling);
      const before = await Promise.all(machines.map(total));
      const named = workers.filter((worker) => worker.threadId !== -1);
      const seller = new Seller(selling, 'offer', channel());
      await seller.open();
      const market = workers.filter((worker) => worker.threadId !== -1 && !named.includes(worker));
      const [victim] = file === 'market' ? market : named;
      assert.ok(victim, 'the thread runs');
      let found = (_: Contract) => {};
      const outcome = new Promise<Contract>((resolve) => (found = resolve));
      buyer.marketplace.attendPurchases('buy', channel(), {
        contract: (contract) => found(contract),
        failure: (_error, contract) => found(contract),
        channel: () => {},
      });
      const heard: string[] = [];
      const bought = buy(buyer, {}, heard).then((contract) => found(contract));
      bought.catch(() => {});
      await seller.heard('accepted');
      await victim.terminate();
      const contract = await outcome;
      assert.ok(['completed', 'refunded'].includes(contract.status), contract.status);
      await seller.heard(contract.status === 'completed' ? 'completed' : 'refunded');
      const after = await Promise.all(machines.map(total));
      const moved = contract.status === 'completed' ? 2_000_000n : 0n;
      assert.deepEqual([(before[0] ?? 0n) - (after[0] ?? 0n), (after[1] ?? 0n) - (before[1] ?? 0n)], [moved, moved]);
      seller.desk.close();
    });
  }
});
