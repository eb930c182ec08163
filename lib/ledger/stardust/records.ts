import type { Address, AddressForm } from '../../values';
import type { Cursor, LedgerRecord, RecordFilter, RecordPage } from '../ledger';
import type { Answer } from './answers';
import { type Connection, formOf } from './connection';
import { nonsense, outOfSync } from './failures';
import {
  type Change,
  type History,
  hexHash,
  isFor,
  type KnownOutput,
  type PageLimits,
  pruned,
  writeCursor,
} from './history';
import { allPages, byAge, indexedOutputs } from './holdings';
import {
  type IncludedTransaction,
  MOST_OUTPUTS,
  type NodeApi,
  type NodeInfo,
  outputIdAt,
  partsOfOutputId,
  type UtxoChanges,
} from './node-api';
import { addressOf, type BasicOutput, bytesOf } from './output';

export type RecordSource = Pick<NodeApi, 'includedTransaction' | 'output' | 'basicOutputIds'>;

// A record has up to 8 KiB: a page stays below some 4 MB.
const PAGE: PageLimits = { milestones: 200, changes: 500 };
const NO_BYTES = '0x';
const TRANSACTION_ID = /^0x[0-9a-f]{64}$/;

/**
 * Records on a Tangle: basic outputs with a tag, the bytes in their metadata (TIP-18 "Tag Feature", "Metadata Feature"), the
 * author in the sender feature, which the ledger checks (TIP-18 "Sender Feature").
 *
 * A node has no question by tag, and its indexer knows unspent outputs only. What was recorded is read from what each
 * milestone changed; a chain is walked back through the transactions themselves.
 */
export class Records {
  /** @param idOf the id of a transaction: nobody's word is taken for what was in it */
  constructor(
    private readonly api: RecordSource,
    private readonly connection: Pick<Connection, 'look'>,
    private readonly history: History,
    private readonly idOf: (payload: Answer) => string,
    private readonly limits: PageLimits = PAGE,
  ) {}

  /** See the port's `recordsOf`. */
  async of(transactionId: string): Promise<LedgerRecord[]> {
    const id = transactionId.toLowerCase();
    // Comes from a stranger's evidence: what is no id names no transaction.
    if (!TRANSACTION_ID.test(id)) return [];
    return this.#of(id, await this.connection.look(), true);
  }

  async #of(id: string, info: NodeInfo, mayBeNew: boolean): Promise<LedgerRecord[]> {
    const included = await this.#included(id);
    if (included) return this.#recordsIn(id, included, info);
    // Nothing is gone from this node, so it cannot be that either.
    if (info.pruned === 0) return [];
    const rest = await this.#unspentOf(id);
    const [some] = rest;
    if (!some) return [];
    if (some.booked.index > info.pruned) {
      // It was confirmed between our two questions, or the node has lost a block that it should have.
      if (mayBeNew) return this.#of(id, await this.connection.look(), false);
      throw await this.history.missing(some.booked.index);
    }
    const records = rest.flatMap((item) => recordOf(item, formOf(info)) ?? []);
    if (records.length === 0) throw pruned(some.booked.index, info);
    return records;
  }

  /** See the port's `latestRecords`. */
  async latest(author: Address): Promise<LedgerRecord[]> {
    const form = formOf(await this.connection.look());
    const hash = hexHash(author, form);
    const isHead = (output: BasicOutput) => isOwn(output, hash);
    const query = { address: author, sender: author };
    const indexed = await indexedOutputs(query, isHead, this.api, this.history);
    const heads = new Map<string, KnownOutput>(indexed.outputs.map((item) => [item.outputId, item]));
    // The indexer may be behind the node.
    const { confirmed } = await this.connection.look();
    for (let height = indexed.height + 1; height <= confirmed.index; height += 1) {
      const { created, consumed } = await this.history.changes(height);
      for (const item of await Promise.all(created.map((id) => this.history.output(id, height))))
        if (item.output && isHead(item.output)) heads.set(item.outputId, item);
      for (const id of consumed) heads.delete(id);
    }
    return [...heads.values()].flatMap((item) => recordOf(item, form) ?? []).sort(byAge);
  }

  /** See the port's `previousRecord`. */
  async previous({ transactionId, author, tag, height }: LedgerRecord): Promise<LedgerRecord | null> {
    if (author === null) return null;
    const form = formOf(await this.connection.look());
    const hash = hexHash(author, form);
    const included = await this.#included(transactionId);
    if (!included) throw await this.history.missing(height);
    const spent = await Promise.all(included.inputs.map((id) => this.history.output(id, height)));
    const candidates = spent.flatMap((item) =>
      item.output && isOwn(item.output, hash) ? (recordOf(item, form) ?? []) : [],
    );
    const alike = candidates.filter((record) => Buffer.compare(record.tag, tag) === 0);
    return (alike.length > 0 ? alike : candidates).sort(byAge).at(-1) ?? null;
  }

  /** See the port's `readRecords`. */
  async read(filter: RecordFilter, cursor: Cursor): Promise<RecordPage> {
    const records: LedgerRecord[] = [];
    const turned = await this.history.turn(cursor, this.limits, createdOnly, (form) => {
      const fits = fitting(filter, form);
      return (item) => {
        const record = item.output && fits(item.output) ? recordOf(item, form) : null;
        if (record) records.push(record);
      };
    });
    return { records, ...turned };
  }

  /** See the port's `recordsCursor`. */
  async cursor(from: 'now' | 'last' | 'beginning', filter: RecordFilter): Promise<Cursor> {
    const info = await this.connection.look();
    const beginning = writeCursor({ milestone: info.pruned + 1, position: 0 });
    if (from === 'beginning') return beginning;
    const now = writeCursor({ milestone: info.confirmed.index + 1, position: 0 });
    if (from === 'now') return now;
    const last = filter.tag === null ? await this.#lastRead(filter, info) : await this.#lastIndexed(filter.tag, filter);
    if (!last) return now;
    const { index } = last.booked;
    if (index <= info.pruned) return beginning;
    const position = (await this.history.changes(index)).created.indexOf(last.outputId);
    if (position < 0) throw outOfSync('history', 'the node does not list an output that it has', { milestone: index });
    return writeCursor({ milestone: index, position });
  }

  /** The youngest unspent one: what a chain of records ends with is always unspent. */
  async #lastIndexed(tag: Uint8Array, { author }: RecordFilter): Promise<KnownOutput | undefined> {
    const query = { tag: hexOfBytes(tag), ...(author === null ? {} : { sender: author }) };
    // The indexer lists by age.
    const id = (await allPages(query, this.api)).findLast(({ outputIds }) => outputIds.length > 0)?.outputIds.at(-1);
    const info = await this.connection.look();
    return id === undefined ? undefined : this.history.output(id, info.confirmed.index);
  }

  /** No index knows which outputs have a tag: the last one, if it is not more than a page away. */
  async #lastRead(filter: RecordFilter, { confirmed, pruned }: NodeInfo): Promise<KnownOutput | undefined> {
    const fits = fitting(filter, formOf(await this.connection.look()));
    let budget = this.limits.changes;
    for (
      let height = confirmed.index;
      height > Math.max(pruned, confirmed.index - this.limits.milestones);
      height -= 1
    ) {
      const { created } = await this.history.changes(height);
      budget -= created.length;
      if (budget < 0) return undefined;
      const known = await Promise.all(created.map((id) => this.history.output(id, height)));
      const last = known.findLast(({ output }) => output !== null && fits(output));
      if (last) return last;
    }
    return undefined;
  }

  async #included(id: string): Promise<IncludedTransaction | undefined> {
    if (!TRANSACTION_ID.test(id)) throw new RangeError('not a transaction id of this ledger');
    const included = await this.api.includedTransaction(id);
    if (included && this.idOf(included.payload) !== id) throw nonsense('another transaction than asked for');
    return included;
  }

  async #recordsIn(id: string, { outputs }: IncludedTransaction, info: NodeInfo): Promise<LedgerRecord[]> {
    const tagged = outputs.flatMap((output, index) => (output?.tag === undefined ? [] : [{ index, output }]));
    const known = await Promise.all(
      tagged.map(async ({ index, output }) => {
        const { outputId, booked } = await this.history.output(outputIdAt(id, index), info.confirmed.index);
        return { outputId, output, booked };
      }),
    );
    return known.flatMap((item) => recordOf(item, formOf(info)) ?? []);
  }

  /** What is left of a transaction whose block is gone: outputs are kept until the milestone that spends them is pruned. */
  async #unspentOf(id: string): Promise<KnownOutput[]> {
    const ids = Array.from({ length: MOST_OUTPUTS }, (_, index) => outputIdAt(id, index));
    const found = await Promise.all(ids.map((outputId) => this.api.output(outputId)));
    return found.flatMap((answer, index) =>
      answer ? [{ outputId: ids[index] ?? '', output: answer.output, booked: answer.metadata.booked }] : [],
    );
  }
}

/** An output as a record; null for one that is none. */
function recordOf({ outputId, output, booked }: KnownOutput, form: AddressForm): LedgerRecord | null {
  if (output?.tag === undefined) return null;
  const { transactionId, index } = partsOfOutputId(outputId);
  return {
    transactionId,
    outputIndex: index,
    outputId,
    tag: bytesOf(output.tag),
    bytes: bytesOf(output.metadata ?? NO_BYTES),
    author: addressOf(output.sender, form),
    height: booked.index,
    confirmedAt: booked.time,
  };
}

function createdOnly({ created }: UtxoChanges): Change[] {
  return created.map((id) => ({ id, created: true }));
}

/** A record that its author put under its own address. */
function isOwn(output: BasicOutput, hash: string): boolean {
  return output.tag !== undefined && isFor(output, hash) && isBy(output, hash);
}

function isBy({ sender }: BasicOutput, hash: string): boolean {
  return sender?.kind === 'ed25519' && sender.hash === hash;
}

function fitting({ tag, author }: RecordFilter, form: AddressForm): (output: BasicOutput) => boolean {
  const wanted = tag === null ? undefined : hexOfBytes(tag);
  const hash = author === null ? undefined : hexHash(author, form);
  return (output) =>
    output.tag !== undefined &&
    (wanted === undefined || output.tag === wanted) &&
    (hash === undefined || isBy(output, hash));
}

function hexOfBytes(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}
