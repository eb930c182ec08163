import type { Clock } from '../../payments';

/** A clock that is set must not make a deadline wait for longer, and timers end at 2^31 ms. */
const LONGEST_WAIT = 30_000;

/** What should have been done by now, and was not yet (or cannot be), is not asked for without end. */
const AGAIN = 1_000;

/** One timer for the next of all deadlines, by the wall clock: they are on disk, and outlive the process. */
export class Deadlines {
  #cancel: (() => void) | undefined;
  #closed = false;

  /**
   * @param next Unix milliseconds of the next one, or null
   * @param come called when it has come: soon, `next` should be another one
   * @param failed told of what went wrong: the disk could not be read
   */
  constructor(
    private readonly clock: Clock,
    private readonly next: () => number | null,
    private readonly come: () => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  /** There may be other deadlines now. */
  look(): void {
    this.#wait(0);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  #wait(least: number): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const next = this.#closed ? null : this.next();
    if (next === null) return;
    const wait = Math.min(LONGEST_WAIT, Math.max(least, next - Math.trunc(this.clock.now())));
    this.#cancel = this.clock.after(wait, () => {
      try {
        this.#awake();
      } catch (error) {
        this.failed(error);
      }
    });
  }

  #awake(): void {
    this.#cancel = undefined;
    try {
      const next = this.#closed ? null : this.next();
      const isDue = next !== null && next <= Math.trunc(this.clock.now());
      if (isDue) this.come();
      this.#wait(isDue ? AGAIN : 0);
    } catch (error) {
      this.failed(error);
    }
  }
}
