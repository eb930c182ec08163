import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '../errors';
import { type Journal, openJournal, type Projection } from '../journal';

/** Where a listener of a ledger's records is. */
export interface ListenerPosition {
  /** What it listened for, as `0x…`; empty: every tag. */
  readonly tag: string;
  /** The flow has everything before this cursor of the ledger ... */
  readonly cursor: string;
  /** ... and so many records with that tag after it. */
  readonly handed: number;
  /** So many more may have been on their way to the flow. */
  readonly offered: number;
}

const BEGAN = 'record-listener.began';

/**
 * Positions are not derived from events: they move with every record for years, and an event for each would fill the disk.
 * That a listener began is an event, so that the journal's witness notices a lost database: it would begin anew silently.
 */
const positions: Projection = {
  name: 'record-listeners',
  schema: '',
  sideTables: `CREATE TABLE IF NOT EXISTS record_listener_positions (
    listener TEXT PRIMARY KEY,
    tag TEXT NOT NULL,
    cursor TEXT NOT NULL,
    handed INTEGER NOT NULL,
    offered INTEGER NOT NULL
  ) STRICT;`,
  apply() {
    // Nothing is derived.
  },
};

/**
 * How far listeners have got in the records of each network, on disk: a journal per network, in no machine's, since a ledger
 * can be listened to without one.
 */
export class RecordListeners {
  readonly #journals = new Map<string, Journal>();

  /** @param directory `<userDir>/machine-economy`; the caller holds its process lock */
  constructor(private readonly directory: string) {}

  /** @throws CodedError `JOURNAL_DAMAGED` (`listeners`) */
  position(network: string, listenerId: string): ListenerPosition | undefined {
    return this.#use(network, ({ sql }) => {
      const row = sql.get('SELECT * FROM record_listener_positions WHERE listener = ?', [listenerId]);
      return (
        row && {
          tag: String(row['tag']),
          cursor: String(row['cursor']),
          handed: Number(row['handed']),
          offered: Number(row['offered']),
        }
      );
    });
  }

  /** Resolves once it is on disk. @throws CodedError `JOURNAL_DAMAGED` (`listeners`) */
  async move(network: string, listenerId: string, position: ListenerPosition): Promise<void> {
    const { tag, cursor, handed, offered } = position;
    const written = this.#use(network, (journal) =>
      journal.write((append, sql) => {
        const known = sql.get('SELECT 1 FROM record_listener_positions WHERE listener = ?', [listenerId]);
        if (!known) append(BEGAN, { listener: listenerId, cursor });
        sql.run('INSERT OR REPLACE INTO record_listener_positions VALUES (?, ?, ?, ?, ?)', [
          listenerId,
          tag,
          cursor,
          handed,
          offered,
        ]);
      }),
    );
    await written.catch((error: unknown) => {
      throw this.#damaged(network, error);
    });
  }

  async close(): Promise<void> {
    const open = [...this.#journals.values()];
    this.#journals.clear();
    await Promise.all(open.map((journal) => journal.close()));
  }

  #use<T>(network: string, act: (journal: Journal) => T): T {
    try {
      const journal = this.#journals.get(network) ?? this.#open(network);
      if (journal.damage !== undefined) throw new Error(journal.damage);
      return act(journal);
    } catch (error) {
      throw this.#damaged(network, error);
    }
  }

  #open(network: string): Journal {
    const folder = this.#folder(network);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const journal = openJournal({ file: join(folder, 'journal.db'), projections: [positions] });
    this.#journals.set(network, journal);
    return journal;
  }

  /** The name of a network is a stranger's text: some of it for people, and a hash for us. */
  #folder(network: string): string {
    const readable = network.replace(/[^A-Za-z0-9-]+/g, '-').slice(0, 40);
    const hash = createHash('sha256').update(network).digest('hex').slice(0, 16);
    return join(this.directory, 'listeners', `${readable}_${hash}`);
  }

  #damaged(network: string, cause: unknown): CodedError {
    const folder = this.#folder(network);
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new CodedError(
      'JOURNAL_DAMAGED',
      'listeners',
      `how far listeners have got cannot be read or written: ${reason}`,
      { folder, reason },
      { cause },
    );
  }
}
