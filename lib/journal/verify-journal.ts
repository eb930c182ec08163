import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { Database } from 'node-sqlite3-wasm';
import { hex } from './chain';
import { Connection } from './connection';
import type { Projection } from './event';
import { FileDisk } from './file-disk';
import { derivedTables, rebuildTables } from './projections';
import { SCHEMA } from './schema';
import { compareWithWitness, Damage, eventsAfter, hasEventTable, verifyAll } from './verification';

export interface JournalVerification {
  readonly valid: boolean;
  readonly events: number;
  readonly seals: number;
  /** Hash of the newest event that was verified, hex. */
  readonly head: string;
  readonly problem?: { readonly kind: string; readonly message: string };
}

/**
 * Verifies a whole journal without changing a byte of it: SQLite's own integrity, every event, every seal, the witness
 * and, when projections are given, that their tables are what the events make of them. Takes a journal that is not open
 * (the caller holds the process lock) or a copy of its three files.
 *
 * @throws CodedError `JOURNAL_DAMAGED` (`unreadable`)
 */
export function verifyJournal(file: string, projections: readonly Projection[] = []): JournalVerification {
  let verified: Pick<JournalVerification, 'events' | 'seals' | 'head'> = { events: 0, seals: 0, head: '' };
  if (!existsSync(file))
    return { valid: false, ...verified, problem: { kind: 'unreadable', message: `there is no ${file}` } };
  const disk = new FileDisk(file);
  try {
    const { connection } = disk;
    const [integrity] = Object.values(connection.get('PRAGMA integrity_check(1)') ?? {});
    if (integrity !== 'ok') throw new Damage('database', `SQLite finds: ${String(integrity)}`);
    const position = verifyAll(connection);
    verified = { events: position.sequence, seals: position.seal.segment, head: hex(position.hash) };
    compareWithWitness(connection, position, disk.witness);
    if (hasEventTable(connection)) compareTables(connection, projections);
    disk.close();
    return { valid: true, ...verified };
  } catch (error) {
    disk.abandon();
    const kind = error instanceof Damage ? error.kind : 'unreadable';
    const message = error instanceof Error ? error.message : String(error);
    return { valid: false, ...verified, problem: { kind, message } };
  }
}

function compareTables(connection: Connection, projections: readonly Projection[]): void {
  if (projections.length === 0) return;
  const replay = new Connection(new Database(':memory:'));
  try {
    replay.execute(SCHEMA);
    replay.run('BEGIN');
    rebuildTables(replay, projections, eventsAfter(connection, 0));
    for (const { name } of projections) {
      for (const table of derivedTables(replay, name)) {
        if (digestOf(connection, table) !== digestOf(replay, table)) {
          throw new Damage('projection', `table ${table} is not what the events make of it`);
        }
      }
    }
  } finally {
    replay.close();
  }
}

function digestOf(connection: Connection, table: string): string {
  const quoted = `"${table.replaceAll('"', '""')}"`;
  const columns = connection.all(`SELECT name FROM pragma_table_info(${quoted.replaceAll('"', "'")}) ORDER BY cid`);
  const order = columns.map((_, index) => index + 1).join(', ');
  const digest = createHash('sha256');
  for (const row of connection.all(`SELECT * FROM ${quoted} ORDER BY ${order}`))
    digest.update(rowText(Object.entries(row)));
  return digest.digest('hex');
}

function rowText(row: [string, unknown][]): string {
  return `${JSON.stringify(row.map(([column, value]) => [column, typeof value, value instanceof Uint8Array ? hex(value) : String(value)]))}\n`;
}
