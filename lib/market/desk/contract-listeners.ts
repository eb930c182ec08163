import type { ListenFrom } from '../../payments';
import type { Contract, Verdict } from '../market-order';
import { type ContractBook, type FinishedRow, record } from './contract-book';
import type { MarketPorts } from './market-ports';

/** A flow that does not keep up is not flooded. */
const MOST_UNACKNOWLEDGED = 32;

interface Listener {
  /** The flow has everything up to here. */
  acknowledged: number;
  /** Everything up to here was handed over. */
  handed: number;
  /** By event id. */
  readonly open: Map<string, number>;
  /** Acknowledged out of order. */
  readonly early: Set<number>;
  /** May have been handed over by an earlier process, or to an earlier listener of this id. */
  readonly seenBefore: number;
}

/** Hands contracts that have ended to listeners, each at least once, in order, from a cursor in the journal. */
export class ContractListeners {
  readonly #listeners = new Map<string, Listener>();
  readonly #handedBefore = new Map<string, number>();
  readonly #finishedBefore: number;
  /** Ends up to here are on disk. */
  #durable: number;

  constructor(
    private readonly ports: MarketPorts,
    private readonly book: ContractBook,
    private readonly contractOf: (finished: FinishedRow) => Contract | undefined,
  ) {
    this.#durable = book.lastFinished();
    this.#finishedBefore = this.#durable;
  }

  /** @param from where a listener begins that the journal does not know yet */
  async listen(listener: string, from: ListenFrom): Promise<void> {
    const known = this.book.listenerPosition(listener);
    const last = this.#durable;
    const position = known ?? (from === 'beginning' ? 0 : from === 'last' ? Math.max(0, last - 1) : last);
    if (known === undefined) await this.#save(listener, position);
    this.stop(listener);
    const before = known === undefined ? 0 : this.#finishedBefore;
    this.#listeners.set(listener, {
      acknowledged: position,
      handed: position,
      open: new Map(),
      early: new Set(),
      seenBefore: Math.max(before, this.#handedBefore.get(listener) ?? 0),
    });
    this.#deliverAll();
  }

  stop(listener: string): void {
    const known = this.#listeners.get(listener);
    if (!known) return;
    this.#handedBefore.set(listener, known.handed);
    this.#listeners.delete(listener);
  }

  /** The flow has it. Resolves once that is on disk. */
  async delivered(listener: string, eventId: string): Promise<void> {
    const known = this.#listeners.get(listener);
    const position = known?.open.get(eventId);
    if (!known || position === undefined) return;
    known.open.delete(eventId);
    known.early.add(position);
    while (known.early.delete(known.acknowledged + 1)) known.acknowledged += 1;
    this.#deliverAll();
    await this.#save(listener, known.acknowledged);
  }

  /** There may be more: called after a write that is durable. */
  look(): void {
    const last = this.book.lastFinished();
    if (last === this.#durable) return;
    // What another write has just put there may not be durable; it is once a write that comes after it is.
    void this.ports.journal
      .write(() => last)
      .then(
        (durable) => {
          this.#durable = Math.max(this.#durable, durable);
          this.#deliverAll();
        },
        () => {},
      );
  }

  #deliverAll(): void {
    for (const [listenerId, listener] of this.#listeners) {
      const room = MOST_UNACKNOWLEDGED - listener.open.size;
      if (room <= 0 || listener.handed >= this.#durable) continue;
      for (const row of this.book.finishedAfter(listener.handed, room)) {
        if (row.position > this.#durable) break;
        listener.handed = row.position;
        const contract = this.contractOf(row);
        const eventId = `${this.book.network}:${row.contractId}:${row.side}:${verdictOf(row.state)}`;
        listener.open.set(eventId, row.position);
        if (contract)
          this.ports.emit({
            listenerId,
            finished: { eventId, contract },
            redelivered: row.position <= listener.seenBefore,
          });
      }
    }
  }

  async #save(listener: string, position: number): Promise<void> {
    await this.ports.journal.write((append) => {
      const known = this.book.listenerPosition(listener);
      if (known !== undefined && known >= position) return;
      record(append, 'contract-listener.moved', { network: this.book.network, listener, position });
    });
  }
}

/** What a final state means to both sides. */
export function verdictOf(state: string): Verdict {
  const verdict = VERDICTS[state];
  if (!verdict) throw new Error(`${state} is no end of a contract`);
  return verdict;
}

const VERDICTS: { readonly [state: string]: Verdict } = {
  COMPLETED: 'completed',
  REFUNDED: 'refunded',
  CANCELLED: 'cancelled',
  FAILED: 'failed',
  // Paid, and neither delivered nor paid back yet.
  REFUNDING: 'failed',
  LATE: 'failed',
};
