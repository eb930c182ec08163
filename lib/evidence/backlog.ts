import { CodedError } from '../errors';
import type { Sql, SqlRow, SqlValue } from '../journal';

/** Where a document's evidence is to go. */
export interface WaitingOrigin {
  readonly nodeId: string;
  readonly topic?: string;
  readonly messageId?: string;
  /** The text that left output 1, where it is not the leaf: a JWE. */
  readonly payload?: string;
}

/** A document whose evidence a node waits for. */
export interface WaitingDocument {
  readonly sequence: number;
  /** The text that left output 1. */
  readonly payload: string;
  readonly leaf: string;
  readonly origin: WaitingOrigin;
  /** When it was appended; Unix ms of this machine's clock. */
  readonly at: number;
}

export interface BacklogLimit {
  readonly count: number;
  readonly bytes: number;
}

export const BACKLOG_LIMIT: BacklogLimit = { count: 1_000_000, bytes: 512 * 1024 * 1024 };

/** A page of documents ends early when it holds so many bytes: the main thread parses all of it at once. */
const LARGEST_PAGE = 512 * 1024;
const BLOCK = 1024;

/** What is to be stored of a document that is waited for. */
interface BacklogEntry {
  readonly sequence: number;
  /** As JSON, and so is the rest of the origin: a flow's text may hold what SQL refuses (NUL, lone surrogates). */
  readonly node: string;
  readonly origin: string;
  readonly leaf: Uint8Array;
  readonly payload: Uint8Array | null;
  readonly bytes: number;
}

/**
 * Documents whose evidence a node waits for. They lie in a side table; how many there are from where on is counted in
 * memory, so that asking does not take longer the more there are. What a write changes counts once it is durable.
 */
export class Backlog {
  #count = 0;
  #bytes = 0;
  /** Documents by `sequence / BLOCK`. */
  readonly #blocks = new Map<number, number>();

  constructor(
    private readonly sql: Sql,
    private readonly limit: BacklogLimit,
  ) {
    const rows = sql.all(
      `SELECT sequence / ${BLOCK} AS block, count(*) AS count, sum(bytes) AS bytes
       FROM log_backlog INDEXED BY log_backlog_by_node GROUP BY block`,
    );
    for (const { block, count, bytes } of rows) this.#add(Number(block) * BLOCK, Number(count), Number(bytes));
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * What is to be stored of those that somebody waits for.
   *
   * @throws CodedError `BACKLOG_FULL`
   */
  entries(
    leaves: ReadonlyArray<{ readonly leaf: Uint8Array; readonly waiting: WaitingOrigin | undefined }>,
    first: number,
  ): BacklogEntry[] {
    const entries: BacklogEntry[] = [];
    for (const [position, { leaf, waiting }] of leaves.entries()) {
      if (waiting) entries.push(entryOf(first + position, leaf, waiting));
    }
    const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
    const { count, bytes: most } = this.limit;
    if (entries.length > 0 && (this.#count + entries.length > count || this.#bytes + bytes > most)) throw full(this);
    return entries;
  }

  /** Inside a write. */
  insert(entries: readonly BacklogEntry[], at: number, sql: Sql): void {
    for (const { sequence, node, bytes, origin, leaf, payload } of entries) {
      sql.run(
        'INSERT INTO log_backlog (sequence, node, at, bytes, origin, leaf, payload) VALUES (?, ?, ?, ?, ?, ?, ?)',
        [sequence, node, at, bytes, origin, leaf, payload],
      );
    }
  }

  /** Once that write is durable. */
  inserted(entries: readonly BacklogEntry[]): void {
    for (const { sequence, bytes } of entries) this.#add(sequence, 1, bytes);
  }

  /** Inside a write. Returns what there was to remove. */
  remove(sequences: readonly number[], sql: Sql): ReadonlyArray<{ readonly sequence: number; readonly bytes: number }> {
    const list = JSON.stringify(sequences);
    const rows = sql.all('SELECT sequence, bytes FROM log_backlog WHERE sequence IN (SELECT value FROM json_each(?))', [
      list,
    ]);
    sql.run('DELETE FROM log_backlog WHERE sequence IN (SELECT value FROM json_each(?))', [list]);
    return rows.map(({ sequence, bytes }) => ({ sequence: Number(sequence), bytes: Number(bytes) }));
  }

  /** Once that write is durable. */
  removed(entries: ReadonlyArray<{ readonly sequence: number; readonly bytes: number }>): void {
    for (const { sequence, bytes } of entries) this.#add(sequence, -1, -bytes);
  }

  /** Documents at or above a sequence. */
  countFrom(sequence: number): number {
    const first = Math.floor(sequence / BLOCK);
    let count = 0;
    for (const [block, documents] of this.#blocks) if (block > first) count += documents;
    const end = (first + 1) * BLOCK;
    if (!this.#blocks.has(first)) return count;
    const row = this.sql.get('SELECT count(*) AS count FROM log_backlog WHERE sequence >= ? AND sequence < ?', [
      sequence,
      end,
    ]);
    return count + Number(row?.['count'] ?? 0);
  }

  /** When the first document at or above a sequence was appended. */
  oldestFrom(sequence: number): number | null {
    const row = this.sql.get('SELECT at FROM log_backlog WHERE sequence >= ? ORDER BY sequence LIMIT 1', [sequence]);
    return row ? Number(row['at']) : null;
  }

  /** May return fewer than `limit` where documents are large; none only when there are none. */
  page(query: {
    readonly nodeId: string;
    readonly after: number;
    readonly below: number;
    readonly limit: number;
  }): WaitingDocument[] {
    const { nodeId, after, below, limit } = query;
    const rows = this.sql.all(
      `SELECT sequence, bytes FROM log_backlog INDEXED BY log_backlog_by_node
       WHERE node = ? AND sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?`,
      [JSON.stringify(nodeId), after, below, limit],
    );
    let bytes = 0;
    let documents = 0;
    for (const row of rows) {
      bytes += Number(row['bytes']);
      if (documents > 0 && bytes > LARGEST_PAGE) break;
      documents += 1;
    }
    return this.sql
      .all(
        `SELECT sequence, at, origin, leaf, payload FROM log_backlog
         WHERE node = ? AND sequence > ? AND sequence < ? ORDER BY sequence LIMIT ?`,
        [JSON.stringify(nodeId), after, below, documents],
      )
      .map((row) => waitingDocument(nodeId, row));
  }

  nodes(): string[] {
    const nodes: string[] = [];
    // From one to the next by the index: there are few nodes and many documents.
    for (let node = ''; ; ) {
      const row = this.sql.get('SELECT min(node) AS node FROM log_backlog WHERE node > ?', [node]);
      if (typeof row?.['node'] !== 'string') return nodes;
      node = row['node'];
      nodes.push(JSON.parse(node) as string);
    }
  }

  #add(sequence: number, count: number, bytes: number): void {
    this.#count += count;
    this.#bytes += bytes;
    const block = Math.floor(sequence / BLOCK);
    const documents = (this.#blocks.get(block) ?? 0) + count;
    if (documents === 0) this.#blocks.delete(block);
    else this.#blocks.set(block, documents);
  }
}

function entryOf(sequence: number, leaf: Uint8Array, waiting: WaitingOrigin): BacklogEntry {
  const { nodeId, payload: text, ...rest } = waiting;
  const origin = JSON.stringify(rest);
  const payload = text === undefined ? null : Buffer.from(text, 'utf8');
  const bytes = leaf.length + (payload?.length ?? 0) + Buffer.byteLength(origin);
  return { sequence, node: JSON.stringify(nodeId), origin, leaf, payload, bytes };
}

function waitingDocument(nodeId: string, row: SqlRow): WaitingDocument {
  const leaf = textOf(row['leaf']);
  const payload = row['payload'] === null ? undefined : textOf(row['payload']);
  const rest = JSON.parse(String(row['origin'])) as Omit<WaitingOrigin, 'nodeId' | 'payload'>;
  return {
    sequence: Number(row['sequence']),
    payload: payload ?? leaf,
    leaf,
    origin: { nodeId, ...rest, ...(payload !== undefined && { payload }) },
    at: Number(row['at']),
  };
}

function textOf(bytes: SqlValue | undefined): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8') : '';
}

function full({ count, bytes }: { readonly count: number; readonly bytes: number }): CodedError {
  return new CodedError(
    'BACKLOG_FULL',
    'default',
    `${count} documents (${bytes} bytes) wait for their evidence already`,
    { count, bytes },
  );
}
