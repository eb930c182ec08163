import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import type { Ledger, LedgerRecord, RecordFilter } from '../../../lib/ledger';
import { type Alteration, AlteringProxy } from '../altering-proxy';
import type { SignedTransaction } from '../purse';
import { Author, bytes, freshTag, textOf } from './author';
import { outputIdOf, type Scene } from './scene';

/** Reads on until the ledger's present. */
async function recordsAfter(
  ledger: Ledger,
  filter: RecordFilter,
  from: string,
): Promise<{ records: LedgerRecord[]; cursor: string }> {
  const records: LedgerRecord[] = [];
  let cursor = from;
  for (;;) {
    const page = await ledger.readRecords(filter, cursor);
    records.push(...page.records);
    cursor = page.cursor;
    if (page.reached) return { records, cursor };
  }
}

export function listeners(scene: () => Scene): void {
  describe('the records of everybody', () => {
    it('are read by tag, by author, and by both, page after page, without gap and without overlap', async () => {
      const { ledger } = scene();
      const start = await ledger.recordsCursor('now', { tag: null, author: null });
      const [anna, ben] = [await Author.with(scene(), 2), await Author.with(scene(), 2)];
      const [one, two] = [freshTag(), freshTag()];
      const filters: [RecordFilter, string[]][] = [
        [{ tag: one, author: null }, ['a1', 'b1', 'a4']],
        [{ tag: two, author: null }, ['a2', 'b3']],
        [{ tag: null, author: anna.address }, ['a1', 'a2', 'a4']],
        [{ tag: null, author: ben.address }, ['b1', 'b3']],
        [{ tag: one, author: anna.address }, ['a1', 'a4']],
        [{ tag: freshTag(), author: null }, []],
        [{ tag: null, author: scene().purse().address }, []],
      ];
      const stepwise = filters.map(() => ({ cursor: start, seen: [] as string[] }));
      const step = async () => {
        // Somebody who knows the cursor and nothing more.
        const reader = scene().connect();
        for (const [i, [filter]] of filters.entries()) {
          const state = stepwise[i];
          assert.ok(state);
          const { records, cursor } = await recordsAfter(reader, filter, state.cursor);
          state.seen.push(...records.map(textOf));
          state.cursor = cursor;
        }
        await scene().disconnect(reader);
      };
      await anna.record({ tag: one, bytes: bytes('a1') });
      await step();
      await ben.record({ tag: one, bytes: bytes('b1') });
      await anna.record({ tag: two, bytes: bytes('a2') });
      await step();
      await ben.record({ tag: two, bytes: bytes('b3') });
      await anna.record({ tag: one, bytes: bytes('a4') });
      await step();
      await step();
      for (const [i, [filter, expected]] of filters.entries()) {
        assert.deepEqual(stepwise[i]?.seen, expected);
        assert.deepEqual((await recordsAfter(ledger, filter, start)).records.map(textOf), expected);
      }
      const all = (await recordsAfter(ledger, { tag: null, author: null }, start)).records;
      const tags = new Set([one, two].map((tag) => tag.toString('hex')));
      const ours = all.filter(({ tag }) => tags.has(Buffer.from(tag).toString('hex')));
      assert.deepEqual(ours.map(textOf), ['a1', 'b1', 'a2', 'b3', 'a4']);
      assert.ok(ours.every(({ confirmedAt, height }) => confirmedAt > 0 && height > 0));
    });

    it('include one that was created and spent within a milestone', async () => {
      const { ledger } = scene();
      const author = await Author.with(scene(), 2);
      const tag = freshTag();
      const cursor = await ledger.recordsCursor('now', { tag, author: null });
      // Nothing is built on what is not confirmed, unless the node says that it is.
      const proxy = await AlteringProxy.before(scene().running.url);
      const hasty = scene().connect({ url: proxy.url, mqttUrl: null });
      for (let attempt = 0; ; attempt += 1) {
        const first = await author.sign({ tag, bytes: bytes('gone at once') });
        proxy.alter = ({ path }) => confirmedTooEarly(first, path);
        const second = await author.sign({ tag, bytes: bytes('stays') }, hasty);
        await ledger.submit(first.sealed);
        await ledger.submit(second.sealed);
        const outcomes = [await scene().settle(first), await scene().settle(second)];
        assert.ok(outcomes.every(({ state }) => state === 'final'));
        const { records } = await recordsAfter(ledger, { tag, author: null }, cursor);
        assert.deepEqual(
          records.map(textOf).sort(),
          Array.from({ length: attempt + 1 }, () => ['gone at once', 'stays'])
            .flat()
            .sort(),
        );
        // A milestone may have come between the two.
        if (outcomes[0]?.height === outcomes[1]?.height) break;
        assert.ok(attempt < 20);
      }
      await scene().disconnect(hasty);
      await proxy.close();
      const [head] = await ledger.latestRecords(author.address);
      assert.ok(head);
      assert.equal(textOf((await ledger.previousRecord(head)) ?? head), 'gone at once');
    });

    it('begin now, with the last one, or with everything that the node still has', async () => {
      const { ledger } = scene();
      const author = await Author.with(scene(), 1);
      const tag = freshTag();
      const filter = { tag, author: null };
      const before = await ledger.recordsCursor('last', filter);
      assert.deepEqual((await recordsAfter(ledger, filter, before)).records, []);
      for (const text of ['1', '2', '3']) await author.record({ tag, bytes: bytes(text) });
      const from = async (beginning: 'now' | 'last' | 'beginning', wanted: RecordFilter = filter) =>
        (await recordsAfter(ledger, filter, await ledger.recordsCursor(beginning, wanted))).records.map(textOf);
      assert.deepEqual(await from('now'), []);
      assert.deepEqual(await from('last'), ['3']);
      assert.deepEqual(await from('last', { tag, author: author.address }), ['3']);
      assert.deepEqual(await from('last', { tag: null, author: author.address }), ['3']);
      assert.deepEqual(await from('last', { tag, author: scene().purse().address }), []);
      assert.deepEqual(await from('beginning'), ['1', '2', '3']);
    });

    it('are not read with a cursor of something else, nor by an address of another network', async () => {
      const { ledger } = scene();
      await assert.rejects(ledger.readRecords({ tag: null, author: null }, 'yesterday'), RangeError);
      await assert.rejects(ledger.readRecords({ tag: null, author: 'iota1qnothere' as never }, '1:0'), (error) =>
        isCodedError(error, 'ADDRESS_INVALID'),
      );
    });
  });
}

/** What a node would say of an output of this transaction, were it confirmed. */
function confirmedTooEarly({ transactionId, prepared }: SignedTransaction, path: string): Alteration | undefined {
  const { outputs } = JSON.parse(Buffer.from(prepared.essence).toString('utf8')) as { outputs: unknown[] };
  const outputIndex = outputs.findIndex((_, index) => path.endsWith(`outputs/${outputIdOf(transactionId, index)}`));
  if (outputIndex < 0) return undefined;
  const metadata = { transactionId, outputIndex, isSpent: false, milestoneIndexBooked: 1, milestoneTimestampBooked: 1 };
  return { instead: { status: 200, body: { metadata, output: outputs[outputIndex] } } };
}
