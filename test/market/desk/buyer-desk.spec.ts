import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import { canonicalJson } from '../../../lib/evidence';
import type { BuySettings, MessageBodies } from '../../../lib/market';
import {
  CHANNEL,
  contractsOf,
  failuresOf,
  MarketStage,
  NOTHING_SET,
  type Puppet,
  progressOf,
  stateOf,
} from '../market-stage';
import type { SimulatedTrader } from '../simulation/trader';

const MONEY = 1_000_000n;

/** What a proposal says beside its price. */
const OFFERED = {
  service: 'charging',
  title: '',
  unit: 'once',
  quantity: '1',
  token: 'STG',
  decimals: 6,
  place: null,
  leadSeconds: null,
  payWithin: 60,
} as const;

describe('a buyer', () => {
  let stage: MarketStage;
  let buyer: SimulatedTrader;
  let anna: Puppet;
  let bob: Puppet;

  beforeEach(async () => {
    stage = new MarketStage();
    buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
    anna = stage.puppet('anna');
    bob = stage.puppet('bob');
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });

  /** Calls, and waits until the puppets have heard it. */
  async function call(settings: Partial<BuySettings> = {}): Promise<string> {
    const contractId = await stage.buy(buyer, settings);
    await stage.until('the call is heard', () => [anna, bob].every((one) => one.got('call').length > 0));
    return contractId;
  }

  const state = (contractId: string) => stateOf(buyer, contractId, 'buyer');

  /** Until the seller is paid. */
  async function paid(settings: Partial<BuySettings> = {}, price = 100n): Promise<string> {
    const contractId = await call(settings);
    anna.propose(price);
    await stage.until('it is accepted', () => anna.got('accept').length > 0);
    anna.confirm();
    await stage.until('it is paid', () => anna.got('paid').length > 0);
    return contractId;
  }

  describe('that needs something', () => {
    it('waits for all proposals, takes the cheapest, pays it once confirmed, and hands over what can be proven', async () => {
      const contractId = await call();
      anna.propose(300n);
      await stage.pass(1_000);
      bob.propose(100n);
      await stage.pass(1_500);
      assert.deepEqual([...anna.got('accept'), ...bob.got('accept')], [], 'nobody is taken early');
      await stage.until('the cheapest is accepted', () => bob.got('accept').length > 0);
      assert.equal(stage.ledger.transfers.length, 0, 'nobody is paid who has not confirmed');
      bob.confirm();
      await stage.until('it is paid', () => bob.got('paid').length > 0);
      assert.equal(stage.ledger.balanceOf(bob.address), 100n);
      const [{ reference } = { reference: '' }] = stage.ledger.transfers;
      assert.equal(reference, `me1:${contractId.slice(0, 32)}`);
      assert.equal(anna.got('reject')[0]?.message.body.reason, 'not-chosen');
      bob.delivered();
      await stage.until('it is complete', () => bob.got('complete').length > 0);
      const [contract, ...more] = contractsOf(buyer);
      assert.equal(more.length, 0);
      assert.equal(contract?.status, 'completed');
      assert.equal(contract.seller?.did, bob.did);
      assert.equal(contract.amount, '100');
      assert.match(contract.chosenBecause ?? '', /cheapest of 2: amount 100; next best: amount 300/);
      assert.equal(contract.receipts[0]?.paymentId, reference);
      assert.equal(contract.receipts[0]?.transactionId, stage.ledger.transfers[0]?.transactionId);
      assert.deepEqual(
        contract.messages.map(({ type }) => type),
        ['call', 'proposal', 'proposal', 'accept', 'accept', 'reject', 'paid', 'delivered', 'complete'],
      );
      assert.deepEqual(
        progressOf(buyer).map(({ event }) => event),
        ['called', 'proposal', 'proposal', 'accepted', 'confirmed', 'paid'],
      );
    });

    it('hears that there was no proposal', async () => {
      const contractId = await call();
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.code, 'NO_PROPOSAL');
      assert.equal(failuresOf(buyer)[0]?.detail, 'default');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('is asked for once more by who did not hear the answer: it is the same purchase, also when it is over', async () => {
      const { market } = buyer;
      assert.ok(market);
      const origin = { nodeId: 'buy', askId: 'the first' };
      const ask = (askId = origin.askId) =>
        stage.soon(market.buy({ ...origin, askId }, NOTHING_SET, CHANNEL).then(({ contractId }) => contractId));
      const contractId = await ask();
      assert.equal(await ask(), contractId);
      assert.notEqual(await ask('another'), contractId);
      await stage.until('both give up', () => failuresOf(buyer).length > 1);
      assert.equal(await ask(), contractId);
      assert.deepEqual([...new Set(anna.got('call').map(({ hash }) => hash))].length, 2);
    });

    it('is told when its settings are wrong, and calls nobody', async () => {
      await stage.refuses(stage.buy(buyer, { service: 'a/b' }), 'CONFIG_INVALID', 'service');
      assert.deepEqual(anna.heard, []);
    });

    it('tells who declines, once each', async () => {
      await call();
      const { hash, message } = anna.call;
      for (const text of ['first', 'second'])
        anna.say('reject', {
          to: message.from,
          contractId: hash,
          previous: hash,
          body: { reason: 'parameters', text },
        });
      await stage.pass(500);
      assert.deepEqual(
        progressOf(buyer, 'declined').map(({ reason, text }) => [reason, text]),
        [['parameters', 'first']],
      );
    });

    it('may want it no more before anybody confirmed', async () => {
      const contractId = await call();
      anna.propose(10n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      await stage.soon(buyer.market?.endPurchase('buy', contractId, 'cancel') as Promise<void>);
      await stage.until('the seller hears it', () => anna.got('cancel').length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'cancelled');
      assert.deepEqual(buyer.life?.channels?.unanswered, [], 'nothing of it is said again');
      anna.confirm();
      await stage.until('it hears again that it is off', () => anna.got('cancel').length > 1);
      await stage.pass(300_000);
      assert.equal(stage.ledger.transfers.length, 0);
    });

    it('cannot take back what is paid, and ends only its own contracts', async () => {
      const contractId = await paid();
      const end = (node: string, id: string, how: 'stop' | 'cancel') =>
        buyer.market?.endPurchase(node, id, how) as Promise<void>;
      await stage.refuses(end('buy', contractId, 'cancel'), 'CONFIG_INVALID', 'contract-state');
      await stage.refuses(end('other', contractId, 'stop'), 'CONFIG_INVALID', 'no-contract');
      await stage.refuses(end('buy', 'f'.repeat(64), 'stop'), 'CONFIG_INVALID', 'no-contract');
      assert.equal(state(contractId), 'PAID');
    });
  });

  describe('whose proposals are not what they should be', () => {
    const bad: [string, Partial<MessageBodies['proposal']>, string][] = [
      ['another amount than price times quantity', { amount: '99' }, 'price'],
      ['another token', { token: 'OTHER' }, 'invalid'],
      ['other decimals', { decimals: 9 }, 'invalid'],
      ['another service', { service: 'parking' }, 'invalid'],
      ['another quantity', { quantity: '2', amount: '200' }, 'quantity'],
    ];
    for (const [what, body, reason] of bad)
      it(`refuses one with ${what}`, async () => {
        await call();
        anna.propose(100n, body);
        await stage.until('it is rejected', () => anna.got('reject').length > 0);
        assert.equal(anna.got('reject')[0]?.message.body.reason, reason);
        await stage.until('it gives up', () => failuresOf(buyer).length > 0);
        assert.deepEqual(anna.got('accept'), []);
      });

    it('refuses one that answers something else', async () => {
      const contractId = await call();
      anna.say('proposal', {
        to: buyer.did,
        contractId,
        previous: 'b'.repeat(64),
        body: { ...OFFERED, price: '1', amount: '1' },
      });
      await stage.until('it is rejected', () => anna.got('reject').length > 0);
      assert.equal(anna.got('reject')[0]?.message.body.reason, 'invalid');
    });

    it('leaves out who is above the limit, and says so', async () => {
      await call({ maxPrice: '50' });
      anna.propose(100n);
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.detail, 'unsuitable');
      await stage.until('the seller hears it', () => anna.got('reject').length > 0);
      assert.equal(anna.got('reject')[0]?.message.body.reason, 'price');
    });

    it('counts the latest of a seller only', async () => {
      await call();
      anna.propose(10n);
      await stage.pass(100);
      anna.propose(30n);
      bob.propose(20n);
      await stage.until('somebody is accepted', () => bob.got('accept').length + anna.got('accept').length > 0);
      assert.equal(bob.got('accept').length, 1);
    });

    it('keeps a hundred of them, and no more', async () => {
      const contractId = await call();
      for (let index = 0; index < 120; index += 1) {
        const seller = stage.puppet(`seller ${index}`);
        seller.heard.push(...anna.heard);
        seller.propose(1_000n - BigInt(index));
      }
      await stage.until('one is accepted', () => progressOf(buyer, 'accepted').length > 0);
      const kept = buyer.life?.journal?.sql.get(
        "SELECT count(*) AS kept FROM contract_documents WHERE contract_id = ? AND type = 'proposal'",
        [contractId],
      );
      assert.equal(kept?.kept, 100);
    });

    it('refuses one that comes after the choice, again and again', async () => {
      const contractId = await paid();
      const late = bob.write('proposal', {
        to: buyer.did,
        contractId,
        previous: contractId,
        body: { ...OFFERED, price: '1', amount: '1' },
      });
      bob.send(late);
      await stage.until('it is rejected', () => bob.got('reject').length > 0);
      assert.equal(bob.got('reject')[0]?.message.body.reason, 'late');
      assert.equal(progressOf(buyer, 'refused').at(-1)?.reason, 'late');
      bob.heard.length = 0;
      bob.send(late);
      await stage.until('it is rejected once more', () => bob.got('reject').length > 0);
      assert.equal(state(contractId), 'PAID');
    });

    it('refuses one that somebody else signed', async () => {
      await call();
      const forged = anna.write('proposal', {
        to: buyer.did,
        contractId: anna.call.hash,
        previous: anna.call.hash,
        body: { ...OFFERED, price: '1', amount: '1' },
      });
      bob.send(forged.replaceAll(anna.did, bob.did));
      bob.send(forged.replace('"price":"1"', '"price":"2"').replace('"amount":"1"', '"amount":"2"'));
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.deepEqual(
        progressOf(buyer, 'refused').map(({ reason }) => reason),
        ['signature', 'signature'],
      );
    });
  });

  describe('whose seller does not confirm', () => {
    it('takes the next best when it is silent, and pays only that one even if the first wakes up', async () => {
      await call();
      anna.propose(100n);
      bob.propose(200n);
      await stage.until('the first is accepted', () => anna.got('accept').length > 0);
      await stage.until('the next is accepted', () => bob.got('accept').length > 0);
      assert.equal(anna.got('cancel')[0]?.message.body.reason, 'silent');
      anna.confirm();
      bob.confirm();
      await stage.until('it is paid', () => bob.got('paid').length > 0);
      await stage.pass(60_000);
      assert.equal(stage.ledger.balanceOf(bob.address), 200n);
      assert.equal(stage.ledger.balanceOf(anna.address), 0n);
      assert.ok(anna.got('cancel').length > 1, 'who confirms too late hears that it is off');
      const because = progressOf(buyer).flatMap(({ event, because }) => (event === 'accepted' ? [because] : []));
      assert.deepEqual(because, [
        'cheapest of 2: amount 100; next best: amount 200',
        'cheapest of 2: amount 100; next best: amount 200; taken: number 2, amount 200, since those before it could not be had',
      ]);
    });

    it('takes the next best at once when it says no', async () => {
      await call();
      anna.propose(100n);
      bob.propose(200n);
      await stage.until('the first is accepted', () => anna.got('accept').length > 0);
      const before = stage.timeline.now();
      anna.answer('reject', { reason: 'capacity', text: null });
      await stage.until('the next is accepted', () => bob.got('accept').length > 0);
      assert.ok(stage.timeline.now() - before < 2_000);
    });

    it('passes over who took its proposal back', async () => {
      await call();
      anna.propose(100n);
      bob.propose(200n);
      await stage.pass(200);
      anna.answer('reject', { reason: 'withdrawn', text: null });
      await stage.until('the other is accepted', () => bob.got('accept').length > 0);
      assert.deepEqual(anna.got('accept'), []);
    });

    it('gives up when nobody is left', async () => {
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.detail, 'unconfirmed');
      assert.equal(state(contractId), 'CANCELLED');
      anna.confirm();
      await stage.pass(300_000);
      assert.equal(stage.ledger.transfers.length, 0);
    });

    it('says so when the proposals expired', async () => {
      await call();
      anna.propose(100n, {}, stage.timeline.now() + 1_000);
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.code, 'OFFER_EXPIRED');
    });

    it('takes no confirmation of another amount, of another accept, or from another seller', async () => {
      await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      const { contractId } = anna.got('accept')[0]?.message ?? { contractId: '' };
      const payBy = new Date(stage.timeline.now() + 60_000).toISOString();
      const [accept] = anna.got('accept');
      bob.say('accept', {
        to: buyer.did,
        contractId,
        previous: accept?.hash ?? '',
        body: { amount: '100', payBy },
      });
      anna.say('accept', { to: buyer.did, contractId, previous: contractId, body: { amount: '100', payBy } });
      await stage.pass(1_000);
      assert.equal(state(contractId), 'ACCEPTING');
      anna.confirm({ amount: '1' });
      await stage.until('that was no confirmation', () => state(contractId) === 'CANCELLED');
      assert.equal(stage.ledger.transfers.length, 0);
    });
  });

  describe('that pays', () => {
    it('pays who signed the proposal, whatever anybody says later', async () => {
      const contractId = await paid();
      assert.deepEqual(
        stage.ledger.transfers.map(({ to, amount }) => [to, amount]),
        [[anna.address, 100n]],
      );
      assert.equal(anna.got('paid')[0]?.message.body.transactionId, stage.ledger.transfers[0]?.transactionId);
      assert.equal(state(contractId), 'PAID');
    });

    it('takes no seller that its policy forbids, and names the policy when no other is left', async () => {
      buyer.account.refuses = ({ to }) =>
        to === anna.address ? new CodedError('POLICY_PAYEE', 'default', 'not this one') : undefined;
      await call();
      anna.propose(100n);
      bob.propose(200n);
      await stage.until('the other is accepted', () => bob.got('accept').length > 0);
      assert.deepEqual(anna.got('accept'), []);
      bob.answer('reject', { reason: 'capacity', text: null });
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      await stage.buy(buyer);
      await stage.pass(100);
      anna.propose(100n);
      await stage.until('it gives up again', () => failuresOf(buyer).length > 1);
      assert.equal(failuresOf(buyer)[1]?.code, 'POLICY_PAYEE');
      await stage.until('the seller hears it', () => anna.got('reject').length > 1);
      assert.equal(anna.got('reject').at(-1)?.message.body.reason, 'policy');
    });

    it('waits while the ledger is away', async () => {
      let away = true;
      buyer.account.refuses = () => (away ? new CodedError('LEDGER_UNREACHABLE', 'default', 'it is away') : undefined);
      await call();
      anna.propose(100n);
      await stage.pass(20_000);
      assert.deepEqual(anna.got('accept'), []);
      away = false;
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      away = true;
      anna.confirm();
      await stage.pass(5_000);
      away = false;
      await stage.until('it is paid', () => anna.got('paid').length > 0);
    });

    it('ends it when the payment is refused for good', async () => {
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      buyer.account.refuses = () => new CodedError('FROZEN', 'default', 'frozen');
      anna.confirm();
      await stage.until('the seller hears it', () => anna.got('cancel').length > 0);
      assert.equal(anna.got('cancel')[0]?.message.body.reason, 'not-payable');
      assert.equal(failuresOf(buyer)[0]?.code, 'FROZEN');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('counts what came back before it knew that it had paid', async () => {
      buyer.account.tellsAfter = 20_000;
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      anna.confirm();
      await stage.until('the money is there', () => stage.ledger.balanceOf(anna.address) === 100n);
      anna.paysBack(buyer.address, 100n, contractId);
      await stage.pass(10_000);
      assert.equal(state(contractId), 'PAYING');
      await stage.until('it knows', () => contractsOf(buyer).length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'refunded');
    });

    it('counts what was said before it knew that it had paid', async () => {
      await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      anna.confirm();
      await stage.until('the money is there', () => stage.ledger.balanceOf(anna.address) === 100n);
      assert.deepEqual(anna.got('paid'), []);
      anna.delivered();
      await stage.until('it is complete', () => anna.got('complete').length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'completed');
    });
  });

  describe('that has paid', () => {
    it('raises an error when it is not delivered in time, and then hands over that it was paid back', async () => {
      const contractId = await paid({ deliverWithin: 60 });
      await stage.until('it is late', () => failuresOf(buyer).length > 0, 61_000);
      assert.equal(failuresOf(buyer)[0]?.code, 'DELIVERY_LATE');
      assert.equal(failuresOf(buyer)[0]?.detail, 'default');
      await stage.until('the seller hears it', () => anna.got('cancel').length > 0);
      assert.equal(anna.got('cancel')[0]?.message.body.reason, 'late');
      assert.deepEqual(contractsOf(buyer), []);
      anna.paysBack(buyer.address, 100n, contractId);
      await stage.until('it is back', () => contractsOf(buyer).length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'refunded');
    });

    it('believes no words of a refund, no part of one, and nobody else', async () => {
      const contractId = await paid({ deliverWithin: 60 });
      anna.answer('cancel', {
        reason: 'failed',
        text: null,
        refund: { amount: '100', transactionId: 'f'.repeat(64), of: ['f'.repeat(64)] },
      });
      await stage.until('it gave up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.detail, 'given-up');
      stage.ledger.mint(bob.address, 500n);
      bob.paysBack(buyer.address, 500n, contractId);
      stage.ledger.transfer(anna.address, buyer.address, 99n, `me1:${contractId.slice(0, 32)}/refund`);
      await stage.pass(10_000);
      assert.equal(state(contractId), 'LATE');
      stage.ledger.transfer(anna.address, buyer.address, 1n, `me1:${contractId.slice(0, 32)}/refund`);
      await stage.until('all of it is back', () => state(contractId) === 'REFUNDED');
    });

    it('counts a refund once, however often it is told of it', async () => {
      const contractId = await paid();
      const payment = {
        eventId: 'stage:1:1',
        transactionId: '1'.repeat(64),
        from: anna.address,
        to: buyer.address,
        amount: '50',
        token: 'STG',
        decimals: 6,
        reference: `me1:${contractId.slice(0, 32)}/refund`,
        confirmedAt: new Date(stage.timeline.now()).toISOString(),
        status: 'confirmed',
      } as const;
      for (const redelivered of [false, true]) buyer.market?.hearPayment(payment, redelivered);
      await stage.pass(5_000);
      assert.equal(state(contractId), 'PAID');
      buyer.market?.hearPayment({ ...payment, eventId: 'stage:2:1' }, false);
      await stage.until('all of it is back', () => state(contractId) === 'REFUNDED');
    });

    it('hands over that it failed when nothing comes back, and otherwise when it does after all', async () => {
      const contractId = await paid({ deliverWithin: 60 });
      await stage.until('it failed', () => contractsOf(buyer).length > 0, 2 * 3_600_000);
      assert.equal(contractsOf(buyer)[0]?.status, 'failed');
      anna.paysBack(buyer.address, 100n, contractId);
      await stage.until('it is back', () => contractsOf(buyer).length > 1);
      assert.equal(contractsOf(buyer)[1]?.status, 'refunded');
    });

    it('takes what is delivered late', async () => {
      await paid({ deliverWithin: 60 });
      await stage.until('it is late', () => anna.got('cancel').length > 0, 61_000);
      anna.delivered();
      await stage.until('it is complete', () => anna.got('complete').length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'completed');
    });

    it('ends a service before its time, and says it again to a seller that goes on', async () => {
      const contractId = await paid();
      await stage.soon(buyer.market?.endPurchase('buy', contractId, 'stop') as Promise<void>);
      await stage.until('the seller hears it', () => anna.got('complete').length > 0);
      assert.notEqual(anna.got('complete')[0]?.message.body.stoppedAt, null);
      assert.equal(contractsOf(buyer)[0]?.status, 'completed');
      assert.equal(contractsOf(buyer)[0]?.reason, 'stopped');
      const before = anna.got('complete').length;
      anna.delivered();
      await stage.until('it hears it again', () => anna.got('complete').length > before);
      assert.deepEqual(contractsOf(buyer).length, 1);
    });

    it('answers a repeated message with the same answer', async () => {
      await paid();
      anna.delivered();
      await stage.until('it is complete', () => anna.got('complete').length > 0);
      const [delivered] = stage.place.sent.length ? anna.got('complete') : [];
      const count = anna.heard.length;
      await stage.pass(10);
      const repeated = contractsOf(buyer)[0]?.messages.find(({ type }) => type === 'delivered');
      anna.send(canonicalJson(repeated));
      await stage.until('it is said again', () => anna.heard.length > count);
      assert.equal(anna.heard.at(-1)?.hash, delivered?.hash);
      assert.equal(contractsOf(buyer).length, 1);
    });

    it('hears readings of the meter from its seller only', async () => {
      const contractId = await paid();
      const startedAt = new Date(stage.timeline.now()).toISOString();
      const body = { final: false, quantity: '0.5', startedAt, endedAt: null };
      anna.answer('delivered', body);
      bob.say('delivered', { to: buyer.did, contractId, previous: contractId, body: { ...body, final: true } });
      await stage.pass(1_000);
      assert.deepEqual(
        progressOf(buyer, 'metered').map(({ quantity }) => quantity),
        ['0.5'],
      );
      assert.equal(state(contractId), 'PAID');
    });
  });

  it('refuses what answers nothing that it has said', async () => {
    const contractId = await paid();
    const at = new Date(stage.timeline.now()).toISOString();
    anna.say('delivered', {
      to: buyer.did,
      contractId,
      previous: 'a'.repeat(64),
      body: { final: true, quantity: '1', startedAt: at, endedAt: at },
    });
    await stage.pass(1_000);
    assert.equal(progressOf(buyer, 'refused').at(-1)?.reason, 'previous');
    assert.equal(state(contractId), 'PAID');
  });

  it('keeps quiet about a node that is not there, and tells it when it comes', async () => {
    const contractId = await paid();
    await stage.soon(buyer.market?.closePurchases('buy') as Promise<void>);
    anna.delivered();
    await stage.until('it is complete', () => state(contractId) === 'COMPLETED');
    assert.deepEqual(contractsOf(buyer), []);
    await stage.soon(buyer.market?.attendPurchases('buy', CHANNEL) as Promise<void>);
    await stage.pass(100);
    assert.equal(contractsOf(buyer)[0]?.status, 'completed');
  });
});
