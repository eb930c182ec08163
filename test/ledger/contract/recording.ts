import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { isCodedError } from '../../../lib/errors';
import { AlteringProxy } from '../altering-proxy';
import { Author, bytes, freshTag, textOf } from './author';
import { outputIdOf, readOn, type Scene } from './scene';

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
}
