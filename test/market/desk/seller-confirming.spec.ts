import assert from 'node:assert/strict';
import {
  accept,
  accepted,
  carl,
  comes,
  events,
  finished,
  offers,
  proposed,
  says,
  seller,
  setTheStage,
  stage,
  state,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('whose proposal is taken', () => {
    it('confirms exactly that proposal, in time, and while there is room', async () => {
      await offers({ validFor: '60' });
      const contractId = await proposed();
      accept(contractId, { amount: '99' });
      await stage.pass(500);
      assert.equal(state(contractId), 'PROPOSED');
      assert.deepEqual(carl.got('accept'), []);
      assert.equal(events('refused')[0]?.reason, 'accept');
      const taken = accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const [{ message } = assert.fail()] = carl.got('accept');
      assert.equal(message.previous, taken);
      assert.equal(message.body.amount, '100');
      assert.equal(Date.parse(message.body.payBy ?? ''), Date.parse(message.expires));
    });

    it('takes nothing from anybody but its buyer', async () => {
      await offers();
      const contractId = await proposed();
      const thief = stage.puppet('thief');
      const [proposal] = carl.got('proposal');
      thief.say('accept', {
        to: seller.did,
        contractId,
        previous: proposal?.hash ?? '',
        body: { amount: '100', payBy: null },
      });
      await stage.pass(500);
      assert.equal(state(contractId), 'PROPOSED');
      assert.equal(events('refused')[0]?.reason, 'not-a-party');
    });

    it('takes no message that answers nothing of its own', async () => {
      await offers();
      const contractId = await proposed();
      carl.say('accept', {
        to: seller.did,
        contractId,
        previous: 'ab'.repeat(32),
        body: { amount: '100', payBy: null },
      });
      await stage.pass(500);
      assert.equal(events('refused')[0]?.reason, 'previous');
      assert.equal(state(contractId), 'PROPOSED');
    });

    it('repeats its answer when the buyer repeats himself, and counts him once', async () => {
      await offers({ capacity: '2' });
      const contractId = await proposed();
      const [proposal] = carl.got('proposal');
      const text = carl.write('accept', {
        to: seller.did,
        contractId,
        previous: proposal?.hash ?? '',
        body: { amount: '100', payBy: null },
      });
      carl.send(text);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const before = carl.heard.length;
      carl.send(text);
      await stage.pass(200);
      assert.ok(carl.heard.length > before, 'the answer comes again');
      assert.equal(carl.got('accept').length, 1, 'and it is the same');
      assert.equal(events('accepted').length, 1);
    });

    it('has no more than its capacity at a time', async () => {
      await offers({ capacity: '1' });
      const dora = stage.puppet('dora');
      const first = await proposed();
      const second = await proposed({}, dora);
      accept(first);
      accept(second, {}, dora);
      await stage.until('one is told', () => carl.got('reject').length + dora.got('reject').length > 0);
      await stage.pass(1_000);
      const confirmed = [...carl.got('accept'), ...dora.got('accept')];
      const rejected = [...carl.got('reject'), ...dora.got('reject')];
      assert.equal(confirmed.length, 1);
      assert.deepEqual(
        rejected.map(({ message }) => message.body.reason),
        ['capacity'],
      );
    });

    it('hears a buyer who is too late, and one who takes another', async () => {
      await offers({ validFor: '5' });
      const late = await proposed();
      await stage.pass(6_000);
      accept(late);
      await stage.until('it rejects', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'expired');
      const lost = await proposed();
      says(lost, 'reject', { reason: 'not-chosen', text: null });
      await comes('it hears it', lost, 'CANCELLED');
      assert.equal(events('rejected')[0]?.reason, 'not-chosen');
      assert.deepEqual(finished(), [], 'neither was a contract');
    });

    it('waits for its money no longer than it said', async () => {
      await offers();
      const contractId = await accepted();
      await stage.pass(170_000);
      assert.equal(state(contractId), 'ACCEPTED');
      await stage.pass(20_000);
      assert.equal(state(contractId), 'CANCELLED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'not-paid');
      assert.equal(events('cancelled')[0]?.reason, 'not-paid');
    });
  });
});
