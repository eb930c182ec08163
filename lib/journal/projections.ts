import { createHash } from 'node:crypto';
import type { StoredEvent } from './chain';
import type { Connection } from './connection';
import type { JournalEvent, Projection, Sql } from './event';
import { decodeBody } from './event-body';
import { eventsAfter } from './verification';

/** True when the tables in the file are the ones that these projections would make. */
export function projectionsMatch(connection: Connection, projections: readonly Projection[]): boolean {
  const stored = storedFingerprints(connection);
  return (
    stored.size === projections.length &&
    projections.every((projection) => stored.get(projection.name) === fingerprint(projection))
  );
}

/**
 * Makes the tables of projections that are new or have changed, from all events; drops those of projections that are
 * not there any more (they would miss events from now on). Runs inside the caller's transaction.
 */
export function matchProjections(connection: Connection, projections: readonly Projection[]): void {
  const names = new Set(projections.map((projection) => projection.name));
  if (names.size !== projections.length) throw new Error('two projections have the same name');
  const stored = storedFingerprints(connection);
  for (const name of stored.keys()) if (!names.has(name)) dropTables(connection, name);
  const outdated = projections.filter((projection) => stored.get(projection.name) !== fingerprint(projection));
  if (outdated.length > 0) rebuildTables(connection, outdated);
}

/** Drops the tables of these projections and applies every event again. Runs inside the caller's transaction. */
export function rebuildTables(
  connection: Connection,
  projections: readonly Projection[],
  events: Iterable<StoredEvent> = eventsAfter(connection, 0),
): void {
  for (const projection of projections) {
    dropTables(connection, projection.name);
    if (projection.sideTables !== undefined) connection.execute(projection.sideTables);
    const before = tableNames(connection);
    connection.execute(projection.schema);
    const made = tableNames(connection).filter((name) => !before.includes(name));
    connection.run('INSERT INTO journal_projection (name, fingerprint, tables) VALUES (?, ?, ?)', [
      projection.name,
      fingerprint(projection),
      JSON.stringify(made),
    ]);
  }
  for (const { sequence, at, type, body } of events) {
    applyTo(projections, { sequence, at, type, body: decodeBody(body) }, connection);
  }
}

export function applyTo(projections: readonly Projection[], event: JournalEvent, sql: Sql): void {
  for (const projection of projections) projection.apply(event, sql);
}

function fingerprint({ schema, sideTables, version }: Projection): string {
  return createHash('sha256')
    .update(JSON.stringify([schema, sideTables ?? null, version ?? 0]))
    .digest('hex');
}

function storedFingerprints(connection: Connection): Map<string, string> {
  const rows = connection.all('SELECT name, fingerprint FROM journal_projection');
  return new Map(rows.map((row) => [String(row['name']), String(row['fingerprint'])]));
}

function tableNames(connection: Connection): string[] {
  const rows = connection.all("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
  return rows.map((row) => String(row['name']));
}

/** The tables that a projection's `schema` has made in this file. */
export function derivedTables(connection: Connection, name: string): string[] {
  const row = connection.get('SELECT tables FROM journal_projection WHERE name = ?', [name]);
  return row ? (JSON.parse(String(row['tables'])) as string[]) : [];
}

function dropTables(connection: Connection, name: string): void {
  // Indices and triggers go with their tables.
  for (const table of derivedTables(connection, name)) {
    connection.execute(`DROP TABLE IF EXISTS "${table.replaceAll('"', '""')}"`);
  }
  connection.run('DELETE FROM journal_projection WHERE name = ?', [name]);
}
