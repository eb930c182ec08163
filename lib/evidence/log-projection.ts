import type { JournalEvent, Projection, Sql } from '../journal';
import { LOG_SCHEMA, LOG_SIDE_TABLES } from './log-schema';

/** A checkpoint of the log that is on a ledger for good. */
export type LogAnchor = {
  readonly size: number;
  /** The checkpoint, byte for byte as it was recorded. */
  readonly text: string;
  readonly tag: string;
  readonly transactionId: string;
  /** Of the ledger, when it confirmed the record. */
  readonly height: number;
  /** Unix ms. */
  readonly confirmedAt: number;
};

/** What the log appends to its journal. */
export type LogEvents = {
  /** By one append, however many leaves it had. */
  'log.grew': { readonly size: number /** hex */; readonly root: string };
  'log.checkpointed': { readonly size: number; readonly text: string };
  'log.closed': { /** did */ readonly successor: string };
  'log.anchored': { readonly network: string } & LogAnchor;
};

type Handlers = { readonly [T in keyof LogEvents]: (body: LogEvents[T], sql: Sql) => void };

const HANDLERS: Handlers = {
  'log.grew'({ size, root }, sql) {
    sql.run(
      `INSERT INTO log_state (id, size, root) VALUES (0, ?, ?)
       ON CONFLICT (id) DO UPDATE SET size = excluded.size, root = excluded.root`,
      [size, root],
    );
  },

  'log.checkpointed'({ size, text }, sql) {
    sql.run(
      `INSERT INTO log_state (id, size, root, checkpoint_size, checkpoint) VALUES (0, 0, '', ?, ?)
       ON CONFLICT (id) DO UPDATE SET checkpoint_size = excluded.checkpoint_size, checkpoint = excluded.checkpoint`,
      [size, text],
    );
  },

  'log.closed'({ successor }, sql) {
    sql.run('UPDATE log_state SET successor = ?', [successor]);
  },

  'log.anchored'({ network, ...anchor }, sql) {
    // As JSON: the tag is somebody's own text, and SQL refuses NUL.
    sql.run('INSERT OR REPLACE INTO log_anchors (network, size, fact) VALUES (?, ?, ?)', [
      network,
      anchor.size,
      JSON.stringify(anchor),
    ]);
  },
};

/** How far the log of an identity has come: derived from the journal's events. */
export const log: Projection = {
  name: 'log',
  schema: LOG_SCHEMA,
  sideTables: LOG_SIDE_TABLES,
  apply(event: JournalEvent, sql) {
    if (!Object.hasOwn(HANDLERS, event.type)) return;
    // The types of the bodies are those of `LogEvents`: nobody else appends under these names.
    const handle = HANDLERS[event.type as keyof LogEvents] as (body: unknown, sql: Sql) => void;
    handle(event.body, sql);
  },
};
