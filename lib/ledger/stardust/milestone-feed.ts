import { randomUUID } from 'node:crypto';
import { connect, type MqttClient } from 'mqtt';

export interface MilestoneFeedOptions {
  readonly url: string;
  readonly authToken?: string;
  /** Milliseconds; tests shorten it. */
  readonly longestPause?: number;
}

export interface MilestoneFeedListener {
  confirmed(height: number): void;
  lost(): void;
}

// A concrete topic: wildcards are unreliable on real nodes.
const TOPIC = 'milestone-info/confirmed';
const MOST_BYTES = 4096;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/**
 * The node's events over MQTT, for one thing only: to hear that there is a new milestone. They are QoS 0 and nothing is
 * repeated, so whoever listens must also look for himself from time to time.
 */
export class MilestoneFeed {
  // Kept for life: a broker ends what is left of our last connection when we come back.
  readonly #clientId = `me-${randomUUID()}`;
  #client: MqttClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #closed = false;

  constructor(
    private readonly options: MilestoneFeedOptions,
    private readonly listener: MilestoneFeedListener,
  ) {
    this.#connect();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    await client?.endAsync(true).catch(() => {});
  }

  #connect(): void {
    const { url, authToken } = this.options;
    // The client's own reconnecting has a fixed pause, which brings all machines of a site back in the same moment.
    const client = connect(url, {
      protocolVersion: 4,
      clientId: this.#clientId,
      clean: true,
      keepalive: 20,
      connectTimeout: 10_000,
      reconnectPeriod: 0,
      ...(authToken === undefined ? {} : { wsOptions: { headers: { authorization: `Bearer ${authToken}` } } }),
    });
    this.#client = client;
    client.on('connect', () => {
      this.#pause = FIRST_PAUSE;
      client.subscribe(TOPIC, { qos: 0 });
    });
    client.on('message', (topic, payload) => {
      const height = topic === TOPIC ? heightOf(payload) : undefined;
      if (height !== undefined) this.listener.confirmed(height);
    });
    // An error is followed by 'close'; without a listener it would end the process.
    client.on('error', () => {});
    client.once('close', () => {
      if (this.#closed || this.#client !== client) return;
      client.end(true);
      this.#client = undefined;
      this.#retry = setTimeout(() => this.#connect(), this.#pause * (0.5 + Math.random()));
      this.#pause = Math.min(this.#pause * 2, this.options.longestPause ?? LONGEST_PAUSE);
      this.listener.lost();
    });
  }
}

function heightOf(payload: Buffer): number | undefined {
  if (payload.length > MOST_BYTES) return undefined;
  try {
    const said: unknown = JSON.parse(payload.toString('utf8'));
    const index = typeof said === 'object' && said !== null && 'index' in said ? said.index : undefined;
    return typeof index === 'number' && Number.isInteger(index) && index >= 0 && index <= 0xffff_ffff
      ? index
      : undefined;
  } catch {
    return undefined;
  }
}
