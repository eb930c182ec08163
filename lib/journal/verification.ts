import { eventHash, GENESIS, HASH_LENGTH, hex, type Seal, type StoredEvent, sameBytes, sealHash } from './chain';
import type { Connection } from './connection';
import type { SqlRow } from './event';
import type { Witness } from './witness';

/** Where a journal stands: its newest event and its newest seal. */
export interface Position {
  readonly sequence: number;
  readonly hash: Uint8Array;
  readonly seal: { readonly segment: number; readonly last: number; readonly hash: Uint8Array };
}

export const START: Position = { sequence: 0, hash: GENESIS, seal: { segment: 0, last: 0, hash: GENESIS } };

export type DamageKind =
  | 'chain'
  | 'seal'
  | 'witness-missing'
  | 'witness-unreadable'
  | 'witness-ahead'
  | 'witness-contradicts'
  /** A write or a read failed while the journal was open. */
  | 'disk'
  /** Found by a full verification only. */
  | 'database'
  | 'projection';

/** What is wrong with a journal; `kind` becomes the detail of `JOURNAL_DAMAGED`. */
export class Damage extends Error {
  override readonly name = 'Damage';
  constructor(
    readonly kind: DamageKind,
    message: string,
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

const PAGE = 1000;

export function hasEventTable(connection: Connection): boolean {
  return connection.get("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'journal_event'") !== undefined;
}

/** What opening verifies: the last seal and every event after it. @throws Damage */
export function verifyTail(connection: Connection): Position {
  if (!hasEventTable(connection)) return START;
  verifyBeginning(connection);
  const seal = verifyLastSeal(connection);
  return verifyEvents(connection, { sequence: seal.last, hash: seal.head, seal });
}

/** Every seal and every event from the first on. @throws Damage */
export function verifyAll(connection: Connection): Position {
  if (!hasEventTable(connection)) return START;
  verifyBeginning(connection);
  let position = START;
  for (const row of connection.all('SELECT * FROM journal_seal ORDER BY segment')) {
    const seal = readSeal(row);
    if (seal.segment !== position.seal.segment + 1 || seal.first !== position.sequence + 1) {
      throw new Damage('seal', `seal ${seal.segment} does not follow seal ${position.seal.segment}`);
    }
    if (!sameBytes(seal.hash, sealHash(position.seal.hash, seal)))
      throw new Damage('seal', `seal ${seal.segment} was changed`);
    const reached = verifyEvents(connection, position, seal.last);
    if (reached.sequence !== seal.last || !sameBytes(reached.hash, seal.head)) {
      throw new Damage(
        'seal',
        `events ${seal.first} to ${seal.last} are not the ones that seal ${seal.segment} sealed`,
      );
    }
    position = { ...reached, seal };
  }
  return verifyEvents(connection, position);
}

/** The head by itself, unverified. */
export function lastSequence(connection: Connection): number {
  if (!hasEventTable(connection)) return 0;
  return Number(connection.get('SELECT max(sequence) AS last FROM journal_event')?.['last'] ?? 0);
}

/** Ahead of the witness is normal (killed between commit and witness); behind it or another history is not. @throws Damage */
export function compareWithWitness(connection: Connection, position: Position, witness: Witness): void {
  const seen = witness.read();
  if (seen === 'missing') {
    if (position.sequence === 0) return;
    throw new Damage('witness-missing', `the journal has ${position.sequence} events, but its witness is gone`);
  }
  if (seen === 'unreadable') throw new Damage('witness-unreadable', 'the witness of the journal is damaged');
  if (seen.sequence > position.sequence) {
    throw new Damage(
      'witness-ahead',
      `the journal ends at event ${position.sequence}, but event ${seen.sequence} was on the disk`,
    );
  }
  if (seen.sequence === 0) return;
  const row = connection.get('SELECT hash FROM journal_event WHERE sequence = ?', [seen.sequence]);
  if (!row || !sameBytes(bytes(row['hash']), seen.hash)) {
    throw new Damage('witness-contradicts', `event ${seen.sequence} is not the one that was on the disk`);
  }
}

/** The events after `sequence` in pages, so that no journal has to fit into memory. */
export function* eventsAfter(
  connection: Connection,
  sequence: number,
): Generator<StoredEvent & { readonly hash: Uint8Array }> {
  for (let last = sequence; ; ) {
    const rows = connection.all(
      `SELECT sequence, at, type, body, hash FROM journal_event WHERE sequence > ? ORDER BY sequence LIMIT ${PAGE}`,
      [last],
    );
    for (const row of rows) yield readEvent(row);
    const end = rows.at(-1);
    if (!end || rows.length < PAGE) return;
    last = Number(end['sequence']);
  }
}

function verifyBeginning(connection: Connection): void {
  const first = Number(connection.get('SELECT min(sequence) AS first FROM journal_event')?.['first'] ?? 1);
  if (first < 1) throw new Damage('chain', `there is an event ${first}`);
}

function verifyEvents(connection: Connection, from: Position, until = Number.MAX_SAFE_INTEGER): Position {
  let { sequence, hash } = from;
  for (const event of eventsAfter(connection, sequence)) {
    if (event.sequence > until) break;
    if (event.sequence !== sequence + 1)
      throw new Damage('chain', `after event ${sequence} comes event ${event.sequence}`);
    if (!sameBytes(event.hash, eventHash(hash, event)))
      throw new Damage('chain', `event ${event.sequence} was changed`);
    ({ sequence, hash } = event);
  }
  return { sequence, hash, seal: from.seal };
}

function verifyLastSeal(connection: Connection): Seal & { readonly hash: Uint8Array } {
  const [last, before] = connection.all('SELECT * FROM journal_seal ORDER BY segment DESC LIMIT 2').map(readSeal);
  if (!last) return { segment: 0, first: 0, last: 0, head: GENESIS, hash: GENESIS };
  const previous = before?.hash ?? GENESIS;
  if (last.segment !== (before?.segment ?? 0) + 1 || last.first !== (before?.['last'] ?? 0) + 1) {
    throw new Damage('seal', `seal ${last.segment} does not follow seal ${before?.segment ?? 0}`);
  }
  if (!sameBytes(last.hash, sealHash(previous, last))) throw new Damage('seal', `seal ${last.segment} was changed`);
  const row = connection.get('SELECT hash FROM journal_event WHERE sequence = ?', [last.last]);
  if (!row || !sameBytes(bytes(row['hash']), last.head)) {
    throw new Damage('seal', `event ${last.last} is not the one that seal ${last.segment} sealed (${hex(last.head)})`);
  }
  return last;
}

function readEvent(row: SqlRow): StoredEvent & { readonly hash: Uint8Array } {
  const { sequence, at, type, body, hash } = row;
  if (typeof sequence !== 'number' || typeof at !== 'number' || typeof type !== 'string' || typeof body !== 'string') {
    throw new Damage('chain', `event ${String(sequence)} is unreadable`);
  }
  return { sequence, at, type, body, hash: bytes(hash) };
}

function readSeal(row: SqlRow): Seal & { readonly hash: Uint8Array } {
  const { segment, first, last, head, hash } = row;
  if (typeof segment !== 'number' || typeof first !== 'number' || typeof last !== 'number') {
    throw new Damage('seal', 'a seal is unreadable');
  }
  return { segment, first, last, head: bytes(head), hash: bytes(hash) };
}

function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array && value.length === HASH_LENGTH ? value : new Uint8Array();
}
