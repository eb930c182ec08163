import type { ReceivedRow } from './book-rows';
import type { Engine } from './engine';
import { record } from './events';
import type { ListenFrom } from './order';
import { receivedPayment } from './statements';

/** A flow that does not keep up is not flooded; what it has not acknowledged waits in the journal. */
const MOST_UNACKNOWLEDGED = 32;
const SOURCE = 'payments';

interface Listener {
  /** Everything up to here is acknowledged. */
  acknowledged: number;
  /** Everything up to here was handed over. */
  handed: number;
  /** Handed over and not acknowledged, by event id. */
  readonly open: Map<string, number>;
  /** Acknowledged out of order. */
  readonly early: Set<number>;
  /** What an earlier process, or an earlier listener of this id, may have been handed already. */
  readonly seenBefore: number;
  /** The write of the cursor that is still to come, shared by all acknowledgements until then. */
  saving: Promise<void> | undefined;
}

/** Hands received payments to listeners, each at least once, in order, from a cursor in the journal. */
export class Listeners {
  readonly #listeners = new Map<string, Listener>();
  readonly #handedBefore = new Map<string, number>();
  /** Payments up to here were in the journal before this process started. */
  readonly #recordedBefore: number;

  constructor(private readonly engine: Engine) {
    this.#recordedBefore = engine.durablePosition;
  }

  /** @param from where a listener begins that the journal does not know yet */
  async listen(listenerId: string, from: ListenFrom): Promise<void> {
    const { engine } = this;
    const known = engine.book.listenerPosition(SOURCE, listenerId);
    const position = known ?? this.#beginning(from);
    if (known === undefined) await this.#save(listenerId, position);
    this.stop(listenerId);
    const seenBefore = Math.max(
      known === undefined ? 0 : this.#recordedBefore,
      this.#handedBefore.get(listenerId) ?? 0,
    );
    this.#listeners.set(listenerId, {
      acknowledged: position,
      handed: position,
      open: new Map(),
      early: new Set(),
      seenBefore,
      saving: undefined,
    });
    this.deliver();
  }

  stop(listenerId: string): void {
    const listener = this.#listeners.get(listenerId);
    if (!listener) return;
    this.#handedBefore.set(listenerId, listener.handed);
    this.#listeners.delete(listenerId);
  }

  /** The flow has this payment. Resolves once that is on disk. */
  async delivered(listenerId: string, eventId: string): Promise<void> {
    const listener = this.#listeners.get(listenerId);
    const position = listener?.open.get(eventId);
    if (!listener || position === undefined) return;
    listener.open.delete(eventId);
    listener.early.add(position);
    while (listener.early.delete(listener.acknowledged + 1)) listener.acknowledged += 1;
    this.deliver();
    listener.saving ??= this.#saveSoon(listenerId, listener);
    await listener.saving;
  }

  /** Hands over what is on disk and was not handed over yet. */
  deliver(): void {
    for (const [listenerId, listener] of this.#listeners) this.#deliverTo(listenerId, listener);
  }

  #deliverTo(listenerId: string, listener: Listener): void {
    const { engine } = this;
    const room = MOST_UNACKNOWLEDGED - listener.open.size;
    if (room <= 0 || listener.handed >= engine.durablePosition) return;
    for (const row of engine.book.receivedAfter(listener.handed, room)) {
      // Not on disk yet: a crash could still make it another payment's position.
      if (row.position > engine.durablePosition) break;
      listener.handed = row.position;
      listener.open.set(row.eventId, row.position);
      this.#hand(listenerId, row, row.position <= listener.seenBefore);
    }
  }

  #hand(listenerId: string, row: ReceivedRow, redelivered: boolean): void {
    this.engine.emit({ listenerId, payment: receivedPayment(row, this.engine), redelivered });
  }

  #beginning(from: ListenFrom): number {
    if (from === 'beginning') return 0;
    const last = this.engine.durablePosition;
    return from === 'last' ? Math.max(0, last - 1) : last;
  }

  async #saveSoon(listenerId: string, listener: Listener): Promise<void> {
    // Acknowledgements of the same moment share one event.
    await Promise.resolve();
    listener.saving = undefined;
    await this.#save(listenerId, listener.acknowledged);
  }

  async #save(listenerId: string, position: number): Promise<void> {
    await this.engine.write((append) => {
      const known = this.engine.book.listenerPosition(SOURCE, listenerId);
      if (known !== undefined && known >= position) return;
      record(append, 'listener.moved', { network: this.engine.networkId, source: SOURCE, listenerId, position });
    });
  }
}
