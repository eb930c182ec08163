import { CodedError } from '../errors';
import type { Append, Journal, JournalEvent, Sql } from '../journal';
import { didKeyOf } from '../values';
import { BACKLOG_LIMIT, Backlog, type BacklogLimit, type WaitingDocument, type WaitingOrigin } from './backlog';
import { readCheckpoint, writeCheckpoint } from './checkpoint';
import type { LogAnchor, LogEvents } from './log-projection';
import { consistencyProof, inclusionProof, leafHash, rootOf, type Subtrees, sameHash } from './merkle-tree';
import { endsWith, readTile, writeTile } from './tile-table';
import { TileDamage, TiledTree } from './tiled-tree';

export interface LogIdentity {
  readonly did: string;
  readonly publicKey: Uint8Array;
  /** Ed25519 */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface Leaf {
  /** Canonical JSON or a compact JWS; the leaf is its UTF-8. */
  readonly text: string;
  /** When somebody waits for its evidence. */
  readonly waiting?: WaitingOrigin;
}

export type SignedCheckpoint = {
  readonly size: number;
  readonly text: string;
};

/**
 * The log of one identity: an append-only Merkle tree (RFC 6962) of everything it signs, kept in its journal.
 *
 * What is promised: a leaf whose `append` has resolved is in every later tree; two trees that were ever acknowledged or
 * signed are one the beginning of the other, whatever crashes in between. It holds because tiles and the event with the
 * root are one transaction, because nothing is in the tree that proofs and checkpoints are made of before that transaction
 * is durable, and because the journal's witness notices a transaction that is gone.
 */
export class Log {
  readonly #journal: Journal;
  readonly #identity: LogIdentity;
  readonly #backlog: Backlog;
  /** Durable. */
  #tree: TiledTree;
  /** Durable. */
  #checkpoint: SignedCheckpoint | undefined;
  /** did of the key that speaks for this machine now; durable. */
  #successor: string | undefined;
  #appending = false;
  /** The tree of the size that was asked about last: evidence is made for many documents of one checkpoint. */
  #view: { readonly size: number; readonly subtrees: Subtrees } | undefined;

  /**
   * @param journal opened with the {@link log} projection
   * @throws CodedError `JOURNAL_DAMAGED` (`log`) when the stored tree is not the one that the last event tells of
   */
  constructor(journal: Journal, identity: LogIdentity, options: { readonly backlogLimit?: BacklogLimit } = {}) {
    if (didKeyOf(identity.publicKey) !== identity.did) throw new Error('the key is not that of the did');
    this.#journal = journal;
    this.#identity = identity;
    this.#backlog = new Backlog(journal.sql, options.backlogLimit ?? BACKLOG_LIMIT);
    const state = journal.sql.get('SELECT size, root, checkpoint_size, checkpoint, successor FROM log_state');
    const size = Number(state?.['size'] ?? 0);
    this.#tree = sound(() => TiledTree.open(size, (level, index) => readTile(journal.sql, level, index)));
    if (!endsWith(journal.sql, size)) throw damaged(`the tiles of the log are not those of ${size} leaves`);
    if (size > 0 && Buffer.from(this.#tree.root).toString('hex') !== state?.['root'])
      throw damaged('the tiles of the log do not lead to its root');
    if (typeof state?.['successor'] === 'string') this.#successor = state['successor'];
    if (typeof state?.['checkpoint'] === 'string')
      this.#checkpoint = { size: Number(state['checkpoint_size']), text: state['checkpoint'] };
  }

  /** Leaves that are durable; the next one has this sequence. */
  get size(): number {
    return this.#tree.size;
  }

  /** Why nothing is appended any more, if so. */
  get refusal(): CodedError | undefined {
    const { damage } = this.#journal;
    return damage === undefined ? this.#succeeded() : new CodedError('JOURNAL_DAMAGED', 'default', damage);
  }

  /**
   * Durable when it resolves; when it rejects nothing has happened. One at a time, since a leaf holds its own sequence,
   * signed: the first of these is `size`. Documents that nobody waits for are never refused.
   *
   * @param options.closing did of the successor: these are the last leaves of this log
   * @param options.note runs in the same write: what it appends and these leaves are on disk together, or neither is
   * @throws CodedError `BACKLOG_FULL` (before anything is written), `KEY_MISSING` (`succeeded`) for a log that is closed,
   * `JOURNAL_DAMAGED`
   */
  async append(
    leaves: readonly Leaf[],
    options: { readonly closing?: string; readonly note?: (append: Append, sql: Sql) => void } = {},
  ): Promise<void> {
    this.#assertOpen();
    if (this.#appending) throw new Error('the append before is not durable yet');
    if (leaves.length === 0) return;
    const bytes = leaves.map(({ text }) => Buffer.from(text, 'utf8'));
    const entries = this.#backlog.entries(
      leaves.map(({ waiting }, position) => ({ leaf: bytes[position] as Buffer, waiting })),
      this.size,
    );
    const { tree, tiles } = this.#tree.grow(bytes.map(leafHash));
    this.#appending = true;
    try {
      await this.#journal.write((append, sql) => {
        for (const tile of tiles) writeTile(sql, tile);
        const root = Buffer.from(tree.root).toString('hex');
        const { at } = record(append, 'log.grew', { size: tree.size, root });
        this.#backlog.insert(entries, at, sql);
        if (options.closing !== undefined) record(append, 'log.closed', { successor: options.closing });
        options.note?.(append, sql);
      });
    } finally {
      this.#appending = false;
    }
    this.#tree = tree;
    this.#successor = options.closing;
    tree.remember(tiles);
    this.#backlog.inserted(entries);
  }

  /**
   * The signed checkpoint of everything that is durable now. Of one size there is one text.
   *
   * @throws CodedError `JOURNAL_DAMAGED`
   */
  async checkpoint(): Promise<SignedCheckpoint> {
    const last = this.#checkpoint;
    const { size, root } = this.#tree;
    if (last?.size === size) return last;
    // c2sp.org/tlog-checkpoint: never sign what does not continue what was signed before.
    if (last && !sameHash(this.rootAt(last.size), readCheckpoint(last.text).root))
      throw damaged('the log does not continue its last checkpoint');
    const checkpoint = { size, text: this.#sign(size, root) };
    await this.#journal.write((append) => record(append, 'log.checkpointed', checkpoint));
    this.#checkpoint = checkpoint;
    return checkpoint;
  }

  lastCheckpoint(): SignedCheckpoint | undefined {
    return this.#checkpoint;
  }

  /** The text of the checkpoint of an earlier size, the same as it was when it was made. */
  checkpointOf(size: number): string {
    return this.#checkpoint?.size === size ? this.#checkpoint.text : this.#sign(size, this.rootAt(size));
  }

  /**
   * A checkpoint of this log is on a ledger for good. Told again, or of a smaller size than the last, it changes nothing.
   *
   * @throws CodedError `JOURNAL_DAMAGED` (`log-behind`, `log-differs`) when it is not of this log as it is here: the
   * journal is an old copy
   */
  async anchored(network: string, anchor: LogAnchor): Promise<void> {
    const { origin, size, root } = readCheckpoint(anchor.text);
    if (origin !== this.#identity.did || size !== anchor.size) throw new Error('not a checkpoint of this log');
    if (size > this.size) {
      throw new CodedError('JOURNAL_DAMAGED', 'log-behind', 'the ledger holds more of this log than we do', {
        ledger: size,
        ours: this.size,
      });
    }
    if (!sameHash(this.rootAt(size), root))
      throw new CodedError('JOURNAL_DAMAGED', 'log-differs', 'the ledger holds another history of this log', { size });
    if ((this.lastAnchor(network)?.size ?? -1) >= size) return;
    await this.#journal.write((append) => record(append, 'log.anchored', { network, ...anchor }));
  }

  /** The largest checkpoint that is on this network for good. */
  lastAnchor(network: string): LogAnchor | undefined {
    const row = this.#journal.sql.get('SELECT fact FROM log_anchors WHERE network = ?', [network]);
    return row ? (JSON.parse(String(row['fact'])) as LogAnchor) : undefined;
  }

  /** RFC 6962 §2.1.1: that the leaf `index` is in the tree of `size`. */
  proof(index: number, size: number): Uint8Array[] {
    this.#assertInside(size);
    if (!isWhole(index) || index >= size) throw new RangeError(`there is no leaf ${index} among ${size}`);
    return sound(() => copies(inclusionProof(index, size, this.#at(size))));
  }

  /** RFC 6962 §2.1.2: that the tree of `size` begins with that of `oldSize`. */
  consistency(oldSize: number, size: number): Uint8Array[] {
    this.#assertInside(size);
    if (!isWhole(oldSize) || oldSize > size) throw new RangeError(`a tree of ${size} has none of ${oldSize} in it`);
    return sound(() => copies(consistencyProof(oldSize, size, this.#at(size))));
  }

  rootAt(size: number): Uint8Array {
    this.#assertInside(size);
    return sound(() => new Uint8Array(rootOf(size, this.#at(size))));
  }

  /**
   * Documents of a node that wait for their evidence, in the order of their sequence. Fewer than `limit` where they are
   * large: there are no more only when none come.
   *
   * @param query.after sequence of the last one seen; -1 for the beginning
   * @param query.below size of the checkpoint that has to cover them
   */
  waiting(query: {
    readonly nodeId: string;
    readonly after: number;
    readonly below: number;
    readonly limit: number;
  }): WaitingDocument[] {
    // The leaves of an append that is not durable yet may be in the table already.
    return this.#backlog.page({ ...query, below: Math.min(query.below, this.size) });
  }

  waitingNodes(): string[] {
    return this.#backlog.nodes();
  }

  backlog(): { readonly count: number; readonly bytes: number; readonly oldestAt: number | null } {
    const { count, bytes } = this.#backlog;
    return { count, bytes, oldestAt: this.#backlog.oldestFrom(0) };
  }

  /** Waiting documents that a checkpoint of this size does not cover. */
  backlogFrom(size: number): { readonly count: number; readonly oldestAt: number | null } {
    return { count: this.#backlog.countFrom(size), oldestAt: this.#backlog.oldestFrom(size) };
  }

  /** Their evidence was handed over. */
  async settled(sequences: readonly number[]): Promise<void> {
    if (sequences.length === 0) return;
    this.#backlog.removed(await this.#journal.write((_append, sql) => this.#backlog.remove(sequences, sql)));
  }

  /** Ed25519 (RFC 8032 §5.1.6) has no chance in it: of the same tree there is one text. */
  #sign(size: number, root: Uint8Array): string {
    return writeCheckpoint({ origin: this.#identity.did, size, root }, (bytes) => this.#identity.sign(bytes));
  }

  #assertOpen(): void {
    const succeeded = this.#succeeded();
    if (succeeded) throw succeeded;
  }

  #succeeded(): CodedError | undefined {
    const successor = this.#successor;
    if (successor === undefined) return undefined;
    return new CodedError('KEY_MISSING', 'succeeded', `this machine has handed its voice over to ${successor}`, {
      successor,
    });
  }

  #at(size: number): Subtrees {
    if (this.#view?.size !== size) {
      const subtree = (height: number, index: number): Uint8Array => this.#tree.subtree(height, index);
      this.#view = { size, subtrees: { subtree, ragged: new Map() } };
    }
    return this.#view.subtrees;
  }

  #assertInside(size: number): void {
    if (!isWhole(size) || size > this.size) throw new RangeError(`the log has ${this.size} leaves, not ${size}`);
  }
}

function record<T extends keyof LogEvents>(append: Append, type: T, body: LogEvents[T]): JournalEvent {
  return append(type, body);
}

function sound<T>(query: () => T): T {
  try {
    return query();
  } catch (error) {
    if (error instanceof TileDamage) throw damaged(error.message, error);
    throw error;
  }
}

function damaged(message: string, cause?: unknown): CodedError {
  return new CodedError('JOURNAL_DAMAGED', 'log', message, {}, { cause });
}

/** Views of tiles stay inside. */
function copies(hashes: readonly Uint8Array[]): Uint8Array[] {
  return hashes.map((hash) => new Uint8Array(hash));
}

function isWhole(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
