import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { Database } from 'node-sqlite3-wasm';
import { CodedError } from '../errors';
import { GENESIS } from './chain';
import { Connection } from './connection';
import type { JournalDisk } from './disk';
import { syncDirectory, syncDirectoryAndAbove } from './durable-file';
import { FileWitness, type Witness, type Witnessed } from './witness';

/** The write-ahead log goes into the database when it has grown to this many bytes. */
const LARGEST_LOG = 4 * 1024 * 1024;

/**
 * A SQLite file, its write-ahead log and its witness (`<file>`, `<file>-wal`, `<file>.witness`).
 *
 * Checkpoints are ours and not SQLite's automatic ones, because those swallow write errors.
 */
export class FileDisk implements JournalDisk {
  readonly witness: Witness;
  #connection: Connection;
  #witnessed = -1;

  /** @throws CodedError `JOURNAL_DAMAGED` (`unreadable`) */
  constructor(readonly file: string) {
    this.witness = new FileWitness(`${file}.witness`);
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      removeLeftLock(file);
      this.#connection = this.#openToExamine();
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  get connection(): Connection {
    return this.#connection;
  }

  startWriting(): void {
    this.#connection.close();
    if (sizeOf(this.file) === 0) this.#create();
    this.#connection = new Connection(new Database(this.file));
    this.#configure();
    // The log has just been made: before anything depends on it, its name has to be on the disk. SQLite's own layer for
    // other systems does that; this build's does not.
    statSync(`${this.file}-wal`);
    syncDirectory(dirname(this.file));
  }

  commit(head: Witnessed): void {
    this.connection.run('COMMIT');
    if (head.sequence !== this.#witnessed) {
      this.witness.write(head);
      this.#witnessed = head.sequence;
    }
    if (sizeOf(`${this.file}-wal`) > LARGEST_LOG) this.#checkpoint();
  }

  /**
   * The log of the process before may be visible and yet not on the disk (it died between write and fsync, or an fsync
   * failed): everything is written into the database and synced anew before anybody builds on it.
   */
  settle(head: Witnessed): void {
    this.#checkpoint();
    this.witness.write(head);
    this.#witnessed = head.sequence;
  }

  close(): void {
    try {
      this.#connection.close();
    } finally {
      this.witness.close();
    }
  }

  // SQLite would write the log into the database and remove it at `close`, and remove a log that it finds empty or
  // unreadable even when it may only read. After damage all of it is evidence, and a disk that has failed gets no further
  // chance: the connection is left as it is, until the process ends.
  abandon(): void {
    try {
      this.witness.close();
      removeLeftLock(this.file);
    } catch {
      // Whoever abandons has a reason to tell already.
    }
  }

  #openToExamine(): Connection {
    if (sizeOf(this.file) === 0) {
      if (sizeOf(`${this.file}-wal`) > 0) throw new Error('the database is empty, its log is not');
      return new Connection(new Database(':memory:'));
    }
    const connection = new Connection(new Database(this.file, { readOnly: true }));
    // Without shared memory SQLite reads a write-ahead log only when it has the file for itself.
    connection.all('PRAGMA locking_mode = EXCLUSIVE');
    connection.all('PRAGMA user_version');
    return connection;
  }

  /**
   * The witness of nothing comes before the database: killed in between, there is a witness and no event, and that is a
   * journal that has not begun. A database with events and without a witness never comes about by a crash. The database
   * comes under another name first: SQLite writes its first page in place, guarded by a rollback journal whose name may
   * not survive a power cut.
   */
  #create(): void {
    if (this.witness.read() === 'missing') this.witness.write({ sequence: 0, hash: GENESIS });
    const unfinished = `${this.file}.new`;
    for (const ending of ['', '-journal', '-wal']) rmSync(unfinished + ending, { force: true });
    removeLeftLock(unfinished);
    const descriptor = openSync(unfinished, 'wx', 0o600);
    try {
      this.#connection = new Connection(new Database(unfinished));
      this.#configure();
      this.#connection.close();
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(unfinished, this.file);
    syncDirectoryAndAbove(dirname(resolve(this.file)));
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
