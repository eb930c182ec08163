import assert from 'node:assert/strict';
import type { MessageBodies } from '../../../lib/market';
import { failuresOf, progressOf } from '../market-stage';
import { anna, bob, buyer, call, paid, setTheStage, stage, state } from './buying';

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
  setTheStage();

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
});
