import { isCodedError } from '../../errors';
import type { LedgerSignal, NetworkInfo } from '../ledger';
import type { NodeInfo } from './node-api';

export interface LookoutOptions {
  /** Milliseconds between two looks while nothing is heard from the node. */
  readonly interval: number;
  /** Looks less often, but still looks, while the node's events tell of new milestones. */
  readonly quietInterval: number;
  /** Longest pause between two looks at a node that is down. */
  readonly longestPause: number;
}

const FIRST_PAUSE = 500;

type Look = () => Promise<{ readonly network: NetworkInfo; readonly info: NodeInfo }>;

/**
 * Turns looks at the node, and hints to look, into the port's signals: `up` and `down` when that changes, `wake` whenever the
 * ledger has grown.
 */
export class Lookout {
  #last: Exclude<LedgerSignal, { kind: 'wake' }> | undefined;
  #height = 0;
  #pause = 0;
  #heardAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;
  #closed = false;

  constructor(
    private readonly look: Look,
    private readonly emit: (signal: LedgerSignal) => void,
    private readonly options: LookoutOptions,
  ) {
    this.#schedule(0);
  }

  /** The last `up` or `down`, for who comes later. */
  get state(): LedgerSignal | undefined {
    return this.#last;
  }

  /** The node's events say that this milestone is confirmed. */
  heard(height: number): void {
    this.#heardAt = Date.now();
    if (this.#last?.kind !== 'up') this.lookSoon();
    else this.#grow(height);
  }

  /** Something has just failed, or come back: do not wait for the next look. */
  lookSoon(): void {
    if (this.#looking) this.#again = true;
    else this.#schedule(0);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #schedule(milliseconds: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#lookNow(), milliseconds);
  }

  async #lookNow(): Promise<void> {
    this.#looking = true;
    this.#again = false;
    const seen = await this.look().catch((error: unknown) => ({ error }));
    this.#looking = false;
    if (this.#closed) return;
    this.#pause = 'error' in seen ? Math.min(Math.max(this.#pause * 2, FIRST_PAUSE), this.options.longestPause) : 0;
    this.#schedule(this.#again && this.#pause === 0 ? 0 : this.#nextLook());
    if ('error' in seen) {
      this.#down(seen.error);
      return;
    }
    if (this.#last?.kind !== 'up') this.#tell({ kind: 'up', network: seen.network });
    this.#grow(seen.info.confirmed.index);
  }

  #nextLook(): number {
    if (this.#pause > 0) return this.#pause * (0.75 + Math.random() / 2);
    const { interval, quietInterval } = this.options;
    return Date.now() - this.#heardAt < quietInterval ? quietInterval : interval;
  }

  #grow(height: number): void {
    if (height <= this.#height) return;
    this.#height = height;
    this.emit({ kind: 'wake', height });
  }

  #down(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const known = isCodedError(error, 'LEDGER_OUT_OF_SYNC') || isCodedError(error, 'LEDGER_WRONG_NETWORK');
    const code = known ? (error.code as 'LEDGER_OUT_OF_SYNC' | 'LEDGER_WRONG_NETWORK') : 'LEDGER_UNREACHABLE';
    if (this.#last?.kind === 'down' && this.#last.code === code) return;
    this.#tell({ kind: 'down', code, message });
  }

  #tell(state: Exclude<LedgerSignal, { kind: 'wake' }>): void {
    this.#last = state;
    this.emit(state);
  }
}
