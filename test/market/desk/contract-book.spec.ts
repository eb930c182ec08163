import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Append, type Journal, openJournal } from '../../../lib/journal';
import { contracts } from '../../../lib/market';
import { ContractBook, record } from '../../../lib/market/desk/contract-book';

const NETWORK = 'stage';
const ID = 'ab'.repeat(32);
const WHOSE = { nodeId: 'offer', service: 'charging' };
const SELLER = { contractId: ID, side: 'seller' } as const;

describe('the contract book', () => {
  let journal: Journal;
  let book: ContractBook;

  beforeEach(() => {
    journal = openJournal({ memory: true, projections: [contracts] });
    book = new ContractBook(journal.sql, NETWORK);
  });

  afterEach(() => journal.close());

  const begin = (contractId = ID, deadline: number | null = null) =>
    journal.write((append) =>
      book.begin(append, { contractId, side: 'seller' }, 'propose', WHOSE, {
        peer: 'did:key:buyer',
        deadline,
        facts: { price: '1', amount: '2' },
      }),
    );

  it('changes a contract by the table of its side, and its deadline with its state', async () => {
    await begin(ID, 500);
    await journal.write((append) => book.note(append, SELLER, { facts: { price: '3' } }));
    assert.equal(book.contract(ID, 'seller')?.deadline, 500);
    await journal.write((append) => book.move(append, SELLER, 'accept', { facts: { payBy: 7 } }));
    const row = book.contract(ID, 'seller');
    assert.equal(row?.state, 'ACCEPTED');
    assert.equal(row.deadline, null, 'a deadline is that of a state');
    assert.deepEqual(row.facts, { price: '3', amount: '2', payBy: 7 });
    assert.equal(row.endedAt, null);
    assert.equal(book.contract(ID, 'buyer'), undefined);
  });

  it('undoes the whole write where the table does not have the event', async () => {
    await begin();
    const { head } = journal;
    await assert.rejects(
      journal.write((append) => {
        book.note(append, SELLER, { facts: { price: 'changed' } });
        book.move(append, SELLER, 'cover');
      }),
      /no transition for "cover" in state PROPOSED/,
    );
    assert.deepEqual(journal.head, head);
    assert.equal(book.contract(ID, 'seller')?.facts['price'], '1');
    await assert.rejects(begin(), /has begun already/);
    await assert.rejects(
      journal.write((append) => book.note(append, { contractId: 'other', side: 'buyer' }, {})),
      /no buyer's contract/,
    );
  });

  it('tells an end once, and a later one as well', async () => {
    await begin();
    const take = (event: 'accept' | 'end' | 'owe' | 'refund') =>
      journal.write((append) => book.move(append, SELLER, event));
    await take('accept');
    await take('end');
    await take('owe');
    assert.equal(book.contract(ID, 'seller')?.endedAt, null);
    assert.equal(book.unsettled, true);
    await take('refund');
    assert.deepEqual(
      book.finishedAfter(0, 9).map(({ state, position }) => [state, position]),
      [
        ['CANCELLED', 1],
        ['REFUNDED', 2],
      ],
    );
    assert.equal(book.unsettled, false);
  });

  it('finds a contract by the digits of its reference, and deadlines in their order', async () => {
    const other = `${'ab'.repeat(15)}ac${'00'.repeat(16)}`;
    await begin(ID, 20);
    await begin(other, 10);
    assert.equal(book.contractOfReference(ID.slice(0, 32))?.contractId, ID);
    assert.equal(book.contractOfReference(other.slice(0, 32))?.contractId, other);
    assert.equal(book.contractOfReference('ff'.repeat(16)), undefined);
    assert.equal(book.nextDeadline(), 10);
    assert.deepEqual(
      book.due(20).map(({ contractId }) => contractId),
      [other, ID],
    );
    assert.deepEqual(
      book.due(19).map(({ contractId }) => contractId),
      [other],
    );
    assert.equal(new ContractBook(journal.sql, 'another').nextDeadline(), null);
  });

  it('knows whose messages are still listened to', async () => {
    await begin();
    assert.equal(book.heardOf('offer', Number.MAX_SAFE_INTEGER).length, 1);
    await journal.write((append) => book.move(append, SELLER, 'end'));
    assert.equal(book.heardOf('offer', Date.now() + 60_000).length, 0);
    assert.equal(book.heardOf('offer', Date.now() - 60_000).length, 1);
    assert.equal(book.heardOf('another', 0).length, 0);
  });

  it('never lets more go back than came in, whatever asks for it', async () => {
    const amounts = fc.bigInt({ min: 1n, max: 2n ** 62n });
    await fc.assert(
      fc.asyncProperty(
        amounts,
        fc.array(fc.bigInt({ min: -5n, max: 2n ** 62n }), { maxLength: 6 }),
        async (came, asked) => {
          const one = openJournal({ memory: true, projections: [contracts] });
          const money = (append: Append) =>
            record(append, 'contract-money.received', {
              network: NETWORK,
              contractId: ID,
              eventId: 'event',
              transactionId: 'tx',
              payer: 'payer',
              amount: came.toString(),
              counted: '0',
              at: '',
            });
          await one.write(money);
          await assert.rejects(one.write(money), 'and it comes in once');
          let back = 0n;
          for (const [index, amount] of asked.entries()) {
            const owed = one.write((append) =>
              record(append, 'refund.owed', {
                network: NETWORK,
                contractId: ID,
                eventId: 'event',
                paymentId: `refund ${index}`,
                kind: 'excess',
                amount: amount.toString(),
              }),
            );
            if (amount > 0n && back + amount <= came) {
              await owed;
              back += amount;
            } else await assert.rejects(owed, /more would go back than came in/);
          }
          await one.close();
        },
      ),
      { numRuns: 12 },
    );
  });

  it('lets nothing go back that did not come in for this contract, or from nobody', async () => {
    const received = (eventId: string, contractId: string, payer: string | null) =>
      journal.write((append) =>
        record(append, 'contract-money.received', {
          network: NETWORK,
          contractId,
          eventId,
          transactionId: 'tx',
          payer,
          amount: '5',
          counted: '5',
          at: '',
        }),
      );
    await received('of another', 'cd'.repeat(32), 'payer');
    await received('of nobody', ID, null);
    for (const eventId of ['of another', 'of nobody', 'unknown'])
      await assert.rejects(
        journal.write((append) =>
          record(append, 'refund.owed', {
            network: NETWORK,
            contractId: ID,
            eventId,
            paymentId: eventId,
            kind: 'agreed',
            amount: '1',
          }),
        ),
        /more would go back/,
      );
    await assert.rejects(
      journal.write((append) =>
        record(append, 'contract-money.received', {
          network: NETWORK,
          contractId: ID,
          eventId: 'too much counts',
          transactionId: 'tx',
          payer: 'payer',
          amount: '5',
          counted: '6',
          at: '',
        }),
      ),
      /more counts/,
    );
  });
});
