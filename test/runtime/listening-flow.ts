import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { LedgerRecord, RecordFilter, RecordPage } from '../../lib/ledger';
import { DataListening, type Pace, type PositionKeeper, type RecordSource } from '../../lib/runtime/data-listening';
import type { DataEvent, DataListenOrder, LedgerState } from '../../lib/runtime/runtime';
import type { ListenerPosition } from '../../lib/vault';
import { ADDRESS, NETWORK } from '../nodes/fake-runtime';

export const HASTY: Pace = { window: 32, poll: 5, idleSave: 1e9, firstRetry: 1, longestRetry: 2, broken: 1 };
export const NEVER = 1e9;
export const UP = { phase: 'up', network: NETWORK, url: '' } as const satisfies LedgerState;
export const DOWN = {
  phase: 'down',
  error: new CodedError('LEDGER_UNREACHABLE', 'default', 'away'),
} as const satisfies LedgerState;

/** A ledger's records in one list: a cursor is a place in it, whatever the filter. */
export class RecordLedger implements RecordSource {
  readonly records: LedgerRecord[] = [];
  readonly failures: Error[] = [];
  state: LedgerState = UP;
  pruned = 0;
  asked = 0;
  /** Records, wanted or not, on a page. */
  pageSize = (): number => 3;
  readonly #watchers = new Set<(state: LedgerState) => void>();
  readonly #wakers = new Set<() => void>();

  get held(): number {
    return this.#watchers.size + this.#wakers.size;
  }

  readonly ledger = {
    readRecords: async ({ tag }: RecordFilter, cursor: string): Promise<RecordPage> => {
      this.asked += 1;
      await soon();
      this.#fail();
      const from = Number(cursor);
      if (from < this.pruned) throw new CodedError('HISTORY_PRUNED', 'default', 'gone');
      const to = Math.min(this.records.length, from + this.pageSize());
      const records = this.records
        .slice(from, to)
        .filter((record) => tag === null || Buffer.compare(record.tag, tag) === 0);
      return { records, cursor: String(to), height: to, ledgerTime: to, reached: to === this.records.length };
    },
    recordsCursor: async (from: 'now' | 'last' | 'beginning', { tag }: RecordFilter): Promise<string> => {
      await soon();
      this.#fail();
      if (from === 'beginning') return String(this.pruned);
      const last = this.records.findLastIndex((record) => tag === null || Buffer.compare(record.tag, tag) === 0);
      return String(from === 'last' && last >= 0 ? last : this.records.length);
    },
  };

  watch(listener: (state: LedgerState) => void): () => void {
    this.#watchers.add(listener);
    listener(this.state);
    return () => this.#watchers.delete(listener);
  }

  onWake(listener: () => void): () => void {
    this.#wakers.add(listener);
    return () => this.#wakers.delete(listener);
  }

  record(text: string, tag = 'a'): void {
    const number = this.records.length;
    this.records.push({
      transactionId: `0x${number}`,
      outputIndex: 1,
      outputId: `0x${number}.1`,
      tag: Buffer.from(tag),
      bytes: Buffer.from(text),
      author: number % 2 === 0 ? (ADDRESS as LedgerRecord['author']) : null,
      height: number + 1,
      confirmedAt: Date.UTC(2026, 0, 1) + number * 1000,
    });
    for (const waker of [...this.#wakers]) waker();
  }

  become(state: LedgerState): void {
    this.state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }

  #fail(): void {
    const error = this.failures.shift();
    if (error) throw error;
  }
}

/** What is on the disk, and the process that writes it. */
export class Disk {
  readonly positions = new Map<string, ListenerPosition>();
  readonly failures: Error[] = [];
  writes = 0;

  /** A vault of a process that can be killed: from then on nothing of it reaches the disk. */
  process(): PositionKeeper & { kill(): void } {
    let dead = false;
    const step = async () => {
      await soon();
      if (dead) await new Promise(() => {});
      const error = this.failures.shift();
      if (error) throw error;
    };
    return {
      kill: () => {
        dead = true;
      },
      listenerPosition: async (network, id) => {
        await step();
        return this.positions.get(`${network} ${id}`);
      },
      moveListener: async (network, id, position) => {
        await step();
        this.writes += 1;
        this.positions.set(`${network} ${id}`, position);
        await soon();
        if (dead) await new Promise(() => {});
      },
    };
  }

  get only(): ListenerPosition | undefined {
    assert.ok(this.positions.size <= 1);
    return [...this.positions.values()][0];
  }
}

interface Heard {
  readonly event: DataEvent;
  readonly redelivered: boolean;
}

/** A flow that listens, and remembers over all its lives what it heard. */
export class Flow {
  readonly heard: Heard[] = [];
  readonly troubles: (CodedError | undefined)[] = [];
  onEvent: () => void = () => {};
  #listening: DataListening | undefined;
  #process: ReturnType<Disk['process']>;
  readonly #waiting = new Set<() => void>();

  constructor(
    readonly ledger: RecordLedger,
    readonly disk: Disk,
    private order: Partial<DataListenOrder> = {},
  ) {
    this.#process = disk.process();
  }

  start(order: Partial<DataListenOrder> = this.order, pace: Pace = HASTY): this {
    this.order = order;
    this.#listening = new DataListening(
      this.ledger,
      this.#process,
      { listenerId: 'node', from: 'beginning', tag: 'a', ...order },
      {
        event: (event, redelivered) => {
          this.heard.push({ event, redelivered });
          this.onEvent();
          this.#changed();
        },
        trouble: (error) => {
          this.troubles.push(error);
          this.#changed();
        },
      },
      pace,
    );
    return this;
  }

  stop(): void {
    this.#listening?.stop();
  }

  crash(): void {
    this.#process.kill();
    this.stop();
    this.#process = this.disk.process();
  }

  get texts(): string[] {
    return this.heard.map(({ event, redelivered }) => `${event.bytes}${redelivered ? ' again' : ''}`);
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  #changed(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

export function soon(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Asks the event loop, until it is so. */
export async function eventually(done: () => boolean): Promise<void> {
  while (!done()) await soon();
}
