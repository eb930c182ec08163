import { type Database, SQLite3Error, type Statement } from 'node-sqlite3-wasm';
import type { Sql, SqlRow, SqlValue } from './event';

const MOST_STATEMENTS = 400;
const LARGEST_INTEGER = 2n ** 63n - 1n;
const SMALLEST_INTEGER = -(2n ** 63n);

// Errors of a statement that say something about the statement; every other one says something about the disk (or about
// memory), and after that nothing may be written any more. Unknown means disk: it must fail closed.
const HARMLESS =
  /constraint failed|datatype mismatch|integer overflow|malformed JSON|append-only|no such (table|column|function)|syntax error|cannot store/;

/** One SQLite connection with its prepared statements, and the judge of its errors. */
export class Connection implements Sql {
  readonly #statements = new Map<string, Statement>();
  #fatal: Error | undefined;

  constructor(readonly database: Database) {}

  /** The first error that was not the statement's own fault, also when the caller has swallowed it. */
  get fatal(): Error | undefined {
    return this.#fatal;
  }

  get inTransaction(): boolean {
    return this.database.inTransaction;
  }

  run(sql: string, values: readonly SqlValue[] = []): void {
    this.#use(sql, values, (statement, bound) => statement.run(bound));
  }

  get(sql: string, values: readonly SqlValue[] = []): SqlRow | undefined {
    return this.all(sql, values)[0];
  }

  /** Always read to the end: a half-read statement would keep its snapshot open and block checkpoints. */
  all(sql: string, values: readonly SqlValue[] = []): SqlRow[] {
    return this.#use(sql, values, (statement, bound) => statement.all(bound) as SqlRow[]);
  }

  /** Several statements at once, without values. */
  execute(sql: string): void {
    try {
      this.database.exec(sql);
    } catch (error) {
      throw this.#judge(error);
    }
  }

  close(): void {
    this.finalizeStatements();
    this.database.close();
  }

  finalizeStatements(): void {
    for (const statement of this.#statements.values()) finalize(statement);
    this.#statements.clear();
  }

  #use<T>(sql: string, values: readonly SqlValue[], action: (statement: Statement, bound: SqlValue[]) => T): T {
    const bound = values.map(assertStorable);
    try {
      return action(this.#prepare(sql), bound);
    } catch (error) {
      // A failed statement reports its error once more at the next reset: it is not used again.
      const statement = this.#statements.get(sql);
      if (statement) {
        this.#statements.delete(sql);
        finalize(statement);
      }
      throw this.#judge(error);
    }
  }

  #prepare(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement) return statement;
    if (this.#statements.size >= MOST_STATEMENTS) {
      const [oldest] = this.#statements;
      if (oldest) {
        this.#statements.delete(oldest[0]);
        finalize(oldest[1]);
      }
    }
    statement = this.database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  #judge(error: unknown): Error {
    const judged = error instanceof Error ? error : new Error(String(error));
    if (!(judged instanceof SQLite3Error && HARMLESS.test(judged.message))) this.#fatal ??= judged;
    return judged;
  }
}

function finalize(statement: Statement): void {
  try {
    statement.finalize();
  } catch {
    // Repeats the error of the last step, which the caller has already.
  }
}

function assertStorable(value: SqlValue): SqlValue {
  if (typeof value === 'string' && value.includes('\0'))
    throw new RangeError('text with a NUL character cannot be stored');
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
  if (typeof value === 'bigint' && (value > LARGEST_INTEGER || value < SMALLEST_INTEGER)) {
    throw new RangeError(`${value} does not fit into 64 bits`);
  }
  return value;
}
