import type { Append, Sql, SqlRow } from '../../journal';
import type { Message, MessageBodies, MessageType, SignedMessage } from '../messages/message';
import { hashOf } from '../messages/names';
import { messageDocument, newMessage } from '../messages/new-message';
import type { ContractKey } from './contract-book';
import type { MarketPorts } from './market-ports';
import type { MeetingPlaces } from './meeting-places';

/** A message that is to be signed and sent. */
export interface Draft<T extends MessageType = MessageType> {
  readonly type: T;
  /** did; null for a `call`. */
  readonly to: string | null;
  /** Hash of the document that it answers; null for a `call`. */
  readonly previous: string | null;
  /** Unix milliseconds. */
  readonly expires: number;
  readonly body: MessageBodies[T];
  /** Sent once, and again only when what it answers comes again: the other side answers nothing to it. */
  readonly once: boolean;
}

export function draft<T extends MessageType>(type: T, parts: Omit<Draft<T>, 'type'>): Draft<T> {
  return { type, ...parts };
}

/** Signed, on its way to the disk (inside a write) or on it (after). */
export interface Posted {
  readonly hash: string;
  readonly text: string;
  readonly type: MessageType;
  readonly once: boolean;
}

/** A document of a contract as it is kept. */
export interface StoredDocument {
  readonly hash: string;
  readonly direction: 'in' | 'out';
  readonly type: MessageType;
  /** did of the other side; null: to everybody. */
  readonly peer: string | null;
  readonly previous: string | null;
  readonly text: string;
}

/** Clocks differ, and what was expired for us was perhaps not for others: it is remembered so much longer. */
const REMEMBERED_LONGER = 10 * 60_000;

/**
 * The letters of all contracts of one account. What is decided, the message that says so, and what it answers are one
 * durable write, and only then is the message sent: nobody ever holds a message of ours that we do not know of. What is
 * still unanswered is sent again after a restart, from the disk.
 */
export class Correspondence {
  constructor(
    private readonly ports: MarketPorts,
    private readonly places: MeetingPlaces,
    private readonly moved: () => void,
  ) {}

  /**
   * Signs the drafts and runs `decide` in the same durable write, in which they are stored; then sends them. A `call` makes
   * its own contract: `key.contractId` null, and `decide` is told the id.
   *
   * @param decide throws when the contract has moved meanwhile: then nothing is signed, written or sent
   * @param answers messages from outside that this decides on: stored, and never taken again
   */
  async post(
    key: { readonly contractId: string | null; readonly side: ContractKey['side']; readonly nodeId: string },
    drafts: readonly Draft[],
    decide: (append: Append, sql: Sql, contractId: string, posted: readonly Posted[]) => void,
    answers: readonly SignedMessage[] = [],
  ): Promise<readonly Posted[]> {
    const { identity, network, journal, clock, random, sign } = this.ports;
    const at = Math.trunc(clock.now());
    const messages = drafts.map(
      ({ type, to, previous, expires, body }) =>
        // What the types cannot say: that `to`, `previous` and the contract are null in a call and nowhere else.
        newMessage(
          type,
          {
            from: identity.did,
            to,
            previous,
            contractId: key.contractId,
            network: network.networkId,
            at,
            expires,
            body,
          },
          random,
        ) as Message,
    );
    let posted: readonly Posted[] = [];
    let expected = '';
    const note = (append: Append, sql: Sql, texts: readonly string[]): void => {
      posted = texts.map((text, index) => postedOf(text, drafts[index] as Draft));
      const contractId = key.contractId ?? posted[0]?.hash;
      if (contractId === undefined) throw new Error('a contract begins with a call');
      expected = contractId;
      const whose = { contractId, side: key.side };
      for (const answered of answers) this.keep(sql, whose, answered);
      for (const [index, { hash, text, type, once }] of posted.entries()) {
        const { to, previous, expires } = drafts[index] as Draft;
        this.#insert(sql, whose, { hash, direction: 'out', type, peer: to, previous, text }, expires, once);
      }
      decide(append, sql, contractId, posted);
    };
    if (drafts.length === 0) await journal.write((append, sql) => note(append, sql, []));
    else await sign(messages.map(messageDocument), note);
    // Before anything is sent: nothing that answers it must be dropped.
    this.places.expect(key.nodeId, expected);
    for (const one of posted) this.#send(key.nodeId, one);
    this.moved();
    return posted;
  }

  /** Inside a write: stores a message from outside with its contract; it is {@link seen} from now on. */
  keep(sql: Sql, key: ContractKey, { hash, text, message }: SignedMessage): void {
    const expires = Date.parse(message.expires);
    this.remember(sql, hash, expires);
    const { type, from, previous } = message;
    this.#insert(sql, key, { hash, direction: 'in', type, peer: from, previous, text }, expires, true);
  }

  /** Inside a write: it is {@link seen} from now on, and not stored. */
  remember(sql: Sql, hash: string, expires: number): void {
    sql.run('INSERT OR REPLACE INTO seen_messages VALUES (?, ?)', [hash, expires + REMEMBERED_LONGER]);
  }

  /** Whether a message from outside was decided on before: a repetition (or a replay), also after a restart. */
  seen(hash: string): boolean {
    return this.ports.journal.sql.get('SELECT 1 FROM seen_messages WHERE hash = ?', [hash]) !== undefined;
  }

  /** No need to send it again. Inside a write; the channel is told with {@link hush}. */
  answered(sql: Sql, key: ContractKey, hash: string): void {
    sql.run(
      'UPDATE contract_documents SET pending = 0 WHERE network = ? AND contract_id = ? AND side = ? AND hash = ?',
      [this.#network, key.contractId, key.side, hash],
    );
  }

  /**
   * Everything that was sent in this contract needs no answer any more, but for what this write sends. Inside a write.
   * @returns hashes to be hushed
   */
  answeredAll(sql: Sql, key: ContractKey, except: readonly Posted[] = []): readonly string[] {
    const hashes = this.#rows(key, 'pending = 1').map(({ hash }) => hash);
    const answered = hashes.filter((hash) => !except.some((posted) => posted.hash === hash));
    for (const hash of answered) this.answered(sql, key, hash);
    return answered;
  }

  /**
   * The other side has answered this document, and so has all that was sent before it. Inside a write.
   * @returns hashes to be hushed
   */
  answeredUpTo(sql: Sql, key: ContractKey, hash: string): readonly string[] {
    const sent = this.#rows(key, "direction = 'out'");
    const last = sent.findIndex((document) => document.hash === hash);
    const answered = sent.slice(0, last + 1).filter(({ pending }) => pending);
    for (const document of answered) this.answered(sql, key, document.hash);
    return answered.map((document) => document.hash);
  }

  /** How many messages of others, or of this one, are kept: nobody may fill the disk with them. */
  countHeard({ contractId, side }: ContractKey, peer?: string): number {
    const row = this.ports.journal.sql.get(
      `SELECT count(*) AS heard FROM contract_documents
       WHERE network = ? AND contract_id = ? AND side = ? AND direction = 'in' ${peer === undefined ? '' : 'AND peer = ?'}`,
      [this.#network, contractId, side, ...(peer === undefined ? [] : [peer])],
    );
    return Number(row?.['heard'] ?? 0);
  }

  /** Tells the channel that these need not be sent again. */
  hush(nodeId: string, hashes: readonly string[]): void {
    const channelId = this.places.channelOf(nodeId);
    if (channelId === undefined) return;
    for (const hash of hashes) void this.ports.channels.answered(channelId, hash).catch(() => {});
  }

  /**
   * A message came again: our answer to it got lost, and is sent again if it is still good. @returns false when we had given
   * none
   */
  answerAgain(key: ContractKey & { readonly nodeId: string }, hash: string): boolean {
    const answers = this.#rows(key, "direction = 'out' AND previous = ? AND expires > ?", [hash, this.#now()]);
    for (const answer of answers) this.#send(key.nodeId, { ...answer, once: true });
    return answers.length > 0;
  }

  /** Sends one of our documents once more. @returns false when there is none that is still good */
  sendAgain(key: ContractKey & { readonly nodeId: string }, type: MessageType): boolean {
    const [last] = this.#rows(key, "direction = 'out' AND type = ? AND expires > ?", [type, this.#now()]).slice(-1);
    if (last) this.#send(key.nodeId, { ...last, once: true });
    return last !== undefined;
  }

  /** What nobody has answered yet, of contracts of this node: after a restart, of ours or of the channel. */
  resume(nodeId: string, keys: readonly ContractKey[]): void {
    for (const key of keys) {
      const pending = this.#rows(key, 'pending = 1 AND expires > ?', [this.#now()]);
      for (const { once, ...document } of pending) this.#send(nodeId, { ...document, once });
    }
  }

  /** In their order. */
  documents(key: ContractKey): readonly StoredDocument[] {
    return this.#rows(key, '1');
  }

  /** The last one of that kind. */
  lastOf(key: ContractKey, direction: 'in' | 'out', type?: MessageType): StoredDocument | undefined {
    const rows = type
      ? this.#rows(key, 'direction = ? AND type = ?', [direction, type])
      : this.#rows(key, 'direction = ?', [direction]);
    return rows.at(-1);
  }

  /** Whether this is the hash of a document that we sent in this contract (or of the call it began with). */
  isOurs(key: ContractKey, hash: string): boolean {
    return this.#rows(key, "direction = 'out' AND hash = ?", [hash]).length > 0;
  }

  /** For {@link Contract.messages}. */
  signedMessages(key: ContractKey): { readonly [key: string]: unknown }[] {
    return this.documents(key).map(({ text }) => JSON.parse(text) as { readonly [key: string]: unknown });
  }

  /** Inside a write: a contract that came to nothing needs no proof. Of a buyer's: what one seller sent and got. */
  forget(sql: Sql, { contractId, side }: ContractKey, peer?: string): void {
    sql.run(
      `DELETE FROM contract_documents WHERE network = ? AND contract_id = ? AND side = ? ${peer === undefined ? '' : 'AND peer = ?'}`,
      [this.#network, contractId, side, ...(peer === undefined ? [] : [peer])],
    );
  }

  /**
   * Inside a write: proposals of ours that nobody took before this moment came to nothing, and need no proof. Money that
   * still comes for them goes back all the same.
   */
  forgetProposals(sql: Sql, before: number): void {
    sql.run(
      `DELETE FROM contract_documents WHERE network = ? AND side = 'seller' AND contract_id IN (
         SELECT documents.contract_id FROM contract_documents AS documents JOIN contracts
           ON contracts.network = documents.network AND contracts.contract_id = documents.contract_id
             AND contracts.side = 'seller'
         WHERE contracts.network = ? AND contracts.state = 'CANCELLED' AND contracts.ended < ? AND NOT EXISTS (
           SELECT 1 FROM contract_documents AS accepts
           WHERE accepts.network = contracts.network AND accepts.contract_id = contracts.contract_id
             AND accepts.side = 'seller' AND accepts.direction = 'out' AND accepts.type = 'accept'))`,
      [this.#network, this.#network, before],
    );
  }

  /** Inside a write: what can never come again, because it has expired, need not be remembered. */
  sweep(sql: Sql): void {
    sql.run('DELETE FROM seen_messages WHERE until < ?', [this.#now()]);
  }

  #send(nodeId: string, { hash, text, once }: Pick<Posted, 'hash' | 'text' | 'once'>): void {
    const channelId = this.places.channelOf(nodeId);
    // Without a channel it waits on the disk. A channel that is being restarted asks for everything that is unanswered.
    if (channelId !== undefined) void this.ports.channels.send(channelId, { hash, text }, once).catch(() => {});
  }

  #insert(sql: Sql, key: ContractKey, document: StoredDocument, expires: number, once: boolean): void {
    const { hash, direction, type, peer, previous, text } = document;
    const pending = direction === 'out' && !once ? 1 : 0;
    sql.run(
      `INSERT OR IGNORE INTO contract_documents
       (network, contract_id, side, hash, direction, type, peer, previous, expires, pending, once, text)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        this.#network,
        key.contractId,
        key.side,
        hash,
        direction,
        type,
        peer,
        previous,
        expires,
        pending,
        once ? 1 : 0,
        text,
      ],
    );
  }

  #rows(
    { contractId, side }: ContractKey,
    condition: string,
    values: readonly (string | number)[] = [],
  ): (StoredDocument & { readonly once: boolean; readonly pending: boolean })[] {
    return this.ports.journal.sql
      .all(
        `SELECT * FROM contract_documents
         WHERE network = ? AND contract_id = ? AND side = ? AND ${condition} ORDER BY position`,
        [this.#network, contractId, side, ...values],
      )
      .map(storedDocument);
  }

  get #network(): string {
    return this.ports.network.networkId;
  }

  #now(): number {
    return Math.trunc(this.ports.clock.now());
  }
}

function postedOf(text: string, { type, once }: Draft): Posted {
  return { hash: hashOf(text), text, type, once };
}

function storedDocument(row: SqlRow): StoredDocument & { readonly once: boolean; readonly pending: boolean } {
  return {
    hash: String(row['hash']),
    direction: row['direction'] === 'in' ? 'in' : 'out',
    type: String(row['type']) as MessageType,
    peer: row['peer'] === null ? null : String(row['peer']),
    previous: row['previous'] === null ? null : String(row['previous']),
    once: Number(row['once']) === 1,
    pending: Number(row['pending']) === 1,
    text: String(row['text']),
  };
}
