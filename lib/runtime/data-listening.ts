import { CodedError, isCodedError } from '../errors';
import { parseStrictJson } from '../evidence';
import { type Ledger, type LedgerRecord, parseTag, type RecordFilter, type RecordPage, writeTag } from '../ledger';
import type { ListenerPosition, Vault } from '../vault';
import type { DataEvent, DataListener, DataListenOrder, LedgerState } from './runtime';

/** What is listened to. */
export interface RecordSource {
  readonly state: LedgerState;
  readonly ledger: Pick<Ledger, 'readRecords' | 'recordsCursor'>;
  watch(listener: (state: LedgerState) => void): () => void;
  /** Calls back when the ledger may have grown: a hint that may get lost. */
  onWake(listener: () => void): () => void;
}

/** Where positions are kept. */
export type PositionKeeper = Pick<Vault, 'listenerPosition' | 'moveListener'>;

/** Milliseconds, and how much at once; tests have less patience. */
export interface Pace {
  /** So many records are handed over before that they were is on disk: what may come twice after a crash. */
  readonly window: number;
  readonly poll: number;
  /** How often the cursor is saved while nothing is recorded, so that a restart need not read it all again. */
  readonly idleSave: number;
  readonly firstRetry: number;
  readonly longestRetry: number;
  /** Until something has changed that a person has to see to. */
  readonly broken: number;
}

const PACE: Pace = {
  window: 32,
  poll: 10_000,
  idleSave: 300_000,
  firstRetry: 1_000,
  longestRetry: 15_000,
  broken: 60_000,
};
/** A ledger that is up and fails so often in a row does not get better unnoticed. */
const PATIENCE = 5;
const BEGINNINGS: readonly string[] = ['now', 'last', 'beginning'];

/**
 * Hands a ledger's records to one listener, each at least once and in the order of the ledger, and goes on by itself
 * whatever happens to the ledger or the vault.
 *
 * Before records leave, the vault has on disk that they may have left; after a crash those come again, marked. What the
 * flow has is on disk before the next ones leave.
 */
export class DataListening {
  readonly #filter: RecordFilter;
  readonly #stops: (() => void)[];
  /** What the flow has; offered is what it is being handed in this moment. */
  #position: ListenerPosition | undefined;
  /** What is on disk, where that is known. */
  #saved: ListenerPosition | undefined;
  #savedAt = 0;
  #networkId: string | undefined;
  /** So many of the next records may have been handed over by a process before this one. */
  #suspect = 0;
  /** Nothing was read yet from a beginning of which the node may forget more at any moment. */
  #atBeginning = false;
  #failures = 0;
  #told: CodedError | undefined;
  #wake = () => {};
  #woken = false;
  #stopped = false;

  /** @throws CodedError `CONFIG_INVALID` (`data-tag`, `listen-from`) */
  constructor(
    private readonly source: RecordSource,
    private readonly keeper: PositionKeeper,
    private readonly order: DataListenOrder,
    private readonly listener: DataListener,
    private readonly pace: Pace = PACE,
  ) {
    const { tag, from } = order;
    if (!BEGINNINGS.includes(from))
      throw new CodedError('CONFIG_INVALID', 'listen-from', `cannot listen from ${from}`, { value: from });
    this.#filter = { tag: tag === '' ? null : parseTag(tag), author: null };
    this.#stops = [source.onWake(() => this.#wakeUp(false)), source.watch(() => this.#wakeUp(true))];
    void this.#run();
  }

  /** Nothing is handed over from now on. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    this.#wakeUp(true);
    // What the flow has does not come again, and what was read for nothing is not read again.
    if (this.#position) this.#save(this.#position).catch(() => {});
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#woken = false;
      let pause: number;
      try {
        pause = await this.#step();
      } catch (error) {
        pause = this.#failed(error);
      }
      await this.#sleep(pause);
    }
  }

  /** Reads up to the present. */
  async #step(): Promise<number> {
    const { state } = this.source;
    // It tells when it is up.
    if (state.phase !== 'up') return this.pace.poll;
    await this.#find(state.network.networkId);
    for (let reached = false; !reached && !this.#stopped; ) {
      const position = this.#position;
      if (!position) break;
      const page = await this.#read(position.cursor);
      if (this.#stopped) break;
      this.#atBeginning = false;
      await this.#hand(page, this.#position ?? position);
      reached = page.reached;
      this.#failures = 0;
      this.#tell(undefined);
    }
    return this.pace.poll;
  }

  /** Where we are on this network: in memory, on disk, or at the beginning that was chosen. */
  async #find(networkId: string): Promise<void> {
    if (this.#position && this.#networkId === networkId) return;
    this.#position = undefined;
    this.#networkId = networkId;
    const { listenerId, from } = this.order;
    const saved = await this.keeper.listenerPosition(networkId, listenerId);
    const tag = this.#filter.tag === null ? '' : `0x${Buffer.from(this.#filter.tag).toString('hex')}`;
    if (saved) {
      this.#saved = saved;
      this.#savedAt = Date.now();
      // Counted among the records with another tag, the count means nothing.
      const same = saved.tag === tag;
      this.#suspect = same ? saved.offered : 0;
      this.#position = { tag, cursor: saved.cursor, handed: same ? saved.handed : 0, offered: 0 };
      return;
    }
    const cursor = await this.source.ledger.recordsCursor(from, this.#filter);
    if (this.#stopped) return;
    const begun = { tag, cursor, handed: 0, offered: 0 };
    await this.#save(begun);
    this.#atBeginning = from === 'beginning';
    this.#position = begun;
  }

  async #read(cursor: string): Promise<RecordPage> {
    try {
      return await this.source.ledger.readRecords(this.#filter, cursor);
    } catch (error) {
      if (!this.#atBeginning || !this.#position || !isCodedError(error, 'HISTORY_PRUNED')) throw error;
      // Everything that the node still has was asked for, and that became less before it was read.
      const first = await this.source.ledger.recordsCursor('beginning', this.#filter);
      this.#position = { ...this.#position, cursor: first };
      await this.#save(this.#position);
      return this.source.ledger.readRecords(this.#filter, first);
    }
  }

  async #hand({ records, cursor }: RecordPage, { handed, ...rest }: ListenerPosition): Promise<void> {
    let at = handed;
    while (at < records.length) {
      const slice = records.slice(at, at + this.pace.window);
      await this.#save({ ...rest, handed: at, offered: slice.length });
      if (this.#stopped) return;
      this.#tell(undefined);
      for (const record of slice) {
        this.#position = { ...rest, handed: at, offered: 1 };
        this.listener.event(dataEvent(record, String(this.#networkId)), this.#suspect > 0);
        at += 1;
        this.#suspect = Math.max(0, this.#suspect - 1);
        this.#position = { ...rest, handed: at, offered: 0 };
        if (this.#stopped) return;
      }
    }
    // Pages are cut by whoever answers: this one may hold fewer than were handed over of the one before.
    this.#position = { ...rest, cursor, handed: Math.max(0, handed - records.length), offered: 0 };
    const isNews = records.length > handed;
    if (isNews || Date.now() - this.#savedAt >= this.pace.idleSave) await this.#save(this.#position);
  }

  async #save(position: ListenerPosition): Promise<void> {
    if (this.#networkId === undefined || isSame(position, this.#saved)) return;
    // Until it is there, or if it failed, nobody knows.
    this.#saved = undefined;
    await this.keeper.moveListener(this.#networkId, this.order.listenerId, position);
    this.#saved = position;
    this.#savedAt = Date.now();
  }

  #failed(error: unknown): number {
    if (this.#stopped) return 0;
    this.#failures += 1;
    const retry = Math.min(this.pace.firstRetry * 2 ** (this.#failures - 1), this.pace.longestRetry);
    if (isCodedError(error) && error.code.startsWith('LEDGER_')) {
      // A ledger that is down says so itself.
      if (this.source.state.phase === 'up' && this.#failures >= PATIENCE) this.#tell(error);
      return retry;
    }
    const trouble = asTrouble(error);
    this.#tell(trouble);
    return trouble.code === 'HISTORY_PRUNED' || trouble.code === 'JOURNAL_DAMAGED' ? this.pace.broken : retry;
  }

  /** Each trouble once, and when it is over. */
  #tell(trouble: CodedError | undefined): void {
    if (this.#stopped || (trouble?.code === this.#told?.code && trouble?.detail === this.#told?.detail)) return;
    this.#told = trouble;
    this.listener.trouble(trouble);
  }

  /** @param certain something has changed; else the ledger may have grown, which heals nothing */
  #wakeUp(certain: boolean): void {
    this.#woken = true;
    if (certain || this.#failures === 0) this.#wake();
  }

  async #sleep(milliseconds: number): Promise<void> {
    if (this.#stopped || (this.#woken && this.#failures === 0)) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }
}

function asTrouble(error: unknown): CodedError {
  if (!isCodedError(error))
    return new CodedError(
      'CONFIG_INVALID',
      'data-listening',
      String(error),
      { reason: String(error) },
      { cause: error },
    );
  if (error.code !== 'HISTORY_PRUNED') return error;
  return new CodedError('HISTORY_PRUNED', 'records', error.message, error.parameters, { cause: error });
}

function isSame(a: ListenerPosition, b: ListenerPosition | undefined): boolean {
  return (
    b !== undefined && a.tag === b.tag && a.cursor === b.cursor && a.handed === b.handed && a.offered === b.offered
  );
}

function dataEvent(record: LedgerRecord, networkId: string): DataEvent {
  const { transactionId, outputIndex, tag, bytes, author, confirmedAt } = record;
  return {
    eventId: `${networkId}:${transactionId}:${outputIndex}`,
    tag: writeTag(tag),
    sender: author,
    bytes: Buffer.from(bytes),
    ...jsonIn(bytes),
    transactionId,
    confirmedAt: new Date(confirmedAt).toISOString(),
  };
}

/** Strict on both levels: what two readers could read differently is bytes and nothing more. */
function jsonIn(bytes: Uint8Array): Pick<DataEvent, 'json'> {
  try {
    return { json: parseStrictJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) };
  } catch {
    return {};
  }
}
