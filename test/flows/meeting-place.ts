import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { hashOf, type Message } from '../../lib/market';

const LIMIT_MS = 60_000;
const ANY_PORT = 0;

/** A message of the marketplace as it went by. */
export interface Overheard {
  readonly topic: string;
  readonly text: string;
  /** What the text says; strangers' messages may say anything. */
  readonly message: Message & { readonly proof?: object };
}

export type Fits = (message: Message, topic: string) => boolean;

/**
 * The broker where machines meet, in the hands of somebody whom nobody should trust: it overhears everything, forgets what
 * it likes, passes on what was never sent, and goes away.
 */
export class MeetingPlace {
  /** Each text once, in the order of its first coming: what is sent again is the same text. */
  readonly heard: Overheard[] = [];
  /** Messages that fit are not passed on. */
  swallow: Fits = () => false;
  /** What is passed on in place of a message; undefined: itself. */
  replace: (overheard: Overheard) => string | undefined = () => undefined;
  port = ANY_PORT;
  readonly #known = new Set<string>();
  readonly #services = new Map<string, string>();
  readonly #listeners = new Set<(overheard: Overheard) => void>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #broker: Aedes | undefined;

  /** @param port the one it had before, so that machines find it again */
  async open(port = this.port): Promise<void> {
    const broker = await Aedes.createBroker();
    broker.authorizePublish = (client, packet, callback) => {
      // Its own: presence of those that have gone.
      if (client) packet.payload = this.#overhear(packet.topic, packet.payload);
      callback(null);
    };
    broker.authorizeForward = (_client, packet) =>
      this.swallow(readMessage(packet.payload), packet.topic) ? null : packet;
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      socket.setNoDelay(true);
      broker.handle(socket);
    });
    await new Promise<void>((listening, failed) => {
      server.once('error', failed).listen(port, '127.0.0.1', listening);
    });
    this.port = (server.address() as AddressInfo).port;
    this.#broker = broker;
    this.#server = server;
  }

  /** Gone with everything that lay on it. */
  async close(): Promise<void> {
    const [server, broker] = [this.#server, this.#broker];
    const closed = new Promise((done) => server?.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((done) => (broker ? broker.close(done) : done()));
    await closed;
  }

  /** Puts a message of its own onto the broker. */
  async publish(topic: string, message: object | string): Promise<void> {
    const payload = typeof message === 'string' ? message : JSON.stringify(message);
    await new Promise<void>((done, failed) => {
      this.#broker?.publish({ cmd: 'publish', topic, payload, qos: 1, dup: false, retain: false }, (error) =>
        error ? failed(error) : done(),
      );
    });
  }

  /** Which service a message is about: a contract is known by its call. */
  serviceOf(message: Message): string | undefined {
    if (message.type === 'call' || message.type === 'offer') return message.body.service;
    return message.contractId ? this.#services.get(message.contractId) : undefined;
  }

  /** The first message that fits, be it from before. */
  hears(fits: Fits, what = 'a message'): Promise<Overheard> {
    const before = this.heard.find(({ message, topic }) => fits(message, topic));
    if (before) return Promise.resolve(before);
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(limit);
        this.#listeners.delete(listener);
      };
      const listener = (overheard: Overheard) => {
        if (!fits(overheard.message, overheard.topic)) return;
        settle();
        resolve(overheard);
      };
      const limit = setTimeout(() => {
        settle();
        const all = this.heard.map(({ message }) => message.type ?? 'presence').join(', ');
        reject(new Error(`${what} did not go by; heard: ${all}`));
      }, LIMIT_MS);
      this.#listeners.add(listener);
    });
  }

  #overhear(topic: string, payload: string | Buffer): string | Buffer {
    const text = payload.toString();
    const overheard = { topic, text, message: readMessage(payload) };
    if (!this.#known.has(text)) {
      this.#known.add(text);
      this.heard.push(overheard);
      const { message } = overheard;
      if (message.type === 'call') this.#services.set(hashOf(text), message.body.service);
      for (const listener of [...this.#listeners]) listener(overheard);
    }
    return this.replace(overheard) ?? payload;
  }
}

function readMessage(payload: string | Buffer): Overheard['message'] {
  try {
    return JSON.parse(payload.toString()) as Overheard['message'];
  } catch {
    return {} as Overheard['message'];
  }
}
