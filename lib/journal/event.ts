/** What a journal stores: plain JSON. Amounts are decimal strings of base units, bytes are lower-case hex. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** One row of the append-only table. Its hash covers the row before it, so no row changes or disappears unnoticed. */
export interface JournalEvent {
  /** 1, 2, 3 … without gaps. */
  readonly sequence: number;
  /** Unix milliseconds of this machine's clock when it was written; never used for money decisions. */
  readonly at: number;
  readonly type: string;
  readonly body: JsonObject;
}

export type SqlValue = null | number | bigint | string | Uint8Array;
export type SqlRow = { readonly [column: string]: SqlValue };

/**
 * Queries on the journal's database, prepared once per text. Integers come back as `number` when safe, else `bigint`.
 * Values that SQLite would change silently are refused with a `RangeError`: fractions, integers beyond 64 bits, and text
 * with a NUL character (hostile text has to be cleaned before it gets here).
 */
export interface Sql {
  /** Only inside a `write`. */
  run(sql: string, values?: readonly SqlValue[]): void;
  get(sql: string, values?: readonly SqlValue[]): SqlRow | undefined;
  all(sql: string, values?: readonly SqlValue[]): SqlRow[];
}

/**
 * Tables derived from events and from nothing else: `apply` runs in the same transaction that appends the event, and
 * running it again over all events must give the same tables.
 */
export interface Projection {
  readonly name: string;
  /** `CREATE TABLE/INDEX IF NOT EXISTS …` statements. A change of this text drops the tables and applies every event again. */
  readonly schema: string;
  /** Raise it when `apply` changes but `schema` does not: the tables are then made anew as well. */
  readonly version?: number;
  /**
   * `CREATE TABLE IF NOT EXISTS …` statements of tables that are not derived: bytes too large for an event, which names
   * them by their SHA-256. Written with `sql.run` inside a `write`, never dropped by a rebuild, free to be pruned.
   */
  readonly sideTables?: string;
  apply(event: JournalEvent, sql: Sql): void;
}

/** Appends one event; its projections are visible to queries at once, and to the world once the write is durable. */
export type Append = (type: string, body: JsonObject) => JournalEvent;

/**
 * The durable append-only journal of one machine identity: the only thing that writes money-relevant state.
 * Single writer, one thread.
 */
export interface Journal {
  /**
   * Runs `change` now, alone, in the open group transaction, and resolves with its result once the group is on disk.
   * If `change` throws, what it appended is undone and the promise rejects with that error.
   * A failed disk freezes the journal: this and every later write reject with `JOURNAL_DAMAGED`.
   */
  write<T>(change: (append: Append, sql: Sql) => T): Promise<T>;
  /** Reads, also of what is not durable yet: act on it outside this process only after a `write` has resolved. */
  readonly sql: Sql;
  readonly head: { readonly sequence: number; readonly hash: string };
  /** Set once the journal may not be written any more (disk error, damage found at start). */
  readonly damage: string | undefined;
  /** Commits what is open and closes the file. */
  close(): Promise<void>;
}
