import type { Clock } from '../../payments';

/** A message of ours that somebody is to hear. */
export interface OutgoingMessage {
  readonly hash: string;
  readonly topic: string;
  readonly text: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** Said once: nobody answers it. */
  readonly once: boolean;
}

export interface OutboxPorts {
  /** Resolves with whether the broker has it. */
  readonly publish: (topic: string, text: string) => Promise<boolean>;
  readonly clock: Clock;
  readonly limit?: { readonly messages: number; readonly characters: number };
}

const SECOND = 1_000;
const LONGEST_PAUSE = 60 * SECOND;
const LIMIT = { messages: 4_096, characters: 16 * 1024 * 1024 };

interface Entry extends OutgoingMessage {
  /** How often the broker had it. */
  times: number;
  isOnTheWay: boolean;
  stopTimer: () => void;
}

/**
 * Sends messages until they are answered or expire: that the broker has one does not say that anybody heard it. Again after
 * 1, 2, 4 ... at most 60 seconds, and at once when the broker is back. When there are too many, what needs no answer goes
 * first, then what was there longest.
 */
export class Outbox {
  readonly #ports: OutboxPorts;
  readonly #limit: { readonly messages: number; readonly characters: number };
  readonly #entries = new Map<string, Entry>();
  #characters = 0;
  #isUp = false;

  constructor(ports: OutboxPorts) {
    this.#ports = ports;
    this.#limit = ports.limit ?? LIMIT;
  }

  get size(): number {
    return this.#entries.size;
  }

  put(message: OutgoingMessage): void {
    if (this.#entries.has(message.hash)) return;
    const entry: Entry = { ...message, times: 0, isOnTheWay: false, stopTimer: () => {} };
    this.#entries.set(message.hash, entry);
    this.#characters += message.text.length;
    while (this.#entries.size > this.#limit.messages || this.#characters > this.#limit.characters) this.#makeRoom();
    this.#send(entry);
  }

  answered(hash: string): void {
    const entry = this.#entries.get(hash);
    if (entry) this.#remove(entry);
  }

  up(): void {
    this.#isUp = true;
    for (const entry of [...this.#entries.values()]) this.#send(entry);
  }

  down(): void {
    this.#isUp = false;
  }

  close(): void {
    for (const entry of [...this.#entries.values()]) this.#remove(entry);
  }

  #send(entry: Entry): void {
    entry.stopTimer();
    if (this.#ports.clock.now() >= entry.expiresAt) {
      this.#remove(entry);
      return;
    }
    if (!this.#isUp || entry.isOnTheWay || this.#entries.get(entry.hash) !== entry) return;
    entry.isOnTheWay = true;
    void this.#ports.publish(entry.topic, entry.text).then((arrived) => {
      entry.isOnTheWay = false;
      if (this.#entries.get(entry.hash) !== entry) return;
      if (!arrived) {
        // It went with a connection, and meanwhile there is another one.
        if (this.#isUp) this.#again(entry, SECOND);
        return;
      }
      if (entry.once) {
        this.#remove(entry);
        return;
      }
      entry.times += 1;
      this.#again(entry, Math.min(LONGEST_PAUSE, SECOND * 2 ** Math.min(entry.times - 1, 10)));
    });
  }

  #again(entry: Entry, after: number): void {
    if (!this.#isUp) return;
    const left = entry.expiresAt - this.#ports.clock.now();
    entry.stopTimer();
    entry.stopTimer = this.#ports.clock.after(Math.max(0, Math.min(after, left)), () => this.#send(entry));
  }

  #makeRoom(): void {
    let least: Entry | undefined;
    for (const entry of this.#entries.values()) {
      least ??= entry;
      if (!entry.once) continue;
      least = entry;
      break;
    }
    if (least) this.#remove(least);
  }

  #remove(entry: Entry): void {
    entry.stopTimer();
    if (this.#entries.delete(entry.hash)) this.#characters -= entry.text.length;
  }
}
