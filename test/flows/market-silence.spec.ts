import assert from 'node:assert/strict';
import { hashOf, type MessageType } from '../../lib/market';
import { buyNode } from './market-side-flow';
import { DEAL, type Side, World } from './market-world';
import { Mosquitto } from './mosquitto';
import { Stranger } from './stranger';

/** What is not passed on of a purchase, from whom; until it is healed. */
const SILENT: Readonly<Record<string, readonly `${'buyer' | 'seller'} ${MessageType}`[]>> = {
  'no-call': ['buyer call'],
  'no-proposal': ['seller proposal'],
  'no-accept': ['buyer accept'],
  'no-accept-nor-cancel': ['buyer accept', 'buyer cancel'],
  'no-confirmation': ['seller accept'],
  'no-paid': ['buyer paid'],
  'no-delivered': ['seller delivered'],
  'no-complete': ['buyer complete'],
};
const SERVICES = [...Object.keys(SILENT), 'no-money', DEAL];

describe('a market where somebody falls silent', function () {
  this.timeout(300_000);
  let world: World;
  let [buyer, seller]: [Side, Side] = [] as never;
  /** A contract that a stranger has accepted and does not pay. What takes longest begins first. */
  let promised: Promise<string>;
  const healed = new Set<string>();

  before(async () => {
    world = await World.open([
      {
        name: 'workshop',
        buys: SERVICES.map((service) => ({ service, ...(service === 'no-delivered' && { deliverWithin: 3 }) })),
      },
      {
        name: 'mill',
        offers: SERVICES.map((service) => ({ service, validFor: service === 'no-accept' ? 20 : 5 })),
      },
    ]);
    [buyer, seller] = world.sides as [Side, Side];
    world.place.swallow = (message) => {
      const service = world.place.serviceOf(message);
      if (service === undefined || healed.has(service)) return false;
      const who = message.from === buyer.did ? 'buyer' : 'seller';
      return SILENT[service]?.includes(`${who} ${message.type}`) ?? false;
    };
    promised = strangerPromises();
    promised.catch(() => {});
  });
  after(() => world?.close());

  const failure = (service: string, code: string) =>
    buyer.hears('error-0', ({ error }) => error?.source?.id === buyNode(service) && error.code === code);

  async function strangerPromises(): Promise<string> {
    const card = await world.place.hears(({ type }) => type === 'offer');
    const stranger = new Stranger(card.message.network);
    const call = stranger.call({
      service: 'no-money',
      parameters: null,
      quantity: '2',
      maxPrice: null,
      near: null,
      maxDistance: null,
      deliverWithin: null,
    });
    await world.place.publish(call.topic, call.text);
    const contractId = call.hash;
    const proposal = await world.place.hears(
      (message) => message.type === 'proposal' && message.contractId === contractId,
    );
    const accept = stranger.say('accept', {
      to: seller.did,
      contractId,
      previous: hashOf(proposal.text),
      body: { amount: '200000', payBy: null },
    });
    await world.place.publish(accept.topic, accept.text);
    return contractId;
  }

  for (const [service, end] of [
    ['no-call', null],
    ['no-proposal', 'expired'],
    ['no-accept', 'rejected'],
    ['no-accept-nor-cancel', 'expired'],
    ['no-confirmation', 'cancelled'],
  ] as const) {
    it(`${service}: no proposal can be taken, and no money moves`, async () => {
      const contractId = await buyer.buy(service);
      await failure(service, 'NO_PROPOSAL');
      if (end !== null) await seller.event(service, contractId, end);
      await world.conserved(buyer, seller);
    });
  }

  it('no-paid: the seller sees the money by itself', async () => {
    const contractId = await buyer.buy('no-paid');
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
  });

  it('no-delivered: the buyer says that it is late, and is content once it hears', async () => {
    const contractId = await buyer.buy('no-delivered');
    await failure('no-delivered', 'DELIVERY_LATE');
    healed.add('no-delivered');
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
  });

  it('no-complete: the seller hears it when it can be heard', async () => {
    const contractId = await buyer.buy('no-complete');
    assert.equal((await buyer.ended(contractId)).status, 'completed');
    healed.add('no-complete');
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
    await world.conserved(buyer, seller);
  });

  it('no-money: the seller does not wait for ever for a buyer that has promised to pay', async () => {
    const contractId = await promised;
    await seller.event('no-money', contractId, 'accepted');
    const { reason } = await seller.event('no-money', contractId, 'cancelled', 210_000);
    assert.equal(reason, 'not-paid');
    await world.conserved(buyer, seller);
  });

  it('goes on where it was when the broker comes back with nothing of what lay on it', async () => {
    for (const type of ['call', 'accept', 'delivered'] as const) {
      const before = world.place.heard.length;
      const contractId = await buyer.buy(DEAL);
      await world.place.hears((message) => message.type === type && world.place.heard.length > before);
      await world.place.close();
      await world.place.open();
      // A call that nobody could answer is one that failed: both know that, and that no money moved.
      const outcome = await Promise.race([
        world.settled(buyer, seller, contractId).then(({ status }) => status),
        failure(DEAL, 'NO_PROPOSAL').then(() => 'cancelled'),
      ]);
      assert.ok(outcome === 'completed' || (type !== 'delivered' && outcome === 'cancelled'), `${type}: ${outcome}`);
    }
    await world.conserved(buyer, seller);
  });
});

describe('a market on a Mosquitto that is killed in the middle of deals', function () {
  this.timeout(180_000);
  let broker: Mosquitto | undefined;
  let world: World;

  before(async function () {
    broker = await Mosquitto.start();
    if (!broker) this.skip();
  });
  after(async () => {
    await world?.close();
    await broker?.remove();
  });

  for (const protocolVersion of ['4', '5']) {
    it(`goes on where it was (MQTT ${protocolVersion === '4' ? '3.1.1' : '5'})`, async () => {
      await world?.close();
      const { port } = broker as Mosquitto;
      world = await World.open(
        [
          { name: 'workshop', buys: [{ service: DEAL }] },
          { name: 'mill', offers: [{ service: DEAL }] },
        ],
        { port, protocolVersion },
      );
      const [buyer, seller] = world.sides as [Side, Side];
      for (const event of ['accepted', 'start'] as const) {
        const contractId = await buyer.buy(DEAL);
        await seller.event(DEAL, contractId, event);
        await broker?.close();
        await broker?.open();
        assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
      }
      await world.conserved(buyer, seller);
    });
  }
});
