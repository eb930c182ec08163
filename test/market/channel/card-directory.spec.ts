import assert from 'node:assert/strict';
import type { FoundOffer, OfferSearch, SignedMessage } from '../../../lib/market';
import { CardDirectory, type DirectoryLimits } from '../../../lib/market/channel/card-directory';
import { Timeline } from '../../payments/simulation/timeline';
import { BEGIN, Machine, OFFER_BODY, RIVAL, SELLER } from '../deal';

const SERVICE = OFFER_BODY.service;
const SECOND = 1_000;
const EVERYTHING: OfferSearch = { service: '', near: null, maxDistance: null, maxPrice: null };
const card = (machine: Machine, more: Partial<typeof OFFER_BODY> = {}, at = BEGIN, seconds = 3_600) =>
  machine.says('offer', { ...OFFER_BODY, ...more }, { at, expires: at + seconds * SECOND });

describe('the directory of cards', () => {
  let timeline: Timeline;
  let known: Map<string, SignedMessage<'offer'>>;
  let told: { readonly searchId: string; readonly found: FoundOffer }[];
  let reads: number;
  let directory: CardDirectory;

  function open(limits?: DirectoryLimits): void {
    timeline = new Timeline(BEGIN);
    timeline.after(365 * 24 * 3_600 * SECOND, () => {});
    known = new Map();
    [told, reads] = [[], 0];
    directory = new CardDirectory({
      read: (bytes) => {
        reads += 1;
        return known.get(Buffer.from(bytes).toString());
      },
      clock: timeline,
      tell: (searchId, found) => told.push({ searchId, found }),
      wake: () => {},
      ...(limits && { limits }),
    });
  }
  const lay = (signed: SignedMessage<'offer'>, at = `${signed.message.body.service}/${signed.message.from}`) => {
    known.set(signed.text, signed);
    const [service, did] = at.split('/') as [string, string];
    directory.heard(service, did, Buffer.from(signed.text));
  };
  const read = () => {
    for (let job = directory.take(); job; job = directory.take()) job();
  };
  const pass = (seconds: number) => timeline.until(() => false, timeline.now() + seconds * SECOND);
  const events = () => told.map(({ searchId, found }) => `${searchId} ${found.event} ${found.price}`);

  beforeEach(() => open());
  afterEach(() => directory.close());

  it('tells what is on a card, and how far away it is', () => {
    const near = { lat: 52.52, lng: 13.405 };
    directory.search('s', { ...EVERYTHING, near });
    const signed = card(SELLER);
    lay(signed);
    read();
    const { capacity: _, ...body } = OFFER_BODY;
    assert.deepEqual(told, [
      {
        searchId: 's',
        found: {
          ...body,
          eventId: signed.hash,
          event: 'offered',
          seller: SELLER.did,
          online: false,
          distance: 4.929,
          expires: signed.message.expires,
        },
      },
    ]);
  });

  it('reads so many in a second, and of one place only the latest meanwhile', async () => {
    open({ cards: 100, bytes: 100_000, cardsPerSeller: 2, reads: { burst: 2, perSecond: 1 } });
    directory.search('s', EVERYTHING);
    for (let price = 1; price <= 20; price += 1) {
      lay(card(SELLER, { price: `${price}` }, BEGIN + price));
      read();
    }
    assert.deepEqual(events(), ['s offered 1', 's offered 2']);
    await pass(1.1);
    read();
    assert.deepEqual(events().slice(2), ['s offered 20']);
    assert.equal(directory.size, 0);
  });

  it('tells who searches later what is known already', () => {
    directory.search('a', EVERYTHING);
    lay(card(SELLER));
    read();
    directory.search('b', EVERYTHING);
    assert.deepEqual(events(), ['a offered 300001', 'b offered 300001']);
  });

  it('does not keep what nobody looks for', () => {
    lay(card(SELLER));
    directory.search('a', { ...EVERYTHING, service: 'another' });
    lay(card(SELLER));
    read();
    assert.deepEqual([directory.cards, reads], [0, 0]);
    directory.search('b', { ...EVERYTHING, service: SERVICE });
    lay(card(SELLER));
    read();
    assert.equal(directory.cards, 1);
    directory.stopSearch('b');
    assert.equal(directory.cards, 0);
  });

  it('finds by service, price and distance', () => {
    const near = { lat: 52.52, lng: 13.405 };
    directory.search('cheap', { ...EVERYTHING, maxPrice: '300001' });
    directory.search('dear', { ...EVERYTHING, maxPrice: '1000000' });
    directory.search('cheaper', { ...EVERYTHING, maxPrice: '300000' });
    directory.search('close', { ...EVERYTHING, near, maxDistance: 4.929 });
    directory.search('closer', { ...EVERYTHING, near, maxDistance: 4.928 });
    directory.search('other', { ...EVERYTHING, service: 'other' });
    lay(card(SELLER));
    read();
    assert.deepEqual(
      told.map(({ searchId }) => searchId),
      ['cheap', 'dear', 'close'],
    );
  });

  it('finds a card whose price is asked for with a call, and not one that is nowhere where a distance is set', () => {
    directory.search('cheap', { ...EVERYTHING, maxPrice: '1' });
    directory.search('close', { ...EVERYTHING, near: { lat: 0, lng: 0 }, maxDistance: 20_000 });
    lay(card(SELLER, { price: null, place: null }));
    read();
    assert.deepEqual(events(), ['cheap offered null']);
  });

  it('takes a newer card of the same seller for an older one, and never the other way round', () => {
    directory.search('s', EVERYTHING);
    lay(card(SELLER, { price: '2' }, BEGIN + SECOND));
    read();
    lay(card(SELLER, { price: '1' }, BEGIN));
    lay(card(RIVAL, { price: '4' }, BEGIN));
    read();
    lay(card(SELLER, { price: '3' }, BEGIN + 2 * SECOND));
    read();
    assert.deepEqual(events(), ['s offered 2', 's offered 4', 's offered 3']);
    assert.equal(directory.cards, 2);
  });

  it('says of a card that does not fit any more that it is withdrawn', () => {
    directory.search('s', { ...EVERYTHING, maxPrice: '5' });
    lay(card(SELLER, { price: '5' }));
    read();
    lay(card(SELLER, { price: '6' }, BEGIN + SECOND));
    read();
    assert.deepEqual(events(), ['s offered 5', 's withdrawn 5']);
  });

  it('believes no card that lies where another one belongs, and none that is not signed', () => {
    directory.search('s', EVERYTHING);
    lay(card(SELLER), `${SERVICE}/${RIVAL.did}`);
    lay(card(SELLER), `another/${SELLER.did}`);
    directory.heard(SERVICE, SELLER.did, Buffer.from('{}'));
    read();
    assert.deepEqual(told, []);
    assert.equal(reads, 3);
  });

  it('tells that a card was taken away or has expired', async () => {
    directory.search('s', EVERYTHING);
    lay(card(SELLER, { price: '1' }, BEGIN, 100));
    lay(card(RIVAL, { price: '2' }, BEGIN, 200));
    lay(card(SELLER, { service: 'other', price: '3' }));
    read();
    directory.heard('other', SELLER.did, Buffer.alloc(0));
    await pass(101);
    assert.deepEqual(events().slice(3), ['s withdrawn 3', 's withdrawn 1']);
    await pass(100);
    assert.deepEqual(events().slice(5), ['s withdrawn 2']);
    assert.equal(directory.cards, 0);
  });

  it('reads only the last of what was laid at a place', () => {
    directory.search('s', EVERYTHING);
    for (let n = 0; n < 100; n += 1) lay(card(SELLER, { price: String(n) }, BEGIN + n));
    read();
    assert.deepEqual([reads, events()], [1, ['s offered 99']]);
  });

  it('tells comings and goings once for all that happened in between', async () => {
    directory.search('s', EVERYTHING);
    directory.presence(RIVAL.did, true);
    lay(card(SELLER));
    lay(card(RIVAL, { price: '2' }));
    read();
    assert.deepEqual(
      told.map(({ found }) => found.online),
      [false, true],
    );
    for (const online of [true, false, true, false, true]) directory.presence(SELLER.did, online);
    await pass(1);
    assert.deepEqual(
      told.slice(2).map(({ found }) => [found.seller, found.event, found.online]),
      [[SELLER.did, 'offered', true]],
    );
  });

  it('stays within its limits, and makes room only for what those who are away take up', () => {
    open({ cards: 3, bytes: 100_000, cardsPerSeller: 2 });
    directory.search('s', EVERYTHING);
    const [one, two, three, four] = [1, 2, 3, 4].map((n) => new Machine(`seller ${n}`)) as [
      Machine,
      Machine,
      Machine,
      Machine,
    ];
    for (const { did } of [one, two, three]) directory.presence(did, true);
    for (const machine of [one, two, three, four]) lay(card(machine));
    read();
    lay(card(four));
    read();
    assert.equal(directory.cards, 3);
    assert.ok(told.every(({ found }) => found.seller !== four.did));
    directory.presence(two.did, false);
    lay(card(four));
    read();
    assert.equal(directory.cards, 3);
    assert.deepEqual(
      told.slice(-2).map(({ found }) => [found.seller, found.event]),
      [
        [two.did, 'withdrawn'],
        [four.did, 'offered'],
      ],
    );
  });

  it('keeps so many cards of one seller, and none that is too large', () => {
    open({ cards: 100, bytes: 10_000, cardsPerSeller: 2 });
    directory.search('s', EVERYTHING);
    for (const service of ['a', 'b', 'c']) {
      lay(card(SELLER, { service }));
      read();
    }
    assert.equal(directory.cards, 2);
    directory.heard('d', RIVAL.did, Buffer.alloc(70_000));
    assert.equal(directory.size, 0);
    for (let n = 0; n < 20; n += 1) {
      lay(card(new Machine(`seller ${n}`), { service: 'e' }));
      read();
    }
    assert.ok(directory.cards < 12);
  });
});
