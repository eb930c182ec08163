import type { SQLiteValue } from 'node-sqlite3-wasm';
import {
  type BasicOutput,
  type BlockId,
  ByteReader,
  bytesOf,
  type Hex,
  hexOf,
  type MilestoneId,
  type OutputId,
  readOutput,
  type TransactionId,
} from '../codec';
import type { Conflict } from '../semantics';
import type { LedgerOutput, Mutations } from '../white-flag';
import { type Row, SandboxDatabase } from './database';

export interface StoredMilestone {
  readonly index: number;
  readonly id: MilestoneId;
  readonly blockId: BlockId;
  /** Unix seconds. */
  readonly timestamp: number;
  /** The milestone payload's bytes. */
  readonly payload: Buffer;
  /** Its block's place within the next milestone, once there is one. */
  readonly whiteFlagIndex?: number;
}

export interface StoredBlock {
  readonly bytes: Buffer;
  readonly referencedBy: number;
  readonly whiteFlagIndex: number;
  readonly conflict?: Conflict;
}

export interface StoredOutput extends LedgerOutput {
  readonly bookedIndex: number;
  readonly bookedAt: number;
  readonly isSpent: boolean;
  readonly spent?: { readonly index: number; readonly at: number; readonly by: TransactionId };
}

/** The confirmed part of the Tangle: what must outlive a killed process. */
export class TangleStore {
  readonly #database: SandboxDatabase;

  /** @param directory absent: in memory only */
  constructor(directory?: string) {
    this.#database = new SandboxDatabase(directory);
  }

  get database(): Pick<SandboxDatabase, 'get' | 'all'> {
    return this.#database;
  }

  setting(name: string): SQLiteValue | undefined {
    return this.#database.get('SELECT value FROM settings WHERE name = ?', [name])?.value;
  }

  /** Writes a new Tangle's settings and its first output. */
  begin(settings: Record<string, SQLiteValue>, genesis: LedgerOutput, bookedAt: number): void {
    this.#database.transaction('FULL', () => {
      for (const [name, value] of Object.entries(settings)) {
        this.#database.run('INSERT INTO settings VALUES (?, ?)', [name, value]);
      }
      this.#book(genesis, 0, bookedAt);
    });
  }

  /**
   * Everything that a milestone changes, in one transaction.
   *
   * @param previous the milestone before; its block is kept there, with its place in this one
   */
  confirm(milestone: StoredMilestone, previous: StoredMilestone | undefined, mutations: Mutations): void {
    const { index, timestamp } = milestone;
    const isIdle = mutations.referenced.every(({ decoded }) => decoded.id === previous?.blockId);
    // A power cut may take idle milestones, but nothing that somebody sent.
    this.#database.transaction(isIdle ? 'NORMAL' : 'FULL', () => {
      this.#database.run('INSERT INTO milestones VALUES (?, ?, ?, ?, ?, NULL)', [
        index,
        bytesOf(milestone.id),
        bytesOf(milestone.blockId),
        timestamp,
        milestone.payload,
      ]);
      for (const [whiteFlagIndex, { decoded, conflict }] of mutations.referenced.entries()) {
        if (decoded.id === previous?.blockId) {
          this.#database.run('UPDATE milestones SET white_flag_index = ? WHERE number = ?', [
            whiteFlagIndex,
            previous.index,
          ]);
        } else {
          const values = [bytesOf(decoded.id), decoded.bytes, index, whiteFlagIndex, conflict ?? 0];
          this.#database.run('INSERT INTO blocks VALUES (?, ?, ?, ?, ?)', values);
        }
      }
      for (const output of mutations.created.values()) this.#book(output, index, timestamp);
      for (const [outputId, { id }] of mutations.consumed) {
        const sql = 'UPDATE outputs SET spent_index = ?, spent_at = ?, spent_by = ? WHERE id = ?';
        this.#database.run(sql, [index, timestamp, bytesOf(id), bytesOf(outputId)]);
      }
    });
  }

  /** Forgets blocks, milestones and spent outputs up to and with this milestone. */
  prune(index: number): void {
    this.#database.transaction('NORMAL', () => {
      this.#database.run('DELETE FROM outputs WHERE spent_index IS NOT NULL AND spent_index <= ?', [index]);
      this.#database.run('DELETE FROM blocks WHERE referenced_by <= ?', [index]);
      this.#database.run('DELETE FROM milestones WHERE number <= ?', [index]);
      this.#database.run('INSERT OR REPLACE INTO settings VALUES (?, ?)', ['pruningIndex', index]);
    });
  }

  block(id: BlockId): StoredBlock | undefined {
    const row = this.#database.get('SELECT * FROM blocks WHERE id = ?', [bytesOf(id)]);
    if (!row) return undefined;
    const conflict = number(row.conflict) as Conflict | 0;
    return {
      bytes: buffer(row.bytes),
      referencedBy: number(row.referenced_by),
      whiteFlagIndex: number(row.white_flag_index),
      ...(conflict !== 0 && { conflict }),
    };
  }

  latestMilestone(): StoredMilestone | undefined {
    return milestoneOf(this.#database.get('SELECT * FROM milestones ORDER BY number DESC LIMIT 1', []));
  }

  milestone(index: number): StoredMilestone | undefined {
    return milestoneOf(this.#database.get('SELECT * FROM milestones WHERE number = ?', [index]));
  }

  milestoneById(id: MilestoneId): StoredMilestone | undefined {
    return milestoneOf(this.#database.get('SELECT * FROM milestones WHERE id = ?', [bytesOf(id)]));
  }

  milestoneByBlock(blockId: BlockId): StoredMilestone | undefined {
    return milestoneOf(this.#database.get('SELECT * FROM milestones WHERE block_id = ?', [bytesOf(blockId)]));
  }

  output(id: OutputId): StoredOutput | undefined {
    const row = this.#database.get('SELECT * FROM outputs WHERE id = ?', [bytesOf(id)]);
    return row && outputOf(row);
  }

  /** Output ids that a milestone created and consumed; what did both is in both. In no meaningful order. */
  changes(index: number): { created: OutputId[]; consumed: OutputId[] } {
    const ids = (sql: string) => this.#database.all(sql, [index]).map(({ id }) => hexOf(buffer(id)));
    return {
      created: ids('SELECT id FROM outputs WHERE booked_index = ? ORDER BY id'),
      consumed: ids('SELECT id FROM outputs WHERE spent_index = ? ORDER BY id'),
    };
  }

  unspentOf(address: Hex): StoredOutput[] {
    const sql = 'SELECT * FROM outputs WHERE address = ? AND spent_index IS NULL';
    return this.#database.all(sql, [bytesOf(address)]).map(outputOf);
  }

  close(): void {
    this.#database.close();
  }

  #book({ outputId, output, bytes, blockId }: LedgerOutput, index: number, timestamp: number): void {
    const { address, nativeTokens, storageReturn, timelock, expiration, sender, tag } = output;
    const optional = (hex: Hex | undefined) => (hex === undefined ? null : bytesOf(hex));
    this.#database.run('INSERT INTO outputs VALUES (?, ?, ?, ?, ?, NULL, NULL, NULL, ?, ?, ?, ?, ?, ?, ?, ?)', [
      bytesOf(outputId),
      bytes,
      bytesOf(blockId),
      index,
      timestamp,
      bytesOf(address),
      nativeTokens.length,
      optional(storageReturn?.address),
      timelock ?? null,
      expiration?.unixTime ?? null,
      optional(expiration?.address),
      optional(sender),
      optional(tag),
    ]);
  }
}

function outputOf(row: Row): StoredOutput {
  const bytes = buffer(row.bytes);
  const output: BasicOutput = readOutput(new ByteReader(bytes));
  return {
    outputId: hexOf(buffer(row.id)),
    output,
    bytes,
    blockId: hexOf(buffer(row.block_id)),
    bookedIndex: number(row.booked_index),
    bookedAt: number(row.booked_at),
    isSpent: row.spent_index !== null,
    ...(row.spent_index !== null && {
      spent: { index: number(row.spent_index), at: number(row.spent_at), by: hexOf(buffer(row.spent_by)) },
    }),
  };
}

function milestoneOf(row: Row | undefined): StoredMilestone | undefined {
  if (!row) return undefined;
  return {
    index: number(row.number),
    id: hexOf(buffer(row.id)),
    blockId: hexOf(buffer(row.block_id)),
    timestamp: number(row.timestamp),
    payload: buffer(row.payload),
    ...(row.white_flag_index !== null && { whiteFlagIndex: number(row.white_flag_index) }),
  };
}

function number(value: SQLiteValue | undefined): number {
  if (typeof value === 'number') return value;
  throw new TypeError(`a number was stored as ${typeof value}`);
}

function buffer(value: SQLiteValue | undefined): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length);
  throw new TypeError(`bytes were stored as ${typeof value}`);
}
