import assert from 'node:assert/strict';
import { CodedError, isCodedError } from '../../../lib/errors';
import type { LedgerSignal } from '../../../lib/ledger';
import { AlteringProxy } from '../altering-proxy';
import { type Fault, FaultProxy } from '../fault-proxy';
import { type Connected, readOn, type Scene } from './scene';

const TIMEOUT = 1_000;

export function faults(scene: () => Scene): void {
  describe('a node', () => {
    const unreachable = (error: unknown) => isCodedError(error, 'LEDGER_UNREACHABLE');

    const broken: readonly { fault: Fault; what: string }[] = [
      { fault: 'half-open', what: 'takes requests and never answers' },
      { fault: 'trickle', what: 'answers a byte at a time' },
      { fault: 'reset', what: 'breaks connections' },
      { fault: 'cut', what: 'hangs up in the middle of an answer' },
      { fault: 'garbage', what: 'is a captive portal' },
      { fault: 'busy', what: 'is busy' },
    ];
    for (const { fault, what } of broken) {
      it(`that ${what} fails every call in time, and serves again once it is well`, async () => {
        const proxy = await FaultProxy.before(scene().running.url);
        const ledger = scene().connect({ url: proxy.url, mqttUrl: null, timeout: TIMEOUT });
        const { plenty } = scene();
        const { purse, outputs } = await scene().filledPurse(plenty);
        const { cursor } = await ledger.holdings(purse.address);
        const transaction = await purse.sign(
          ledger,
          { payments: [{ to: scene().purse().address, amount: plenty, reference: '' }] },
          outputs,
        );

        proxy.fault = fault;
        const started = Date.now();
        await Promise.all([
          assert.rejects(ledger.holdings(purse.address), unreachable, 'holdings'),
          assert.rejects(ledger.read(purse.address, cursor), unreachable, 'read'),
          assert.rejects(ledger.outcome(transaction), unreachable, 'outcome'),
          assert.rejects(ledger.spends(transaction.inputs), unreachable, 'spends'),
          assert.rejects(ledger.submit(transaction.sealed), unreachable, 'submit'),
        ]);
        assert.ok(Date.now() - started < 4 * TIMEOUT, `took ${Date.now() - started} ms`);

        proxy.fault = 'pass';
        // The same bytes again, whatever became of them the first time.
        await scene().until('a healed connection', () =>
          ledger
            .submit(transaction.sealed)
            .then(() => true)
            .catch(() => undefined),
        );
        assert.equal((await scene().settle(transaction, ledger)).state, 'final');
        await scene().disconnect(ledger);
        await proxy.close();
      });
    }

    it('that does not answer a posted block leaves a doubt, and the same bytes settle it', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null, timeout: TIMEOUT });
      const { plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty);
      const { address: payee } = scene().purse();
      const { cursor } = await ledger.holdings(payee);
      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: payee, amount: plenty, reference: 'in doubt' }] },
        outputs,
      );
      const direct = scene().connect();
      // The node gets the block; we never learn of it.
      proxy.alter = ({ method }) =>
        method === 'POST'
          ? {
              before: () => direct.submit(transaction.sealed),
              instead: { status: 504, body: { error: { code: '504', message: 'gateway time-out' } } },
            }
          : undefined;
      await assert.rejects(ledger.submit(transaction.sealed), unreachable);
      proxy.alter = () => undefined;
      await ledger.submit(transaction.sealed);
      assert.equal((await scene().settle(transaction, ledger)).state, 'final');
      assert.equal((await readOn(ledger, payee, cursor)).received.length, 1);
      for (const one of [ledger, direct]) await scene().disconnect(one);
      await proxy.close();
    });

    it('that goes away and comes back is reported down and up, and nothing that happened meanwhile is missed', async () => {
      const proxy = await FaultProxy.before(scene().running.url);
      // Its events run through the same proxy, where the node has them on the same port.
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null, timeout: TIMEOUT, pollInterval: 200 });
      const { plenty } = scene();
      const { address } = scene().purse();
      await heard(ledger, 'up');
      const { cursor } = await ledger.holdings(address);
      const down = heard(ledger, 'down');
      await proxy.close();
      const signal = await down;
      assert.ok(signal.kind === 'down' && signal.code === 'LEDGER_UNREACHABLE');
      await assert.rejects(ledger.read(address, cursor), unreachable);
      await scene().pay([{ to: address, amount: plenty, reference: 'while you were away' }]);
      const up = heard(ledger, 'up');
      const wake = heard(ledger, 'wake');
      await proxy.open();
      await up;
      await wake;
      assert.deepEqual(
        (await readOn(ledger, address, cursor)).received.map(({ reference }) => reference),
        ['while you were away'],
      );
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('that is swapped for one of another network is refused from then on', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null, pollInterval: 200 });
      const { address } = scene().purse();
      const { cursor } = await ledger.holdings(address);
      const down = heard(ledger, 'down');
      proxy.alter = ({ path }) =>
        path.endsWith('/info')
          ? { body: (info) => ({ ...info, protocol: { ...(info.protocol as object), networkName: 'elsewhere' } }) }
          : undefined;
      const wrong = (error: unknown) => isCodedError(error, 'LEDGER_WRONG_NETWORK');
      await assert.rejects(ledger.read(address, cursor), wrong);
      await assert.rejects(ledger.holdings(address), wrong);
      await assert.rejects(ledger.outcome({ transactionId: `0x${'11'.repeat(32)}`, inputs: [] }), wrong);
      const signal = await down;
      assert.ok(signal.kind === 'down' && signal.code === 'LEDGER_WRONG_NETWORK');
      await scene().disconnect(ledger);
      await proxy.close();
    });

    const notInSync: readonly { what: string; status: Record<string, unknown>; detail: string }[] = [
      {
        what: 'that calls itself unhealthy and lags behind',
        status: { isHealthy: false, confirmedMilestone: { index: 1, timestamp: 1 } },
        detail: 'unhealthy',
      },
      {
        what: 'whose latest milestone is old',
        status: { latestMilestone: { index: 1, timestamp: 1_600_000_000 } },
        detail: 'stale',
      },
    ];
    for (const { what, status, detail } of notInSync) {
      it(`${what} is not believed`, async () => {
        const proxy = await AlteringProxy.before(scene().running.url);
        const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
        const { address } = scene().purse();
        const { cursor } = await ledger.holdings(address);
        proxy.alter = ({ path }) =>
          path.endsWith('/info')
            ? { body: (info) => ({ ...info, status: { ...(info.status as object), ...status } }) }
            : undefined;
        const outOfSync = (error: unknown) =>
          error instanceof CodedError && error.code === 'LEDGER_OUT_OF_SYNC' && error.detail === detail;
        await assert.rejects(ledger.read(address, cursor), outOfSync);
        await assert.rejects(ledger.outcome({ transactionId: `0x${'11'.repeat(32)}`, inputs: [] }), outOfSync);
        await scene().disconnect(ledger);
        await proxy.close();
      });
    }
  });
}

function heard(ledger: Connected, kind: LedgerSignal['kind']): Promise<LedgerSignal> {
  return new Promise((resolve) => {
    const stop = ledger.onSignal((signal) => {
      if (signal.kind !== kind) return;
      queueMicrotask(() => stop());
      resolve(signal);
    });
  });
}
