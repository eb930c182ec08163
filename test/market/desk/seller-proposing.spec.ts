import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import {
  accept,
  accepted,
  call,
  carl,
  comes,
  command,
  events,
  HOUR,
  MONEY,
  offers,
  pay,
  proposed,
  rows,
  seller,
  setTheStage,
  stage,
  started,
  state,
  WANTED,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('that is called', () => {
    it('proposes what it costs, rounded up, for as long as it said', async () => {
      await offers({ price: '3', unit: 'kWh', validFor: '30', title: 'Säule 4', place: '52.5,13.4', leadSeconds: '9' });
      const contractId = await proposed({ quantity: '1.5' });
      const [{ message } = assert.fail()] = carl.got('proposal');
      assert.deepEqual(message.body, {
        service: 'charging',
        title: 'Säule 4',
        unit: 'kWh',
        price: '3',
        quantity: '1.5',
        amount: '5',
        token: 'STG',
        decimals: 6,
        place: { lat: 52.5, lng: 13.4 },
        leadSeconds: 9,
        payWithin: 120,
      });
      assert.equal(message.previous, contractId);
      assert.equal(Date.parse(message.expires) - Date.parse(message.at), 30_000);
      await stage.pass(29_000);
      assert.equal(state(contractId), 'PROPOSED');
      await stage.pass(2_000);
      assert.equal(state(contractId), 'CANCELLED');
      assert.equal(events('expired').length, 1);
    });

    it('says nothing where price, distance, pause, or room do not allow it', async () => {
      await offers({ place: '52.5,13.4', capacity: '1' });
      call({ maxPrice: '99' });
      call({ near: { lat: 53, lng: 13.4 }, maxDistance: 10 });
      await command({ command: 'pause' });
      call();
      await stage.pass(1_000);
      await command({ command: 'resume' });
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
      await accepted();
      call();
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 1);
      assert.deepEqual(carl.got('reject'), []);
    });

    it('says nothing where it would be late before it has begun', async () => {
      await offers({ leadSeconds: '30' });
      call({ deliverWithin: 29 });
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
      await proposed({ deliverWithin: 30 });
    });

    it('says what is wrong with parameters and quantity, once', async () => {
      await offers({ parameters: { type: 'object', required: ['plate'] } });
      const contractId = call();
      await stage.until('it rejects', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'parameters');
      assert.equal(carl.got('reject')[0]?.message.contractId, contractId);
      assert.equal(state(contractId), undefined, 'it is no contract');
      call({ parameters: { plate: 1 }, quantity: '1.5' });
      await stage.until('it rejects', () => carl.got('reject').length > 1);
      assert.equal(carl.got('reject')[1]?.message.body.reason, 'quantity');
      await stage.pass(60_000);
      assert.equal(carl.heard.length, 2);
      assert.equal(rows('contract_documents'), 0, 'nothing of it stays');
    });

    it('answers a call once, however often it comes, and after a restart', async () => {
      await offers({ validFor: '600' });
      const parts = { to: null, contractId: null, previous: null, body: WANTED };
      const text = carl.write('call', parts as unknown as Parameters<typeof carl.write<'call'>>[1]);
      for (let times = 0; times < 3; times += 1) {
        stage.place.publish({ calls: 'charging' }, text);
        await stage.pass(100);
      }
      seller.crash();
      await stage.pass(2_000);
      stage.place.publish({ calls: 'charging' }, text);
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 1);
    });

    it('has a limit for one buyer, and for all', async function () {
      this.timeout(30_000);
      await offers({ capacity: '1000', validFor: '3600' });
      for (let calls = 0; calls < 5; calls += 1) call();
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 3);
      const others = Array.from({ length: 40 }, (_, index) => stage.puppet(`other ${index}`));
      for (const other of [...others, ...others, ...others]) call({}, other);
      await stage.pass(1_000);
      const answers = others.map((other) => other.got('proposal').length);
      assert.equal(
        answers.reduce((sum, one) => sum + one),
        97,
      );
    });

    it('answers who has paid before, however many strangers there are, also after a restart', async function () {
      this.timeout(30_000);
      await offers({ capacity: '1000', validFor: '3600' });
      await started();
      const strangers = Array.from({ length: 40 }, (_, index) => stage.puppet(`stranger ${index}`));
      for (const stranger of [...strangers, ...strangers, ...strangers]) call({}, stranger);
      await stage.pass(1_000);
      const late = stage.puppet('late');
      for (const restart of [false, true]) {
        if (restart) {
          seller.crash();
          await stage.pass(5_000);
        }
        assert.deepEqual(seller.life?.channels?.known, [carl.did], 'the channel hears its customer first');
        const before = carl.got('proposal').length;
        for (let calls = 0; calls < 5; calls += 1) call();
        call({}, late);
        await stage.pass(1_000);
        assert.deepEqual([carl.got('proposal').length - before, late.got('proposal').length], [5, 0]);
      }
      for (let calls = 0; calls < 30; calls += 1) call();
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 1 + 20, 'there is a limit for customers, too');
    });

    it('signs a bounded number of proposals that come to nothing, and any number that do not', async function () {
      this.timeout(30_000);
      await offers({ capacity: '1000', validFor: '1' });
      const dealers: string[] = [];
      for (let deals = 0; deals < 8; deals += 1) dealers.push(await accepted());
      let answered = 0;
      for (let round = 0; round < 10; round += 1) {
        const others = Array.from({ length: 10 }, (_, index) => stage.puppet(`spammer ${round} ${index}`));
        for (const other of [...others, ...others, ...others]) call({}, other);
        await stage.pass(2_000);
        for (const other of others) answered += other.got('proposal').length;
        for (const other of others) stage.place.connections.delete(other);
      }
      assert.ok(answered >= 190 && answered <= 225, `${answered} of 300`);
      for (const paying of dealers) pay(paying, 100n);
      await stage.until('all of them start', () => events('start').length === dealers.length);
      // No time for so many tokens: they are those of the contracts that were paid.
      const others = Array.from({ length: dealers.length }, (_, index) => stage.puppet(`other ${index}`));
      for (const other of others) call({}, other);
      await stage.pass(200);
      assert.ok(others.every((other) => other.got('proposal').length > 0));
    });

    it('asks the flow where it was told to, and proposes the price that it names', async () => {
      await offers({ price: '', autoPropose: false, capacity: '2' });
      const contractId = call({ parameters: { size: 4 } });
      await stage.until('it asks', () => events('inquiry').length > 0);
      assert.deepEqual(events('inquiry')[0]?.parameters, { size: 4 });
      await command({ command: 'price', price: '250', contractId });
      await stage.until('it proposes', () => carl.got('proposal').length > 0);
      assert.equal(carl.got('proposal')[0]?.message.body.amount, '250');
      accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const other = call();
      await stage.until('it asks', () => events('inquiry').length > 1);
      await command({ command: 'withdraw', contractId: other });
      await stage.until('it declines', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'declined');
      await stage.refuses(
        seller.market?.command('offer', { command: 'price', price: '1', contractId: other }) as Promise<void>,
        'CONFIG_INVALID',
        'contract-state',
      );
    });

    it('waits for a price from the flow, and follows it', async () => {
      await offers({ price: '' });
      call();
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
      assert.equal(stage.place.cards.size, 0);
      await command({ command: 'price', price: '70', contractId: null });
      await proposed();
      assert.equal(carl.got('proposal')[0]?.message.body.price, '70');
      await stage.pass(10_000);
      const card = JSON.parse([...stage.place.cards.values()][0] ?? '{}');
      assert.equal(card.body.price, '70');
      await stage.refuses(
        seller.market?.command('offer', { command: 'price', price: '0.1', contractId: null }) as Promise<void>,
        'AMOUNT_INVALID',
        'fraction',
      );
    });
  });

  it('promises nothing before its account has seen the ledger: what was paid then would not be received', async () => {
    await offers();
    seller.account.look = () => {
      throw new CodedError('LEDGER_UNREACHABLE', 'default', 'away');
    };
    seller.crash();
    await stage.pass(5_000);
    call();
    await stage.pass(3_000);
    assert.deepEqual(carl.got('proposal'), []);
    seller.account.look = () => {};
    await stage.pass(6_000);
    await proposed();
  });

  it('forgets proposals that nobody took after an hour, and not what it owes for them', async () => {
    await offers();
    const contractId = await proposed();
    await stage.pass(61_000);
    assert.ok(rows('contract_documents') > 0);
    await stage.pass(HOUR + 660_000);
    assert.equal(rows('contract_documents'), 0);
    pay(contractId);
    await comes('it is back', contractId, 'REFUNDED');
    assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
  });
});
