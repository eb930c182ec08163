import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type MessagePort, Worker } from 'node:worker_threads';
import { isCodedError } from '../../lib/errors';
import { type Ledger, type LedgerSignal, RemoteLedger, SupervisedLedger } from '../../lib/ledger';
import { type SandboxTangle, startTangle } from '../../lib/sandbox';
import type { Address } from '../../lib/values';
import { Purse } from './purse';

const MORTAL = join(__dirname, 'fixtures', 'mortal-worker.cjs');
const STARDUST = resolve(__dirname, '../../dist/stardust-worker.js');
const NOWHERE = 'tst1' as Address;
const unreachable = (error: unknown) => isCodedError(error, 'LEDGER_UNREACHABLE');

describe('a supervised ledger', () => {
  let supervised: SupervisedLedger;
  let crashes: { message: string; pause: number }[];
  let crashed: () => void;
  const remotes: RemoteLedger[] = [];

  beforeEach(() => {
    crashes = [];
    crashed = () => {};
    supervised = new SupervisedLedger({
      workerPath: MORTAL,
      workerData: {},
      onCrash: ({ message }, pause) => {
        crashes.push({ message, pause });
        crashed();
      },
    });
  });
  afterEach(async () => {
    await supervised.close();
    for (const remote of remotes.splice(0)) remote.close();
  });

  const consumer = () => {
    const remote = new RemoteLedger();
    remotes.push(remote);
    supervised.connect((port) => remote.use(port));
    return remote;
  };
  const life = async (remote: RemoteLedger) => (await remote.ledger.network()).networkId;

  it('answers each of its consumers through a port of its own', async () => {
    const [one, two] = [consumer(), consumer()];
    assert.equal(await life(one), await life(two));
    one.close();
    await assert.rejects(life(one), unreachable);
    await life(two);
  });

  for (const [how, kill] of [
    ['panics in the middle of a call', (ledger: Ledger) => ledger.requestFunds(NOWHERE)],
    ['exits in the middle of a call', (ledger: Ledger) => ledger.outcome({ transactionId: '', inputs: [] })],
  ] as const) {
    it(`that ${how} fails what is pending, and every consumer goes on with a new one`, async () => {
      const [one, two] = [consumer(), consumer()];
      const before = await life(one);
      const signals: string[] = [];
      const upAgain = [one, two].map((remote) => heard(remote, 'up', 2));
      two.onSignal(({ kind }) => signals.push(kind));
      const pending = two.ledger.spends([]);
      await Promise.all([assert.rejects(kill(one.ledger), unreachable), assert.rejects(pending, unreachable)]);
      await Promise.all(upAgain);
      assert.notEqual(await life(one), before);
      assert.equal(await life(one), await life(two));
      assert.deepEqual(signals.slice(-2), ['down', 'up']);
      assert.equal(crashes.length, 1);
    });
  }

  it('that dies again and again is started after longer and longer pauses', async () => {
    const remote = consumer();
    for (let i = 0; i < 3; i += 1) {
      const up = heard(remote, 'up', 2);
      await life(remote);
      await assert.rejects(remote.ledger.requestFunds(NOWHERE), unreachable);
      await up;
    }
    assert.deepEqual(
      crashes.map(({ pause }) => pause),
      [100, 200, 400],
    );
    assert.match(crashes[0]?.message ?? '', /panicked/);
  });

  it('whose worker cannot be started at all says so and goes on trying', async () => {
    const seen: number[] = [];
    await new Promise<void>((done) => {
      const hopeless = new SupervisedLedger({
        workerPath: join(__dirname, 'no-such-worker.cjs'),
        workerData: {},
        onCrash: (_, pause) => {
          seen.push(pause);
          if (seen.length === 2) void hopeless.close().then(done);
        },
      });
    });
    assert.deepEqual(seen, [100, 200]);
  });

  it('is closed also while it is deaf, and its consumers hear of it', async () => {
    const remote = consumer();
    await life(remote);
    const deaf = remote.ledger.submit({ transactionId: '', bytes: new Uint8Array() });
    const down = heard(remote, 'down');
    const closing = supervised.close();
    await assert.rejects(deaf, unreachable);
    await Promise.all([closing, down]);
    assert.deepEqual(crashes, []);
  });

  it('that is closed in the pause after a crash is not started again', async () => {
    const remote = consumer();
    await life(remote);
    const crash = new Promise<void>((resolvePromise) => {
      crashed = resolvePromise;
    });
    await assert.rejects(remote.ledger.requestFunds(NOWHERE), unreachable);
    await crash;
    let ports = 0;
    supervised.connect(() => {
      ports += 1;
    });
    await supervised.close();
    const probe = new SupervisedLedger({ workerPath: MORTAL, workerData: {} });
    const other = new RemoteLedger();
    probe.connect((port) => other.use(port));
    // The pause is over by then: this one crashes and comes back after just as long.
    const up = heard(other, 'up', 2);
    await life(other);
    await assert.rejects(other.ledger.requestFunds(NOWHERE), unreachable);
    await up;
    assert.equal(ports, 0);
    await probe.close();
    other.close();
  });

  it('serves another thread directly, and hands it a new port after a crash', async () => {
    // What the vault is to the ledger: a thread of its own that is given ports.
    const vault = new Worker(VAULT, { eval: true });
    const answers = { next: once(vault, 'message') };
    supervised.connect((port: MessagePort) => vault.postMessage({ port }, [port]));
    const [first] = (await answers.next) as [string];
    assert.match(first, /^life/);
    answers.next = once(vault, 'message');
    vault.postMessage({ kill: true });
    const [second] = (await answers.next) as [string];
    assert.match(second, /^life/);
    assert.notEqual(second, first);
    await vault.terminate();
  });
});

const VAULT = `
  const { parentPort } = require('node:worker_threads');
  let ledger;
  parentPort.on('message', ({ port, kill }) => {
    if (kill) return ledger.postMessage({ call: 2, method: 'requestFunds', parameters: [] });
    ledger = port;
    port.on('message', ({ reply, result }) => reply === 1 && parentPort.postMessage(result.networkId));
    port.postMessage({ call: 1, method: 'network', parameters: [] });
  });
`;

describe('the worker of a Tangle', function () {
  this.timeout(30_000);
  let tangle: SandboxTangle;
  let supervised: SupervisedLedger | undefined;

  before(async () => {
    assert.ok(existsSync(STARDUST), 'run `npm run build` first');
    tangle = await startTangle({ port: 0, milestoneInterval: 100 });
  });
  after(() => tangle.close());
  afterEach(() => supervised?.close());

  it('serves the port across threads: signals, payments, errors with their code', async () => {
    const started = new Promise<string>((resolvePromise) => {
      supervised = new SupervisedLedger({
        workerPath: STARDUST,
        workerData: { url: tangle.url, mqttUrl: tangle.mqttUrl, faucetUrl: tangle.faucetUrl },
        onStarted: ({ sdk }) => resolvePromise(sdk),
      });
    });
    const remote = new RemoteLedger();
    supervised?.connect((port) => remote.use(port));
    const { ledger } = remote;
    const up = await heard(remote, 'up');
    const network = await ledger.network();
    assert.ok(up.kind === 'up');
    assert.deepEqual(up.network, network);
    assert.equal(await started, process.env.IOTA_SDK === 'native' ? await started : 'wasm');

    const [payer, payee] = [new Purse(network.addressForm), new Purse(network.addressForm)];
    const { cursor } = await ledger.holdings(payee.address);
    await ledger.requestFunds(payer.address);
    let outputs = (await ledger.holdings(payer.address)).outputs;
    while (outputs.length === 0) {
      await heard(remote, 'wake');
      outputs = (await ledger.holdings(payer.address)).outputs;
    }
    const payment = { to: payee.address, amount: network.minimumChange * 2n, reference: 'across threads' };
    const transaction = await payer.sign(ledger, { payments: [payment] }, outputs);
    await ledger.submit(transaction.sealed);
    while ((await ledger.outcome(transaction)).state !== 'final') await heard(remote, 'wake');
    const { received } = await ledger.read(payee.address, cursor);
    assert.deepEqual(
      received.map(({ amount, reference }) => ({ amount, reference })),
      [{ amount: payment.amount, reference: payment.reference }],
    );

    await assert.rejects(
      ledger.read(payee.address, '99999:0'),
      (error) =>
        isCodedError(error, 'LEDGER_OUT_OF_SYNC') && error.detail === 'behind' && error.parameters.ours === 99998,
    );
    remote.close();
  });

  it('offers the methods of the port and nothing else of the adapter', async () => {
    supervised = new SupervisedLedger({ workerPath: STARDUST, workerData: { url: tangle.url, mqttUrl: null } });
    const remote = new RemoteLedger();
    supervised.connect((port) => remote.use(port));
    const others = remote.ledger as unknown as Record<string, () => Promise<unknown>>;
    for (const method of ['close', 'onSignal', 'toString', 'constructor'])
      await assert.rejects(others[method]?.() ?? Promise.resolve(), /no such method/);
    assert.ok(await remote.ledger.network());
    remote.close();
  });

  it('lets the process end by itself once it is closed', async () => {
    const script = `
      const { SupervisedLedger, RemoteLedger } = require(${JSON.stringify(resolve(__dirname, '../../lib/ledger'))});
      const supervised = new SupervisedLedger({ workerPath: ${JSON.stringify(STARDUST)}, workerData: ${JSON.stringify({ url: tangle.url, mqttUrl: tangle.mqttUrl })} });
      const remote = new RemoteLedger();
      supervised.connect((port) => remote.use(port));
      remote.ledger.network().then(async () => {
        await supervised.close();
        console.log('closed');
      });
    `;
    const child = spawn(process.execPath, ['--import', 'tsx', '--eval', script], {
      cwd: resolve(__dirname, '../..'),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const said: string[] = [];
    child.stdout.on('data', (chunk) => said.push(String(chunk)));
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    clearTimeout(late);
    assert.deepEqual([code, signal, said.join('').trim()], [0, null, 'closed']);
  });
});

/** The count-th signal of a kind from now on; what was said before counts as the first. */
function heard(remote: RemoteLedger, kind: LedgerSignal['kind'], count = 1): Promise<LedgerSignal> {
  return new Promise((resolvePromise) => {
    let left = count;
    const stop = remote.onSignal((signal) => {
      if (signal.kind !== kind) return;
      left -= 1;
      if (left > 0) return;
      queueMicrotask(() => stop());
      resolvePromise(signal);
    });
  });
}
