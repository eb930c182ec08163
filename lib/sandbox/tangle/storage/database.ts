import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Database, type JSValue, type SQLiteValue, type Statement } from 'node-sqlite3-wasm';
import { SCHEMA, SCHEMA_VERSION } from './schema';

export type Row = Record<string, SQLiteValue>;

/** What a power cut may take: nothing (`FULL`) or the last moments (`NORMAL`); a killed process loses nothing either way. */
export type Durability = 'FULL' | 'NORMAL';

const FILE = 'tangle.sqlite';
const MAX_STATEMENTS = 64;

/** One SQLite database with its statements kept prepared; in memory where there is no directory. */
export class SandboxDatabase {
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  #durability: Durability = 'FULL';

  /** @throws Error when the directory can not be written or holds another version's tables */
  constructor(directory: string | undefined) {
    if (directory === undefined) this.#database = new Database(':memory:');
    else {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const path = join(directory, FILE);
      // Left behind by a killed process; the data lock, which we hold, is what keeps a second process out.
      rmSync(`${path}.lock`, { recursive: true, force: true });
      this.#database = new Database(path);
      try {
        this.#configure();
      } catch (error) {
        this.#database.close();
        throw error;
      }
    }
    this.#database.exec(SCHEMA);
    const version = this.get('SELECT value FROM settings WHERE name = ?', ['schema'])?.value;
    if (version === undefined) this.run('INSERT INTO settings VALUES (?, ?)', ['schema', SCHEMA_VERSION]);
    else if (version !== SCHEMA_VERSION) {
      this.close();
      throw new Error(`the sandbox in ${directory} was made by another version; remove the directory to begin anew`);
    }
  }

  /** All of it or nothing. */
  transaction(durability: Durability, write: () => void): void {
    if (durability !== this.#durability) {
      this.#database.exec(`PRAGMA synchronous = ${durability}`);
      this.#durability = durability;
    }
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      write();
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.inTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  run(sql: string, values: JSValue[]): void {
    this.#prepared(sql).run(values);
  }

  get(sql: string, values: JSValue[]): Row | undefined {
    return (this.#prepared(sql).get(values) as Row | null) ?? undefined;
  }

  all(sql: string, values: JSValue[]): Row[] {
    return this.#prepared(sql).all(values) as Row[];
  }

  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    if (this.#database.isOpen) this.#database.close();
  }

  #configure(): void {
    // The order matters: without shared memory, WAL needs exclusive locking first, and answers `delete` otherwise.
    this.#database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const mode = this.#database.get('PRAGMA journal_mode = WAL') as Row | null;
    if (mode?.journal_mode !== 'wal') throw new Error(`SQLite answered journal mode ${String(mode?.journal_mode)}`);
    this.#database.exec('PRAGMA synchronous = FULL');
    const synchronous = this.#database.get('PRAGMA synchronous') as Row | null;
    if (synchronous?.synchronous !== 2) throw new Error('SQLite refused synchronous = FULL');
  }

  /** Statements are kept while they are used: clients choose what some of them look like. */
  #prepared(sql: string): Statement {
    const statement = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.delete(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > MAX_STATEMENTS) {
      const [oldest, unused] = this.#statements.entries().next().value!;
      unused.finalize();
      this.#statements.delete(oldest);
    }
    return statement;
  }
}
