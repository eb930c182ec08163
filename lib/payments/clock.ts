/** Time as the engine sees it, so that a simulation can own it. */
export interface Clock {
  /** Unix milliseconds of this machine; may be wrong and may jump. */
  now(): number;
  /** Calls back once after some milliseconds; returns how to stop. */
  after(milliseconds: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
