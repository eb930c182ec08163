/** Strangers on the broker, in a process of their own: messages that nobody wants. */
import { randomBytes } from 'node:crypto';
import mqtt from 'mqtt';
import { Stranger } from '../../test/flows/stranger';
import { scenario } from '../scenario';

export interface StrangersParameters {
  readonly port: number;
  readonly network: string;
  readonly service: string;
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

scenario<StrangersParameters, StrangersMeasured>(async ({ port, network, service, spam, dids }) => {
  const messages = spamOf(spam, network, service, dids);
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, { protocolVersion: 4 });
  const started = performance.now();
  let [next, bytes] = [0, 0];
  const one = async () => {
    for (let message = messages[next++]; message; message = messages[next++]) {
      bytes += message.payload.length;
      await client.publishAsync(message.topic, message.payload, { qos: 1 });
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
}

function spamOf(count: number, network: string, service: string, dids: readonly string[]): Published[] {
  const strangers = Array.from({ length: Math.min(KEYS, count) }, () => new Stranger(network));
  return Array.from({ length: count }, (_each, n): Published => {
    const stranger = strangers[n % strangers.length] as Stranger;
    const did = dids[n % dids.length] as string;
    if (n % 3 === 0) return { topic: `me/1/inbox/${did}`, payload: randomBytes(500) };
    const call = stranger.call({
      service,
      parameters: { n },
      quantity: '1',
      maxPrice: null,
      near: null,
      maxDistance: null,
      deliverWithin: null,
    });
    if (n % 3 === 1) return { topic: call.topic, payload: call.text };
    const { proof: _proof, ...unsigned } = JSON.parse(call.text) as { proof: object };
    return {
      topic: `me/1/inbox/${did}`,
      payload: JSON.stringify({ ...unsigned, type: 'accept', contractId: call.hash, previous: call.hash, to: did }),
    };
  });
}
