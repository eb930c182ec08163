/**
 * When it is said again: a moment after a deploy, when what leads to the actuators (an `mqtt out` node drops what comes before
 * it is connected) is there too, and after the 15 seconds that Node-RED takes between two attempts to reach a broker.
 */
const AGAIN_MS = [1_000, 5_000, 20_000];

/** Says "everything off" until it can be expected to have arrived. It is left out while something is to run. */
export class SafeState {
  #timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly say: () => void,
    private readonly isRunning: () => boolean = () => false,
  ) {}

  /** At once, and again. */
  begin(): void {
    this.say();
    this.repeat();
  }

  /** Somebody may not have heard it, or the `stop` of a contract: a broker was away. */
  repeat(): void {
    this.close();
    this.#timers = AGAIN_MS.map((milliseconds) =>
      setTimeout(() => {
        if (!this.isRunning()) this.say();
      }, milliseconds).unref(),
    );
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
  }
}
