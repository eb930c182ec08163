import assert from 'node:assert/strict';
import { connectAsync } from 'mqtt';
import type { MqttSettings, OfferSearch } from '../../../lib/market';
import { presenceTopic } from '../../../lib/market/channel/topics';
import { BUYER, RIVAL, SELLER } from '../deal';
import { type BrokerOptions, certificates, MAKES, startAedes, type TestBroker, wireTo } from './brokers';
import {
  Attendant,
  acceptOf,
  callOf,
  cardOf,
  EVERYTHING,
  isCall,
  isDown,
  isFound,
  isMessage,
  isUp,
  plain,
  proposalOf,
  SERVICE,
} from './meeting';

const near: OfferSearch = { ...EVERYTHING, service: SERVICE };

for (const { make, start, versions } of MAKES) {
  describe(`machines that meet at ${make}`, function () {
    this.timeout(30_000);
    let broker: TestBroker;
    let attendants: Attendant[];
    const attend = (machine: Attendant['machine']) => {
      const attendant = new Attendant(machine);
      attendants.push(attendant);
      return attendant;
    };
    const startWith = async (options?: BrokerOptions) => {
      await broker.remove();
      broker = await start(options);
    };

    beforeEach(async () => {
      attendants = [];
      broker = await start();
    });

    afterEach(async () => {
      await Promise.all(attendants.map(({ service }) => service.end()));
      await broker.remove();
    });

    /** A call, a proposal, an accept: each through the broker. */
    async function meet(settings: MqttSettings): Promise<void> {
      const [buyer, seller] = [attend(BUYER), attend(SELLER)];
      await Promise.all([buyer.openAndUp(settings), seller.openAndUp(settings)]);
      await seller.service.listenCalls('c', 'parking', { service: SERVICE, parameters: null });

      const call = callOf(BUYER);
      await buyer.service.expectAlso('c', call.hash);
      const heardCall = seller.next(isCall);
      await buyer.service.send('c', call, false);
      assert.deepEqual(await heardCall, { channelId: 'c', call, offerIds: ['parking'], problems: {} });

      const proposal = proposalOf(SELLER, BUYER, call.hash);
      await seller.service.expectAlso('c', call.hash);
      const heardProposal = buyer.next(isMessage);
      await seller.service.send('c', proposal, false);
      assert.deepEqual(await heardProposal, { channelId: 'c', message: proposal });

      await buyer.service.answered('c', call.hash);
      const accept = acceptOf(BUYER, SELLER, call.hash, proposal.hash);
      const heardAccept = seller.next(isMessage);
      await buyer.service.send('c', accept, false);
      assert.deepEqual(await heardAccept, { channelId: 'c', message: accept });
    }

    for (const version of versions) {
      const name = { 3: '3.1', 4: '3.1.1', 5: '5' }[version];
      it(`call, propose and accept over MQTT ${name}`, () => meet(plain(broker.url, { version })));
    }

    it('are let in by user name and password, and told when these are wrong', async () => {
      await startWith({ password: { username: 'machine', password: 'sécret' } });
      for (const version of versions) {
        const stranger = attend(RIVAL);
        const down = stranger.next(isDown);
        await stranger.open(plain(broker.url, { version, username: 'machine', password: 'wrong' }));
        assert.match(JSON.stringify(await down), /does not accept user name and password/);
      }
      await meet(plain(broker.url, { username: 'machine', password: 'sécret' }));
    });

    it('trust the certificates that they were given, and no others', async () => {
      const { ca, ...tls } = certificates();
      await startWith({ tls });
      const stranger = attend(RIVAL);
      const down = stranger.next(isDown);
      await stranger.open(plain(broker.url, { tls: { verify: true } }));
      assert.match(JSON.stringify(await down), /no safe connection/);
      await meet(plain(broker.url, { tls: { ca, verify: true } }));
      await meet(plain(broker.url, { version: versions.at(-1) ?? 4, tls: { verify: false } }));
    });

    it('find cards with the presence of their sellers, and hear when a seller is gone without a word', async () => {
      const [buyer, seller] = [attend(BUYER), attend(SELLER)];
      const wire = await wireTo(broker);
      const card = cardOf(SELLER);
      await seller.openAndUp(plain(wire.url));
      await seller.service.show('c', SERVICE, card.text);
      await buyer.openAndUp(plain(broker.url));
      const offered = buyer.next(isOffered(true));
      await buyer.service.search('c', 's', near);
      const found = await offered;
      assert.ok('found' in found);
      assert.equal(found.found.eventId, card.hash);
      assert.equal(found.found.seller, SELLER.did);
      assert.equal(found.found.title, card.message.body.title);

      const gone = buyer.next(isOffered(false));
      const back = gone.then(() => buyer.next(isOffered(true)));
      wire.cut();
      await gone;
      await back;

      const withdrawn = buyer.next((signal) => 'found' in signal && signal.found.event === 'withdrawn');
      await seller.service.show('c', SERVICE, null);
      await withdrawn;
      await wire.remove();
    });

    it('hear what they ask for again right after they gave it up, as a redeploy does', async () => {
      const [buyer, seller] = [attend(BUYER), attend(SELLER)];
      await Promise.all([buyer.openAndUp(plain(broker.url)), seller.openAndUp(plain(broker.url))]);
      const parking = { service: SERVICE, parameters: null };
      await seller.service.listenCalls('c', 'parking', parking);
      for (let deploy = 0; deploy < 4; deploy += 1) {
        // The same node with the same service, and one that moved away and back.
        if (deploy % 2 === 1) await seller.service.listenCalls('c', 'parking', { ...parking, service: 'elsewhere' });
        await seller.service.listenCalls('c', 'parking', parking);
        const call = callOf(BUYER, { plate: `B-ME ${deploy}` });
        const heard = seller.next((signal) => 'call' in signal && signal.call.hash === call.hash);
        await buyer.service.send('c', call, false);
        await heard;
        await buyer.service.answered('c', call.hash);
      }

      await seller.service.show('c', SERVICE, cardOf(SELLER).text);
      for (let deploy = 0; deploy < 4; deploy += 1) {
        const offered = buyer.next(isOffered(true));
        await buyer.service.search('c', 's', near);
        await offered;
      }
    });

    it('say good-bye when they close', async () => {
      const seller = attend(SELLER);
      await seller.openAndUp(plain(broker.url));
      await seller.service.close('c');
      const listener = await connectAsync(broker.url);
      const heard = new Promise<string>((resolve) => {
        listener.on('message', (_topic, payload) => resolve(payload.toString()));
      });
      await listener.subscribeAsync(presenceTopic(SELLER.did));
      assert.equal(await heard, '{"v":1,"online":false}');
      await listener.endAsync(true);
    });

    it('go on when their broker was restarted and has forgotten everything', async () => {
      const [buyer, seller] = [attend(BUYER), attend(SELLER)];
      const settings = plain(broker.url);
      await Promise.all([buyer.openAndUp(settings), seller.openAndUp(settings)]);
      const card = cardOf(SELLER);
      await seller.service.show('c', SERVICE, card.text);
      await seller.service.listenCalls('c', 'parking', { service: SERVICE, parameters: null });
      const downs = [buyer.next(isDown), seller.next(isDown)];
      await broker.stop();
      for (const down of await Promise.all(downs)) assert.match(JSON.stringify(down), /the broker at localhost/);

      const call = callOf(BUYER);
      await buyer.service.expectAlso('c', call.hash);
      await buyer.service.send('c', call, false);
      const [ups, heard] = [[buyer.next(isUp), seller.next(isUp)], seller.next(isCall)];
      await broker.start();
      await Promise.all(ups);
      await heard;
      const found = buyer.next(isFound);
      await buyer.service.search('c', 's', near);
      assert.ok('found' in (await found));
    });

    it('send a call again until it is answered', async () => {
      const [buyer, seller] = [attend(BUYER), attend(SELLER)];
      const settings = plain(broker.url);
      await buyer.openAndUp(settings);
      const call = callOf(BUYER);
      await buyer.service.send('c', call, false);
      // Comes late, and hears it nevertheless.
      await seller.openAndUp(settings);
      const heard = seller.next(isCall);
      await seller.service.listenCalls('c', 'parking', { service: SERVICE, parameters: null });
      await heard;
      await seller.next(isCall);
      await buyer.service.answered('c', call.hash);
    });
  });
}

describe('a channel whose presence was overwritten', function () {
  this.timeout(15_000);

  it('says again that it is there, and lays its card there again', async () => {
    const broker = await startAedes();
    const seller = new Attendant(SELLER);
    await seller.openAndUp(plain(broker.url));
    const card = cardOf(SELLER);
    await seller.service.show('c', SERVICE, card.text);
    const vandal = await connectAsync(broker.url);
    const topics = [presenceTopic(SELLER.did), `me/1/offers/${SERVICE}/${SELLER.did}`];
    await vandal.subscribeAsync(topics, { qos: 1 });
    const healed = new Set<string>();
    const whole = new Promise<void>((resolve) => {
      vandal.on('message', (topic, payload, { retain }) => {
        if (retain) return;
        const text = payload.toString();
        if (text === card.text || text === '{"v":1,"online":true}') healed.add(topic);
        if (healed.size === 2) resolve();
      });
    });
    for (const topic of topics) await vandal.publishAsync(topic, '', { qos: 1, retain: true });
    await whole;
    await vandal.endAsync(true);
    await seller.service.end();
    await broker.remove();
  });
});

const isOffered = (online: boolean) => (signal: Attendant['signals'][number]) =>
  'found' in signal && signal.found.event === 'offered' && signal.found.online === online;

describe('a channel that is closed', () => {
  const resources = () =>
    process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap' || name === 'Timeout').length;

  it('leaves no socket and no timer behind, connected or not', async () => {
    const broker = await startAedes();
    const before = resources();
    for (const away of [false, true]) {
      const seller = new Attendant(SELLER);
      if (away) await broker.stop();
      const settled = seller.next(away ? isDown : isUp);
      await seller.open(plain(broker.url));
      await seller.service.show('c', SERVICE, cardOf(SELLER).text);
      await seller.service.send('c', callOf(SELLER), false);
      await seller.service.listenCalls('c', 'o', { service: SERVICE, parameters: null });
      await seller.service.search('c', 's', EVERYTHING);
      await settled;
      await seller.service.end();
    }
    // Cut off in the middle of its last word, it does not come back to say it.
    await broker.start();
    const wire = await wireTo(broker);
    const seller = new Attendant(SELLER);
    await seller.openAndUp(plain(wire.url));
    wire.goDead();
    const ended = seller.service.end();
    wire.cut();
    await ended;
    await wire.remove();
    // The broker's side of it ends in its own time.
    while (resources() > before) await new Promise((resolve) => setImmediate(resolve));
    await broker.remove();
  });
});

describe('a channel that is opened', () => {
  it('a second time is the same one, and says how it stands', async () => {
    const broker = await startAedes();
    const [buyer, seller] = [new Attendant(BUYER), new Attendant(SELLER)];
    await Promise.all([buyer.openAndUp(plain(broker.url)), seller.openAndUp(plain(broker.url))]);
    await seller.service.listenCalls('c', 'o', { service: SERVICE, parameters: null });
    await seller.openAndUp(plain(broker.url));
    const heard = seller.next(isCall);
    await buyer.service.send('c', callOf(BUYER), true);
    await heard;
    assert.equal(seller.count(isDown), 0);
    await Promise.all([buyer, seller].map(({ service }) => service.end()));
    await broker.remove();
  });

  it('by several at once is not away for those who come while it connects', async () => {
    const broker = await startAedes();
    const seller = new Attendant(SELLER);
    const up = seller.next(isUp);
    await Promise.all([seller.open(plain(broker.url)), seller.open(plain(broker.url))]);
    await up;
    assert.equal(seller.count(isDown), 0);
    await seller.service.end();
    await broker.remove();
  });
});

describe('a broker that does not know the chosen version of MQTT', () => {
  it('is told to be such a one', async () => {
    const broker = await startAedes();
    const buyer = new Attendant(BUYER);
    const down = buyer.next(isDown);
    await buyer.open(plain(broker.url, { version: 5 }));
    assert.match(JSON.stringify(await down), /does not know this version of MQTT/);
    await buyer.service.end();
    await broker.remove();
  });
});

describe('a broker that has gone silent', function () {
  this.timeout(20_000);

  it('is given up when it does not take a message in time, and tried again', async () => {
    const broker = await startAedes();
    const wire = await wireTo(broker);
    const buyer = new Attendant(BUYER);
    await buyer.openAndUp(plain(wire.url));
    wire.goDead();
    const [down, up] = [buyer.next(isDown), buyer.next(isUp)];
    await buyer.service.send('c', callOf(BUYER), false);
    assert.match(JSON.stringify(await down), /does not answer/);
    await up;
    await buyer.service.end();
    await wire.remove();
    await broker.remove();
  });
});
