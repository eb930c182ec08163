import { CodedError } from '../errors';
import { eventHash, hex, sealHash } from './chain';
import type { JournalDisk } from './disk';
import type { Append, Journal, JournalEvent, JsonObject, Projection, Sql } from './event';
import { assertEventType, decodeBody, encodeBody } from './event-body';
import { applyTo } from './projections';
import { PowerCut } from './simulated-disk';
import { Damage, type Position } from './verification';

interface WriterOptions {
  readonly projections: readonly Projection[];
  readonly now: () => number;
  readonly schedule: (commit: () => void) => void;
  readonly sealEvery: number;
  readonly damage: Damage | undefined;
}

interface Waiter {
  acknowledge(): void;
  refuse(error: unknown): void;
}

/** The single writer. Its transaction is open from the first `write` of a group until the group's commit. */
export class JournalWriter implements Journal {
  readonly sql: Sql;
  readonly #disk: JournalDisk;
  readonly #options: WriterOptions;
  /** Newest event, durable or not. */
  #position: Position;
  /** Newest event that is durable and witnessed. */
  #durable: Position;
  #damage: Damage | undefined;
  #waiting: Waiter[] = [];
  #scheduled = false;
  #writing = false;
  #closed: Promise<void> | undefined;

  constructor(disk: JournalDisk, position: Position, options: WriterOptions) {
    this.#disk = disk;
    this.#options = options;
    this.#position = position;
    this.#durable = position;
    this.#damage = options.damage;
    this.sql = this.#guardedSql();
  }

  get head(): { readonly sequence: number; readonly hash: string } {
    return { sequence: this.#position.sequence, hash: hex(this.#position.hash) };
  }

  get damage(): string | undefined {
    return this.#damage?.message;
  }

  write<T>(change: (append: Append, sql: Sql) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#writing) throw new Error('a write inside a write');
      if (this.#closed) throw new Error('the journal is closed');
      if (this.#damage) throw damaged(this.#damage);
      let result: T;
      try {
        result = this.#change(change);
      } catch (error) {
        // Dead, like the process it stood for: a promise that nobody settles.
        if (error instanceof PowerCut) return;
        throw error;
      }
      this.#waiting.push({ acknowledge: () => resolve(result), refuse: reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      this.#options.schedule(() => this.#commit());
    });
  }

  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      this.#commit();
      if (!this.#damage) this.#closeDisk();
      if (this.#damage) this.#disk.abandon();
      resolve();
    });
    return this.#closed;
  }

  // Everything acknowledged is durable already: a disk that fails now is told by `damage`, and by the next opening.
  #closeDisk(): void {
    try {
      this.#disk.close();
    } catch (error) {
      this.#fail(error);
    }
  }

  #change<T>(change: (append: Append, sql: Sql) => T): T {
    const { connection } = this.#disk;
    const before = this.#position;
    let poison: unknown;
    let open = true;
    const append: Append = (type, body) => {
      if (!open) throw new Error('append after the end of its write');
      try {
        return this.#append(type, body);
      } catch (error) {
        // An event whose projections failed must not stay, even if the change swallows this error.
        poison ??= error;
        throw error;
      }
    };
    this.#writing = true;
    try {
      if (!connection.inTransaction) connection.run('BEGIN IMMEDIATE');
      connection.run('SAVEPOINT change');
      try {
        const result = change(append, this.sql);
        if (poison !== undefined) throw poison;
        if (connection.fatal) throw connection.fatal;
        if (isThenable(result)) throw new TypeError('a change runs to its end at once: it cannot be async');
        connection.run('RELEASE change');
        return result;
      } catch (error) {
        this.#position = before;
        if (!connection.fatal) connection.run('ROLLBACK TO change');
        if (!connection.fatal) connection.run('RELEASE change');
        throw error;
      }
    } catch (error) {
      if (error instanceof PowerCut || !connection.fatal) throw error;
      throw this.#fail(connection.fatal);
    } finally {
      open = false;
      this.#writing = false;
      if (connection.fatal && !this.#damage) this.#fail(connection.fatal);
    }
  }

  #append(type: string, body: JsonObject): JournalEvent {
    assertEventType(type);
    const { connection } = this.#disk;
    const stored = {
      sequence: this.#position.sequence + 1,
      at: wholeMilliseconds(this.#options.now()),
      type,
      body: encodeBody(body),
    };
    const hash = eventHash(this.#position.hash, stored);
    connection.run('INSERT INTO journal_event (sequence, at, type, body, hash) VALUES (?, ?, ?, ?, ?)', [
      stored.sequence,
      stored.at,
      type,
      stored.body,
      hash,
    ]);
    this.#position = { ...this.#position, sequence: stored.sequence, hash };
    if (stored.sequence - this.#position.seal.last >= this.#options.sealEvery) this.#seal();
    // Read back from the text: a projection sees now what it will see at a rebuild.
    const event: JournalEvent = { sequence: stored.sequence, at: stored.at, type, body: decodeBody(stored.body) };
    applyTo(this.#options.projections, event, this.sql);
    return event;
  }

  #seal(): void {
    const { sequence, hash: head, seal: before } = this.#position;
    const seal = { segment: before.segment + 1, first: before.last + 1, last: sequence, head };
    const hash = sealHash(before.hash, seal);
    this.#disk.connection.run('INSERT INTO journal_seal (segment, first, last, head, hash) VALUES (?, ?, ?, ?, ?)', [
      seal.segment,
      seal.first,
      seal.last,
      head,
      hash,
    ]);
    this.#position = { ...this.#position, seal: { segment: seal.segment, last: seal.last, hash } };
  }

  #commit(): void {
    this.#scheduled = false;
    if (this.#damage) this.#refuseWaiting(damaged(this.#damage));
    if (this.#waiting.length === 0) return;
    const group = this.#waiting;
    this.#waiting = [];
    try {
      this.#disk.commit(this.#position);
    } catch (error) {
      if (error instanceof PowerCut) return;
      this.#waiting = group;
      this.#fail(error);
      return;
    }
    this.#durable = this.#position;
    for (const waiter of group) waiter.acknowledge();
  }

  /** After a failed write nobody knows what is on the disk: for this process the journal is over. */
  #fail(cause: unknown): CodedError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    this.#damage ??= new Damage('disk', `the journal could not be written: ${reason}`, { cause });
    const error = damaged(this.#damage);
    try {
      if (this.#disk.connection.inTransaction) this.#disk.connection.run('ROLLBACK');
    } catch {
      // Nothing more is written either way.
    }
    this.#position = this.#durable;
    this.#refuseWaiting(error);
    return error;
  }

  #refuseWaiting(error: CodedError): void {
    const group = this.#waiting;
    this.#waiting = [];
    for (const waiter of group) waiter.refuse(error);
  }

  #guardedSql(): Sql {
    const writer = this;
    return {
      run(sql, values) {
        if (!writer.#writing) throw new Error('the journal is changed inside a write only');
        writer.#disk.connection.run(sql, values);
      },
      get: (sql, values) => writer.#read(() => writer.#disk.connection.get(sql, values)),
      all: (sql, values) => writer.#read(() => writer.#disk.connection.all(sql, values)),
    };
  }

  #read<T>(query: () => T): T {
    try {
      return query();
    } finally {
      // A disk that cannot be read is not one to write on.
      if (!this.#writing && !this.#damage && this.#disk.connection.fatal) this.#fail(this.#disk.connection.fatal);
    }
  }
}

function damaged(damage: Damage): CodedError {
  return new CodedError('JOURNAL_DAMAGED', damage.kind, damage.message, {}, { cause: damage });
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function wholeMilliseconds(now: number): number {
  const whole = Math.trunc(now);
  return Number.isSafeInteger(whole) ? whole : 0;
}
