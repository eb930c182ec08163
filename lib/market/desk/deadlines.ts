import type { Clock } from '../../payments';

/** A clock that is set must not make a deadline wait for longer, and timers end at 2^31 ms. */
const LONGEST_WAIT = 30_000;

/** One timer for the next of all deadlines, by the wall clock: they are on disk, and outlive the process. */
export class Deadlines {
  #cancel: (() => void) | undefined;
  #closed = false;

  /**
   * @param next Unix milliseconds of the next one, or null
   * @param come called when it has come; `next` must be another one when it resolves
   */
  constructor(
    private readonly clock: Clock,
    private readonly next: () => number | null,
    private readonly come: () => Promise<void>,
  ) {}

  /** There may be other deadlines now. */
  look(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    const next = this.#closed ? null : this.next();
    if (next === null) return;
    const wait = Math.min(LONGEST_WAIT, Math.max(0, next - Math.trunc(this.clock.now())));
    this.#cancel = this.clock.after(wait, () => void this.#awake());
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #awake(): Promise<void> {
    this.#cancel = undefined;
    const next = this.#closed ? null : this.next();
    if (next !== null && next <= Math.trunc(this.clock.now())) await this.come();
    this.look();
  }
}
