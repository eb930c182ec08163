/** Strangers on the broker, in a process of their own: cards of offers that stay there, or messages that nobody wants. */
import { randomBytes } from 'node:crypto';
import mqtt from 'mqtt';
import { Stranger } from '../../test/flows/stranger';
import { scenario } from '../scenario';

export interface StrangersParameters {
  readonly port: number;
  readonly network: string;
  readonly service: string;
  /** Of cards: one for each key. */
  readonly cards: number;
  /** Of spam: a third each is garbage, unsigned, and well signed calls of throw-away keys. */
  readonly spam: number;
  /** Whose inboxes get it. */
  readonly dids: readonly string[];
}

export interface StrangersMeasured {
  readonly seconds: number;
  readonly bytes: number;
}

const KEYS = 1000;
/** Of QoS 1, on their way at the same time. */
const AT_ONCE = 200;

scenario<StrangersParameters, StrangersMeasured>(async ({ port, network, service, cards, spam, dids }) => {
  const messages = [...cardsOf(cards, network, service), ...spamOf(spam, network, service, dids)];
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
  const started = performance.now();
  let [next, bytes] = [0, 0];
  const one = async () => {
    for (let message = messages[next++]; message; message = messages[next++]) {
      bytes += message.payload.length;
      await client.publishAsync(message.topic, message.payload, { qos: 1, retain: message.retain });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  const seconds = (performance.now() - started) / 1000;
  await client.endAsync();
  return { seconds, bytes };
});

interface Published {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly retain: boolean;
}

function cardsOf(count: number, network: string, service: string): Published[] {
  return Array.from({ length: count }, (_, n) => {
    const { topic, text } = new Stranger(network).card({
      service,
      title: `Offer ${n}`,
      unit: 'hour',
      price: String(100_000 + n),
      token: 'IOTA',
      decimals: 6,
      place: { lat: 48 + (n % 100) / 100, lng: 11 + (n % 77) / 77 },
      parameters: { type: 'object', properties: { weight: { type: 'number', maximum: n } } },
      capacity: 1,
      leadSeconds: null,
    });
    return { topic, payload: text, retain: true };
  });
}

function spamOf(count: number, network: string, service: string, dids: readonly string[]): Published[] {
  const strangers = Array.from({ length: Math.min(KEYS, count) }, () => new Stranger(network));
  return Array.from({ length: count }, (_each, n): Published => {
    const stranger = strangers[n % strangers.length] as Stranger;
    const did = dids[n % dids.length] as string;
    if (n % 3 === 0) return { topic: `me/1/inbox/${did}`, payload: randomBytes(500), retain: false };
    const call = stranger.call({
      service,
      parameters: { n },
      quantity: '1',
      maxPrice: null,
      near: null,
      maxDistance: null,
      deliverWithin: null,
    });
    if (n % 3 === 1) return { topic: call.topic, payload: call.text, retain: false };
    const { proof: _proof, ...unsigned } = JSON.parse(call.text) as { proof: object };
    return {
      topic: `me/1/inbox/${did}`,
      payload: JSON.stringify({ ...unsigned, type: 'accept', contractId: call.hash, previous: call.hash, to: did }),
      retain: false,
    };
  });
}
