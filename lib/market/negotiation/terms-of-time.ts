/** How long each side waits, in milliseconds. Every state that waits for somebody has a way out. */
export interface Times {
  /** A seller countersigns an accept; else the next best is taken. */
  readonly confirm: number;
  /** From the seller's accept until the money is final on the ledger. */
  readonly pay: number;
  /** A flow takes a `start`; else the money goes back. */
  readonly start: number;
  /** A service without duration, where the buyer sets no time. */
  readonly deliver: number;
  /** A timed service, on top of its duration, where the buyer sets no time. */
  readonly deliverTimed: number;
  /** A buyer objects to `delivered`. */
  readonly complete: number;
  /** A refund arrives, before the contract counts as failed. */
  readonly refund: number;
  /** Messages that nobody need answer in a certain time are sent again for so long. */
  readonly message: number;
  /** Clocks of two machines may differ by so much. */
  readonly skew: number;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export const TIMES: Times = {
  confirm: 10 * SECOND,
  pay: 2 * MINUTE,
  start: MINUTE,
  deliver: 24 * HOUR,
  deliverTimed: 10 * MINUTE,
  complete: 10 * MINUTE,
  refund: HOUR,
  message: HOUR,
  skew: MINUTE,
};
