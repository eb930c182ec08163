import { closeSync, mkdirSync, openSync, rmdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { Database } from 'node-sqlite3-wasm';
import { CodedError } from '../errors';
import { Connection } from './connection';
import type { JournalDisk } from './disk';
import { syncDirectory } from './durable-file';
import { FileWitness, type Witness, type Witnessed } from './witness';

/** The write-ahead log goes into the database when it has grown to this many bytes. */
const LARGEST_LOG = 4 * 1024 * 1024;

/**
 * A SQLite file, its write-ahead log and its witness (`<file>`, `<file>-wal`, `<file>.witness`).
 *
 * Checkpoints are ours and not SQLite's automatic ones, because those swallow write errors.
 */
export class FileDisk implements JournalDisk {
  readonly connection: Connection;
  readonly witness: Witness;
  readonly #log: string;
  #witnessed = -1;

  /** @throws CodedError `JOURNAL_DAMAGED` (`unreadable`) */
  constructor(readonly file: string) {
    this.#log = `${file}-wal`;
    this.witness = new FileWitness(`${file}.witness`);
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      removeLeftLock(file);
      // The witness of nothing comes before the database: killed in between, there is a witness and no event, and that
      // is a journal that has not begun. A database with events and no witness never comes about by a crash.
      if (this.witness.read() === 'missing' && sizeOf(file) === 0)
        this.witness.write({ sequence: 0, hash: new Uint8Array(32) });
      closeSync(openSync(file, 'a', 0o600));
      this.connection = new Connection(new Database(file));
      this.#configure();
    } catch (error) {
      this.witness.close();
      throw unreadable(file, error);
    }
  }

  commit(head: Witnessed): void {
    this.connection.run('COMMIT');
    if (head.sequence !== this.#witnessed) {
      this.witness.write(head);
      this.#witnessed = head.sequence;
    }
    if (sizeOf(this.#log) > LARGEST_LOG) this.#checkpoint();
  }

  /**
   * The log of the process before may be visible and yet not on the disk (it died between write and fsync, or an fsync
   * failed): everything is written into the database and synced anew before anybody builds on it.
   */
  settle(head: Witnessed): void {
    this.#checkpoint();
    syncDirectory(dirname(this.file));
    this.witness.write(head);
    this.#witnessed = head.sequence;
  }

  close(): void {
    try {
      this.connection.close();
    } finally {
      this.witness.close();
    }
  }

  // SQLite would write the log into the database and remove it at `close`. After damage all of it is evidence, and a
  // disk that has failed gets no further chance: the connection is left as it is, until the process ends.
  abandon(): void {
    this.witness.close();
    removeLeftLock(this.file);
  }

  #configure(): void {
    // Exclusive first: without shared memory SQLite otherwise answers `delete` to the wish for a write-ahead log.
    this.#pragma('locking_mode = EXCLUSIVE', 'exclusive');
    this.#pragma('journal_mode = WAL', 'wal');
    this.connection.execute('PRAGMA synchronous = FULL');
    this.#pragma('synchronous', 2);
    this.#pragma('wal_autocheckpoint = 0', 0);
  }

  #pragma(pragma: string, expected: string | number): void {
    const [answer] = Object.values(this.connection.get(`PRAGMA ${pragma}`) ?? {});
    if (answer !== expected) throw new Error(`SQLite answers ${String(answer)} to PRAGMA ${pragma}`);
  }

  #checkpoint(): void {
    this.connection.all('PRAGMA wal_checkpoint(TRUNCATE)');
  }
}

/** The process that made it is dead: the caller holds the process lock. */
function removeLeftLock(file: string): void {
  try {
    rmdirSync(`${file}.lock`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

function unreadable(file: string, cause: unknown): CodedError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new CodedError(
    'JOURNAL_DAMAGED',
    'unreadable',
    `the journal ${file} cannot be opened: ${reason}`,
    { file, reason },
    { cause },
  );
}
