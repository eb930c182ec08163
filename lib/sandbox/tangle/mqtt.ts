import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { Aedes, type Client } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { DecodedBlock } from './codec';
import { blockMetadataJson, milestoneInfo, outputJson } from './http/core-api';
import { blockTopics, namedTopic, unlockTopics } from './mqtt-topics';
import type { StoredMilestone, StoredOutput } from './storage';
import type { Tangle, TangleEvents } from './tangle';
import type { Mutations } from './white-flag';

const PATH = /^\/api\/mqtt\/v1\/?(\?|$)/;
const MAX_SUBSCRIPTIONS = 1_000;

/** The node's event interface: MQTT over websocket, as inx-mqtt offers it (QoS 0, nothing retained, read only). */
export class TangleMqtt implements TangleEvents {
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: 64 * 1024,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  });
  readonly #subscriptions = new Map<Client, Set<string>>();
  readonly #subscribers = new Map<string, number>();
  #wildcards = 0;

  private constructor(
    private readonly tangle: Tangle,
    private readonly broker: Aedes,
  ) {
    broker.on('subscribe', (subscriptions, client) => {
      for (const { topic } of subscriptions) {
        this.#count(client, topic);
        this.#answerSubscription(topic);
      }
    });
    broker.on('unsubscribe', (topics, client) => {
      for (const topic of topics) this.#uncount(client, topic);
    });
    broker.on('clientDisconnect', (client) => this.#forget(client));
  }

  static async create(tangle: Tangle): Promise<TangleMqtt> {
    let self: TangleMqtt | undefined;
    const broker = await Aedes.createBroker({
      // A session would outlive its connection, which the real thing does not offer.
      preConnect: (_client, packet, callback) => {
        packet.clean = true;
        callback(null, true);
      },
      authorizePublish: (_client, _packet, callback) => callback(new Error('this broker is read only')),
      authorizeSubscribe: (client, subscription, callback) => {
        const full = (self?.subscriptionCount(client) ?? 0) >= MAX_SUBSCRIPTIONS;
        callback(null, full ? null : subscription);
      },
    });
    self = new TangleMqtt(tangle, broker);
    return self;
  }

  /** Takes websocket upgrades on `/api/mqtt/v1` and refuses all others. */
  serve(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      socket.on('error', () => socket.destroy());
      if (!PATH.test(request.url ?? '')) {
        socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (websocket) => {
        const stream = createWebSocketStream(websocket);
        // A client that breaks off is no news.
        stream.on('error', () => stream.destroy());
        this.broker.handle(stream, request);
      });
    });
  }

  subscriptionCount(client: Client | null): number {
    return (client && this.#subscriptions.get(client)?.size) ?? 0;
  }

  received(decoded: DecodedBlock): void {
    for (const topic of blockTopics(decoded)) this.#publish(topic, () => decoded.bytes);
  }

  solid({ id }: DecodedBlock): void {
    this.#publishMetadata(id);
  }

  confirmed(milestone: StoredMilestone, { referenced, created, consumed }: Mutations): void {
    const { bech32Hrp } = this.tangle.parameters;
    this.#publish('milestone-info/latest', () => milestoneInfo(milestone));
    this.#publish('milestones', () => milestone.payload);
    for (const { decoded, conflict } of referenced) {
      this.#publishMetadata(decoded.id, true);
      const { transaction } = decoded;
      if (transaction && conflict === undefined)
        this.#publish(`transactions/${transaction.id}/included-block`, () => decoded.bytes);
    }
    const each = (outputIds: Iterable<`0x${string}`>, suffix: string) => {
      if (!this.#hasAnySubscriber('outputs/')) return;
      for (const outputId of outputIds) {
        const stored = this.tangle.store.output(outputId);
        if (!stored) continue;
        const payload = once(() => this.#outputJson(stored));
        if (suffix === '' || !created.has(outputId)) this.#publish(`outputs/${outputId}`, payload);
        for (const topic of unlockTopics(stored.output, bech32Hrp)) this.#publish(topic + suffix, payload);
      }
    };
    each(consumed.keys(), '/spent');
    each(created.keys(), '');
    this.#publish('milestone-info/confirmed', () => milestoneInfo(milestone));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#sockets.close();
    await new Promise<void>((resolve) => this.broker.close(() => resolve()));
  }

  #outputJson(stored: StoredOutput): unknown {
    return outputJson(stored, this.tangle.latest.index);
  }

  #answerSubscription(topic: string): void {
    const named = namedTopic(topic);
    if (!named) return;
    if (named.about === 'milestone') this.#publish(topic, () => milestoneInfo(this.tangle.latest));
    else if (named.about === 'block-metadata') this.#publishMetadata(named.id);
    else if (named.about === 'output') {
      const stored = this.tangle.store.output(named.id);
      if (stored) this.#publish(topic, () => this.#outputJson(stored));
    } else {
      const output = this.tangle.store.output(`${named.id}0000`);
      const block = output && this.tangle.block(output.blockId);
      if (block) this.#publish(topic, () => block);
    }
  }

  #publishMetadata(blockId: `0x${string}`, isReferenced = false): void {
    const topics = [`block-metadata/${blockId}`, ...(isReferenced ? ['block-metadata/referenced'] : [])];
    if (!topics.some((topic) => this.#hasSubscriber(topic))) return;
    const metadata = this.tangle.metadata(blockId);
    if (!metadata) return;
    for (const topic of topics) this.#publish(topic, () => blockMetadataJson(metadata, 'parentBlockIds'));
  }

  /** Nothing is made ready that nobody has asked for. */
  #publish(topic: string, payload: () => unknown): void {
    if (!this.#hasSubscriber(topic)) return;
    const content = payload();
    const bytes = content instanceof Uint8Array ? Buffer.from(content) : Buffer.from(JSON.stringify(content));
    this.broker.publish({ cmd: 'publish', topic, payload: bytes, qos: 0, retain: false, dup: false }, () => undefined);
  }

  #hasSubscriber(topic: string): boolean {
    return this.#wildcards > 0 || this.#subscribers.has(topic);
  }

  #hasAnySubscriber(prefix: string): boolean {
    if (this.#wildcards > 0) return true;
    for (const topic of this.#subscribers.keys()) if (topic.startsWith(prefix)) return true;
    return false;
  }

  #count(client: Client, topic: string): void {
    const topics = this.#subscriptions.get(client) ?? new Set();
    if (topics.has(topic)) return;
    this.#subscriptions.set(client, topics.add(topic));
    if (/[+#]/.test(topic)) this.#wildcards += 1;
    this.#subscribers.set(topic, (this.#subscribers.get(topic) ?? 0) + 1);
  }

  #uncount(client: Client, topic: string): void {
    if (!this.#subscriptions.get(client)?.delete(topic)) return;
    if (/[+#]/.test(topic)) this.#wildcards -= 1;
    const left = (this.#subscribers.get(topic) ?? 1) - 1;
    if (left === 0) this.#subscribers.delete(topic);
    else this.#subscribers.set(topic, left);
  }

  #forget(client: Client): void {
    for (const topic of this.#subscriptions.get(client) ?? []) this.#uncount(client, topic);
    this.#subscriptions.delete(client);
  }
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
