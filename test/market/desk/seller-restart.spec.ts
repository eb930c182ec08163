import assert from 'node:assert/strict';
import {
  accept,
  accepted,
  carl,
  comes,
  events,
  HOUR,
  MONEY,
  offers,
  pay,
  proposed,
  seller,
  setTheStage,
  stage,
  started,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('whose process dies', () => {
    it('starts again what still runs, and says when it ends', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(60_000);
      seller.crash();
      await stage.pass(5_000);
      const starts = seller.signals.flatMap((signal) =>
        'offer' in signal && signal.offer.event === 'start' ? [signal] : [],
      );
      assert.equal(starts.length, 2);
      assert.equal(starts[1]?.redelivered, true);
      assert.equal(starts[1]?.offer.until, starts[0]?.offer.until);
      await stage.pass(HOUR);
      assert.equal(carl.got('delivered').length, 1);
      assert.equal(contractId, carl.got('delivered')[0]?.message.contractId);
    });

    it('pays back what ended while it was away', async () => {
      await offers({ unit: 'minute' });
      const contractId = await started();
      stage.downtime = 120_000;
      seller.crash();
      await comes('it is back', contractId, 'REFUNDED', 300_000);
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'interrupted');
    });

    it('pays back all that ended while it was away, also when its node is back before it has seen to them', async () => {
      await offers({ unit: 'minute', capacity: '3' });
      const contractIds = [await started(), await started(), await started()];
      stage.downtime = 120_000;
      seller.crash();
      await stage.until('it is back', () => seller.life?.market !== undefined && seller.life.alive, 300_000);
      for (const contractId of contractIds) await comes('it is paid back', contractId, 'REFUNDED');
      assert.equal(carl.got('delivered').length, 0);
    });

    it('pays back what its node does not come back for', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      seller.flow.offers.clear();
      seller.crash();
      await stage.until('it is back', () => stage.ledger.balanceOf(carl.address) === MONEY, 60_000);
      await comes('it knows', contractId, 'REFUNDED');
    });

    it('takes money that came while it was away, though its time was over and the ledger tells it late', async () => {
      await offers();
      const contractId = await accepted();
      stage.downtime = 600_000;
      seller.crash();
      await stage.pass(630_000);
      pay(contractId);
      await comes('it delivers', contractId, 'DELIVERING');
    });

    it('tells its flow again what that has not taken', async () => {
      await offers();
      seller.flow.takes = (signal) => !('offer' in signal && signal.offer.event === 'accepted');
      await accepted();
      await stage.pass(500);
      seller.flow.takes = () => true;
      seller.crash();
      await stage.pass(3_000);
      const told = seller.signals.flatMap((signal) =>
        'offer' in signal && signal.offer.event === 'accepted' ? [signal.redelivered] : [],
      );
      assert.deepEqual(told, [true]);
      seller.crash();
      await stage.pass(3_000);
      assert.equal(events('accepted').length, 1, 'and no more once it has it');
    });

    it('says again what nobody has answered', async () => {
      await offers({ validFor: '600' });
      const contractId = await proposed();
      seller.crash();
      const before = carl.heard.length;
      await stage.pass(5_000);
      assert.ok(carl.heard.length > before);
      assert.equal(carl.got('proposal').length, 1);
      accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
    });
  });
});
