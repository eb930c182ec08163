import { isCodedError } from '../../errors';
import type { Ledger, LedgerRecord } from '../../ledger';
import type { Address } from '../../values';
import { type Checkpoint, readCheckpoint } from '../checkpoint';
import { sameHash } from '../merkle-tree';

/** What verification asks a ledger. */
export type RecordLedger = Pick<Ledger, 'network' | 'recordsOf' | 'latestRecords' | 'previousRecord'>;

/** A contradiction between two checkpoints of one machine. */
export interface Contradiction {
  readonly size: number;
  readonly otherSize: number;
}

/** Why the walk along a chain went no further. */
type End = 'first' | 'no-record' | 'pruned' | 'steps';

/** So many records are walked back at most: with one every ten seconds, more than a day. */
export const MOST_STEPS = 10_000;

/**
 * The checkpoints that a machine has put on a ledger, from the newest backwards. Each record spends the one before, so a
 * machine that tells one story has one newest record, and the sizes of its checkpoints never shrink.
 */
export class RecordChain {
  readonly #met = new Map<string, LedgerRecord>();
  readonly #bySize = new Map<number, Uint8Array>();
  readonly #contradictions: Contradiction[] = [];
  #heads = 0;
  /** The oldest record met. */
  #tail: LedgerRecord | undefined;
  /** Size of the oldest checkpoint met. */
  #smallest = Number.POSITIVE_INFINITY;
  #end: End | undefined;
  #steps = 0;
  #work: Promise<void> | undefined;

  constructor(
    private readonly ledger: RecordLedger,
    private readonly machine: { readonly did: string; readonly author: Address },
    private readonly mostSteps = MOST_STEPS,
  ) {}

  /** Newest checkpoints; more than one: somebody keeps a second chain. */
  get heads(): number {
    return this.#heads;
  }

  get contradictions(): readonly Contradiction[] {
    return this.#contradictions;
  }

  get end(): End | undefined {
    return this.#end;
  }

  /** Walks back until checkpoints are smaller than this one. */
  async reach(size: number): Promise<void> {
    const before = this.#work ?? this.#begin();
    this.#work = before.then(() => this.#walk(size));
    await this.#work;
  }

  /** The records of a transaction, as far as they were met. */
  recordsOf(transactionId: string): LedgerRecord[] {
    const record = this.#met.get(transactionId.toLowerCase());
    return record ? [record] : [];
  }

  /** Root of the checkpoint of that size, if it was met. */
  rootAt(size: number): Uint8Array | undefined {
    return this.#bySize.get(size);
  }

  /** Size of a checkpoint that was met and contradicts this one: logs grow. Those on the chain were compared on the way. */
  contradicting({ height, transactionId }: LedgerRecord, size: number): number | undefined {
    if (this.#met.has(transactionId)) return undefined;
    for (const met of this.#met.values()) {
      const other = ownCheckpoint(met, this.machine.did)?.size;
      if (other === undefined) continue;
      if (met.height > height ? other < size : met.height < height && other > size) return other;
    }
    return undefined;
  }

  async #begin(): Promise<void> {
    const records = await this.ledger.latestRecords(this.machine.author);
    const checkpoints = records.filter((record) => ownCheckpoint(record, this.machine.did));
    this.#heads = checkpoints.length;
    // The newest record of the chain may be of another kind; its checkpoints are behind it.
    const head = (checkpoints.length > 0 ? checkpoints : records).at(-1);
    if (head) this.#meet(head);
    else this.#end = 'no-record';
  }

  async #walk(size: number): Promise<void> {
    while (this.#end === undefined && this.#smallest >= size) {
      if (this.#steps >= this.mostSteps) {
        this.#end = 'steps';
        return;
      }
      this.#steps += 1;
      const previous = await this.#previous();
      if (previous) this.#meet(previous);
    }
  }

  async #previous(): Promise<LedgerRecord | undefined> {
    try {
      const previous = this.#tail && (await this.ledger.previousRecord(this.#tail));
      // A ledger whose records go round in circles is not to keep us walking.
      if (previous && !this.#met.has(previous.transactionId)) return previous;
      this.#end = 'first';
    } catch (error) {
      if (!isCodedError(error, 'HISTORY_PRUNED')) throw error;
      this.#end = 'pruned';
    }
    return undefined;
  }

  #meet(record: LedgerRecord): void {
    this.#tail = record;
    this.#met.set(record.transactionId, record);
    const checkpoint = ownCheckpoint(record, this.machine.did);
    if (!checkpoint) return;
    const { size, root } = checkpoint;
    const known = this.#bySize.get(size);
    // Going back in time, sizes go down; the same one again is the same checkpoint.
    if (size > this.#smallest) this.#contradictions.push({ size: this.#smallest, otherSize: size });
    else if (known && !sameHash(known, root)) this.#contradictions.push({ size, otherSize: size });
    if (!known) this.#bySize.set(size, root);
    this.#smallest = Math.min(this.#smallest, size);
  }
}

/** Reading one takes as long as a signature takes to verify, and the newest records are met again with every document. */
const read = new WeakMap<LedgerRecord, Checkpoint | null>();

/** A record's checkpoint, if it holds one of this machine; records may hold anything. */
export function ownCheckpoint(record: LedgerRecord, did: string): Checkpoint | undefined {
  let checkpoint = read.get(record);
  if (checkpoint === undefined) {
    checkpoint = readRecord(record);
    read.set(record, checkpoint);
  }
  return checkpoint?.origin === did ? checkpoint : undefined;
}

function readRecord({ bytes }: LedgerRecord): Checkpoint | null {
  try {
    return readCheckpoint(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return null;
  }
}
