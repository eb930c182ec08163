import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { History } from '../../../lib/ledger/stardust/history';
import { holdingsOf } from '../../../lib/ledger/stardust/holdings';
import { PaperLedger, type Step, timeOf } from './paper-ledger';

const OWNERS = 3;
const anyStep: fc.Arbitrary<Step> = fc.record({
  creates: fc.array(fc.nat(OWNERS - 1), { maxLength: 6 }),
  consumes: fc.array(fc.nat(100), { maxLength: 5 }),
});
const anySteps = fc.array(anyStep, { minLength: 1, maxLength: 15 });
const anyLimits = fc.record({ milestones: fc.integer({ min: 1, max: 6 }), changes: fc.integer({ min: 1, max: 7 }) });

const paper = (steps: readonly Step[], pageSize?: number) => {
  const ledger = new PaperLedger(pageSize);
  for (const step of steps) ledger.issue(step);
  return ledger;
};

describe('the history of a Tangle', () => {
  it('is complete, in order and without repetition, whatever fits on a page and whoever answers', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, anyLimits, async (steps, limits) => {
        const ledger = paper(steps);
        for (let owner = 0; owner < OWNERS; owner += 1) {
          const { address } = PaperLedger.owner(owner);
          const seen: string[] = [];
          let cursor = '1:0';
          for (let reached = false; !reached; ) {
            // A reader that remembers nothing but its cursor, at a node that lists things in another order each time.
            const page = await new History(ledger, ledger, limits).read(address, cursor);
            seen.push(...page.received.map(({ outputId, height }) => `+${height} ${outputId}`));
            seen.push(...page.spent.map(({ outputId, by }) => `- ${outputId} ${by}`));
            assert.notEqual(page.cursor, cursor);
            assert.ok(page.height <= ledger.height);
            assert.equal(page.ledgerTime, page.height === 0 ? timeOf(ledger.height) : timeOf(page.height));
            ({ cursor, reached } = page);
          }
          assert.equal(cursor, `${ledger.height + 1}:0`);
          const mine = ledger.outputs.filter((output) => output.owner === owner);
          const expected = [
            ...mine.map(({ outputId, booked }) => `+${booked} ${outputId}`),
            ...mine.flatMap(({ outputId, spent }) => (spent ? [`- ${outputId} ${spent.by}`] : [])),
          ];
          assert.deepEqual([...seen].sort(), expected.sort());
          const heights = seen.flatMap((line) => (line.startsWith('+') ? [Number(line.slice(1).split(' ')[0])] : []));
          assert.deepEqual(
            heights,
            [...heights].sort((a, b) => a - b),
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  it('is asked of the node once for all accounts', async () => {
    const ledger = paper(Array.from({ length: 20 }, () => ({ creates: [0, 1, 2], consumes: [] })));
    const history = new History(ledger, ledger);
    await history.read(PaperLedger.owner(0).address, '1:0');
    const first = ledger.asked;
    assert.equal(first, 20 + 60);
    await Promise.all(Array.from({ length: 10 }, (_, i) => history.read(PaperLedger.owner(i).address, '1:0')));
    assert.equal(ledger.asked, first);
  });

  it('is not remembered where the node failed', async () => {
    const ledger = paper([{ creates: [0], consumes: [] }]);
    const history = new History(ledger, ledger);
    const answer = ledger.utxoChanges;
    ledger.utxoChanges = () => Promise.reject(new Error('away'));
    const { address } = PaperLedger.owner(0);
    await assert.rejects(history.read(address, '1:0'), /away/);
    ledger.utxoChanges = answer;
    assert.equal((await history.read(address, '1:0')).received.length, 1);
  });

  it('that the node has forgotten is said to be, also when it forgets while we read', async () => {
    const ledger = paper(Array.from({ length: 10 }, () => ({ creates: [0], consumes: [0] })));
    const { address } = PaperLedger.owner(0);
    ledger.pruned = 4;
    const pruned = (error: unknown) => isCodedError(error, 'HISTORY_PRUNED');
    await assert.rejects(new History(ledger, ledger).read(address, '4:0'), pruned);
    assert.ok((await new History(ledger, ledger).read(address, '5:0')).reached);

    const answer = ledger.utxoChanges.bind(ledger);
    ledger.utxoChanges = (index) => {
      ledger.pruned = 7;
      return answer(index);
    };
    await assert.rejects(new History(ledger, ledger).read(address, '5:0'), pruned);
  });

  it('with a hole in it is no history', async () => {
    const ledger = paper([
      { creates: [0], consumes: [] },
      { creates: [0], consumes: [] },
    ]);
    const { address } = PaperLedger.owner(0);
    const answer = ledger.utxoChanges.bind(ledger);
    ledger.utxoChanges = async (index) => (index === 2 ? undefined : answer(index));
    await assert.rejects(
      new History(ledger, ledger).read(address, '1:0'),
      (error) => isCodedError(error, 'LEDGER_OUT_OF_SYNC') && error.detail === 'history',
    );
  });

  it('is at its end for who has heard of a milestone before the node calls it confirmed', async () => {
    const ledger = paper([
      { creates: [0], consumes: [] },
      { creates: [0], consumes: [] },
    ]);
    ledger.lag = 1;
    const { address } = PaperLedger.owner(0);
    const history = new History(ledger, ledger);
    const page = await history.read(address, '3:0');
    assert.deepEqual([page.cursor, page.received, page.reached], ['3:0', [], true]);
    await assert.rejects(
      history.read(address, '9:0'),
      (error) => isCodedError(error, 'LEDGER_OUT_OF_SYNC') && error.detail === 'behind',
    );
  });

  it('cannot be read with a cursor of something else', async () => {
    const ledger = paper([]);
    for (const cursor of ['', '7', '-1:0', '1:0:0', 'AAAA', '99999999999:0']) {
      await assert.rejects(new History(ledger, ledger).read(PaperLedger.owner(0).address, cursor), RangeError, cursor);
    }
  });
});

describe('holdings taken from a Tangle that moves meanwhile', () => {
  it('are exactly what was held at their height, and the history goes on from there', async () => {
    await fc.assert(
      fc.asyncProperty(
        anySteps,
        anySteps,
        fc.integer({ min: 1, max: 3 }),
        fc.nat(1),
        async (before, during, pageSize, lag) => {
          const ledger = paper(before, pageSize);
          const { address } = PaperLedger.owner(0);
          const steps = [...during];
          ledger.lag = lag;
          ledger.turning = () => {
            const step = steps.shift();
            if (step) ledger.issue(step);
          };
          const history = new History(ledger, ledger);
          const holdings = await holdingsOf(address, ledger, ledger, history);
          assert.deepEqual(holdings.outputs.map(({ outputId }) => outputId).sort(), ledger.heldAt(0, holdings.height));
          assert.ok(holdings.height >= ledger.height - lag);
          for (const step of steps) ledger.issue(step);
          ledger.lag = 0;
          const rest = await history.read(address, holdings.cursor);
          const now = new Set([...holdings.outputs, ...rest.received].map(({ outputId }) => outputId));
          assert.equal(now.size, holdings.outputs.length + rest.received.length);
          for (const { outputId } of rest.spent)
            assert.ok(now.delete(outputId), 'something was spent that was never held');
          assert.deepEqual([...now].sort(), ledger.heldAt(0, ledger.height));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('are not looked for on pages that never end', async () => {
    const ledger = paper([{ creates: [0], consumes: [] }]);
    ledger.basicOutputIds = async () => ({ outputIds: [], ledgerIndex: 1, cursor: 'again' });
    await assert.rejects(
      holdingsOf(PaperLedger.owner(0).address, ledger, ledger, new History(ledger, ledger)),
      (error) => isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === 'answer',
    );
  });
});
