import { type Answer, arrayOf, booleanOf, hexOf, objectOf, textOf, uint32Of, uint64Of } from './answers';
import type { RentStructure } from './deposit';
import { nonsense, printable, unreachable } from './failures';
import { exchange } from './http';
import { type BasicOutput, readOutput } from './output';
import { Turnstile } from './turnstile';

/** `GET /api/core/v2/info`, as far as we use it. */
export interface NodeInfo {
  readonly networkName: string;
  readonly hrp: string;
  readonly minPowScore: number;
  readonly rent: RentStructure;
  readonly token: string;
  readonly decimals: number;
  readonly healthy: boolean;
  readonly latest: MilestoneMark;
  readonly confirmed: MilestoneMark;
  /** Milestones up to this one are no longer there. */
  readonly pruned: number;
  readonly features: readonly string[];
}

export interface MilestoneMark {
  readonly index: number;
  /** Unix milliseconds; 0 where the node does not know. */
  readonly time: number;
}

export interface UtxoChanges {
  readonly created: readonly string[];
  readonly consumed: readonly string[];
}

/** `GET /api/core/v2/outputs/{id}/metadata` */
export interface OutputMetadata {
  readonly booked: MilestoneMark;
  readonly spent?: { readonly by: string; readonly at: MilestoneMark };
}

/** `GET /api/core/v2/blocks/{id}/metadata` */
export interface BlockMetadata {
  readonly referencedBy: number | undefined;
  readonly inclusion: 'noTransaction' | 'included' | 'conflicting' | undefined;
  readonly conflict: number | undefined;
  /** Its place in the Tangle is so old or lazy that it will not be referenced any more, or not soon. */
  readonly lost: boolean;
}

/** `GET /api/core/v2/transactions/{id}/included-block`: the transaction in the block. */
export interface IncludedTransaction {
  /** As the node wrote it; whoever hashes it knows whether it is the transaction that was asked for. */
  readonly payload: Answer;
  /** Ids of the outputs that it spends. */
  readonly inputs: readonly string[];
  /** By index; null for every kind but basic outputs. */
  readonly outputs: readonly (BasicOutput | null)[];
}

/** Which unspent basic outputs: all that are given must fit. TIP-26. */
export interface BasicOutputQuery {
  /** In the address unlock condition. */
  readonly address?: string;
  /** In the sender feature. */
  readonly sender?: string;
  /** `0x…` */
  readonly tag?: string;
}

export interface IndexerPage {
  readonly outputIds: readonly string[];
  readonly ledgerIndex: number;
  readonly cursor: string | undefined;
}

export interface NodeApiOptions {
  readonly url: URL;
  readonly indexerUrl: URL;
  readonly authToken?: string;
  /** Milliseconds for one request. */
  readonly timeout: number;
  readonly pageSize?: number;
}

// Milestones and info are small; a milestone full of transactions lists some hundred thousand output ids at most.
const MOST_BYTES = 16 * 1024 * 1024;
const MOST_CHANGES = 200_000;
const REQUESTS_AT_ONCE = 8;

// TIP-20.
const TRANSACTION = 6;
const UTXO_INPUT = 0;
export const MOST_INPUTS = 128;
export const MOST_OUTPUTS = 128;

/**
 * What we ask of a Stardust node (TIP-25 core API, TIP-26 indexer): every answer is checked here and typed from here on.
 * A missing thing is `undefined`: that a node does not know it proves nothing.
 *
 * Every method throws CodedError `LEDGER_UNREACHABLE`.
 */
export class NodeApi {
  readonly #turnstile = new Turnstile(REQUESTS_AT_ONCE);

  constructor(private readonly options: NodeApiOptions) {}

  async info(): Promise<NodeInfo> {
    const info = await this.#get('api/core/v2/info');
    if (info === undefined) throw nonsense('it has no info, so it is no Stardust node');
    return readInfo(info);
  }

  async utxoChanges(index: number): Promise<UtxoChanges | undefined> {
    const answer = await this.#get(`api/core/v2/milestones/by-index/${index}/utxo-changes`);
    if (!answer) return undefined;
    if (uint32Of(answer.index, 'the index of a milestone') !== index)
      throw nonsense('another milestone than asked for');
    return { created: outputIdsOf(answer.createdOutputs), consumed: outputIdsOf(answer.consumedOutputs) };
  }

  /** Unix milliseconds of a milestone. */
  async milestoneTime(index: number): Promise<number | undefined> {
    const answer = await this.#get(`api/core/v2/milestones/by-index/${index}`);
    if (!answer) return undefined;
    if (uint32Of(answer.index, 'the index of a milestone') !== index)
      throw nonsense('another milestone than asked for');
    return milliseconds(answer.timestamp, 'the time of a milestone');
  }

  /** `output` is null for every kind but basic outputs. */
  async output(
    outputId: string,
  ): Promise<{ readonly output: BasicOutput | null; readonly metadata: OutputMetadata } | undefined> {
    const answer = await this.#get(`api/core/v2/outputs/${outputId}`);
    if (!answer) return undefined;
    return {
      output: readOutput(answer.output),
      metadata: readMetadata(objectOf(answer.metadata, 'metadata'), outputId),
    };
  }

  async outputMetadata(outputId: string): Promise<OutputMetadata | undefined> {
    const answer = await this.#get(`api/core/v2/outputs/${outputId}/metadata`);
    return answer && readMetadata(answer, outputId);
  }

  async blockMetadata(blockId: string): Promise<BlockMetadata | undefined> {
    const answer = await this.#get(`api/core/v2/blocks/${blockId}/metadata`);
    if (!answer) return undefined;
    const inclusion = answer.ledgerInclusionState;
    const referencedBy = answer.referencedByMilestoneIndex;
    const conflict = answer.conflictReason;
    return {
      referencedBy:
        referencedBy === undefined ? undefined : uint32Of(referencedBy, 'the milestone that references a block'),
      inclusion:
        inclusion === 'included' || inclusion === 'conflicting' || inclusion === 'noTransaction'
          ? inclusion
          : undefined,
      conflict: conflict === undefined ? undefined : uint32Of(conflict, 'a conflict reason'),
      lost: answer.shouldReattach === true || answer.shouldPromote === true,
    };
  }

  /**
   * The block with a confirmed transaction. HORNET finds it through the transaction's first output (`blockIDByTransactionID`):
   * undefined also when that was spent and pruned, or the block itself was pruned.
   */
  async includedTransaction(transactionId: string): Promise<IncludedTransaction | undefined> {
    const block = await this.#get(`api/core/v2/transactions/${transactionId}/included-block`);
    return block && readTransaction(objectOf(block.payload, 'the payload of a block'));
  }

  /** Unspent basic outputs, by the time of their milestone and then by id. */
  async basicOutputIds(wanted: BasicOutputQuery, cursor: string | undefined): Promise<IndexerPage> {
    const query = new URLSearchParams({ ...wanted });
    if (this.options.pageSize !== undefined) query.set('pageSize', String(this.options.pageSize));
    if (cursor !== undefined) query.set('cursor', cursor);
    const answer = await this.#get(`api/indexer/v1/outputs/basic?${query}`, this.options.indexerUrl);
    if (!answer) throw nonsense('it has no indexer');
    const next = answer.cursor;
    return {
      outputIds: outputIdsOf(answer.items),
      ledgerIndex: uint32Of(answer.ledgerIndex, 'the ledger index of the indexer'),
      cursor:
        next === undefined || next === null || next === ''
          ? undefined
          : textOf(next, 'a cursor', /^[0-9a-zA-Z.:_-]{1,200}$/),
    };
  }

  async #get(path: string, base: URL = this.options.url): Promise<Answer | undefined> {
    const url = new URL(path, base);
    const { status, body } = await this.#turnstile.pass(() => this.#exchange(url));
    if (status === 404) return undefined;
    if (status === 401 || status === 403)
      throw unreachable('denied', `${url.host} refuses us access (HTTP ${status})`, { host: url.host, status });
    if (status === 429 || status === 503)
      throw unreachable('busy', `${url.host} is busy (HTTP ${status})`, { host: url.host, status });
    if (status !== 200)
      throw unreachable('default', `${url.host} failed (HTTP ${status}): ${printable(body)}`, {
        host: url.host,
        status,
      });
    let answer: unknown;
    try {
      answer = JSON.parse(body);
    } catch {
      throw nonsense('not JSON');
    }
    return objectOf(answer, 'the answer');
  }

  async #exchange(url: URL): Promise<{ status: number; body: string }> {
    const limits = { milliseconds: this.options.timeout, bytes: MOST_BYTES };
    // The token is for the node it was given for, and for nobody else.
    const trusted = this.options.authToken !== undefined && url.origin === this.options.url.origin;
    const what = {
      headers: {
        accept: 'application/json',
        ...(trusted ? { authorization: `Bearer ${this.options.authToken}` } : {}),
      },
    };
    try {
      return await exchange(url, limits, what);
    } catch (error) {
      // A kept-alive connection that the node has just closed: reading again is harmless. A time-out has cost enough.
      if (error instanceof Error && 'detail' in error && error.detail === 'default') return exchange(url, limits, what);
      throw error;
    }
  }
}

function readInfo(info: Answer): NodeInfo {
  const status = objectOf(info.status, 'status');
  const protocol = objectOf(info.protocol, 'protocol');
  const rent = objectOf(protocol.rentStructure, 'the rent structure');
  const token = objectOf(info.baseToken, 'the base token');
  if (protocol.version !== 2) throw nonsense('it does not speak protocol version 2 (Stardust)');
  const ticker = typeof token.tickerSymbol === 'string' ? token.tickerSymbol : token.unit;
  const decimals = uint32Of(token.decimals, 'the decimals of the token');
  if (decimals > 18) throw nonsense('the token has too many decimals');
  uint64Of(protocol.tokenSupply, 'the token supply');
  return {
    networkName: textOf(protocol.networkName, 'the network name', /^[\x21-\x7e]{1,100}$/),
    hrp: textOf(protocol.bech32Hrp, 'the address prefix', /^[a-z0-9]{1,20}$/),
    minPowScore: uint32Of(protocol.minPowScore, 'the proof of work score'),
    rent: {
      vByteCost: uint32Of(rent.vByteCost, 'vByteCost'),
      vByteFactorKey: uint32Of(rent.vByteFactorKey, 'vByteFactorKey'),
      vByteFactorData: uint32Of(rent.vByteFactorData, 'vByteFactorData'),
    },
    token: textOf(ticker, 'the name of the token', /^[\x21-\x7e]{1,20}$/),
    decimals,
    healthy: booleanOf(status.isHealthy, 'isHealthy'),
    latest: readMark(status.latestMilestone),
    confirmed: readMark(status.confirmedMilestone),
    pruned: uint32Of(status.pruningIndex, 'the pruning index'),
    features: arrayOf(info.features ?? [], 'features', 100).filter((feature) => typeof feature === 'string'),
  };
}

function readMark(value: unknown): MilestoneMark {
  const mark = objectOf(value, 'a milestone');
  // HORNET leaves out the time of a milestone that it knows by index only.
  return {
    index: uint32Of(mark.index, 'a milestone index'),
    time: milliseconds(mark.timestamp ?? 0, 'the time of a milestone'),
  };
}

function readTransaction(payload: Answer): IncludedTransaction {
  if (payload.type !== TRANSACTION) throw nonsense('a block of a transaction that has none');
  const essence = objectOf(payload.essence, 'an essence');
  return {
    payload,
    inputs: arrayOf(essence.inputs, 'inputs', MOST_INPUTS).map((item) => {
      const input = objectOf(item, 'an input');
      if (input.type !== UTXO_INPUT) throw nonsense('an input of an unknown type');
      return outputIdAt(
        hexOf(input.transactionId, 'a transaction id', 32),
        uint32Of(input.transactionOutputIndex, 'an output index'),
      );
    }),
    outputs: arrayOf(essence.outputs, 'outputs', MOST_OUTPUTS).map(readOutput),
  };
}

function readMetadata(answer: Answer, outputId: string): OutputMetadata {
  if (outputIdOf(answer) !== outputId) throw nonsense('another output than asked for');
  const booked = markOf(answer.milestoneIndexBooked, answer.milestoneTimestampBooked ?? 0);
  if (!booleanOf(answer.isSpent, 'isSpent')) return { booked };
  return {
    booked,
    spent: {
      by: hexOf(answer.transactionIdSpent, 'the spending transaction', 32),
      at: markOf(answer.milestoneIndexSpent, answer.milestoneTimestampSpent ?? 0),
    },
  };
}

function markOf(index: unknown, timestamp: unknown): MilestoneMark {
  return { index: uint32Of(index, 'a milestone index'), time: milliseconds(timestamp, 'the time of a milestone') };
}

function milliseconds(seconds: unknown, what: string): number {
  return uint32Of(seconds, what) * 1000;
}

function outputIdOf(metadata: Answer): string {
  return outputIdAt(
    hexOf(metadata.transactionId, 'a transaction id', 32),
    uint32Of(metadata.outputIndex, 'an output index'),
  );
}

function outputIdsOf(value: unknown): readonly string[] {
  return arrayOf(value, 'a list of outputs', MOST_CHANGES).map((id) => hexOf(id, 'an output id', 34));
}

/** TIP-20 "Output ID": transaction id, then the index as two bytes, little-endian. */
export function outputIdAt(transactionId: string, index: number): string {
  if (index > 0xffff) throw nonsense('an output index is too large');
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(index);
  return `${transactionId}${bytes.toString('hex')}`;
}

/** @param outputId lower-case, 34 bytes */
export function partsOfOutputId(outputId: string): { readonly transactionId: string; readonly index: number } {
  return { transactionId: outputId.slice(0, 66), index: Buffer.from(outputId.slice(66), 'hex').readUInt16LE() };
}
