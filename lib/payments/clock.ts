/** Time as the engine sees it, so that a simulation can own it. */
export interface Clock {
  /** Unix milliseconds of this machine; may be wrong and may jump. */
  now(): number;
  /** Milliseconds since some moment in the past; never goes back and never jumps: for everything that waits. */
  elapsed(): number;
  /** Calls back once after some milliseconds; returns how to stop. */
  after(milliseconds: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds);
    return () => clearTimeout(timer);
  },
};
