import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { isCodedError } from '../../../lib/errors';
import { type ChannelSignal, RemoteChannels } from '../../../lib/market';
import { BUYER, NETWORK, SELLER } from '../deal';
import { startAedes, type TestBroker } from './brokers';
import { callOf, isCall, isDown, isUp, plain, SERVICE } from './meeting';

const WORKER = join(__dirname, '..', '..', '..', 'dist', 'market-worker.js');
const gone = (error: unknown) => {
  assert.ok(isCodedError(error, 'LEDGER_UNREACHABLE'), String(error));
  assert.equal(error.detail, 'market-restarting');
  return true;
};

describe('the market worker in its thread', function () {
  this.timeout(20_000);
  let broker: TestBroker;
  const workers: Worker[] = [];
  const remotes: RemoteChannels[] = [];

  before(() => assert.ok(existsSync(WORKER), 'run npm run build first'));
  beforeEach(async () => {
    broker = await startAedes();
  });
  afterEach(async () => {
    for (const remote of remotes.splice(0)) remote.close();
    await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
    await broker.remove();
  });

  function startWorker(): Worker {
    const worker = new Worker(WORKER);
    workers.push(worker);
    return worker;
  }

  function attach(remote: RemoteChannels, worker: Worker): void {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ attachVault: true, port: port1 }, [port1]);
    remote.use(port2);
  }

  function vault(worker: Worker) {
    const remote = new RemoteChannels();
    remotes.push(remote);
    attach(remote, worker);
    const next = (fits: (signal: ChannelSignal) => boolean) =>
      new Promise<ChannelSignal>((resolve) => {
        const stop = remote.onSignal((signal) => {
          if (!fits(signal)) return;
          stop();
          resolve(signal);
        });
      });
    return { remote, next, channels: remote.channels };
  }
  const open = async ({ next, channels }: ReturnType<typeof vault>, machine = SELLER) => {
    const up = next(isUp);
    await channels.open('c', { settings: plain(broker.url), did: machine.did, network: NETWORK });
    await up;
  };

  it('carries calls from one vault to another', async () => {
    const [seller, buyer] = [vault(startWorker()), vault(startWorker())];
    await Promise.all([open(seller), open(buyer, BUYER)]);
    await seller.channels.listenCalls('c', 'o', { service: SERVICE, parameters: { type: 'string' } });
    const heard = seller.next(isCall);
    const call = callOf(BUYER);
    await buyer.channels.send('c', call, false);
    const signal = await heard;
    assert.ok('call' in signal);
    assert.deepEqual(signal.call, call);
    assert.match(signal.problems['o'] ?? '', /string/);
  });

  it('says what is wrong with a schema, and ranks bids', async () => {
    const seller = vault(startWorker());
    await open(seller);
    await assert.rejects(
      async () => seller.channels.listenCalls('c', 'o', { service: SERVICE, parameters: { type: 'objekt' } }),
      (error) => isCodedError(error, 'CONFIG_INVALID') && error.detail === 'schema',
    );
    const rule = { choose: 'cheapest', weights: null, expression: null, priceBand: 0 } as const;
    assert.deepEqual((await seller.channels.rank([], rule, callOf(BUYER).message.body)).ranked, []);
  });

  it('is down for its vault when it dies, and a new one takes over', async () => {
    const seller = vault(startWorker());
    await open(seller);
    const down = seller.next(isDown);
    await workers[0]?.terminate();
    assert.match(JSON.stringify(await down), /is being restarted/);
    await assert.rejects(async () => seller.channels.answered('c', 'x'), gone);
    attach(seller.remote, startWorker());
    await open(seller);
  });

  it('forgets a vault whose successor has come', async () => {
    const worker = startWorker();
    const before = vault(worker);
    await open(before);
    const after = vault(worker);
    // Its socket ends, and the broker says so to whoever looks.
    await open(after);
    await assert.rejects(async () => before.channels.answered('c', 'x'), gone);
  });
});
