import { connectAsync, type MqttClient } from 'mqtt';
import { callsTopic, inboxTopic } from '../../../lib/market/channel/topics';
import { BUYER, CALL_BODY, Machine, OFFER_BODY, PROPOSAL_BODY, SELLER } from '../deal';
import { MAKES, startAedes, type TestBroker } from './brokers';
import {
  Attendant,
  acceptOf,
  callOf,
  cardOf,
  EVERYTHING,
  isCall,
  isMessage,
  plain,
  proposalOf,
  SERVICE,
} from './meeting';

/** Enough to keep both sides busy for longer than a deal takes. */
const FLOOD = 12_000;
const HEIGHT = 2_000;

describe('in a flood of messages', function () {
  this.timeout(60_000);
  let broker: TestBroker;
  let spammer: MqttClient;
  let attendants: Attendant[];

  beforeEach(async () => {
    const fastest = MAKES.find(({ make }) => make === 'mosquitto');
    broker = await (fastest?.start ?? startAedes)();
    spammer = await connectAsync(broker.url, { reconnectPeriod: 0 });
    attendants = [BUYER, SELLER].map((machine) => new Attendant(machine));
    await Promise.all(attendants.map((attendant) => attendant.openAndUp(plain(broker.url))));
  });

  afterEach(async () => {
    await Promise.all(attendants.map(({ service }) => service.end()));
    await spammer.endAsync(true);
    await broker.remove();
  });

  /** Keeps on saying something to somebody until it is stopped; resolves when it is at its height. */
  async function flood(say: (n: number) => readonly [topic: string, text: string]): Promise<() => Promise<void>> {
    let [stopped, said] = [false, 0];
    let atHeight = () => {};
    const height = new Promise<void>((resolve) => {
      atHeight = resolve;
    });
    const ended = (async () => {
      while (!stopped && said < FLOOD) {
        for (let n = 0; n < 100; n += 1) {
          const [topic, text] = say(said);
          said += 1;
          spammer.publish(topic, text, { qos: 0 });
        }
        if (said >= HEIGHT) atHeight();
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await height;
    return async () => {
      stopped = true;
      await ended;
    };
  }

  async function deal(): Promise<void> {
    const [buyer, seller] = attendants as [Attendant, Attendant];
    await seller.service.listenCalls('c', 'parking', { service: SERVICE, parameters: null });
    const call = callOf(BUYER);
    await buyer.service.expectAlso('c', call.hash);
    await seller.service.expectAlso('c', call.hash);
    // Rubbish in the name of the other and of anybody to both inboxes, for the contract itself; calls that are nobody's.
    const stop = await flood((n) => {
      const [machine, other] = n % 2 ? [BUYER, SELLER] : [SELLER, BUYER];
      const of = `"contractId":"${call.hash}","from":"${n % 3 ? other.did : someone(n)}"`;
      return n % 5
        ? [inboxTopic(machine.did), `{"at":"${n}",${of}}`]
        : [callsTopic(SERVICE), `{"at":"${n}","from":"${someone(n)}"}`];
    });
    const [heardCall, heardProposal] = [seller.next(isCall), buyer.next(isMessage)];
    await buyer.service.send('c', call, false);
    await heardCall;
    const proposal = proposalOf(SELLER, BUYER, call.hash);
    await seller.service.send('c', proposal, false);
    await heardProposal;
    const heardAccept = seller.next(isMessage);
    await buyer.service.send('c', acceptOf(BUYER, SELLER, call.hash, proposal.hash), false);
    await heardAccept;
    await stop();
  }

  it('a deal goes through', () => deal());

  it('of validly signed calls by throw-away keys a call from somebody else is heard in the end', async () => {
    const [buyer, seller] = attendants as [Attendant, Attendant];
    await seller.service.listenCalls('c', 'parking', { service: SERVICE, parameters: null });
    const spam = Array.from({ length: 1_500 }, (_, n) =>
      new Machine(`throw-away ${n}`).says('call', CALL_BODY, { at: Date.now() }),
    );
    const stop = await flood((n) => [callsTopic(SERVICE), (spam[n % spam.length] as (typeof spam)[number]).text]);
    const call = callOf(BUYER);
    const heard = seller.next((signal) => 'call' in signal && signal.call.hash === call.hash);
    await buyer.service.send('c', call, false);
    await heard;
    await stop();
  });

  it('of cards those that are searched for are found', async () => {
    const [buyer, seller] = attendants as [Attendant, Attendant];
    await buyer.service.search('c', 's', EVERYTHING);
    const stop = await flood((n) => [
      `me/1/offers/spam/${someone(n)}`,
      JSON.stringify({ ...OFFER_BODY, ...PROPOSAL_BODY, n }),
    ]);
    const card = cardOf(SELLER);
    const found = buyer.next((signal) => 'found' in signal && signal.found.eventId === card.hash);
    await seller.service.show('c', SERVICE, card.text);
    await found;
    await stop();
  });
});

/** A did that nobody has the key of. */
function someone(n: number): string {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
  let [left, text] = [n, ''];
  for (let place = 0; place < 4; place += 1) {
    text += digits[left % digits.length];
    left = Math.floor(left / digits.length);
  }
  return SELLER.did.slice(0, -4) + text;
}
