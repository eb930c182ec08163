import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createRelay, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { inspect } from 'node:util';
import type { Worker } from 'node:worker_threads';
import sinon from 'sinon';
import type { CodedError } from '../../lib/errors';
import type { Receipt, ReceivedPayment } from '../../lib/payments';
import type { LedgerConnection, LedgerState, Machine, MachineConfiguration, MachineState } from '../../lib/runtime';
import { freePorts } from '../flows/node-red-process';

// The bundle, because the runtime starts worker threads from the files beside it.
const bundle = () =>
  require(resolve(__dirname, '..', '..', 'dist', 'runtime.js')) as typeof import('../../lib/runtime');

const POLICY = { maxPerPayment: '5 IOTA', budgets: [{ amount: '100 IOTA', window: '24h' }], payees: ['*'] };
const ANCHORING = { tag: 'me1:log', batchCount: 1000, batchSeconds: 60 };

describe('the runtime, with its real threads', function () {
  this.timeout(60_000);
  let userDir: string;
  let port: number;
  let workers: Worker[];
  const remember = (worker: Worker) => workers.push(worker);
  const workerOf = (file: string) => {
    const found = workers.filter((worker) => worker.threadId !== -1).find((worker) => fileOf(worker).includes(file));
    assert.ok(found, `a worker of ${file} runs`);
    return found;
  };
  // Workers do not tell their file: they are told apart by the data they were given.
  const files = new WeakMap<Worker, string>();
  const fileOf = (worker: Worker) => files.get(worker) ?? '';

  const red = () => ({ settings: { userDir }, events: new EventEmitter() });
  const openLedger = (RED = red(), deviceBrokerPort = 0) =>
    bundle().runtimeOf(RED).openLedger({ nodeId: 'ledger', network: 'sandbox-tangle', port, deviceBrokerPort });
  const openMachine = (ledger: LedgerConnection, key: string, more: Partial<MachineConfiguration> = {}) =>
    bundle()
      .runtimeOf(red())
      .openMachine(
        { nodeId: key, key, accountIndex: 0, policy: POLICY, contacts: null, anchoring: ANCHORING, ...more },
        ledger,
      );

  const until = <S extends LedgerState | MachineState>(
    watched: { watch(listener: (state: S) => void): () => void },
    wanted: (state: S) => boolean,
  ): Promise<S> =>
    new Promise((found) => {
      let stop = () => {};
      stop = watched.watch((state) => {
        if (!wanted(state)) return;
        setImmediate(() => stop());
        found(state);
      });
    });
  const funded = async (machine: Machine): Promise<string> => {
    const state = await until<MachineState>(machine, ({ phase }) => phase === 'ready');
    for (;;) {
      if ((await machine.balance()).available !== '0') break;
      await new Promise((retry) => setTimeout(retry, 50));
    }
    return state.phase === 'ready' ? state.identity.address : '';
  };
  const pay = (machine: Machine, to: string, paymentId: string, amount = '1 IOTA'): Promise<Receipt> =>
    machine.pay({ to, amount, reference: paymentId, paymentId, origin: { nodeId: 'pay-node' } }, () => {});

  beforeEach(async () => {
    workers = [];
    process.on('worker', remember);
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-runtime-'));
    [port] = (await freePorts(1)) as [number];
  });
  afterEach(async () => {
    await bundle().closeRuntimes();
    process.off('worker', remember);
    await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
    const alive = workers.filter((worker) => worker.threadId !== -1);
    assert.equal(alive.length, 0, 'no thread is left behind');
  });

  it('makes keys, asks the faucet, pays, and hands over what was received', async () => {
    const ledger = openLedger();
    const [payer, payee] = [openMachine(ledger, 'payer'), openMachine(ledger, 'payee')];
    const [, to] = await Promise.all([funded(payer), funded(payee)]);
    const heard = new Promise<ReceivedPayment>((found) => {
      void payee.listen({ listenerId: 'listen-node', from: 'now' }, (payment) => {
        if (payment.reference === 'first') found(payment);
      });
    });
    const receipt = await pay(payer, to, 'first');
    assert.equal(receipt.amount, '1000000');
    const payment = await heard;
    assert.deepEqual(
      [payment.transactionId, payment.amount, payment.from],
      [receipt.transactionId, '1000000', receipt.from],
    );
    assert.deepEqual(await pay(payer, to, 'first'), receipt, 'the same id answers with the same receipt');
    await assert.rejects(pay(payer, to, 'first', '2 IOTA'), (error: CodedError) => error.code === 'PAYMENT_MISMATCH');
    await assert.rejects(pay(payer, to, 'big', '6 IOTA'), (error: CodedError) => error.code === 'POLICY_PAYMENT_LIMIT');
  });

  for (const [index, name] of ['vault', 'ledger', 'sandbox'].entries()) {
    it(`settles a payment once although the ${name}'s thread dies in the middle`, async () => {
      const ledger = openLedger();
      const [payer, payee] = [openMachine(ledger, 'payer'), openMachine(ledger, 'payee')];
      const [, to] = await Promise.all([funded(payer), funded(payee)]);
      // In the order in which the runtime starts them: vault, sandbox, ledger.
      const thread = workers[[0, 2, 1][index] as number] as Worker;
      files.set(thread, name);
      const asked = pay(payer, to, 'survivor');
      await workerOf(name).terminate();
      const receipt = await asked;
      assert.equal(receipt.status, 'confirmed');
      const received = new Promise<string[]>((found) => {
        const references: string[] = [];
        void payee.listen({ listenerId: 'listen-node', from: 'beginning' }, ({ reference }) => {
          if (reference !== null) references.push(reference);
          if (reference === 'after') found(references);
        });
      });
      await pay(payer, to, 'after');
      assert.deepEqual(await received, ['survivor', 'after']);
    });
  }

  it('tells its address only when it is on disk from where on payments are received', async () => {
    let ledger = openLedger();
    await funded(openMachine(ledger, 'payer'));
    const state = await until<MachineState>(openMachine(ledger, 'payee'), ({ phase }) => phase === 'ready');
    assert.ok(state.phase === 'ready');
    // All is over in the moment in which the address is known.
    await (workers[0] as Worker).terminate();
    await bundle().closeRuntimes();
    ledger = openLedger();
    await pay(openMachine(ledger, 'payer'), state.identity.address, 'early');
    const again = openMachine(ledger, 'payee');
    await new Promise<void>((heard) => {
      void again.listen({ listenerId: 'listen-node', from: 'beginning' }, ({ reference }) => {
        if (reference === 'early') heard();
      });
    });
  });

  it('shares one account between machine nodes with the same key, and wants the same policy of them', async () => {
    const ledger = openLedger();
    const first = openMachine(ledger, 'shared');
    const second = openMachine(ledger, 'shared', { nodeId: 'other' });
    const [a, b] = await Promise.all([funded(first), funded(second)]);
    assert.equal(a, b);
    const third = openMachine(ledger, 'shared', { nodeId: 'third', policy: { ...POLICY, maxPerPayment: '9 IOTA' } });
    const state = await until<MachineState>(third, ({ phase }) => phase === 'down');
    assert.ok(
      state.phase === 'down' && state.error.code === 'CONFIG_INVALID' && state.error.detail === 'policy-differs',
    );
    await Promise.all([first.close(), second.close()]);
    await third.close();
    // A redeploy: nobody else uses the account, so it may come with another policy.
    const again = openMachine(ledger, 'shared', { policy: { ...POLICY, maxPerPayment: '0.5 IOTA' } });
    await funded(again);
    const payee = openMachine(ledger, 'payee');
    const to = await funded(payee);
    await assert.rejects(pay(again, to, 'p'), (error: CodedError) => error.code === 'POLICY_PAYMENT_LIMIT');
  });

  it('gives a receipt to the node that comes back after a redeploy', async () => {
    const RED = red();
    const ledger = openLedger(RED);
    RED.events.emit('flows:started');
    const [payer, payee] = [openMachine(ledger, 'payer'), openMachine(ledger, 'payee')];
    const [, to] = await Promise.all([funded(payer), funded(payee)]);
    const gone = new AbortController();
    const submitted = new Promise<void>((found) => {
      void payer.pay(
        { to, amount: '1 IOTA', paymentId: 'orphan', origin: { nodeId: 'pay-node', topic: 'gate' } },
        () => found(),
        gone.signal,
      );
    });
    await submitted;
    gone.abort();
    await payer.close();
    const next = openMachine(ledger, 'payer');
    const report = await new Promise<{ origin: { topic?: string }; redelivered: boolean; receipt: Receipt }>(
      (found) => {
        next.onRedelivery('pay-node', found);
      },
    );
    assert.deepEqual([report.receipt.paymentId, report.redelivered, report.origin.topic], ['orphan', true, 'gate']);
  });

  it('goes on over another node of the same network after a redeploy, with what was under way', async () => {
    const sandbox = openLedger();
    await until<LedgerState>(sandbox, ({ phase }) => phase === 'up');
    const payee = openMachine(sandbox, 'payee');
    const to = await funded(payee);
    const received = new Promise<(string | null)[]>((found) => {
      const references: (string | null)[] = [];
      void payee.listen({ listenerId: 'listen-node', from: 'beginning' }, ({ reference }) => {
        if (reference === 'moved' || reference === 'later') references.push(reference);
        if (reference === 'later') found(references);
      });
    });
    const sockets = new Set<Socket>();
    const relay = createRelay((socket) => {
      const onward = connect(port, '127.0.0.1');
      for (const end of [socket, onward]) {
        sockets.add(end);
        end.on('error', () => {}).on('close', () => sockets.delete(end));
      }
      socket.pipe(onward).pipe(socket);
    }).listen(0, '127.0.0.1');
    await once(relay, 'listening');
    const over = (nodePort: number) =>
      bundle()
        .runtimeOf(red())
        .openLedger({
          nodeId: 'ledger',
          network: 'tangle',
          url: `http://127.0.0.1:${nodePort}`,
          faucetUrl: `http://127.0.0.1:${nodePort}/api/enqueue`,
        });
    const ledger = over((relay.address() as AddressInfo).port);
    const payer = openMachine(ledger, 'payer');
    await funded(payer);
    const gone = new AbortController();
    const submitted = new Promise<void>((found) => {
      void payer.pay(
        { to, amount: '1 IOTA', reference: 'moved', paymentId: 'moved', origin: { nodeId: 'pay-node' } },
        () => found(),
        gone.signal,
      );
    });
    await submitted;
    // The node is gone for good; its owner names another one and deploys.
    relay.close();
    for (const socket of sockets) socket.destroy();
    gone.abort();
    await payer.close();
    await ledger.close();
    const next = openMachine(over(port), 'payer');
    const receipt = await new Promise<Receipt>((found) => {
      next.onRedelivery('pay-node', (report) => found(report.receipt));
    });
    assert.equal(receipt.paymentId, 'moved');
    assert.equal((await pay(next, to, 'later')).status, 'confirmed');
    assert.deepEqual(await received, ['moved', 'later']);
  });

  it('starts the device broker on another port after a redeploy', async () => {
    const stranger = createRelay().listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const ledger = openLedger(red(), (stranger.address() as AddressInfo).port);
    const machine = openMachine(ledger, 'payer');
    await funded(machine);
    assert.equal(ledger.state.phase === 'up' && ledger.state.warning?.detail, 'device-broker-port');
    await machine.close();
    await ledger.close();
    const [free] = (await freePorts(1)) as [number];
    const next = openLedger(red(), free);
    await until<LedgerState>(next, (state) => state.phase === 'up' && !state.warning);
    const device = connect(free, '127.0.0.1');
    await once(device, 'connect');
    device.destroy();
    stranger.close();
    // The ledger is the same one, with the same money.
    const again = openMachine(next, 'payer');
    await funded(again);
    assert.equal((await again.history({ limit: 10 })).length, 1);
  });

  it('opens a ledger again that is just being given up', async () => {
    const soon = sinon
      .stub(global, 'setTimeout')
      .callsFake(((run: () => void, delay?: number) =>
        soon.wrappedMethod(run, delay === 15_000 ? 1 : delay)) as typeof setTimeout);
    try {
      const ledger = openLedger();
      await until<LedgerState>(ledger, ({ phase }) => phase === 'up');
      // In the order in which the runtime starts them: vault, sandbox, ledger. This one is busy and hears nothing.
      const givenUp = new Promise<void>((found) => {
        (workers[2] as Worker).postMessage = () => found();
      });
      await ledger.close();
      await givenUp;
    } finally {
      soon.restore();
    }
    const again = openLedger();
    const machine = openMachine(again, 'payer');
    await funded(machine);
  });

  it('shows no passphrase to whoever looks at a machine', async () => {
    const machine = openMachine(openLedger(), 'payer', { machinePassphrase: 'canary-passphrase' });
    await funded(machine);
    assert.doesNotMatch(inspect(machine, { depth: 12, showHidden: true }), /canary/);
  });

  it('joins a sandbox that holds the port already, and refuses anything else there', async () => {
    const first = openLedger();
    await until<LedgerState>(first, ({ phase }) => phase === 'up');
    const firstDir = userDir;
    userDir = await mkdtemp(join(tmpdir(), 'machine-economy-runtime-'));
    const joined = openLedger();
    const [a, b] = await Promise.all(
      [first, joined].map((ledger) => until<LedgerState>(ledger, ({ phase }) => phase === 'up')),
    );
    assert.ok(a?.phase === 'up' && b?.phase === 'up');
    assert.equal(a.network.networkId, b.network.networkId);
    await rm(firstDir, { recursive: true, force: true, maxRetries: 5 });

    const stranger = createServer((_, response) => response.end('{"name":"HORNET"}')).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    port = (stranger.address() as AddressInfo).port;
    const refused = await until<LedgerState>(openLedger(), ({ phase }) => phase === 'down');
    assert.ok(
      refused.phase === 'down' && refused.error.code === 'CONFIG_INVALID' && refused.error.detail === 'port-taken',
    );
    stranger.closeAllConnections();
    stranger.close();
  });
});
