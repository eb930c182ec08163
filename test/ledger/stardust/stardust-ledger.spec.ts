import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import type { LedgerSignal } from '../../../lib/ledger';
import { StardustLedger } from '../../../lib/ledger/stardust';
import { loadSdk } from '../../../lib/ledger/stardust/sdk';
import { type SandboxTangle, type SandboxTangleOptions, startTangle } from '../../../lib/sandbox';
import { AlteringProxy } from '../altering-proxy';
import { Purse } from '../purse';

describe('the adapter for Stardust', function () {
  this.timeout(60_000);
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });

  const tangle = async (options: SandboxTangleOptions): Promise<SandboxTangle> => {
    const started = await startTangle({ port: 0, milestoneInterval: 100, ...options });
    open.push(started);
    return started;
  };
  const connect = (options: ConstructorParameters<typeof StardustLedger>[0]) => {
    const ledger = new StardustLedger(options);
    open.push(ledger);
    return ledger;
  };
  const next = (ledger: StardustLedger, kind: LedgerSignal['kind']) =>
    new Promise<LedgerSignal>((resolve) => {
      const stop = ledger.onSignal((signal) => {
        if (signal.kind !== kind) return;
        queueMicrotask(() => stop());
        resolve(signal);
      });
    });
  /** From the faucet to a payee and into the ledger. */
  const payOnce = async (ledger: StardustLedger) => {
    const { addressForm, minimumChange } = await ledger.network();
    const [payer, payee] = [new Purse(addressForm), new Purse(addressForm)];
    await ledger.requestFunds(payer.address);
    let { outputs } = await ledger.holdings(payer.address);
    while (outputs.length === 0) {
      await next(ledger, 'wake');
      ({ outputs } = await ledger.holdings(payer.address));
    }
    const transaction = await payer.sign(
      ledger,
      { payments: [{ to: payee.address, amount: minimumChange * 2n, reference: 'x' }] },
      outputs,
    );
    await ledger.submit(transaction.sealed);
    let outcome = await ledger.outcome(transaction);
    while (outcome.state !== 'final') {
      await next(ledger, 'wake');
      outcome = await ledger.outcome(transaction);
    }
  };

  it('does the proof of work that the network asks for', async () => {
    const { url, faucetUrl } = await tangle({ minPowScore: 20 });
    await payOnce(connect({ url, faucetUrl }));
  });

  it('leaves the proof of work to a node that offers it, if it may', async () => {
    const { url, faucetUrl } = await tangle({ minPowScore: 20, remotePow: true });
    const proxy = await AlteringProxy.before(url);
    open.push(proxy);
    const nonces: string[] = [];
    proxy.alter = ({ method, body }) => {
      // TIP-24: a block ends with its nonce.
      if (method === 'POST') nonces.push(body.subarray(-8).toString('hex'));
      return undefined;
    };
    await payOnce(connect({ url: proxy.url, faucetUrl, mqttUrl: null, pollInterval: 50, remotePow: true }));
    assert.deepEqual(nonces, ['00'.repeat(8)]);
  });

  it('does it itself where the node does not offer it, whatever it may', async () => {
    const { url, faucetUrl } = await tangle({ minPowScore: 20 });
    await payOnce(connect({ url, faucetUrl, remotePow: true }));
  });

  it('finds the events of a node at the same address', async () => {
    const { url } = await tangle({});
    const ledger = connect({ url, pollInterval: 3_600_000 });
    await next(ledger, 'up');
    for (let i = 0; i < 3; i += 1) await next(ledger, 'wake');
  });

  it('reaches a node behind a path', async () => {
    const { url } = await tangle({});
    const proxy = await AlteringProxy.before(url);
    open.push(proxy);
    proxy.alter = ({ path }) => (path.startsWith('/tangle/one/') ? undefined : { instead: { status: 500, body: {} } });
    proxy.rewrite = (path) => path.replace('/tangle/one', '');
    const ledger = connect({ url: `${proxy.url}/tangle/one`, mqttUrl: null });
    const { addressForm } = await ledger.network();
    assert.deepEqual((await ledger.holdings(new Purse(addressForm).address)).outputs, []);
  });

  it('believes a node without neighbours that keeps pace, although it calls itself unhealthy', async () => {
    const { url } = await tangle({});
    const proxy = await AlteringProxy.before(url);
    open.push(proxy);
    proxy.alter = ({ path }) =>
      path.endsWith('/info')
        ? { body: (info) => ({ ...info, status: { ...(info.status as object), isHealthy: false } }) }
        : undefined;
    assert.ok(await connect({ url: proxy.url, mqttUrl: null }).network());
  });

  it('counts the age of the latest milestone only where it is told to', async () => {
    const { url } = await tangle({ now: () => Date.now() - 3_600_000 });
    const old = (error: unknown) => isCodedError(error, 'LEDGER_OUT_OF_SYNC') && error.detail === 'stale';
    await assert.rejects(connect({ url, mqttUrl: null }).network(), old);
    assert.ok(await connect({ url, mqttUrl: null, maximumAge: 0 }).network());
    assert.ok(await connect({ url, mqttUrl: null, maximumAge: 7_200_000 }).network());
  });

  it('says what the faucet says when it gives nothing', async () => {
    const { url } = await tangle({});
    const proxy = await AlteringProxy.before(url);
    open.push(proxy);
    proxy.alter = ({ method }) =>
      method === 'POST'
        ? { instead: { status: 400, body: { error: { message: 'You already have enough coins\u0007' } } } }
        : undefined;
    const ledger = connect({ url, mqttUrl: null, faucetUrl: `${proxy.url}/api/enqueue` });
    const { addressForm } = await ledger.network();
    await assert.rejects(
      ledger.requestFunds(new Purse(addressForm).address),
      (error) =>
        isCodedError(error, 'LEDGER_UNREACHABLE') &&
        error.detail === 'faucet' &&
        error.message.includes('enough coins'),
    );
  });

  it('refuses a URL that is none, or that would show a password', () => {
    for (const url of ['', 'localhost:14265', 'ftp://node', 'http://user:secret@node:14265']) {
      assert.throws(
        () => new StardustLedger({ url }),
        (error) => isCodedError(error, 'CONFIG_INVALID') && error.detail === 'url' && !error.message.includes('secret'),
        url,
      );
    }
  });

  it('runs on the WASM build of the SDK where the native one cannot be loaded', () => {
    const options = { url: 'http://127.0.0.1:1', localPow: () => true, seconds: 1 };
    assert.equal(loadSdk(options, undefined).build, 'wasm');
    assert.match(loadSdk(options, 'native').build, /^(wasm|native)$/);
  });
});
