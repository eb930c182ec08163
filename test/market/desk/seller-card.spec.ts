import assert from 'node:assert/strict';
import { CHANNEL } from '../market-stage';
import { NO_SETTINGS } from '../simulation/settings';
import { carl, command, HOUR, offers, proposed, seller, setTheStage, stage, state } from './selling';

describe('a seller', () => {
  setTheStage();

  describe('with a card', () => {
    it('leaves one for an hour at least, renews it in time, and follows its price slowly', async () => {
      await offers({ price: '100' });
      await stage.pass(1_000);
      const card = () => JSON.parse([...stage.place.cards.values()][0] ?? 'null');
      const first = card();
      assert.equal(first.body.price, '100');
      assert.equal(Date.parse(first.expires) - Date.parse(first.at), HOUR);
      for (const price of ['110', '120', '130']) await command({ command: 'price', price, contractId: null });
      assert.equal(card().body.price, '100');
      await stage.pass(6_000);
      const second = card();
      assert.equal(second.body.price, '130');
      await stage.pass(HOUR / 2);
      const third = card();
      assert.notEqual(third.at, second.at);
      assert.equal(third.body.price, '130');
    });

    it('takes it away when it pauses, withdraws, or is gone', async () => {
      await offers();
      await stage.pass(500);
      const cards = () => [...stage.place.cards.values()].length;
      assert.equal(cards(), 1);
      await command({ command: 'pause' });
      await stage.pass(500);
      assert.equal(cards(), 0);
      await command({ command: 'resume' });
      await stage.pass(6_000);
      assert.equal(cards(), 1);
      await command({ command: 'withdraw', contractId: null });
      await stage.pass(500);
      assert.equal(cards(), 0);
      await command({ command: 'resume' });
      await stage.pass(6_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(9_000);
      assert.equal(cards(), 1);
      await stage.pass(2_000);
      assert.equal(cards(), 0);
    });

    it('leaves it where its node is back in the last moment', async () => {
      await offers();
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100' };
      for (const late of [0, 1, 2, 5, 10, 20]) {
        await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
        await stage.pass(10_000 + late);
        await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
        await stage.pass(7_000);
        assert.equal(stage.place.cards.size, 1, `${late} ms`);
      }
    });

    it('withdraws its proposals with the offer', async () => {
      await offers();
      const contractId = await proposed();
      await command({ command: 'withdraw', contractId: null });
      await stage.until('it says so', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'withdrawn');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('offers a service once', async () => {
      await offers();
      const again = seller.market?.offer(
        'other',
        { ...NO_SETTINGS, service: 'charging', price: '5' },
        CHANNEL,
      ) as Promise<void>;
      await stage.refuses(again, 'CONFIG_INVALID', 'offer-twice');
    });
  });
});
