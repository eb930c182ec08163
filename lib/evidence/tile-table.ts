import type { Sql } from '../journal';
import { HASH_LENGTH } from './merkle-tree';
import { TILE_WIDTH, type Tile } from './tile';

/**
 * Hashes to a row. A row of a whole tile would be written anew with every leaf, over three pages of the file; with eight
 * hashes an append of one leaf changes one page, and rows fill pages almost without gaps (docs/evidence.md has the numbers).
 */
const ROW = 8;

/**
 * More than any level has places: 2^53 leaves have 2^45 hashes at level 1. Level 0 comes last in the table, where SQLite
 * adds rows without splitting pages.
 */
const LEVEL = 2 ** 50;

export function readTile(sql: Sql, level: number, index: number): Uint8Array {
  const first = rowOf(level, index * TILE_WIDTH);
  const rows = sql.all('SELECT hashes FROM log_tiles WHERE row >= ? AND row < ? ORDER BY row', [
    first,
    first + TILE_WIDTH,
  ]);
  return Buffer.concat(rows.map(({ hashes }) => hashes).filter((hashes) => hashes instanceof Uint8Array));
}

/** Whether the table ends with this many leaves. */
export function endsWith(sql: Sql, leaves: number): boolean {
  const last = sql.get('SELECT max(row) AS row FROM log_tiles')?.['row'] ?? null;
  return last === (leaves === 0 ? null : rowOf(0, leaves - 1 - ((leaves - 1) % ROW)));
}

/** Those rows that have changed. Inside a write. */
export function writeTile(sql: Sql, tile: Tile): void {
  const { level, index, width, hashes, storedWidth } = tile;
  for (let place = storedWidth - (storedWidth % ROW); place < width; place += ROW) {
    const row = hashes.subarray(place * HASH_LENGTH, (place + ROW) * HASH_LENGTH);
    sql.run(
      'INSERT INTO log_tiles (row, hashes) VALUES (?, ?) ON CONFLICT (row) DO UPDATE SET hashes = excluded.hashes',
      [rowOf(level, index * TILE_WIDTH + place), row],
    );
  }
}

function rowOf(level: number, place: number): number {
  return place - level * LEVEL;
}
