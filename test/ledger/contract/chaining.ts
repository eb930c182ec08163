import assert from 'node:assert/strict';
import type { Ledger, LedgerRecord } from '../../../lib/ledger';
import { addressHash } from '../../../lib/values';
import { AlteringProxy } from '../altering-proxy';
import { Author, bytes, freshTag, textOf } from './author';
import { outputIdOf, type Scene } from './scene';

/** The whole chain that ends with a record, youngest first. */
async function chainOf(ledger: Ledger, head: LedgerRecord): Promise<LedgerRecord[]> {
  const chain = [head];
  for (let record = await ledger.previousRecord(head); record; record = await ledger.previousRecord(record))
    chain.push(record);
  return chain;
}

export function chains(scene: () => Scene): void {
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
}

function hashOf({ purse }: Author): string {
  return `0x${Buffer.from(addressHash(purse.publicKey)).toString('hex')}`;
}
