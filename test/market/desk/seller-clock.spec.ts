import assert from 'node:assert/strict';
import { carl, comes, events, HOUR, MONEY, offers, seller, setTheStage, stage, started, state } from './selling';

const DAY = 24 * HOUR;

describe('a seller', () => {
  setTheStage();

  describe('whose clock is set', () => {
    it('forward, goes on for as long as was paid', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(60_000);
      seller.clockError = DAY;
      await stage.pass(HOUR - 120_000);
      assert.deepEqual([state(contractId), events('stop').length], ['DELIVERING', 0]);
      seller.clockError = 0;
      await comes('it has delivered', contractId, 'DELIVERED', 180_000);
    });

    it('back, ends when its time is over', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(60_000);
      seller.clockError = -DAY;
      await stage.pass(HOUR - 120_000);
      assert.equal(state(contractId), 'DELIVERING');
      await comes('it has delivered', contractId, 'DELIVERED', 180_000);
      assert.equal(events('stop').length, 1);
    });

    it('back, and that does not come back from a restart in time, pays back', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      seller.clockError = Date.UTC(1970, 0, 1) - stage.timeline.now();
      stage.downtime = 2 * HOUR;
      seller.crash();
      await stage.pass(2 * HOUR + 60_000);
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
      assert.equal(state(contractId), 'REFUNDED');
      assert.equal(carl.got('delivered').length, 0);
    });
  });
});
