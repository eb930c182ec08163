import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { isCodedError } from '../../../lib/errors';
import type { Ledger, LedgerRecord, RecordFilter, RecordPart, SpendableOutput } from '../../../lib/ledger';
import { addressHash } from '../../../lib/values';
import { type Alteration, AlteringProxy } from '../altering-proxy';
import type { Purse, SignedTransaction } from '../purse';
import { outputIdOf, readOn, type Scene } from './scene';

/** What one author records: each transaction spends everything it has, the record before included. */
class Author {
  #funds: readonly SpendableOutput[];

  constructor(
    private readonly scene: Scene,
    readonly purse: Purse,
    funds: readonly SpendableOutput[],
  ) {
    this.#funds = funds;
  }

  static async with(scene: Scene, records: number): Promise<Author> {
    // Deposits of records, and what is left must be enough for an output of its own.
    const { purse, outputs } = await scene.filledPurse(scene.plenty * BigInt(2 + 2 * records));
    return new Author(scene, purse, outputs);
  }

  get address() {
    return this.purse.address;
  }

  get funds(): readonly SpendableOutput[] {
    return this.#funds;
  }

  sign(record: RecordPart, ledger?: Ledger): Promise<SignedTransaction> {
    return this.signed({ records: [record] }, this.#funds, ledger);
  }

  async signed(
    request: Parameters<Purse['sign']>[1],
    inputs: readonly SpendableOutput[],
    ledger: Ledger = this.scene.ledger,
  ): Promise<SignedTransaction> {
    const signed = await this.purse.sign(ledger, request, inputs);
    const used = new Set(inputs.map(({ outputId }) => outputId));
    this.#funds = [...this.#funds.filter(({ outputId }) => !used.has(outputId)), ...(signed.sealed.change ?? [])];
    return signed;
  }

  async record(...records: RecordPart[]): Promise<SignedTransaction & { height: number }> {
    return this.settled(await this.signed({ records }, this.#funds));
  }

  async settled(signed: SignedTransaction): Promise<SignedTransaction & { height: number }> {
    await this.scene.ledger.submit(signed.sealed);
    const outcome = await this.scene.settle(signed);
    assert.equal(outcome.state, 'final');
    return { ...signed, height: outcome.height };
  }
}

const freshTag = () => Buffer.from(`test-${randomBytes(8).toString('hex')}`);
const bytes = (text: string) => Buffer.from(text, 'utf8');
const textOf = (record: LedgerRecord) => Buffer.from(record.bytes).toString('utf8');

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

/** The whole chain that ends with a record, youngest first. */
async function chainOf(ledger: Ledger, head: LedgerRecord): Promise<LedgerRecord[]> {
  const chain = [head];
  for (let record = await ledger.previousRecord(head); record; record = await ledger.previousRecord(record))
    chain.push(record);
  return chain;
}

export function recorders(scene: () => Scene): void {
  describe('a record', () => {
    it('is found in its transaction by anyone, with its tag, its bytes, its author, its height and its time', async () => {
      const author = await Author.with(scene(), 1);
      const tag = freshTag();
      const content = randomBytes(100);
      const signed = await author.sign({ tag, bytes: content });
      await scene().ledger.submit(signed.sealed);
      const outcome = await scene().settle(signed);
      assert.ok(outcome.state === 'final');
      const anyone = scene().connect();
      const [found, ...more] = await anyone.recordsOf(signed.transactionId);
      assert.deepEqual(more, []);
      assert.deepEqual(found, {
        transactionId: signed.transactionId,
        outputIndex: 0,
        outputId: outputIdOf(signed.transactionId, 0),
        tag: Uint8Array.from(tag),
        bytes: Uint8Array.from(content),
        author: author.address,
        height: outcome.height,
        confirmedAt: outcome.confirmedAt,
      });
      assert.deepEqual(await anyone.recordsOf(signed.transactionId.toUpperCase().replace('0X', '0x')), [found]);
      await scene().disconnect(anyone);
    });

    it('stands beside payments in one transaction, and beside other records', async () => {
      const { plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 9n);
      const author = new Author(scene(), purse, outputs);
      const [one, two] = [freshTag(), freshTag()];
      const { transactionId } = await author.settled(
        await author.signed(
          {
            payments: [{ to: scene().purse().address, amount: plenty, reference: 'no record' }],
            records: [
              { tag: one, bytes: bytes('first') },
              { tag: two, bytes: new Uint8Array() },
            ],
          },
          outputs,
        ),
      );
      const found = await scene().ledger.recordsOf(transactionId);
      assert.deepEqual(
        found.map((record) => [record.outputIndex, Buffer.from(record.tag), textOf(record)]),
        [
          [1, one, 'first'],
          [2, two, ''],
        ],
      );
    });

    it('comes as money with a tag to who reads the address, and is spent by the next one', async () => {
      const { ledger } = scene();
      const author = await Author.with(scene(), 2);
      const { cursor } = await ledger.holdings(author.address);
      const tag = freshTag();
      const first = await author.record({ tag, bytes: bytes('21.5 Cel') });
      const found = (await readOn(ledger, author.address, cursor)).received.find(({ reference }) => reference !== null);
      assert.equal(found?.from, author.address);
      assert.equal(found?.reference, '21.5 Cel');
      assert.deepEqual(found?.tag, Uint8Array.from(tag));
      assert.equal(found?.amount, first.prepared.change.find(({ index }) => index === found?.outputIndex)?.amount);
      const second = await author.record({ tag, bytes: bytes('the next one') });
      assert.deepEqual(await ledger.spends([String(found?.outputId)]), [{ state: 'spent', by: second.transactionId }]);
    });

    it('may be as large as the protocol allows', async () => {
      const { ledger, plenty } = scene();
      // 8 KiB of metadata need the deposit of about 8,700 bytes.
      const { purse, outputs } = await scene().filledPurse(plenty * 12n);
      const author = new Author(scene(), purse, outputs);
      const [tag, content] = [randomBytes(64), randomBytes(8192)];
      const { transactionId } = await author.record({ tag, bytes: content });
      const [record] = await ledger.recordsOf(transactionId);
      assert.deepEqual([record?.tag, record?.bytes], [Uint8Array.from(tag), Uint8Array.from(content)]);
    });

    it('is still found in its transaction after it was spent', async () => {
      const author = await Author.with(scene(), 2);
      const tag = freshTag();
      const first = await author.record({ tag, bytes: bytes('first') });
      await author.record({ tag, bytes: bytes('second') });
      assert.deepEqual((await scene().ledger.recordsOf(first.transactionId)).map(textOf), ['first']);
    });

    it('is not in a transaction that only pays, that is not confirmed, or that nobody has heard of', async () => {
      const { ledger, plenty } = scene();
      const { transactionId } = await scene().pay([{ to: scene().purse().address, amount: plenty, reference: 'x' }]);
      assert.deepEqual(await ledger.recordsOf(transactionId), []);
      const author = await Author.with(scene(), 1);
      const unsent = await author.sign({ tag: freshTag(), bytes: bytes('never sent') });
      for (const id of [unsent.transactionId, `0x${'5a'.repeat(32)}`, '', '0x', 'no/../id', `0x${'5'.repeat(63)}`])
        assert.deepEqual(await ledger.recordsOf(id), [], id);
    });

    it('in a transaction that the node makes up is not believed', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      const author = await Author.with(scene(), 1);
      const { transactionId } = await author.record({ tag: freshTag(), bytes: bytes('temperature 21') });
      type Block = {
        payload: { type: number; essence: { outputs: { features: { type: number; data?: string }[] }[] } };
      };
      const lies: ((block: Block) => unknown)[] = [
        // One digit of what was recorded.
        (block) => {
          for (const feature of block.payload.essence.outputs[0]?.features ?? [])
            if (feature.data) feature.data = feature.data.replace(/31$/, '32');
          return block;
        },
        (block) => ({ ...block, payload: { ...block.payload, type: 5 } }),
        (block) => ({ ...block, payload: { ...block.payload, essence: { ...block.payload.essence, outputs: [] } } }),
        (block) => ({ ...block, payload: null }),
        () => ({}),
        () => '[1',
      ];
      for (const lie of lies) {
        proxy.alter = ({ path }) =>
          path.endsWith('/included-block') ? { body: (block) => lie(block as unknown as Block) } : undefined;
        await assert.rejects(ledger.recordsOf(transactionId), (error) => isCodedError(error, 'LEDGER_UNREACHABLE'));
      }
      proxy.alter = () => undefined;
      assert.equal((await ledger.recordsOf(transactionId)).length, 1);
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('that the node has forgotten with its transaction is said to be; one that nobody has spent is found', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      const { plenty } = scene();
      const author = await Author.with(scene(), 2);
      const tag = freshTag();
      const first = await author.record({ tag, bytes: bytes('first') });
      const { purse, outputs } = await scene().filledPurse(plenty * 8n);
      const other = new Author(scene(), purse, outputs);
      // The record is the second output of this one.
      const second = await other.settled(
        await other.signed(
          {
            payments: [{ to: author.address, amount: plenty, reference: '' }],
            records: [{ tag, bytes: bytes('second') }],
          },
          outputs,
        ),
      );
      const [record] = await ledger.recordsOf(second.transactionId);
      assert.ok(record);
      // A node that has pruned: blocks are gone, and outputs that were spent.
      const spentAndGone = outputIdOf(first.transactionId, 0);
      proxy.alter = ({ path }) => {
        if (path.endsWith('/info'))
          return { body: (info) => ({ ...info, status: { ...(info.status as object), pruningIndex: second.height } }) };
        const gone = path.includes('/included-block') || path.includes(spentAndGone);
        return gone ? { instead: { status: 404, body: { error: { code: '404', message: 'not found' } } } } : undefined;
      };
      const pruned = (error: unknown) => isCodedError(error, 'HISTORY_PRUNED');
      assert.deepEqual((await ledger.recordsOf(second.transactionId)).map(textOf), ['second']);
      await assert.rejects(ledger.recordsOf(first.transactionId), pruned);
      await assert.rejects(ledger.previousRecord(record), pruned);
      assert.deepEqual(await ledger.recordsOf(`0x${'5a'.repeat(32)}`), []);
      await assert.rejects(ledger.readRecords({ tag, author: null }, `${second.height}:0`), pruned);
      await scene().disconnect(ledger);
      await proxy.close();
    });
  });

  describe('the chain of records of an author', () => {
    it('is found by its head and walked back to its beginning, over several milestones', async () => {
      const author = await Author.with(scene(), 2);
      const tag = freshTag();
      const transactions: string[] = [];
      for (const text of ['1', '2', '3', '4']) {
        transactions.unshift((await author.record({ tag, bytes: bytes(text) })).transactionId);
      }
      const anyone = scene().connect();
      const heads = await anyone.latestRecords(author.address);
      assert.deepEqual(heads.map(textOf), ['4']);
      const [head] = heads;
      assert.ok(head);
      const chain = await chainOf(anyone, head);
      assert.deepEqual(chain.map(textOf), ['4', '3', '2', '1']);
      assert.deepEqual(
        chain.map(({ transactionId }) => transactionId),
        transactions,
      );
      assert.equal(new Set(chain.map(({ height }) => height)).size, 4);
      await scene().disconnect(anyone);
    });

    it('has several heads where there are several chains, and keeps to its tag', async () => {
      const author = await Author.with(scene(), 3);
      const [one, two] = [freshTag(), freshTag()];
      await author.record({ tag: one, bytes: bytes('1a') }, { tag: two, bytes: bytes('2a') });
      await author.record({ tag: two, bytes: bytes('2b') }, { tag: one, bytes: bytes('1b') });
      const heads = await scene().ledger.latestRecords(author.address);
      assert.deepEqual(heads.map(textOf).sort(), ['1b', '2b']);
      for (const head of heads) {
        const chain = (await chainOf(scene().ledger, head)).map(textOf);
        assert.deepEqual(chain, textOf(head) === '1b' ? ['1b', '1a'] : ['2b', '2a']);
      }
    });

    it('that was two and was joined goes on with the younger one', async () => {
      const { ledger } = scene();
      const author = await Author.with(scene(), 4);
      const tag = freshTag();
      await author.record({ tag, bytes: bytes('older') });
      // Spends the change only, so that there are two heads.
      const all = author.funds;
      const change = all.filter(
        ({ amount }) => amount === all.reduce((most, { amount }) => (amount > most ? amount : most), 0n),
      );
      await author.settled(await author.signed({ records: [{ tag, bytes: bytes('younger') }] }, change));
      assert.deepEqual((await ledger.latestRecords(author.address)).map(textOf), ['older', 'younger']);
      const joined = await author.settled(
        await author.signed({ records: [{ tag, bytes: bytes('both') }] }, author.funds),
      );
      const [head] = await ledger.recordsOf(joined.transactionId);
      assert.ok(head);
      assert.deepEqual((await chainOf(ledger, head)).map(textOf), ['both', 'younger']);
    });

    it('goes on under another tag', async () => {
      const author = await Author.with(scene(), 1);
      await author.record({ tag: freshTag(), bytes: bytes('old tag') });
      await author.record({ tag: freshTag(), bytes: bytes('new tag') });
      const [head] = await scene().ledger.latestRecords(author.address);
      assert.ok(head);
      assert.deepEqual((await chainOf(scene().ledger, head)).map(textOf), ['new tag', 'old tag']);
    });

    it('is none of what a stranger puts under the same tag, or what has none', async () => {
      const { ledger, plenty } = scene();
      const [author, stranger] = [await Author.with(scene(), 1), await Author.with(scene(), 1)];
      const tag = freshTag();
      await author.record({ tag, bytes: bytes('mine') });
      await stranger.record({ tag, bytes: bytes('foreign') });
      await scene().pay([{ to: author.address, amount: plenty, reference: 'no record' }]);
      assert.deepEqual((await ledger.latestRecords(author.address)).map(textOf), ['mine']);
      assert.deepEqual((await ledger.latestRecords(stranger.address)).map(textOf), ['foreign']);
      assert.deepEqual(await ledger.latestRecords(scene().purse().address), []);
    });

    it('is not what another one put under its address, nor what it put under another address', async () => {
      const { ledger } = scene();
      const [author, victim] = [await Author.with(scene(), 2), await Author.with(scene(), 2)];
      const tag = freshTag();
      const own = await victim.record({ tag, bytes: bytes('own') });
      const signed = await author.sign({ tag, bytes: bytes('planted') });
      // The record's output goes to the victim's address: the sender feature still says who made it.
      const planted = await author.purse.forge(ledger, signed.prepared, (essence) => {
        const [output] = essence.outputs as unknown as { unlockConditions: { address: { pubKeyHash: string } }[] }[];
        const [condition] = output?.unlockConditions ?? [];
        assert.ok(condition);
        condition.address.pubKeyHash = hashOf(victim);
      });
      await author.settled(planted);
      assert.deepEqual(await ledger.latestRecords(author.address), []);
      assert.deepEqual((await ledger.latestRecords(victim.address)).map(textOf), ['own']);
      const [record] = await ledger.recordsOf(planted.transactionId);
      assert.equal(record?.author, author.address);

      // The victim spends both: what was planted is not the record before its next one.
      const inputs = (await ledger.holdings(victim.address)).outputs;
      assert.equal(inputs.filter((output) => output.tag !== null).length, 2);
      const next = await victim.settled(await victim.signed({ records: [{ tag, bytes: bytes('next') }] }, inputs));
      const [latest] = await ledger.recordsOf(next.transactionId);
      assert.ok(latest);
      assert.equal((await ledger.previousRecord(latest))?.transactionId, own.transactionId);
    });

    it('is complete, however small the pages of the indexer, and of the present', async () => {
      const author = await Author.with(scene(), 5);
      const tags = Array.from({ length: 5 }, freshTag);
      await author.record(...tags.map((tag, i) => ({ tag, bytes: bytes(`${i}`) })));
      const proxy = await AlteringProxy.before(scene().running.url);
      for (const pageSize of [1, 2, 5]) {
        const ledger = scene().connect({ url: proxy.url, mqttUrl: null, pageSize });
        assert.deepEqual((await ledger.latestRecords(author.address)).map(textOf).sort(), ['0', '1', '2', '3', '4']);
        await scene().disconnect(ledger);
      }
      // An indexer that has not heard of the last milestones, with a node that has.
      const before = await scene().ledger.latestRecords(author.address);
      const [tag = freshTag()] = tags;
      const { height } = await author.record({ tag, bytes: bytes('new') });
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      proxy.alter = ({ path }) =>
        path.includes('/api/indexer/')
          ? { body: (page) => ({ ...page, items: before.map(({ outputId }) => outputId), ledgerIndex: height - 1 }) }
          : undefined;
      assert.deepEqual((await ledger.latestRecords(author.address)).map(textOf), ['new']);
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('lists nothing that an indexer makes up', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const [author, stranger] = [await Author.with(scene(), 1), await Author.with(scene(), 1)];
      const { transactionId } = await stranger.record({ tag: freshTag(), bytes: bytes('foreign') });
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      proxy.alter = ({ path }) =>
        path.includes('/api/indexer/')
          ? { body: (page) => ({ ...page, items: [outputIdOf(transactionId, 0), outputIdOf(transactionId, 1)] }) }
          : undefined;
      assert.deepEqual(await ledger.latestRecords(author.address), []);
      await scene().disconnect(ledger);
      await proxy.close();
    });
  });

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

function hashOf({ purse }: Author): string {
  return `0x${Buffer.from(addressHash(purse.publicKey)).toString('hex')}`;
}
