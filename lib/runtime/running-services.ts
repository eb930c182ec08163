import { durationOf } from '../market';
import type { OfferEvent } from '../market/market-order';

/** What a timer can wait: longer times are waited in pieces. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Contracts that have ended: whose end is told meanwhile is among the latest. */
const MOST_REMEMBERED = 1_000;

interface Running {
  readonly start: OfferEvent;
  stopTimer: (() => void) | undefined;
}

/**
 * What one offer has started and not stopped yet. Kept in the main thread, beside the actuators: a service ends at its time
 * whatever has become of the vault, the ledger or the broker meanwhile.
 */
export class RunningServices {
  readonly #running = new Map<string, Running>();
  readonly #ended = new Set<string>();

  constructor(private readonly stopIt: (event: OfferEvent) => void) {}

  get count(): number {
    return this.#running.size;
  }

  /** Whether it ran here, and was stopped here. */
  hasEnded(contractId: string): boolean {
    return this.#ended.has(contractId);
  }

  /** @returns false when it runs already: then only its end is set anew */
  started(start: OfferEvent): boolean {
    const { contractId } = start;
    if (contractId === null) return false;
    this.#ended.delete(contractId);
    const known = this.#running.get(contractId);
    known?.stopTimer?.();
    const stopTimer =
      start.until === null ? undefined : after(lastsFor(start), () => void this.stopped(contractId, start));
    this.#running.set(contractId, { start, stopTimer });
    return known === undefined;
  }

  /** @returns false when nothing of that contract ran any more */
  stopped(contractId: string, event: OfferEvent): boolean {
    const running = this.#running.get(contractId);
    if (!running) return false;
    this.#running.delete(contractId);
    this.#remember(contractId);
    running.stopTimer?.();
    this.stopIt({ ...running.start, ...event, event: 'stop' });
    return true;
  }

  /** Everything, at once. */
  stopAll(reason: string): void {
    for (const [contractId, { start }] of [...this.#running]) this.stopped(contractId, { ...start, reason });
  }

  #remember(contractId: string): void {
    this.#ended.add(contractId);
    const [oldest] = this.#ended;
    if (this.#ended.size > MOST_REMEMBERED && oldest !== undefined) this.#ended.delete(oldest);
  }
}

/** Until its end, and never longer than was paid: a clock that is years behind must not leave anything on for years. */
function lastsFor({ until, unit, quantity }: OfferEvent): number {
  const left = Math.max(0, Date.parse(until ?? '') - Date.now());
  return Math.min(left, (quantity === null ? null : durationOf(unit, quantity)) ?? left);
}

/** By a clock that nobody sets. */
function after(milliseconds: number, run: () => void): () => void {
  let timer: NodeJS.Timeout;
  const end = performance.now() + milliseconds;
  const wait = () => {
    const left = end - performance.now();
    timer = setTimeout(left > LONGEST_TIMER_MS ? wait : run, Math.min(Math.max(0, left), LONGEST_TIMER_MS));
  };
  wait();
  return () => clearTimeout(timer);
}
