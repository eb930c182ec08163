import type { Clock } from './clock';

/**
 * One thing done again and again, never twice at once: when it is kicked, and when the delay has passed that its last
 * run asked for.
 */
export class Loop {
  #running = false;
  #again = false;
  #stopped = false;
  #cancelTimer: (() => void) | undefined;
  #idle: (() => void)[] = [];

  /**
   * @param step returns the milliseconds until it wants to run again by itself, or undefined
   * @param failed what an error means for the delay
   */
  constructor(
    private readonly clock: Clock,
    private readonly step: () => Promise<number | undefined>,
    private readonly failed: (error: unknown) => number | undefined,
  ) {}

  /** Runs the step soon; once more if it is running already, since it may have looked too early. */
  kick(): void {
    if (this.#stopped) return;
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  /** Resolves when a run that began after this call has ended. */
  next(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      // The run in progress may have looked before what the caller waits for happened.
      if (this.#running) this.#idle.push(() => this.#idle.push(resolve));
      else this.#idle.push(resolve);
      this.kick();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelTimer?.();
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#cancelTimer?.();
    let delay: number | undefined;
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        delay = await this.step();
      } catch (error) {
        delay = this.failed(error);
      }
      const waiting = this.#idle;
      this.#idle = [];
      for (const resolve of waiting) resolve();
    }
    this.#running = false;
    if (delay !== undefined && !this.#stopped) this.#cancelTimer = this.clock.after(delay, () => this.kick());
  }
}

/** Growing delays with jitter, so that many machines do not come back to a node at the same moment. */
export class Backoff {
  #failures = 0;

  constructor(
    private readonly random: (length: number) => Uint8Array,
    private readonly first: number,
    private readonly most: number,
  ) {}

  /** Milliseconds: doubles each time, up to `most`, and between half and all of that. */
  next(): number {
    const whole = Math.min(this.most, this.first * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    const [byte = 0] = this.random(1);
    return Math.round(whole * (0.5 + byte / 512));
  }

  reset(): void {
    this.#failures = 0;
  }
}
