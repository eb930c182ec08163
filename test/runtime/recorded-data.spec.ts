import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { type CodedError, isCodedError } from '../../lib/errors';
import type { SpendableOutput } from '../../lib/ledger';
import { StardustLedger } from '../../lib/ledger/stardust';
import type { DataEvent, DataListenOrder, LedgerConnection, LedgerState } from '../../lib/runtime';
import { freePorts } from '../flows/node-red-process';
import { Purse } from '../ledger/purse';

// The bundle, because the runtime starts worker threads from the files beside it.
const bundle = () =>
  require(resolve(__dirname, '..', '..', 'dist', 'runtime.js')) as typeof import('../../lib/runtime');

/** Somebody else on the ledger, who records things. */
class Recorder {
  #funds: readonly SpendableOutput[] = [];

  private constructor(
    private readonly ledger: StardustLedger,
    readonly purse: Purse,
  ) {}

  static async on(url: string): Promise<Recorder> {
    const ledger = new StardustLedger({ url, faucetUrl: `${url}/api/enqueue`, mqttUrl: null });
    const purse = new Purse((await ledger.network()).addressForm);
    const recorder = new Recorder(ledger, purse);
    await ledger.requestFunds(purse.address);
    while (recorder.#funds.length === 0) recorder.#funds = (await ledger.holdings(purse.address)).outputs;
    return recorder;
  }

  async record(text: string, tag = 'readings'): Promise<string> {
    const records = [{ tag: Buffer.from(tag), bytes: Buffer.from(text) }];
    const signed = await this.purse.sign(this.ledger, { records }, this.#funds);
    await this.ledger.submit(signed.sealed);
    while ((await this.ledger.outcome(signed)).state !== 'final') await new Promise((retry) => setTimeout(retry, 20));
    this.#funds = signed.sealed.change ?? [];
    return signed.transactionId;
  }

  close(): Promise<void> {
    return this.ledger.close();
  }
}

describe('data recorded on a ledger, through the runtime with its real threads', function () {
  this.timeout(60_000);
  let userDir: string;
  let port: number;
  let workers: Worker[];
  let recorder: Recorder | undefined;
  let heard: { event: DataEvent; redelivered: boolean }[];
  let troubles: (CodedError | undefined)[];
  let changed = () => {};
  const remember = (worker: Worker) => workers.push(worker);

  const openLedger = () =>
    bundle()
      .runtimeOf({ settings: { userDir }, events: new EventEmitter() })
      .openLedger({ nodeId: 'ledger', network: 'sandbox-tangle', port, deviceBrokerPort: 0 });
  const urlOf = (ledger: LedgerConnection): Promise<string> =>
    new Promise((found) => {
      let stop = () => {};
      stop = ledger.watch((state: LedgerState) => {
        if (state.phase !== 'up') return;
        setImmediate(() => stop());
        found(state.url);
      });
    });
  const listen = (ledger: LedgerConnection, order: Partial<DataListenOrder> = {}) =>
    ledger.listenData(
      { listenerId: 'listen-node', from: 'beginning', tag: 'readings', ...order },
      {
        event(event, redelivered) {
          heard.push({ event, redelivered });
          changed();
        },
        trouble: (error) => {
          troubles.push(error);
        },
      },
    );
  const hears = async (...texts: string[]) => {
    while (heard.length < texts.length)
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    assert.deepEqual(
      heard.map(({ event }) => event.bytes.toString()),
      texts,
    );
  };

  beforeEach(async () => {
    workers = [];
    heard = [];
    troubles = [];
    recorder = undefined;
    process.on('worker', remember);
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-data-'));
    [port] = (await freePorts(1)) as [number];
  });
  afterEach(async () => {
    await recorder?.close();
    await bundle().closeRuntimes();
    process.off('worker', remember);
    await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
    assert.equal(workers.filter((worker) => worker.threadId !== -1).length, 0, 'no thread is left behind');
  });

  it('reaches who listens, without any machine, and goes on after a restart where it was', async () => {
    let ledger = openLedger();
    const { record, purse } = await openRecorder(ledger);
    const stop = listen(ledger);
    const transactionId = await record('{"reading":21.5}');
    await record('somewhere else', 'others');
    await record('second');
    await hears('{"reading":21.5}', 'second');
    const [first] = heard;
    assert.equal(first?.event.transactionId, transactionId);
    assert.equal(first?.event.sender, purse.address);
    assert.deepEqual(first?.event.json, { reading: 21.5 });
    assert.match(first?.event.eventId ?? '', new RegExp(`^[\\w-]+:${transactionId}:0$`));
    assert.ok(Math.abs(Date.parse(first?.event.confirmedAt ?? '') - Date.now()) < 60_000);
    // No key was made, for nobody needs one.
    assert.deepEqual((await readdir(join(userDir, 'machine-economy'))).includes('machines'), false);

    stop();
    await record('while nobody listened');
    await recorder?.close();
    await bundle().closeRuntimes();
    ledger = openLedger();
    await urlOf(ledger);
    listen(ledger, { from: 'now' });
    await hears('{"reading":21.5}', 'second', 'while nobody listened');
    assert.deepEqual(
      heard.map(({ redelivered }) => redelivered),
      [false, false, false],
    );
    assert.deepEqual(troubles, []);
  });

  // In the order in which the runtime starts them: vault, sandbox, ledger.
  for (const [index, name] of ['vault', 'sandbox', 'ledger'].entries()) {
    it(`goes on by itself although the ${name}'s thread dies`, async () => {
      const ledger = openLedger();
      const { record } = await openRecorder(ledger);
      listen(ledger);
      await record('before');
      await hears('before');
      await (workers[index] as Worker).terminate();
      // The sandbox comes back on its port, and with its data.
      for (let recorded = false; !recorded; )
        recorded = await record('after').then(
          () => true,
          async (error: unknown) => {
            assert.ok(isCodedError(error));
            await new Promise((retry) => setTimeout(retry, 50));
            return false;
          },
        );
      await hears('before', 'after');
      assert.deepEqual(troubles, []);
    });
  }

  it('is read once for many listeners, each with its own place', async () => {
    const ledger = openLedger();
    const { record } = await openRecorder(ledger);
    const all: string[] = [];
    const stops = Array.from({ length: 5 }, (_, i) =>
      ledger.listenData(
        { listenerId: `node-${i}`, from: 'beginning', tag: i === 0 ? '' : 'readings' },
        { event: ({ bytes }) => void all.push(`${i} ${bytes}`), trouble: (error) => void troubles.push(error) },
      ),
    );
    await record('one');
    await record('two', 'others');
    await record('three');
    listen(ledger);
    while (all.length < 3 + 4 * 2) await new Promise((retry) => setTimeout(retry, 20));
    await hears('one', 'three');
    assert.deepEqual(
      all.filter((line) => line.startsWith('0')),
      ['0 one', '0 two', '0 three'],
    );
    for (const stop of stops) stop();
    assert.deepEqual(troubles, []);
  });

  it('is not asked for with a tag that is none', () => {
    const ledger = openLedger();
    assert.throws(
      () => listen(ledger, { tag: '0xzz' }),
      (error: CodedError) => error.code === 'CONFIG_INVALID',
    );
  });

  async function openRecorder(ledger: LedgerConnection) {
    const opened = await Recorder.on(await urlOf(ledger));
    recorder = opened;
    return { record: (text: string, tag?: string) => opened.record(text, tag), purse: opened.purse };
  }
});
