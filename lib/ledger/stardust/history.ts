import { CodedError } from '../../errors';
import { type Address, type AddressForm, hashOfAddress } from '../../values';
import type { Cursor, LedgerPage, ReceivedOutput } from '../ledger';
import { type Connection, formOf } from './connection';
import { nonsense, outOfSync } from './failures';
import { Lru } from './lru';
import { type MilestoneMark, type NodeApi, type NodeInfo, partsOfOutputId, type UtxoChanges } from './node-api';
import { addressOf, type BasicOutput, bytesOf, isSpendable, textOfMetadata } from './output';

/** An output's content and birth: neither ever changes. */
export interface KnownOutput {
  readonly outputId: string;
  /** Null for every kind but basic outputs. */
  readonly output: BasicOutput | null;
  readonly booked: MilestoneMark;
}

// What ten accounts that read the same stretch of history need to share.
const MILESTONES_KEPT = 1024;
const OUTPUTS_KEPT = 20_000;

// A node's indexer and events may be that many milestones ahead of what the node itself calls confirmed.
const LEAD = 2;

/** How much one page may take: enough to catch up fast, little enough that nobody waits long for it. */
export interface PageLimits {
  readonly milestones: number;
  readonly changes: number;
}

const PAGE: PageLimits = { milestones: 200, changes: 2000 };

/** One change of the ledger: an output that came, or one that went. */
export interface Change {
  readonly id: string;
  readonly created: boolean;
}

type Listing = (changes: UtxoChanges) => readonly Change[];
type Visitor = (item: KnownOutput, created: boolean, height: number) => void | Promise<void>;

/** How far a page went. */
export type Turned = Pick<LedgerPage, 'cursor' | 'height' | 'ledgerTime' | 'reached'>;

/** What the history is read from. */
export type HistorySource = Pick<NodeApi, 'utxoChanges' | 'output' | 'outputMetadata' | 'milestoneTime'>;

/** The ledger's history, milestone by milestone, read once for all addresses. */
export class History {
  readonly #changes = new Lru<number, Promise<UtxoChanges>>(MILESTONES_KEPT);
  readonly #outputs = new Lru<string, Promise<KnownOutput>>(OUTPUTS_KEPT);
  readonly #times = new Lru<number, Promise<number>>(MILESTONES_KEPT);

  constructor(
    private readonly api: HistorySource,
    private readonly connection: Pick<Connection, 'look'>,
    private readonly limits: PageLimits = PAGE,
  ) {}

  /** See the port's `read`. */
  async read(address: Address, cursor: Cursor): Promise<LedgerPage> {
    const received: ReceivedOutput[] = [];
    const spent: { outputId: string; by: string }[] = [];
    const turned = await this.turn(cursor, this.limits, bothSides, (form) => {
      const mine = hexHash(address, form);
      return async (item, created, height) => {
        const { output } = item;
        if (!output || !isFor(output, mine)) return;
        if (created) received.push(receivedOutput(item, output, form));
        else spent.push({ outputId: item.outputId, by: await this.#spender(item.outputId, height) });
      };
    });
    return { received, spent, ...turned };
  }

  /**
   * Goes through one page of the history after a cursor: every change that `listed` names of a milestone, in that order.
   * A cursor is good only for the same `listed`.
   */
  async turn(
    cursor: Cursor,
    limits: PageLimits,
    listed: Listing,
    visitor: (form: AddressForm) => Visitor,
  ): Promise<Turned> {
    const from = parseCursor(cursor);
    const info = await this.connection.look();
    const visit = visitor(formOf(info));
    if (from.milestone - 1 > info.confirmed.index) return this.#nothingYet(cursor, from.milestone - 1, info);
    if (from.milestone <= info.pruned) throw pruned(from.milestone, info);

    const last = Math.min(info.confirmed.index, from.milestone + limits.milestones - 1);
    const milestones = await Promise.all(range(from.milestone, last).map((index) => this.changes(index)));

    let budget = limits.changes;
    let next = from;
    for (const [i, changes] of milestones.entries()) {
      const height = from.milestone + i;
      const all = listed(changes);
      const begin = height === from.milestone ? from.position : 0;
      const part = all.slice(begin, begin + budget);
      budget -= part.length;
      const known = await Promise.all(part.map(({ id }) => this.output(id, height)));
      for (const [j, item] of known.entries()) await visit(item, part[j]?.created === true, height);
      if (begin + part.length < all.length) {
        next = { milestone: height, position: begin + part.length };
        break;
      }
      next = { milestone: height + 1, position: 0 };
      if (budget <= 0) break;
    }
    const height = next.milestone - 1;
    return {
      cursor: writeCursor(next),
      height,
      ledgerTime: await this.timeAt(height, info),
      reached: next.milestone === info.confirmed.index + 1,
    };
  }

  /** The cursor is ahead of the node. */
  #nothingYet(cursor: Cursor, height: number, info: NodeInfo): Turned {
    if (height - info.confirmed.index > LEAD) {
      throw outOfSync('behind', `the node is at milestone ${info.confirmed.index}, we have read up to ${height}`, {
        node: info.confirmed.index,
        ours: height,
      });
    }
    return { cursor, height, ledgerTime: info.confirmed.time, reached: true };
  }

  /** What a confirmed milestone changed, in an order that does not depend on the node. */
  changes(index: number): Promise<UtxoChanges> {
    return Lru.remember(this.#changes, index, async () => {
      const changes = await this.api.utxoChanges(index);
      if (!changes) throw await this.missing(index);
      return { created: [...changes.created].sort(), consumed: [...changes.consumed].sort() };
    });
  }

  /** @param height the milestone that names it: tells why it is missing when it is */
  output(outputId: string, height: number): Promise<KnownOutput> {
    return Lru.remember(this.#outputs, outputId, async () => {
      const found = await this.api.output(outputId);
      if (!found) throw await this.missing(height);
      return { outputId, output: found.output, booked: found.metadata.booked };
    });
  }

  /** Unix milliseconds of the ledger at a height. */
  async timeAt(height: number, info: NodeInfo): Promise<number> {
    if (height === info.confirmed.index) return info.confirmed.time;
    return Lru.remember(this.#times, height, async () => {
      // The milestone below our first one may be gone already: then the present is the best answer, since time only grows.
      const time = await this.api.milestoneTime(height);
      return time ?? info.confirmed.time;
    });
  }

  async #spender(outputId: string, height: number): Promise<string> {
    const metadata = await this.api.outputMetadata(outputId);
    if (!metadata) throw await this.missing(height);
    if (!metadata.spent) throw nonsense('a consumed output that is not spent');
    return metadata.spent.by;
  }

  /** Why a confirmed milestone, or something that it names, is not there. */
  async missing(index: number): Promise<Error> {
    const info = await this.connection.look();
    if (index <= info.pruned) return pruned(index, info);
    return outOfSync('history', `the node has confirmed milestone ${index} but cannot say what it changed`, {
      milestone: index,
    });
  }
}

/** Created outputs first, then consumed ones, each sorted by id. */
function bothSides({ created, consumed }: UtxoChanges): Change[] {
  return [...created.map((id) => ({ id, created: true })), ...consumed.map((id) => ({ id, created: false }))];
}

/** An output in the words of the port. */
export function receivedOutput(
  { outputId, booked }: KnownOutput,
  output: BasicOutput,
  form: AddressForm,
): ReceivedOutput {
  const { transactionId, index } = partsOfOutputId(outputId);
  return {
    outputId,
    transactionId,
    outputIndex: index,
    amount: output.amount,
    from: addressOf(output.sender, form),
    reference: textOfMetadata(output.metadata),
    tag: output.tag === undefined ? null : bytesOf(output.tag),
    height: booked.index,
    confirmedAt: booked.time,
    spendable: isSpendable(output),
  };
}

/** Whether an address is in the output's address unlock condition. */
export function isFor({ address }: BasicOutput, hash: string): boolean {
  return address.kind === 'ed25519' && address.hash === hash;
}

export function hexHash(address: Address, form: AddressForm): string {
  return `0x${Buffer.from(hashOfAddress(address, form)).toString('hex')}`;
}

interface Place {
  /** The milestone to read next. */
  readonly milestone: number;
  /** How many of its changes have been read already, in the order of who reads. */
  readonly position: number;
}

export function writeCursor({ milestone, position }: Place): Cursor {
  return `${milestone}:${position}`;
}

function parseCursor(cursor: Cursor): Place {
  const match = /^(\d{1,10}):(\d{1,9})$/.exec(cursor);
  if (!match) throw new RangeError(`not a cursor of this ledger: ${cursor.slice(0, 40)}`);
  return { milestone: Number(match[1]), position: Number(match[2]) };
}

export function pruned(milestone: number, info: NodeInfo): CodedError {
  return new CodedError(
    'HISTORY_PRUNED',
    'default',
    `the node has forgotten everything up to milestone ${info.pruned}, we need ${milestone}`,
    {
      milestone,
      pruned: info.pruned,
    },
  );
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
