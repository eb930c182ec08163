import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import type { LedgerRecord, RecordFilter } from '../../../lib/ledger';
import type { PageLimits } from '../../../lib/ledger/stardust/history';
import { History } from '../../../lib/ledger/stardust/history';
import { outputIdAt, partsOfOutputId } from '../../../lib/ledger/stardust/node-api';
import { Records } from '../../../lib/ledger/stardust/records';
import { PaperLedger, type Step } from './paper-ledger';

const anySteps = fc.array(
  fc.record({
    creates: fc.array(fc.nat(2), { maxLength: 8 }),
    consumes: fc.array(fc.nat(20), { maxLength: 4 }),
  }),
  { maxLength: 12 },
);
const anyFilter: fc.Arbitrary<RecordFilter> = fc.record({
  tag: fc.constantFrom(null, Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(1, 2)),
  author: fc.constantFrom(null, ...[0, 1, 2, 3].map((number) => PaperLedger.owner(number).address)),
});

function paper(steps: readonly Step[], pageSize?: number): PaperLedger {
  const ledger = new PaperLedger(pageSize);
  for (const step of steps) ledger.issue(step);
  return ledger;
}

/** Somebody who remembers nothing. */
function recordsOn(ledger: PaperLedger, limits?: PageLimits): Records {
  const source = {
    includedTransaction: async () => undefined,
    output: (id: string) => ledger.output(id),
    basicOutputIds: (...question: Parameters<PaperLedger['basicOutputIds']>) => ledger.basicOutputIds(...question),
  };
  return new Records(source, ledger, new History(ledger, ledger), () => '', limits);
}

function fitting(ledger: PaperLedger, { tag, author }: RecordFilter): string[] {
  const wanted = tag && `0x${Buffer.from(tag).toString('hex')}`;
  return ledger.milestones.flatMap(({ created }) =>
    [...created].sort().filter((outputId) => {
      const found = ledger.outputs.find((output) => output.outputId === outputId);
      const record = found && PaperLedger.record(found);
      if (record?.tag === undefined || (wanted !== null && record.tag !== wanted)) return false;
      return (
        author === null ||
        [0, 1, 2].some(
          (n) => PaperLedger.owner(n).address === author && record.sender?.hash === PaperLedger.owner(n).hash,
        )
      );
    }),
  );
}

async function readAll(ledger: PaperLedger, filter: RecordFilter, limits: PageLimits, from: string) {
  const records: LedgerRecord[] = [];
  let cursor = from;
  for (let reached = false; !reached; ) {
    const page = await recordsOn(ledger, limits).read(filter, cursor);
    records.push(...page.records);
    assert.ok(page.reached || page.cursor !== cursor, 'a page that leads nowhere');
    ({ cursor, reached } = page);
  }
  return { ids: records.map(({ outputId }) => outputId), cursor };
}

const anyLimits = fc.record({ milestones: fc.integer({ min: 1, max: 5 }), changes: fc.integer({ min: 1, max: 7 }) });

describe('the records on a Tangle', () => {
  it('are read by anyone in the same order, each once, however the pages are cut', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, anySteps, anyFilter, anyLimits, async (before, after, filter, limits) => {
        const ledger = paper(before);
        const first = await readAll(ledger, filter, limits, '1:0');
        for (const step of after) ledger.issue(step);
        const rest = await readAll(ledger, filter, limits, first.cursor);
        assert.deepEqual([...first.ids, ...rest.ids], fitting(ledger, filter));
      }),
      { numRuns: 300 },
    );
  });

  it('begin exactly with the last one that fits, where nothing is indexed', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, anyFilter, async (steps, any) => {
        const ledger = paper(steps);
        const filter = { ...any, tag: null };
        const limits = { milestones: 100, changes: 1000 };
        const cursor = await recordsOn(ledger, limits).cursor('last', filter);
        const expected = fitting(ledger, filter).slice(-1);
        assert.deepEqual((await readAll(ledger, filter, limits, cursor)).ids, expected);
      }),
      { numRuns: 200 },
    );
  });

  it('begin with the last one that fits and is unspent, where it is indexed, however small the pages', async () => {
    const anyTag = fc.constantFrom(Uint8Array.of(1), Uint8Array.of(2));
    const indexed = fc.tuple(anyTag, anyFilter).map(([tag, { author }]) => ({ tag, author }));
    await fc.assert(
      fc.asyncProperty(anySteps, indexed, fc.integer({ min: 1, max: 3 }), async (steps, filter, pageSize) => {
        const ledger = paper(steps, pageSize);
        const all = fitting(ledger, filter);
        const last = all.findLast((id) => ledger.outputs.some(({ outputId, spent }) => outputId === id && !spent));
        const cursor = await recordsOn(ledger).cursor('last', filter);
        const { ids } = await readAll(ledger, filter, { milestones: 100, changes: 1000 }, cursor);
        assert.deepEqual(ids, last === undefined ? [] : all.slice(all.indexOf(last)));
      }),
      { numRuns: 200 },
    );
  });

  it('begin with what is left where the last one is older than that', async () => {
    const ledger = paper(Array.from({ length: 6 }, (_, i) => ({ creates: i === 0 ? [0, 0] : [0], consumes: [] })));
    ledger.pruned = 3;
    assert.equal(await recordsOn(ledger).cursor('last', { tag: Uint8Array.of(1), author: null }), '4:0');
  });

  it('are not looked for in more than a page of the past', async () => {
    const steps = [
      { creates: [0, 0, 0], consumes: [] },
      ...Array.from({ length: 5 }, () => ({ creates: [0], consumes: [] })),
    ];
    const filter = { tag: null, author: null };
    const cursorWith = (limits: PageLimits) => recordsOn(paper(steps), limits).cursor('last', filter);
    assert.equal(await cursorWith({ milestones: 6, changes: 100 }), '1:2');
    assert.equal(await cursorWith({ milestones: 5, changes: 100 }), '7:0');
    assert.equal(await cursorWith({ milestones: 6, changes: 8 }), '1:2');
    assert.equal(await cursorWith({ milestones: 6, changes: 7 }), '7:0');
  });

  it('begin where the node still has something, and are not skipped when it forgets', async () => {
    const ledger = paper(Array.from({ length: 10 }, () => ({ creates: [0, 0], consumes: [] })));
    ledger.pruned = 4;
    const filter = { tag: null, author: null };
    assert.equal(await recordsOn(ledger).cursor('beginning', filter), '5:0');
    assert.equal(await recordsOn(ledger).cursor('now', filter), '11:0');
    assert.equal((await recordsOn(ledger).read(filter, '5:0')).records.length, 6);
    await assert.rejects(recordsOn(ledger).read(filter, '4:0'), (error) => isCodedError(error, 'HISTORY_PRUNED'));
  });

  it('of an author are its unspent ones under its own address, also while the ledger moves', async () => {
    await fc.assert(
      fc.asyncProperty(anySteps, anySteps, fc.integer({ min: 1, max: 3 }), async (before, during, pageSize) => {
        const ledger = paper(before, pageSize);
        const { address, hash } = PaperLedger.owner(0);
        const steps = [...during];
        ledger.turning = () => {
          const step = steps.shift();
          if (step) ledger.issue(step);
        };
        const heads = await recordsOn(ledger).latest(address);
        const expected = ledger.outputs.filter(
          (output) => output.owner === 0 && !output.spent && PaperLedger.record(output).sender?.hash === hash,
        );
        assert.deepEqual(heads.map(({ outputId }) => outputId).sort(), expected.map(({ outputId }) => outputId).sort());
        const heights = heads.map(({ height }) => height);
        assert.deepEqual(
          heights,
          [...heights].sort((a, b) => a - b),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('of a transaction are not searched for where nothing was forgotten', async () => {
    const ledger = paper([{ creates: [0], consumes: [] }]);
    assert.deepEqual(await recordsOn(ledger).of(`0x${'5a'.repeat(32)}`), []);
    assert.equal(ledger.asked, 0);
  });

  it('of a transaction that is confirmed while we ask are found all the same; a block that is lost is said to be', async () => {
    const ledger = paper(Array.from({ length: 3 }, () => ({ creates: [0, 0, 0], consumes: [] })));
    ledger.pruned = 1;
    const [outputId = ''] = ledger.milestones[2]?.created ?? [];
    const { transactionId } = partsOfOutputId(outputId);
    const payload = {};
    let asked = 0;
    const on = (found: boolean) => {
      const source = {
        includedTransaction: async () => {
          asked += 1;
          if (!found || asked === 1) return undefined;
          const content = async (index: number) =>
            (await ledger.output(outputIdAt(transactionId, index)))?.output ?? null;
          return { payload, inputs: [], outputs: await Promise.all([0, 1, 2].map(content)) };
        },
        output: (id: string) => ledger.output(id),
        basicOutputIds: (...question: Parameters<PaperLedger['basicOutputIds']>) => ledger.basicOutputIds(...question),
      };
      return new Records(source, ledger, new History(ledger, ledger), () => transactionId);
    };
    const found = await on(true).of(transactionId);
    assert.deepEqual(
      [asked, found.map(({ outputIndex, height }) => [outputIndex, height])],
      [
        2,
        [
          [1, 3],
          [2, 3],
        ],
      ],
    );
    await assert.rejects(
      on(false).of(transactionId),
      (error) => isCodedError(error, 'LEDGER_OUT_OF_SYNC') && error.detail === 'history',
    );
  });
});
