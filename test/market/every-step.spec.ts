import assert from 'node:assert/strict';
import type { MessageType, OfferSettings } from '../../lib/market';
import { contractsOf, MarketStage, stateOf } from './market-stage';
import { violationsOf } from './simulation/invariants';
import type { SimulatedTrader } from './simulation/trader';

const MONEY = 1_000_000n;
const HOUR = 3_600_000;

interface Deal {
  readonly stage: MarketStage;
  readonly buyer: SimulatedTrader;
  readonly seller: SimulatedTrader;
  readonly contractId: string;
}

/** A buyer, a seller, a call; and what a flow does: it says when it has delivered, where nobody else can know. */
async function deal(
  offer: Partial<OfferSettings>,
  prepare: (stage: MarketStage, buyer: SimulatedTrader, seller: SimulatedTrader) => void = () => {},
  fails = false,
): Promise<Deal> {
  const stage = new MarketStage();
  const seller = await stage.trader('seller', { offers: { offer: { price: '10', ...offer } } });
  const buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
  seller.flow.hear = (signal) => {
    if (!('offer' in signal) || signal.offer.event !== 'start' || signal.offer.contractId === null) return;
    const { contractId } = signal.offer;
    const command = fails
      ? { command: 'failed' as const, contractId, text: null }
      : { command: 'delivered' as const, contractId };
    if (offer.unit !== 'second')
      stage.timeline.after(3_000, () => void seller.market?.command('offer', command).catch(() => {}));
  };
  const contractId = await stage.buy(buyer, { quantity: '5', deliverWithin: 300 });
  prepare(stage, buyer, seller);
  return { stage, buyer, seller, contractId };
}

/** Lets everything come to its end; says what broke a rule. */
async function settle({ stage, buyer, seller, contractId }: Deal): Promise<string[]> {
  const isOver = () =>
    [buyer, seller].every(({ life }) => life?.alive && life.market && !life.market.unsettled) &&
    stateOf(buyer, contractId, 'buyer') !== 'FAILED' &&
    buyer.account.unacknowledged + seller.account.unacknowledged === 0;
  for (let hours = 0; hours < 72 && !isOver(); hours += 1) await stage.pass(HOUR);
  stage.dies = () => false;
  await stage.pass(HOUR);
  return violationsOf({
    traders: [buyer, seller],
    buyers: [buyer],
    sellers: [seller],
    strangers: [],
    ledger: stage.ledger,
    byHand: new Set(),
    violations: [],
  });
}

describe('a deal of two machines', function () {
  this.timeout(300_000);

  const kinds: [string, Partial<OfferSettings>, boolean][] = [
    ['that is delivered once', { unit: 'once' }, false],
    ['of a service by time', { unit: 'second' }, false],
    ['that fails', { unit: 'once' }, true],
  ];
  for (const [kind, offer, fails] of kinds) {
    describe(kind, () => {
      it('goes through', async () => {
        const done = await deal(offer, undefined, fails);
        assert.deepEqual(await settle(done), []);
        assert.equal(contractsOf(done.buyer).at(-1)?.status, fails ? 'refunded' : 'completed');
        assert.equal(done.stage.ledger.balanceOf(done.seller.address), fails ? 0n : 50n);
        done.stage.dispose();
      });

      for (const who of ['buyer', 'seller'] as const) {
        it(`comes to one end on both sides wherever the ${who} is killed`, async () => {
          let points = 0;
          for (let killed = 1; killed === 1 || killed <= points; killed += 1) {
            let passed = 0;
            const done = await deal(
              offer,
              (stage) => {
                const end = stage.timeline.now() + 60_000;
                stage.dies = ({ name }) => {
                  if (name !== who || stage.timeline.now() > end) return false;
                  passed += 1;
                  return passed === killed;
                };
              },
              fails,
            );
            assert.deepEqual(await settle(done), [], `killed at point ${killed}`);
            points = Math.max(points, killed === 1 ? 2 : 0, Math.min(passed, 200));
            done.stage.dispose();
          }
          assert.ok(points > 20, `${points} points`);
        });
      }
    });
  }

  const silences: { readonly [who in 'buyer' | 'seller']: readonly MessageType[] } = {
    buyer: ['call', 'accept', 'paid', 'complete', 'cancel'],
    seller: ['proposal', 'accept', 'delivered', 'cancel'],
  };
  for (const from of ['buyer', 'seller'] as const) {
    for (const type of silences[from]) {
      for (const minutes of [1, 20, 180]) {
        it(`comes to one end when no ${type} of the ${from} gets through for ${minutes} minutes`, async () => {
          for (const fails of [false, true]) {
            const done = await deal(
              { unit: 'once' },
              (stage, buyer, seller) => {
                const { did } = from === 'buyer' ? buyer : seller;
                const until = stage.timeline.now() + minutes * 60_000;
                stage.place.intercept = ({ text }) => {
                  const message = JSON.parse(text) as { type: string; from: string };
                  return message.type === type && message.from === did && stage.timeline.now() < until
                    ? null
                    : undefined;
                };
              },
              fails,
            );
            assert.deepEqual(await settle(done), []);
            done.stage.dispose();
          }
        });
      }
    }
  }

  for (const who of ['buyer', 'seller'] as const) {
    for (const minutes of [1, 30, 180]) {
      it(`comes to one end when the ${who} hears nothing for ${minutes} minutes, from each second on`, async () => {
        for (let second = 0; second < 12; second += 1) {
          const done = await deal({ unit: 'once' }, (stage, buyer, seller) => {
            const { did } = who === 'buyer' ? buyer : seller;
            const since = stage.timeline.now() + second * 1_000;
            stage.place.intercept = ({ to }) => {
              const now = stage.timeline.now();
              return to === did && now >= since && now < since + minutes * 60_000 ? null : undefined;
            };
          });
          assert.deepEqual(await settle(done), [], `from second ${second} on`);
          done.stage.dispose();
        }
      });
    }
  }
});
