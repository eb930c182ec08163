import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { OfferSettings } from '../../../lib/market';
import { CHANNEL } from '../market-stage';
import { NO_SETTINGS } from '../simulation/settings';
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
  state,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('that is deployed anew', () => {
    async function redeployed(settings: Partial<OfferSettings>, channel = CHANNEL): Promise<void> {
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      const whole = { ...NO_SETTINGS, service: 'charging', price: '100', ...settings };
      await stage.soon(seller.market?.offer('offer', whole, channel) as Promise<void>);
      await stage.pass(500);
    }

    it('keeps what it proposed at another price', async () => {
      await offers({ validFor: '60' });
      const contractId = await proposed();
      await redeployed({ price: '900' });
      accept(contractId);
      await comes('it is bound', contractId, 'ACCEPTED');
    });

    for (const other of [{ service: 'parking' }, { unit: 'kWh' }] as const) {
      it(`with another ${Object.keys(other)[0]}, starts nothing of what it offered before, and pays back what runs`, async () => {
        await offers({ capacity: '3', validFor: '60' });
        const running = await started();
        const taken = await accepted();
        const open = await proposed();
        await redeployed({ capacity: '3', ...other });
        await comes('it is paid back', running, 'REFUNDED');
        assert.equal(events('start').length, 1);
        accept(open);
        pay(taken);
        await comes('that is paid back, too', taken, 'REFUNDED');
        assert.equal(state(open), 'CANCELLED');
        assert.equal(events('start').length, 1);
        assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
      });
    }

    it('at another broker, is found at the old one no more, also when another offer stays there', async () => {
      await offers();
      const parking = { ...NO_SETTINGS, service: 'parking', price: '5' };
      await stage.soon(seller.market?.offer('other', parking, CHANNEL) as Promise<void>);
      const channels = seller.life?.channels;
      assert.ok(channels);
      const stopped = sinon.spy(channels, 'stopCalls');
      const shown = sinon.spy(channels, 'show');
      await redeployed({}, { ...CHANNEL, url: 'mqtt://elsewhere' });
      assert.deepEqual(
        stopped.args.map(([, nodeId]) => nodeId),
        ['offer'],
      );
      const [first] = shown.args;
      assert.deepEqual([first?.[0], first?.[2]], [stopped.args[0]?.[0], null]);
      assert.notEqual(shown.args.at(-1)?.[0], first?.[0]);
    });
  });

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
