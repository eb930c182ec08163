import { CodedError } from '../errors';
import type { JournalDisk } from './disk';
import type { Journal, Projection } from './event';
import { FileDisk } from './file-disk';
import { JournalWriter } from './journal-writer';
import { matchProjections, projectionsMatch, rebuildTables } from './projections';
import { FORMAT, SCHEMA } from './schema';
import { SimulatedDisk } from './simulated-disk';
import {
  compareWithWitness,
  Damage,
  hasEventTable,
  lastSequence,
  type Position,
  START,
  verifyTail,
} from './verification';

export interface JournalOptions {
  /** Path of the database. Whoever opens it holds the process lock of its directory. */
  readonly file?: string;
  /** Instead of a file: a database in memory, or a {@link SimulatedDisk} that survives simulated crashes. */
  readonly memory?: true | SimulatedDisk;
  readonly projections: readonly Projection[];
  /** Unix milliseconds; default `Date.now`. */
  readonly now?: () => number;
  /**
   * Calls `commit` once, soon: every `write` until then shares one commit. Default `setImmediate`, which comes well
   * within 5 ms unless the thread is busy.
   */
  readonly schedule?: (commit: () => void) => void;
  /** Events per sealed segment; default 100,000. */
  readonly sealEvery?: number;
}

const EVENTS_PER_SEGMENT = 100_000;

/**
 * Opens a journal: verifies the last seal, every event after it, and the witness; makes missing or changed projections.
 *
 * Damage found here comes back in `journal.damage` (nothing can be written, history can be read, nothing on the disk is
 * touched), or, if not even reading makes sense, as an error.
 *
 * @throws CodedError `JOURNAL_DAMAGED`, `CONFIG_INVALID` (`journal-newer`: written by a later version of this package)
 */
export function openJournal(options: JournalOptions): Journal {
  const disk = openDisk(options);
  try {
    const { position, damage } = examine(disk);
    if (damage) {
      if (!hasEventTable(disk.connection) || !projectionsMatch(disk.connection, options.projections)) throw damage;
    } else {
      startWriting(disk, position, options.projections);
    }
    return new JournalWriter(disk, position, {
      projections: options.projections,
      now: options.now ?? Date.now,
      schedule: options.schedule ?? ((commit) => void setImmediate(commit)),
      sealEvery: options.sealEvery ?? EVENTS_PER_SEGMENT,
      damage,
    });
  } catch (error) {
    disk.abandon();
    throw codedDamage(error);
  }
}

/**
 * Drops the derived tables of a journal that is not open and applies every event again. Not needed when a schema or a
 * `version` has changed (`openJournal` notices), but when tables are suspected to be wrong.
 */
export function rebuildProjections(options: JournalOptions): void {
  const disk = openDisk(options);
  try {
    const { position, damage } = examine(disk);
    if (damage) throw damage;
    startWriting(disk, position, options.projections);
    disk.connection.run('BEGIN IMMEDIATE');
    rebuildTables(disk.connection, options.projections);
    disk.connection.run('COMMIT');
    disk.settle(position);
  } catch (error) {
    disk.abandon();
    throw codedDamage(error);
  }
  disk.close();
}

function openDisk({ file, memory }: JournalOptions): JournalDisk {
  if (memory) return (memory === true ? new SimulatedDisk() : memory).plugIn();
  if (file === undefined) throw new TypeError('a journal needs a file');
  return new FileDisk(file);
}

function examine(disk: JournalDisk): { readonly position: Position; readonly damage: Damage | undefined } {
  const { connection } = disk;
  const format = Number(connection.get('PRAGMA user_version')?.['user_version']);
  if (format > FORMAT) {
    throw new CodedError(
      'CONFIG_INVALID',
      'journal-newer',
      `the journal was written by a later version (format ${format})`,
      { format },
    );
  }
  let position = START;
  try {
    position = verifyTail(connection);
    compareWithWitness(connection, position, disk.witness);
  } catch (error) {
    if (error instanceof Damage) return { position, damage: error };
    throw error;
  }
  return { position, damage: undefined };
}

function startWriting(disk: JournalDisk, position: Position, projections: readonly Projection[]): void {
  try {
    disk.startWriting();
    const { connection } = disk;
    if (lastSequence(connection) !== position.sequence) throw new Error('it changed while it was examined');
    const fresh = !hasEventTable(connection);
    if (fresh || !projectionsMatch(connection, projections)) {
      // One transaction: killed in the middle, none of it has happened.
      connection.run('BEGIN IMMEDIATE');
      if (fresh) connection.execute(SCHEMA);
      matchProjections(connection, projections);
      connection.run('COMMIT');
    }
    disk.settle(position);
  } catch (error) {
    throw new Damage('disk', `the journal cannot be written: ${reasonOf(error)}`, { cause: error });
  }
}

function codedDamage(error: unknown): unknown {
  if (error instanceof CodedError) return error;
  if (error instanceof Damage)
    return new CodedError('JOURNAL_DAMAGED', error.kind, error.message, {}, { cause: error });
  const reason = error instanceof Error ? error.message : String(error);
  return new CodedError(
    'JOURNAL_DAMAGED',
    'unreadable',
    `the journal cannot be read: ${reason}`,
    { reason },
    { cause: error },
  );
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
