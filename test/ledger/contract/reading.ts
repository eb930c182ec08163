import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import { AlteringProxy } from '../altering-proxy';
import { readOn, type Scene } from './scene';

export function readers(scene: () => Scene): void {
  describe('the history', () => {
    it('of an account is read without gap and without overlap over many milestones and restarts', async () => {
      const { plenty } = scene();
      const { address } = scene().purse();
      let { cursor } = await scene().ledger.holdings(address);
      const seen: string[] = [];
      for (let i = 0; i < 6; i += 1) {
        await scene().pay([{ to: address, amount: plenty, reference: `payment ${i}` }]);
        // Every time somebody else, who knows the cursor and nothing more.
        const reader = scene().connect();
        const page = await readOn(reader, address, cursor);
        seen.push(...page.received.map(({ reference }) => String(reference)));
        cursor = page.cursor;
        await scene().disconnect(reader);
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 6 }, (_, i) => `payment ${i}`),
      );
    });

    it('read from far back says the same as read step by step', async () => {
      const { ledger, plenty } = scene();
      const { address } = scene().purse();
      const { cursor } = await ledger.holdings(address);
      let stepwise = cursor;
      const steps: string[] = [];
      for (let i = 0; i < 3; i += 1) {
        await scene().pay([
          { to: address, amount: plenty + BigInt(i), reference: '' },
          { to: address, amount: plenty * 2n, reference: '' },
        ]);
        const page = await readOn(ledger, address, stepwise);
        steps.push(...page.received.map(({ outputId }) => outputId));
        stepwise = page.cursor;
      }
      const fresh = scene().connect();
      const atOnce = await readOn(fresh, address, cursor);
      assert.deepEqual(
        atOnce.received.map(({ outputId }) => outputId),
        steps,
      );
      assert.equal(new Set(steps).size, 6);
      const holdings = await fresh.holdings(address);
      assert.deepEqual(new Set(holdings.outputs.map(({ outputId }) => outputId)), new Set(steps));
      await scene().disconnect(fresh);
    });

    it('tells what was spent, and by which transaction', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty, plenty * 2n);
      const { cursor } = await ledger.holdings(purse.address);
      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: scene().purse().address, amount: plenty * 3n, reference: '' }] },
        outputs,
      );
      await ledger.submit(transaction.sealed);
      await scene().settle(transaction);
      const page = await readOn(ledger, purse.address, cursor);
      const expected = outputs.map(({ outputId }) => ({ outputId, by: transaction.transactionId }));
      assert.deepEqual([...page.spent].sort(byId), expected.sort(byId));
      assert.deepEqual(page.received, []);
    });

    it('continues exactly where the holdings end', async () => {
      const { ledger, plenty } = scene();
      const { address } = scene().purse();
      const paying = (async () => {
        for (let i = 0; i < 4; i += 1) await scene().pay([{ to: address, amount: plenty, reference: `${i}` }]);
      })();
      const snapshots = [await ledger.holdings(address)];
      for (let done = false; !done; ) {
        done = await Promise.race([
          paying.then(() => true),
          new Promise<false>((resolve) => setImmediate(resolve, false)),
        ]);
        snapshots.push(await ledger.holdings(address));
      }
      const distinct = [...new Map(snapshots.map((snapshot) => [snapshot.height, snapshot])).values()];
      for (const { outputs, cursor } of distinct) {
        const { received } = await readOn(ledger, address, cursor);
        assert.deepEqual([...outputs, ...received].map(({ reference }) => reference).sort(), ['0', '1', '2', '3']);
      }
      assert.ok(distinct.length > 1);
    });

    it('keeps two addresses apart and costs the node one reading for both', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      const { plenty } = scene();
      const [one, two] = [scene().purse().address, scene().purse().address];
      const { cursor } = await ledger.holdings(one);
      await scene().pay([
        { to: one, amount: plenty, reference: 'one' },
        { to: two, amount: plenty, reference: 'two' },
      ]);
      const first = await readOn(ledger, one, cursor);
      const cost = [proxy.count(/utxo-changes/), proxy.count(/outputs\/0x/)];
      const pages = await Promise.all([one, two].map((address) => ledger.read(address, cursor)));
      assert.deepEqual(
        first.received.map(({ reference }) => reference),
        ['one'],
      );
      assert.deepEqual(
        pages[1]?.received.map(({ reference }) => reference),
        ['two'],
      );
      const grown = Math.max(...pages.map(({ height }) => height)) - first.height;
      assert.ok(proxy.count(/utxo-changes/) <= (cost[0] ?? 0) + grown, 'milestones were read again');
      if (grown === 0) assert.equal(proxy.count(/outputs\/0x/), cost[1], 'outputs were read again');
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('that the node has forgotten is not skipped silently', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      const { address } = scene().purse();
      const { cursor, height } = await ledger.holdings(address);
      proxy.alter = ({ path }) =>
        path.endsWith('/info')
          ? { body: (info) => ({ ...info, status: { ...(info.status as object), pruningIndex: height + 1 } }) }
          : undefined;
      await assert.rejects(ledger.read(address, cursor), (error) => isCodedError(error, 'HISTORY_PRUNED'));
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('is not read from a node that is behind what we have read already', async () => {
      const { ledger } = scene();
      const { address } = scene().purse();
      const { height } = await ledger.holdings(address);
      await assert.rejects(ledger.read(address, `${height + 1000}:0`), (error) =>
        isCodedError(error, 'LEDGER_OUT_OF_SYNC'),
      );
    });
  });

  describe('the holdings', () => {
    it('of many outputs are complete, however small the pages of the node', async () => {
      const { plenty } = scene();
      const { address } = scene().purse();
      await scene().pay(
        Array.from({ length: 7 }, (_, i) => ({ to: address, amount: plenty + BigInt(i), reference: '' })),
      );
      for (const pageSize of [1, 2, 7, 100]) {
        const ledger = scene().connect({ pageSize, mqttUrl: null });
        const { outputs } = await ledger.holdings(address);
        assert.deepEqual(outputs.map(({ amount }) => amount - plenty).sort(), [0n, 1n, 2n, 3n, 4n, 5n, 6n]);
        await scene().disconnect(ledger);
      }
    });

    it('are of one moment, although the ledger moves while the pages are turned', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null, pageSize: 2 });
      const { plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty, plenty, plenty, plenty, plenty);
      const spending = await purse.sign(
        scene().ledger,
        { payments: [{ to: purse.address, amount: plenty * 5n, reference: 'merged' }] },
        outputs,
      );
      let spent = false;
      // Between the first page and the second everything is spent.
      proxy.alter = ({ path }) =>
        path.includes('cursor=') && !spent
          ? {
              before: async () => {
                spent = true;
                await scene().ledger.submit(spending.sealed);
                await scene().settle(spending);
              },
            }
          : undefined;
      const holdings = await ledger.holdings(purse.address);
      assert.ok(spent);
      const after = await readOn(ledger, purse.address, holdings.cursor);
      const seen = [...holdings.outputs, ...after.received];
      const gone = new Set(after.spent.map(({ outputId }) => outputId));
      assert.deepEqual(
        seen.filter(({ outputId }) => !gone.has(outputId)).map(({ reference }) => reference),
        ['merged'],
      );
      assert.equal(new Set(seen.map(({ outputId }) => outputId)).size, seen.length);
      await scene().disconnect(ledger);
      await proxy.close();
    });
  });
}

function byId(a: { outputId: string }, b: { outputId: string }): number {
  return a.outputId < b.outputId ? -1 : 1;
}
