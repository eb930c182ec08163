import type { Clock } from '../../payments';

/** Work of one kind that waits. */
export interface Lane {
  /** How many of its jobs are done in a round. */
  readonly weight: number;
  readonly size: number;
  /** The next job; undefined when there is none, or when none may be done right now. */
  take(): (() => void) | undefined;
}

/** So long everything else in the thread waits: sockets, timers, calls of the vault. */
const SLICE = 8;
/** Until what may not be done yet is looked at again. */
const PAUSE = 50;

/** Does the work of several lanes in turns, a few milliseconds at a time: a flood in one of them stops no other. */
export class Turns {
  #isPlanned = false;
  #closed = false;
  #stopPause = () => {};

  constructor(
    private readonly lanes: readonly Lane[],
    private readonly clock: Clock,
  ) {}

  /** There is something to do. */
  wake(): void {
    if (this.#isPlanned || this.#closed) return;
    this.#isPlanned = true;
    this.#stopPause();
    setImmediate(() => {
      this.#isPlanned = false;
      if (!this.#closed) this.#slice();
    });
  }

  close(): void {
    this.#closed = true;
    this.#stopPause();
  }

  #slice(): void {
    const end = this.clock.elapsed() + SLICE;
    let worked = true;
    while (worked && this.clock.elapsed() < end) worked = this.#round();
    if (this.lanes.every(({ size }) => size === 0) || this.#closed) return;
    if (worked) this.wake();
    else {
      this.#stopPause();
      this.#stopPause = this.clock.after(PAUSE, () => this.wake());
    }
  }

  #round(): boolean {
    let worked = false;
    for (const lane of this.lanes) {
      for (let turn = 0; turn < lane.weight && !this.#closed; turn += 1) {
        const job = lane.take();
        if (!job) break;
        job();
        worked = true;
      }
    }
    return worked;
  }
}
