import type { Clock } from '../../payments';

export interface StandingWordsPorts {
  /** Retained; resolves with whether the broker has it. */
  readonly publish: (topic: string, payload: string) => Promise<boolean>;
  readonly clock: Clock;
}

/** Two that both believe to be the one whose word stands do not keep the broker busy. */
const PAUSE = 5_000;

interface Word {
  /** Empty: nothing is to stand there. */
  payload: string;
  spokenAt: number;
  stopTimer: () => void;
}

/**
 * What is to stand at the broker for everybody to find: cards and presence. Said again when the broker is back (it may have
 * forgotten), and when something else stands there: a will that is told late, or somebody who means us no good.
 */
export class StandingWords {
  readonly #ports: StandingWordsPorts;
  readonly #words = new Map<string, Word>();
  #isUp = false;

  constructor(ports: StandingWordsPorts) {
    this.#ports = ports;
  }

  set(topic: string, payload: string): void {
    const word = this.#words.get(topic) ?? { payload, spokenAt: 0, stopTimer: () => {} };
    word.payload = payload;
    this.#words.set(topic, word);
    this.#say(topic, word);
  }

  /** Takes away what stands there, as soon as the broker is there. */
  clear(topic: string): void {
    if (this.#words.has(topic)) this.set(topic, '');
  }

  /** Whether the topic is ours; sets it right if need be. */
  heard(topic: string, payload: Uint8Array): boolean {
    const word = this.#words.get(topic);
    if (!word) return false;
    word.stopTimer();
    if (word.payload === '' || Buffer.from(payload).equals(Buffer.from(word.payload))) return true;
    const wait = Math.max(0, word.spokenAt + PAUSE - this.#ports.clock.elapsed());
    word.stopTimer = this.#ports.clock.after(wait, () => this.#say(topic, word));
    return true;
  }

  up(): void {
    this.#isUp = true;
    for (const [topic, word] of [...this.#words]) this.#say(topic, word);
  }

  down(): void {
    this.#isUp = false;
    for (const word of this.#words.values()) word.stopTimer();
  }

  close(): void {
    this.down();
    this.#words.clear();
  }

  #say(topic: string, word: Word): void {
    word.stopTimer();
    if (!this.#isUp) return;
    word.spokenAt = this.#ports.clock.elapsed();
    const { payload } = word;
    void this.#ports.publish(topic, payload).then((arrived) => {
      if (arrived && payload === '' && word.payload === '' && this.#words.get(topic) === word)
        this.#words.delete(topic);
    });
  }
}
