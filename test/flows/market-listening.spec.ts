import assert from 'node:assert/strict';
import type { Contract, FoundOffer } from '../../lib/market';
import { example, ObservedFlow, type Told } from './evidence-flow';

const offerIn = ({ payload }: Told) => payload as FoundOffer;
const contractIn = ({ payload }: Told) => payload as Contract;

const LISTEN = { type: 'iota-listen', z: 'offer-example', x: 0, y: 0, wires: [[]] };
const OFFERS = { ...LISTEN, source: 'offers', machine: 'offer-example-workshop', broker: 'offer-example-broker' };
const CONTRACTS = { ...LISTEN, source: 'contracts', from: 'now' };
const COMPRESSOR_PLACE = '52.52, 13.405';
const TEN_KILOMETRES_AWAY = '52.61, 13.405';
/** Runs in the worker as it is installed. */
const CHOICE = '[proposals[title ~> /^compressed AIR/i and price * $$.call.quantity = amount]]';

describe('listening to a marketplace, in a real Node-RED', function () {
  this.timeout(180_000);
  let flow: ObservedFlow;

  before(async () => {
    const changes: { readonly [id: string]: object } = {
      'offer-example-offer': { place: COMPRESSOR_PLACE },
      'offer-example-buy': { choose: 'jsonata', expression: CHOICE },
    };
    const placed = example('iota-offer').map((node) => ({ ...node, ...changes[node.id] }));
    flow = await ObservedFlow.start(
      [
        ...placed,
        { ...OFFERS, id: 'every' },
        { ...OFFERS, id: 'cheap', maxPrice: '0.055 IOTA', near: TEN_KILOMETRES_AWAY, maxDistance: '11' },
        { ...OFFERS, id: 'near', near: TEN_KILOMETRES_AWAY, maxDistance: '9' },
        { ...OFFERS, id: 'other', service: 'heat' },
        { ...CONTRACTS, id: 'sold', machine: 'offer-example-compressor' },
        { ...CONTRACTS, id: 'bought', machine: 'offer-example-workshop' },
      ],
      {
        'every:0': 'every',
        'cheap:0': 'cheap',
        'near:0': 'near',
        'other:0': 'other',
        'sold:0': 'sold',
        'bought:0': 'bought',
        'offer-example-catch:0': 'failed',
      },
    );
  });
  after(async () => flow?.stop());

  it('finds an offer, and what is told of it is what its seller has set', async () => {
    const told = await flow.hears('every', (one) => offerIn(one).online);
    const { eventId, seller, expires, ...offer } = offerIn(told);
    assert.deepEqual([told.topic, told['eventId']], ['offer', eventId]);
    assert.match(seller, /^did:key:z6Mk/);
    assert.ok(Date.parse(expires) > Date.now());
    assert.deepEqual(offer, {
      event: 'offered',
      online: true,
      service: 'compressed-air',
      title: 'Compressed air, hall 3',
      unit: 'second',
      price: '50000',
      token: 'IOTA',
      decimals: 6,
      place: { lat: 52.52, lng: 13.405 },
      distance: null,
      parameters: null,
      leadSeconds: null,
    });
    const { distance } = offerIn(await flow.hears('cheap'));
    assert.ok(distance !== null && Math.abs(distance - 10) < 0.1, `${distance} km`);
  });

  it('hears of a new price where it is within the limit, and of a withdrawal where it is not', async () => {
    const first = offerIn(await flow.hears('every')).eventId;
    await flow.press('offer-example-price');
    const dearer = offerIn(await flow.hears('every', (one) => offerIn(one).price === '60000'));
    assert.deepEqual([dearer.event, dearer.eventId !== first], ['offered', true]);
    const gone = offerIn(await flow.hears('cheap', (one) => offerIn(one).event === 'withdrawn'));
    assert.deepEqual([gone.service, gone.price], ['compressed-air', '50000']);
  });

  it('hears of nothing that is too far away or another service', async () => {
    assert.deepEqual(await flow.heard('near'), []);
    assert.deepEqual(await flow.heard('other'), []);
  });

  it('hears of a contract on either side, from the sides that made it', async () => {
    // Who presses before the faucet has given is told so, and presses again.
    for (let tries = 1; ; tries += 1) {
      await flow.press('offer-example-need');
      const done = flow.hears('bought', (one) => contractIn(one).status === 'completed').then(() => true);
      const refused = flow
        .hears('failed', (_, index) => index === tries - 1)
        .then(({ error }) => {
          assert.equal(error?.code, 'FUNDS_INSUFFICIENT');
          return false;
        });
      // Whoever loses the race gives up some time.
      for (const promise of [done, refused]) promise.catch(() => undefined);
      if (await Promise.race([done, refused])) break;
    }
    const bought = await flow.hears('bought', (one) => contractIn(one).status === 'completed');
    const { contractId, amount, buyer, seller } = contractIn(bought);
    const sold = await flow.hears('sold', (one) => contractIn(one).contractId === contractId);
    assert.deepEqual([contractIn(bought).side, contractIn(sold).side], ['buyer', 'seller']);
    assert.equal(contractIn(bought).chosenBecause, 'the only proposal that can be taken: amount 300000');
    assert.deepEqual([contractIn(sold).buyer, contractIn(sold).seller], [buyer, seller]);
    assert.deepEqual([contractIn(sold).status, contractIn(sold).amount, amount], ['completed', '300000', '300000']);
    for (const { topic, eventId, contractId: named, redelivered } of [bought, sold]) {
      assert.deepEqual([topic, named, redelivered], ['contract', contractId, false]);
      assert.ok(String(eventId).includes(`:${contractId}:`));
    }
    assert.notEqual(bought['eventId'], sold['eventId']);
  });

  it('goes on after a power cut: offers come anew, contracts only if they may not have been heard', async () => {
    const contracts = [...(await flow.heard('sold')), ...(await flow.heard('bought'))].length;
    const { length: offers } = await flow.heard('every');
    await flow.killAndRestart();
    await flow.hears('every', (one, index) => index >= offers && offerIn(one).online);
    const after = [...(await flow.heard('sold')), ...(await flow.heard('bought'))].slice(contracts);
    assert.ok(after.every(({ redelivered }) => redelivered === true));
  });
});
