import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import type { Clock } from '../../payments';
import type { MqttSettings } from '../market-order';
import { deaf, silent, troubleOf } from './broker-troubles';

export interface MqttConnectionPorts {
  readonly settings: MqttSettings;
  /** The same for as long as we run: with it a new connection takes the place of one that is dead and does not know it. */
  readonly clientId: string;
  /** What the broker says of us when we are gone without a word. Retained. */
  readonly will: { readonly topic: string; readonly payload: string };
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Connected, and everything listened to. */
  readonly onUp: () => void;
  /** Told at every attempt that failed. */
  readonly onDown: (message: string) => void;
  readonly onMessage: (topic: string, payload: Uint8Array) => void;
}

const SECOND = 1_000;
/** Of a broker that says nothing, to whatever it was asked. */
const PATIENCE = 10 * SECOND;
/** A dead connection is found in half as much again; contracts are made in seconds. */
const LONGEST_KEEPALIVE = 30;
const LONGEST_WAIT = 30 * SECOND;
/** A connection that held for so long was a good one. */
const SETTLED = 10 * SECOND;
/** Publications on their way. Brokers take 20 (mosquitto) or say how many (MQTT 5). */
const WINDOW = 16;
/** Somebody else's message may be larger than any of ours; MQTT 5 lets us say that we do not want it. */
const LARGEST_PACKET = 128 * 1024;

interface Publication {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
  settle(arrived: boolean): void;
}

/**
 * One connection to a broker that comes back for as long as it is open. Every attempt has a client of its own, so that no
 * queue of a library keeps what ours decide about. Never throws: a broker that is away is `onDown`.
 */
export class MqttConnection {
  readonly #ports: MqttConnectionPorts;
  readonly #place: string;
  /** Filter -> whether we are of no use without it. */
  readonly #filters = new Map<string, boolean>();
  readonly #waiting: Publication[] = [];
  readonly #onTheWay = new Set<Publication>();
  readonly #subscribed = new Set<string>();
  /** Given up, and the broker has not answered yet. */
  readonly #leaving = new Set<string>();
  #client: MqttClient | undefined;
  #isUp = false;
  #window = WINDOW;
  #failures = 0;
  #upSince = 0;
  #closed = false;
  #stopTimer = () => {};
  #stopPatience = () => {};

  constructor(ports: MqttConnectionPorts) {
    this.#ports = ports;
    this.#place = new URL(ports.settings.url).host;
    this.#connect();
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** @param needed without it the connection counts as down */
  listen(filter: string, needed: boolean): void {
    const before = this.#filters.get(filter);
    this.#filters.set(filter, needed || before === true);
    // Not before the broker has let go of it: some do the two in either order, and we would be deaf.
    if (this.#isUp && before === undefined && !this.#leaving.has(filter)) this.#subscribe([filter]);
  }

  /** Asked again for a filter that is listened to, a broker sends what it retains once more. */
  listenAnew(filter: string): void {
    if (this.#isUp && this.#filters.has(filter)) this.#subscribe([filter]);
  }

  stopListening(filter: string): void {
    this.#filters.delete(filter);
    if (!this.#subscribed.delete(filter) || !this.#isUp) return;
    const client = this.#client;
    this.#leaving.add(filter);
    this.#expectAnswer();
    client?.unsubscribe(filter, () => {
      if (this.#client !== client) return;
      this.#heardAnswer();
      this.#leaving.delete(filter);
      // Asked for again meanwhile.
      if (this.#filters.has(filter)) this.#subscribe([filter]);
    });
  }

  /** Resolves with whether the broker has it; false at once while it is away. */
  publish(topic: string, payload: string, retain: boolean): Promise<boolean> {
    if (!this.#isUp) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push({ topic, payload, retain, settle: resolve });
      this.#pump();
    });
  }

  /** Says a last word, if it can, and goes. */
  async close(lastWord: { readonly topic: string; readonly payload: string }): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTimer();
    const client = this.#client;
    if (client && this.#isUp) {
      await new Promise<void>((resolve) => {
        const stop = this.#ports.clock.after(2 * SECOND, resolve);
        const done = () => {
          stop();
          resolve();
        };
        // Told properly that we go, the broker does not say our will.
        void this.publish(lastWord.topic, lastWord.payload, true).then(() => client.end(false, done));
      });
    }
    this.#drop();
  }

  #connect(): void {
    let client: MqttClient;
    try {
      client = connect(this.#ports.settings.url, this.#options());
    } catch (error) {
      // TLS settings that are no certificates.
      this.#lost(troubleOf(error, this.#place));
      return;
    }
    this.#client = client;
    (client.stream as { setNoDelay?: (on: boolean) => void }).setNoDelay?.(true);
    let trouble: unknown;
    client.on('error', (error) => {
      trouble ??= error;
      this.#later(client, () => this.#lost(troubleOf(trouble, this.#place)));
    });
    client.on('close', () => this.#later(client, () => this.#lost(troubleOf(trouble, this.#place))));
    client.on('connect', ({ properties }) => {
      if (this.#client !== client) return;
      this.#window = Math.min(WINDOW, properties?.receiveMaximum ?? WINDOW);
      this.#heardAnswer();
      this.#subscribeAll();
    });
    client.on('message', (topic, payload) => {
      if (this.#client === client) this.#ports.onMessage(topic, payload);
    });
    this.#expectAnswer();
  }

  #options(): IClientOptions {
    const { settings, clientId, will } = this.#ports;
    const { version, keepalive, username, password, tls } = settings;
    return {
      clientId,
      clean: true,
      protocolVersion: version,
      ...(version === 3 && { protocolId: 'MQIsdp' }),
      ...(version === 5 && { properties: { maximumPacketSize: LARGEST_PACKET } }),
      // Switched off there, a dead connection would never be found.
      keepalive: Math.min(keepalive || LONGEST_KEEPALIVE, LONGEST_KEEPALIVE),
      reconnectPeriod: 0,
      // Ours is over before, and says why.
      connectTimeout: 2 * PATIENCE,
      resubscribe: false,
      queueQoSZero: false,
      will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1, retain: true },
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && tlsOptions(tls)),
    };
  }

  /** An error and the end of its socket come in either order: the error says more. */
  #later(client: MqttClient, run: () => void): void {
    setImmediate(() => {
      if (this.#client === client) run();
    });
  }

  #subscribe(filters: readonly string[], then = () => {}): void {
    const client = this.#client;
    if (!client) return;
    for (const filter of filters) this.#subscribed.add(filter);
    this.#expectAnswer();
    client.subscribe([...filters], { qos: 1 }, (error, granted = []) => {
      if (this.#client !== client) return;
      this.#heardAnswer();
      const refused = error
        ? filters.find((filter) => this.#filters.get(filter))
        : granted.find(({ topic, qos }) => qos >= 128 && this.#filters.get(topic))?.topic;
      if (refused === undefined) then();
      else this.#lost(deaf(this.#place, refused));
    });
  }

  /** Up only when nothing can be missed any more; more may have been asked for meanwhile. */
  #subscribeAll(): void {
    const missing = [...this.#filters.keys()].filter((filter) => !this.#subscribed.has(filter));
    if (missing.length > 0) this.#subscribe(missing, () => this.#subscribeAll());
    else this.#nowUp();
  }

  #nowUp(): void {
    if (this.#closed) return;
    this.#isUp = true;
    this.#upSince = this.#ports.clock.elapsed();
    this.#ports.onUp();
  }

  #pump(): void {
    const client = this.#client;
    while (client && this.#isUp && this.#onTheWay.size < this.#window) {
      const publication = this.#waiting.shift();
      if (!publication) return;
      const { topic, payload, retain } = publication;
      this.#onTheWay.add(publication);
      if (this.#onTheWay.size === 1) this.#expectAnswer();
      client.publish(topic, payload, { qos: 1, retain }, (error) => {
        if (this.#client !== client || !this.#onTheWay.delete(publication)) return;
        this.#heardAnswer();
        publication.settle(!error);
        this.#pump();
      });
    }
  }

  #expectAnswer(): void {
    this.#stopPatience();
    this.#stopPatience = this.#ports.clock.after(PATIENCE, () => this.#lost(silent(this.#place)));
  }

  #heardAnswer(): void {
    this.#stopPatience();
    if (this.#onTheWay.size > 0) this.#expectAnswer();
  }

  #lost(message: string): void {
    const { clock, random } = this.#ports;
    if (this.#isUp && clock.elapsed() - this.#upSince >= SETTLED) this.#failures = 0;
    this.#drop();
    if (this.#closed) return;
    const wait = Math.min(LONGEST_WAIT, SECOND * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#stopTimer();
    // Machines that lost the same broker do not all come back in the same moment.
    this.#stopTimer = clock.after(wait * (0.5 + random() / 2), () => this.#connect());
    this.#ports.onDown(message);
  }

  #drop(): void {
    this.#stopPatience();
    const client = this.#client;
    this.#client = undefined;
    this.#isUp = false;
    this.#subscribed.clear();
    this.#leaving.clear();
    // Its listeners stay: what it still says is about a client that is not ours any more, and errors need to be heard.
    client?.end(true);
    const lost = [...this.#onTheWay, ...this.#waiting.splice(0)];
    this.#onTheWay.clear();
    for (const publication of lost) publication.settle(false);
  }
}

function tlsOptions(tls: NonNullable<MqttSettings['tls']>): IClientOptions {
  const { ca, cert, key, passphrase, servername, alpn, verify } = tls;
  return {
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(passphrase !== undefined && { passphrase }),
    ...(servername !== undefined && { servername }),
    ...(alpn !== undefined && { ALPNProtocols: [alpn] }),
  } as IClientOptions;
}
