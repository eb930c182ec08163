import assert from 'node:assert/strict';
import { hashOf, type MessageType } from '../../lib/market';
import { buyNode, offerNode } from './market-side-flow';
import { DEAL, type Side, World } from './market-world';

const SERVICE = DEAL;
const SETTLE_LIMIT_MS = 90_000;

type Who = 'buyer' | 'seller';

/** When somebody is killed, and who. `by`: whose message it is that has just gone by. */
interface Step {
  readonly state: string;
  readonly type: MessageType;
  readonly by: Who;
  readonly seconds?: string;
  /** The seller's flow says that it failed. */
  readonly fails?: true;
  /** All that may become of it. */
  readonly verdicts: readonly string[];
}

const STEPS: readonly Step[] = [
  { state: 'CALLING', type: 'call', by: 'buyer', verdicts: ['completed', 'cancelled', 'refunded'] },
  { state: 'PROPOSED', type: 'proposal', by: 'seller', verdicts: ['completed', 'cancelled', 'refunded'] },
  { state: 'ACCEPTING', type: 'accept', by: 'buyer', verdicts: ['completed', 'cancelled', 'refunded'] },
  // The confirmation went by, and may not have been read.
  { state: 'PAYING', type: 'accept', by: 'seller', verdicts: ['completed', 'cancelled', 'refunded'] },
  { state: 'PAID, STARTING', type: 'paid', by: 'buyer', verdicts: ['completed', 'refunded'] },
  { state: 'DELIVERED', type: 'delivered', by: 'seller', verdicts: ['completed'] },
  { state: 'REFUNDING', type: 'cancel', by: 'seller', seconds: '60', fails: true, verdicts: ['refunded'] },
];

describe('two Node-REDs that are killed in the middle of a deal', function () {
  this.timeout(180_000);
  let world: World;
  let [buyer, seller]: [Side, Side] = [] as never;

  before(async () => {
    world = await World.open([
      { name: 'workshop', buys: [{ service: SERVICE }] },
      { name: 'mill', offers: [{ service: SERVICE, validFor: 15 }] },
    ]);
    [buyer, seller] = world.sides as [Side, Side];
  });
  after(() => world?.close());

  const side = (who: Who) => (who === 'buyer' ? buyer : seller);

  /** Asks for it and resolves with the contract's id as soon as its call goes by: before anybody could answer. */
  async function call(quantity: string): Promise<string> {
    const before = world.place.heard.length;
    const calling = world.place.hears(
      ({ type, id }) => type === 'call' && world.place.heard.findIndex(({ message }) => message.id === id) >= before,
    );
    await buyer.tell(buyNode(SERVICE), { payload: { quantity } });
    return hashOf((await calling).text);
  }

  for (const { state, type, by, seconds = '2', fails, verdicts } of STEPS) {
    for (const who of ['buyer', 'seller'] as const) {
      it(`${state}: the ${who} is killed`, async () => {
        const contractId = await call(seconds);
        if (fails) {
          await seller.event(SERVICE, contractId, 'start');
          await seller.tell(offerNode(SERVICE), { topic: 'failed', payload: 'tool broken', contractId });
        }
        if (type !== 'call')
          await world.place.hears(
            (message) => message.type === type && message.contractId === contractId && message.from === side(by).did,
            `${type} of the ${by}`,
          );
        await side(who).kill();
        await side(who).restart();
        const contract = await world.settled(buyer, seller, contractId, SETTLE_LIMIT_MS);
        assert.ok(verdicts.includes(contract.status), contract.status);
        await world.conserved(buyer, seller);
      });
    }
  }

  it('DELIVERING: what still has time goes on when the seller is back', async () => {
    const contractId = await call('30');
    await seller.event(SERVICE, contractId, 'start');
    await seller.kill();
    await seller.restart();
    await seller.hears(
      `${offerNode(SERVICE)}-0`,
      (told) => told.contractId === contractId && told.redelivered === true,
    );
    const contract = await world.settled(buyer, seller, contractId, SETTLE_LIMIT_MS);
    assert.equal(contract.status, 'completed');
    await world.conserved(buyer, seller);
  });

  it('DELIVERING: what was over before the seller was back is paid back', async () => {
    const contractId = await call('2');
    const { until } = await seller.event(SERVICE, contractId, 'start');
    await seller.kill();
    await seller.eventually('the end of its time', async () => Date.now() > Date.parse(String(until)) || undefined);
    await seller.restart();
    const contract = await world.settled(buyer, seller, contractId, SETTLE_LIMIT_MS);
    assert.equal(contract.status, 'refunded');
    await world.conserved(buyer, seller);
  });

  it('DELIVERING: a buyer that was away hears what has become of it', async () => {
    const contractId = await call('2');
    await seller.event(SERVICE, contractId, 'start');
    await buyer.kill();
    await seller.event(SERVICE, contractId, 'stop');
    await buyer.restart();
    assert.equal((await world.settled(buyer, seller, contractId, SETTLE_LIMIT_MS)).status, 'completed');
    await buyer.hears(
      `${buyNode(SERVICE)}-0`,
      (told) => (told.payload as { contractId: string }).contractId === contractId,
    );
    await world.conserved(buyer, seller);
  });

  it('has told every flow of each end once, or said that it tells it again', () => {
    for (const each of [buyer, seller]) {
      const told = new Set<string>();
      for (const line of each.told('contracts-0')) {
        const { contractId, status } = line.payload as { contractId: string; status: string };
        const name = `${contractId} ${status}`;
        assert.ok(line.redelivered === true || !told.has(name), `${name} came again and does not say so`);
        told.add(name);
      }
    }
  });
});
