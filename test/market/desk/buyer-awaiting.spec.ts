import assert from 'node:assert/strict';
import { canonicalJson } from '../../../lib/evidence';
import { CHANNEL, contractsOf, failuresOf, progressOf } from '../market-stage';
import { anna, bob, buyer, paid, setTheStage, stage, state } from './buying';

describe('a buyer', () => {
  setTheStage();

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
