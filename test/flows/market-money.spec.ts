import assert from 'node:assert/strict';
import { offerNode } from './market-side-flow';
import { DEAL, type Side, World } from './market-world';

const SERVICES = ['under', 'top-up', 'over', 'twice', 'somebody-else', 'withdrawn', 'after-the-end', DEAL];
/** 0.1 IOTA a second, two seconds. */
const AMOUNT = 200_000n;

/** The buyer never hears the confirmation, so that its machine pays nothing by itself: a person does. */
describe('money that does not come as agreed', function () {
  this.timeout(180_000);
  let world: World;
  let [buyer, seller, bystander]: [Side, Side, Side] = [] as never;
  const silent = new Set<string>();

  before(async () => {
    world = await World.open([
      { name: 'workshop', buys: SERVICES.map((service) => ({ service })) },
      {
        name: 'mill',
        offers: SERVICES.map((service) => ({ service, ...(service === 'top-up' && { underpaid: 'topUp' }) })),
      },
      { name: 'bystander' },
    ]);
    [buyer, seller, bystander] = world.sides as [Side, Side, Side];
    world.place.swallow = (message) => {
      if (!silent.has(world.place.serviceOf(message) ?? '')) return false;
      const { type, from } = message;
      return (type === 'accept' && from === seller.did) || (type === 'cancel' && from === buyer.did);
    };
  });
  after(() => world?.close());
  const referenceOf = (contractId: string) => `me1:${contractId.slice(0, 32)}`;

  /** The seller has confirmed and waits for its money. */
  async function agreed(service: string): Promise<string> {
    silent.add(service);
    const contractId = await buyer.buy(service);
    await seller.event(service, contractId, 'accepted');
    return contractId;
  }

  async function gains(expected: { buyer: bigint; seller: bigint; bystander?: bigint }): Promise<void> {
    await buyer.eventually('the money to be where it belongs', async () => {
      assert.deepEqual(
        {
          buyer: await world.gain(buyer),
          seller: await world.gain(seller),
          bystander: await world.gain(bystander),
        },
        { bystander: 0n, ...expected },
      );
      return true;
    });
  }

  const started = (service: string, contractId: string) =>
    seller.told(`${offerNode(service)}-0`).filter((told) => told.contractId === contractId).length;
  /** What is told of this contract by the seller, once a whole deal has gone through after it. */
  let earned = 0n;
  async function afterAnotherDeal(): Promise<void> {
    const contractId = await buyer.buy(DEAL);
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
    earned += AMOUNT;
  }
  const balanced = () => gains({ buyer: -earned, seller: earned });

  it('goes back when it is too little, and nothing is started', async () => {
    const contractId = await agreed('under');
    await buyer.pay(seller.address, '0.1 IOTA', referenceOf(contractId));
    await seller.event('under', contractId, 'underpaid');
    const { amount } = await seller.event('under', contractId, 'refunded');
    assert.equal(amount, '100000');
    await afterAnotherDeal();
    assert.equal(started('under', contractId), 0);
    await balanced();
  });

  it('may be completed where the seller has chosen so', async () => {
    const contractId = await agreed('top-up');
    await buyer.pay(seller.address, '0.1 IOTA', referenceOf(contractId));
    await seller.event('top-up', contractId, 'underpaid');
    assert.equal(started('top-up', contractId), 0);
    await buyer.pay(seller.address, '0.1 IOTA', referenceOf(contractId));
    await seller.event('top-up', contractId, 'start');
    await seller.event('top-up', contractId, 'stop');
    earned += AMOUNT;
    await balanced();
  });

  it('buys what was agreed when it is too much, and the rest goes back', async () => {
    const contractId = await agreed('over');
    await buyer.pay(seller.address, '0.5 IOTA', referenceOf(contractId));
    await seller.event('over', contractId, 'start');
    const { amount } = await seller.event('over', contractId, 'overpaid');
    assert.ok(amount);
    earned += AMOUNT;
    await afterAnotherDeal();
    await balanced();
  });

  it('goes back when it comes twice', async () => {
    const contractId = await buyer.buy('twice');
    await seller.event('twice', contractId, 'start');
    await buyer.pay(seller.address, '0.2 IOTA', referenceOf(contractId));
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
    earned += AMOUNT;
    await balanced();
    assert.equal(started('twice', contractId), 1);
  });

  it('goes back to whom it came from when that is not the buyer', async () => {
    const contractId = await agreed('somebody-else');
    await bystander.pay(seller.address, '0.2 IOTA', referenceOf(contractId));
    await afterAnotherDeal();
    await balanced();
    assert.equal(started('somebody-else', contractId), 0);
  });

  it('goes back when the offer was withdrawn meanwhile', async () => {
    const contractId = await agreed('withdrawn');
    await seller.tell(offerNode('withdrawn'), { topic: 'withdraw', contractId });
    await seller.event('withdrawn', contractId, 'cancelled');
    await buyer.pay(seller.address, '0.2 IOTA', referenceOf(contractId));
    await seller.event('withdrawn', contractId, 'refunded');
    await afterAnotherDeal();
    assert.equal(started('withdrawn', contractId), 0);
    await balanced();
  });

  it('goes back when everything is over long since, also after a restart', async () => {
    const contractId = await buyer.buy('after-the-end');
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
    earned += AMOUNT;
    await seller.kill();
    await buyer.pay(seller.address, '0.2 IOTA', referenceOf(contractId));
    await seller.restart();
    await balanced();
    assert.equal(started('after-the-end', contractId), 1);
    assert.equal(buyer.contracts().get(contractId)?.status, 'completed');
  });
});
