import assert from 'node:assert/strict';
import type { OfferCommand } from '../../../lib/market';
import { CHANNEL } from '../market-stage';
import { NO_SETTINGS } from '../simulation/settings';
import {
  accepted,
  call,
  cancels,
  carl,
  comes,
  command,
  events,
  finished,
  HOUR,
  MONEY,
  offers,
  outgoing,
  pay,
  says,
  seller,
  setTheStage,
  stage,
  started,
  state,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('that delivers', () => {
    it('ends a service by its time, counted from when the flow was told', async () => {
      await offers({ unit: 'minute' });
      const contractId = await started({ quantity: '2' }, 200n);
      const [start] = events('start');
      const until = Date.parse(start?.until ?? '');
      await stage.pass(until - stage.timeline.now() - 100);
      assert.equal(state(contractId), 'DELIVERING');
      await stage.until('it is delivered', () => carl.got('delivered').length > 0, 1_000);
      const [{ message } = assert.fail()] = carl.got('delivered');
      assert.deepEqual(message.body, {
        final: true,
        quantity: '2',
        startedAt: new Date(until - 120_000).toISOString(),
        endedAt: message.body.endedAt,
      });
      assert.equal(events('stop')[0]?.contractId, contractId);
      says(contractId, 'complete', { stoppedAt: null });
      await comes('it is complete', contractId, 'COMPLETED');
      assert.equal(finished()[0]?.status, 'completed');
    });

    it('ends by the meter, and tells the buyer on the way, not at each pulse', async () => {
      await offers({ unit: 'kWh' });
      const contractId = await started({ quantity: '3' }, 300n);
      const meter = (quantity: unknown) => command({ command: 'meter', contractId, quantity });
      for (const quantity of ['0.5', '0.6', 0.7]) await meter(quantity);
      await stage.pass(500);
      assert.deepEqual(
        carl.got('delivered').map(({ message }) => [message.body.final, message.body.quantity]),
        [[false, '0.5']],
      );
      await stage.pass(10_000);
      await meter('1');
      for (const [quantity, detail] of [
        ['0.9', 'meter-back'],
        ['much', 'quantity'],
      ])
        await stage.refuses(
          seller.market?.command('offer', { command: 'meter', contractId, quantity }) as Promise<void>,
          'CONFIG_INVALID',
          detail as string,
        );
      await meter('3.2');
      await stage.until('it is delivered', () => carl.got('delivered').length === 3);
      assert.equal(carl.got('delivered')[2]?.message.body.quantity, '3.2');
      assert.equal(state(contractId), 'DELIVERED');
      await stage.pass(700_000);
      assert.equal(finished()[0]?.metered, '3.2');
    });

    it('completes by itself when the buyer has had time to object', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'delivered', contractId });
      await stage.pass(590_000);
      assert.equal(state(contractId), 'DELIVERED');
      await stage.pass(20_000);
      assert.equal(state(contractId), 'COMPLETED');
      const before = carl.heard.length;
      await stage.pass(120_000);
      assert.ok(carl.heard.length > before, 'and says so until it is heard');
    });

    it('keeps the money when the buyer ends it before its time', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      says(contractId, 'complete', { stoppedAt: new Date(stage.timeline.now()).toISOString() });
      await stage.until('it stops', () => events('stop').length > 0);
      assert.equal(state(contractId), 'COMPLETED');
      assert.deepEqual(outgoing(), []);
    });

    it('does not give back a running service that its buyer calls late before it is', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(HOUR / 2);
      cancels(contractId);
      await stage.pass(1_000);
      assert.equal(state(contractId), 'DELIVERING');
      assert.equal(events('refused')[0]?.reason, 'cancel');
      await stage.pass(HOUR);
      assert.equal(state(contractId), 'COMPLETED');
    });

    it('pays back what is late by the terms of the call', async () => {
      await offers();
      const contractId = await started({ deliverWithin: 300 });
      await stage.pass(301_000);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(finished()[0]?.status, 'refunded');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'late');
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
    });

    it('says again that it delivered to a buyer who calls it late', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'delivered', contractId });
      await stage.until('it is delivered', () => carl.got('delivered').length > 0);
      await stage.pass(700_000);
      const before = carl.heard.length;
      const [confirmation] = carl.got('accept');
      carl.say('cancel', {
        to: seller.did,
        contractId,
        previous: confirmation?.hash ?? '',
        body: { reason: 'late', text: null, refund: null },
      });
      await stage.pass(200);
      assert.equal(carl.heard.slice(before).at(-1)?.message.type, 'delivered');
      assert.equal(state(contractId), 'COMPLETED');
    });

    it('pays back what fails, with a word to the buyer', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'failed', contractId, text: 'no power' });
      await comes('it is back', contractId, 'REFUNDED');
      const [first, second] = carl.got('cancel');
      assert.deepEqual(first?.message.body, { reason: 'failed', text: 'no power', refund: null });
      assert.equal(second?.message.body.refund?.amount, '100');
      assert.equal(finished()[0]?.reason, 'failed');
      assert.equal(finished()[0]?.receipts.length, 1);
      assert.equal(events('refunded')[0]?.reason, 'no power');
      assert.equal(events('stop').length, 1);
    });

    it('pays back what no flow starts', async () => {
      await offers();
      seller.flow.takes = (signal) => !('offer' in signal && signal.offer.event === 'start');
      const contractId = await accepted();
      pay(contractId);
      await stage.pass(30_000);
      assert.equal(state(contractId), 'STARTING');
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'not-started');
      seller.flow.takes = () => true;
      await stage.soon(
        seller.market?.offer('offer', { ...NO_SETTINGS, service: 'charging', price: '100' }, CHANNEL) as Promise<void>,
      );
      await stage.pass(1_000);
      assert.deepEqual(events('start'), [], 'what was paid back is not started any more');
    });

    for (const unit of ['minute', 'kWh'] as const) {
      it(`is not late before it is late, however little time it has (${unit})`, async () => {
        await offers({ unit });
        const contractId = await started({ deliverWithin: unit === 'minute' ? 1 : 50 });
        await stage.pass(45_000);
        cancels(contractId);
        await stage.pass(1_000);
        assert.equal(state(contractId), 'DELIVERING');
        if (unit === 'kWh') await command({ command: 'delivered', contractId });
        await comes('it has delivered', contractId, 'DELIVERED', 20_000);
        assert.deepEqual(outgoing(), []);
      });
    }

    it('goes on when its node is back within seconds, and has failed when it is not', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(5_000);
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100', unit: 'hour' };
      await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
      await stage.pass(20_000);
      assert.equal(state(contractId), 'DELIVERING');
      const [first, second] = events('start');
      assert.equal(second?.until, first?.until, 'it is started again, and ends when it would have');
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'interrupted');
    });

    it('waits for a node that is away when the time ends: nobody else can say that it was delivered', async () => {
      await offers({ unit: 'minute', capacity: '2' });
      const first = await started();
      await stage.pass(57_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(5_000);
      assert.equal(state(first), 'DELIVERING');
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100', unit: 'minute' };
      await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
      await comes('it is delivered', first, 'DELIVERED', 3_000);
      assert.equal(events('start').length, 1, 'what is over is not started again');
      const second = await started();
      await stage.pass(57_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await comes('it is back', second, 'REFUNDED');
    });

    it('is gone when its node closes while it opens', async () => {
      await offers();
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100' };
      const opening = seller.market?.offer('offer', settings, CHANNEL) as Promise<void>;
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.soon(opening);
      await stage.pass(15_000);
      assert.equal(stage.place.cards.size, 0);
      call();
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
    });

    it('has a word for commands that do not fit', async () => {
      await offers();
      const contractId = await started();
      const tells = (value: OfferCommand, detail: string, nodeId = 'offer') =>
        stage.refuses(seller.market?.command(nodeId, value) as Promise<void>, 'CONFIG_INVALID', detail);
      await tells({ command: 'delivered', contractId: 'unknown' }, 'no-contract');
      await tells({ command: 'delivered', contractId }, 'no-contract', 'another node');
      await tells({ command: 'price', contractId, price: '1' }, 'contract-state');
      await tells({ command: 'pause' }, 'no-offer', 'another node');
      await command({ command: 'delivered', contractId });
      await tells({ command: 'failed', contractId, text: null }, 'contract-state');
      await tells({ command: 'withdraw', contractId }, 'contract-state');
    });
  });
});
