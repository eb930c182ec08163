import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Worker } from 'node:worker_threads';
import type { CodedError } from '../../lib/errors';
import { type Evidence, readProof, readSigned } from '../../lib/evidence';
import type { EvidencedReading, LedgerConnection, LogStatus, Machine, MachineConfiguration } from '../../lib/runtime';
import { freePorts } from '../flows/node-red-process';

// The bundle, because the runtime starts worker threads from the files beside it.
const bundle = () =>
  require(resolve(__dirname, '..', '..', 'dist', 'runtime.js')) as typeof import('../../lib/runtime');

const QUICK = { tag: 'me1:log', batchCount: 1000, batchSeconds: 1 };
const NODE = 'sign-node';

describe('evidence, with real threads and a real ledger', function () {
  this.timeout(60_000);
  let userDir: string;
  let port: number;
  let workers: Worker[];
  let events: EventEmitter;
  const remember = (worker: Worker) => workers.push(worker);

  const red = () => ({ settings: { userDir }, events });
  const runtime = () => bundle().runtimeOf(red());
  const sandbox = () =>
    runtime().openLedger({ nodeId: 'ledger', network: 'sandbox-tangle', port, deviceBrokerPort: 0 });
  /** The same Tangle, as a node that somebody else runs. */
  const byUrl = () =>
    runtime().openLedger({
      nodeId: 'url',
      network: 'tangle',
      url: `http://127.0.0.1:${port}`,
      faucetUrl: `http://127.0.0.1:${port}/api/enqueue`,
    });
  const openMachine = (ledger: LedgerConnection, key: string, more: Partial<MachineConfiguration> = {}) =>
    runtime().openMachine(
      { nodeId: key, key, accountIndex: 0, policy: null, contacts: null, anchoring: QUICK, ...more },
      ledger,
    );
  const sign = (machine: Machine, payload: unknown, origin = true) =>
    machine.sign({ payload, format: 'data-integrity', readers: [], ...(origin && { origin: { nodeId: NODE } }) });

  /** Gathers evidence until there is some for so many documents. */
  const evidenced = (machine: Machine, count: number): Promise<EvidencedReading[]> =>
    new Promise((found) => {
      const readings: EvidencedReading[] = [];
      const stop = machine.onEvidence(NODE, (reading) => {
        readings.push(reading);
        if (readings.length < count) return;
        // What is handed over last is acknowledged after this returns.
        setImmediate(stop);
        found(readings);
      });
    });
  const untilLog = (machine: Machine, wanted: (status: LogStatus) => boolean): Promise<LogStatus> =>
    new Promise((found) => {
      const stop = machine.watchLog((status) => {
        if (!wanted(status)) return;
        setImmediate(() => stop());
        found(status);
      });
    });

  beforeEach(async () => {
    workers = [];
    events = new EventEmitter();
    process.on('worker', remember);
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-evidence-'));
    [port] = (await freePorts(1)) as [number];
  });
  afterEach(async () => {
    await bundle().closeRuntimes();
    process.off('worker', remember);
    await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
    assert.equal(workers.filter((worker) => worker.threadId !== -1).length, 0, 'no thread is left behind');
  });

  it('signs, records a checkpoint for all, and hands over evidence that is verified on the ledger', async () => {
    const ledger = sandbox();
    const machine = openMachine(ledger, 'press');
    const arrived = evidenced(machine, 20);
    const signed = await Promise.all(Array.from({ length: 20 }, (_, n) => sign(machine, { bar: n })));
    assert.deepEqual(
      signed.map(({ sequence }) => sequence),
      signed.map((_, n) => n),
    );
    const readings = await arrived;
    assert.deepEqual(
      readings.map(({ sequence, payload }) => ({ sequence, payload })),
      signed.map(({ sequence, payload }) => ({ sequence, payload })),
      'the documents are those that were signed, in their order',
    );
    assert.equal(new Set(readings.map(({ evidence }) => evidence.anchor.transactionId)).size, 1, 'one transaction');
    assert.ok(readings.every(({ redelivered }) => !redelivered));
    const payload = readings.map(({ payload: document, evidence }) => ({ document, evidence }));
    const did = readSigned(signed[0]?.payload).signatures[0]?.signer ?? '';
    const verdict = await runtime().verify({ payload, trusted: [did], requireAnchor: true }, ledger);
    assert.deepEqual([verdict.valid, verdict.anchored, verdict.problems], [true, true, []]);
    const changed = structuredClone(payload) as unknown as { document: { bar: number } }[];
    if (changed[7]) changed[7].document.bar = 8;
    const caught = await runtime().verify({ payload: changed, trusted: [did], requireAnchor: true }, ledger);
    assert.equal(caught.valid, false);
    assert.ok(caught.problems.every(({ document }) => document === 7));
  });

  it('records one chain: each checkpoint spends the one before it', async () => {
    const ledger = sandbox();
    const machine = openMachine(ledger, 'press');
    for (let round = 0; round < 3; round += 1) {
      const arrived = evidenced(machine, 1);
      await sign(machine, { round });
      await arrived;
    }
    const heads = await fetch(
      `http://127.0.0.1:${port}/api/indexer/v1/outputs/basic?tag=0x${Buffer.from('me1:log').toString('hex')}`,
    );
    assert.equal(((await heads.json()) as { items: string[] }).items.length, 1, 'one deposit');
  });

  it('pays while it anchors: neither waits for long, and the deposit of the log is not spent', async () => {
    const ledger = sandbox();
    const policy = { budgets: [{ amount: '100 IOTA', window: '24h' }], payees: ['*'] };
    const [machine, payee] = [openMachine(ledger, 'press', { policy }), openMachine(ledger, 'payee')];
    const to = await didOf(payee);
    const arrived = evidenced(machine, 50);
    const signing = (async () => {
      for (let n = 0; n < 50; n += 1) {
        await sign(machine, { n });
        await new Promise((next) => setTimeout(next, 100));
      }
    })();
    const waited: number[] = [];
    while ((await machine.balance()).available === '0') await new Promise((retry) => setTimeout(retry, 50));
    for (let n = 0; n < 5; n += 1) {
      const asked = performance.now();
      const order = { to, amount: '1 IOTA', reference: `${n}`, paymentId: `${n}`, origin: { nodeId: 'pay' } };
      assert.equal((await machine.pay(order, () => {})).status, 'confirmed');
      waited.push(performance.now() - asked);
    }
    await signing;
    assert.equal(new Set((await arrived).map(({ sequence }) => sequence)).size, 50);
    const { total, reserved, available } = await machine.balance();
    assert.equal(BigInt(total), 995_000_000n, 'only the payments are gone');
    assert.ok(BigInt(reserved) > 0n, 'the deposit is not for payments');
    assert.equal(BigInt(available), BigInt(total) - BigInt(reserved));
    // A milestone a second: its own, and at most the one of a record that was under way.
    assert.ok(Math.max(...waited) < 10_000, `${waited.map(Math.round)} ms`);
  });

  it('signs while the ledger is away, and anchors all of it when it is back', async () => {
    // A first life, in which the machine gets its key and its money.
    const first = openMachine(sandbox(), 'press');
    const arrived = evidenced(first, 1);
    await sign(first, { life: 1 });
    await arrived;
    // What was handed over is acknowledged a moment later; one that is not would come again.
    while ((await first.logStatus()).waiting > 0) await new Promise((retry) => setTimeout(retry, 20));
    await bundle().closeRuntimes();

    const machine = openMachine(byUrl(), 'press');
    const signed = await Promise.all(Array.from({ length: 50 }, (_, n) => sign(machine, { life: 2, n })));
    assert.deepEqual(
      signed.map(({ sequence }) => sequence),
      signed.map((_, n) => n + 1),
      'the log goes on where it was',
    );
    const status = await machine.logStatus();
    assert.deepEqual([status.size, status.waiting], [51, 50]);
    const later = evidenced(machine, 50);
    sandbox();
    const readings = await later;
    assert.deepEqual(
      readings.map(({ sequence }) => sequence),
      signed.map(({ sequence }) => sequence),
    );
    assert.ok(readings.every(({ redelivered }) => !redelivered));
  });

  it('hands over after a restart what was still waiting, to the node that signed it', async () => {
    const slow = { ...QUICK, batchSeconds: 600 };
    const first = openMachine(sandbox(), 'press', { anchoring: slow });
    const origin = { nodeId: NODE, topic: 'plant/press', messageId: 'abc' };
    const signed = await Promise.all(
      [0, 1, 2].map((n) => first.sign({ payload: { n }, format: 'jws', readers: [], origin })),
    );
    await bundle().closeRuntimes();

    const machine = openMachine(sandbox(), 'press');
    const readings = await evidenced(machine, 3);
    assert.deepEqual(
      readings.map(({ payload, redelivered, origin: known }) => ({ payload, redelivered, known })),
      signed.map(({ payload }) => ({ payload, redelivered: true, known: origin })),
    );
    await untilLog(machine, ({ waiting }) => waiting === 0);
  });

  it('tells the owner of evidence that nobody takes any more', async () => {
    const first = openMachine(sandbox(), 'press', { anchoring: { ...QUICK, batchSeconds: 600 } });
    const { payload } = await sign(first, { last: 'words' });
    await bundle().closeRuntimes();

    const machine = openMachine(sandbox(), 'press');
    const told = new Promise<{ document: unknown; evidence: Evidence }>((found) => {
      machine.onEvent((event) => {
        if (event.event === 'evidence') found(event);
      });
    });
    events.emit('flows:started');
    const { document, evidence } = await told;
    assert.deepEqual(document, payload);
    assert.equal(readProof(evidence.proof).index, 0);
  });

  it('signs everything although the vault dies in the middle', async () => {
    const machine = openMachine(sandbox(), 'press');
    await sign(machine, { warm: true }, false);
    const asked = Array.from({ length: 500 }, (_, n) => sign(machine, { n }));
    await workers[0]?.terminate();
    const signed = await Promise.all(asked);
    const sequences = new Set(signed.map(({ sequence }) => sequence));
    assert.equal(sequences.size, 500, 'no number twice');
    for (const { payload, sequence } of signed) {
      const [signature] = readSigned(payload).signatures;
      assert.deepEqual([signature?.sequence, signature?.verify()], [sequence, true]);
    }
  });

  it('keeps documents for chosen readers to them', async () => {
    const ledger = sandbox();
    const [reader, stranger] = [openMachine(ledger, 'reader'), openMachine(ledger, 'stranger')];
    const did = await didOf(reader);
    const machine = openMachine(ledger, 'press', { contacts: { customer: did } });
    const { payload } = await machine.sign({ payload: { secret: 7 }, format: 'jws', readers: ['customer'] });
    assert.doesNotMatch(JSON.stringify(payload), /secret/);
    assert.ok(typeof payload === 'object');
    assert.deepEqual(readSigned(await reader.decrypt(payload)).content, { secret: 7 });
    await assert.rejects(stranger.decrypt(payload), (error: CodedError) => error.code === 'KEY_MISSING');
    await assert.rejects(
      machine.sign({ payload: {}, format: 'jws', readers: ['nobody'] }),
      (error: CodedError) => error.code === 'CONFIG_INVALID' && error.detail === 'reader',
    );
  });

  it('hands its voice over to another key, and says nothing more with the old one', async () => {
    const ledger = sandbox();
    const [machine, successor] = [openMachine(ledger, 'old'), openMachine(ledger, 'new')];
    const [before, after] = [await didOf(machine), await didOf(successor)];
    const first = await sign(machine, { n: 0 }, false);
    const told = new Promise<Evidence>((found) => {
      machine.onEvent((event) => {
        if (event.event === 'evidence') found(event.evidence);
      });
    });
    const statement = await machine.succeed({ key: 'new' });
    await assert.rejects(sign(machine, { n: 1 }), (error: CodedError) => error.detail === 'succeeded');
    await assert.rejects(machine.succeed({ key: 'new' }), (error: CodedError) => error.detail === 'succeeded');
    const next = await sign(successor, { n: 1 }, false);
    const evidence = await told;
    const payload = [first.payload, { document: statement, evidence }, next.payload];
    const verdict = await runtime().verify({ payload, trusted: [before], requireAnchor: false }, ledger);
    assert.deepEqual([verdict.valid, verdict.problems], [true, []]);
    const without = await runtime().verify({ payload: next.payload, trusted: [before], requireAnchor: false });
    assert.equal(without.valid, false, `nobody knows that ${after} speaks for ${before}`);
  });

  async function didOf(machine: Machine): Promise<string> {
    return new Promise((found) => {
      machine.watch((state) => {
        if (state.phase === 'ready') found(state.identity.did);
      });
    });
  }
});
