import {
  type Block,
  type BlockId,
  ByteReader,
  type DecodedBlock,
  decodeBlock,
  encodeBlock,
  InvalidBlockError,
  type Milestone,
  PAYLOAD,
  readMilestone,
} from './codec';
import {
  blockOfMilestone,
  checkpointBlock,
  MOST_TIPS,
  NOTHING_BEFORE,
  PROTOCOL_VERSION,
  signMilestone,
} from './coordinator';
import { openIdentity, type SandboxIdentity } from './identity';
import { networkIdOf, type ProtocolParameters, TOKEN_SUPPLY } from './parameters';
import { PendingBlocks } from './pending-blocks';
import { mine, powScore } from './proof-of-work';
import type { Conflict } from './semantics';
import { type StoredMilestone, TangleStore } from './storage';
import { checkTransactionSyntax } from './syntax';
import { applyWhiteFlag, type Mutations, whiteFlagOrder } from './white-flag';

/** The node can not take a block now, through no fault of the block. */
export class NodeBusyError extends Error {
  override readonly name = 'NodeBusyError';
}

export interface TangleOptions {
  readonly directory?: string | undefined;
  readonly networkName?: string | undefined;
  readonly bech32Hrp: string;
  readonly vByteCost: number;
  readonly minPowScore: number;
  /** Whether the node does the proof of work of blocks that come without it. */
  readonly remotePow: boolean;
  readonly belowMaxDepth: number;
  /** How many milestones are kept before they are pruned. */
  readonly milestoneHistory: number;
  /** Milestones come a second or more apart, so that each has a time of its own. */
  readonly distinctTimes: boolean;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export interface BlockMetadata {
  readonly blockId: BlockId;
  readonly parents: readonly BlockId[];
  readonly isSolid: boolean;
  readonly milestoneIndex?: number;
  readonly referenced?: {
    readonly by: number;
    readonly whiteFlagIndex: number;
    readonly state: InclusionState;
    readonly conflict?: Conflict;
  };
  /** Of a solid block that is not referenced: too old to be referenced ever. */
  readonly shouldReattach?: boolean;
}

export type InclusionState = 'noTransaction' | 'included' | 'conflicting';

export interface TangleEvents {
  /** A block came and its past is known. */
  solid(decoded: DecodedBlock): void;
  /** A block came. */
  received(decoded: DecodedBlock): void;
  /** The ledger has changed; everything can be read as of this milestone. */
  confirmed(milestone: StoredMilestone, mutations: Mutations): void;
}

/** Blocks per second since the milestone before, and how many of the new ones became referenced (per cent). */
export interface Rates {
  readonly blocksPerSecond: number;
  readonly referencedBlocksPerSecond: number;
  readonly referencedRate: number;
}

// Pruning in steps keeps it off most milestones.
const PRUNE_STEP = 100;

/** The Tangle of one node that is alone in its network: blocks come in, milestones make them final. */
export class Tangle {
  readonly identity: SandboxIdentity;
  readonly parameters: ProtocolParameters;
  readonly store: TangleStore;
  readonly #options: TangleOptions;
  readonly #pending: PendingBlocks;
  readonly #listeners: Partial<TangleEvents>[] = [];
  readonly #closing = new AbortController();
  /** Milestone indices of blocks that were referenced lately, so that a parent costs no query. */
  readonly #recentlyReferenced = new Map<BlockId, number>();
  #latest: StoredMilestone | undefined;
  #pruningIndex: number;
  #arrivals = 0;
  #rates: Rates = { blocksPerSecond: 0, referencedBlocksPerSecond: 0, referencedRate: 0 };

  constructor(options: TangleOptions) {
    this.#options = options;
    this.store = new TangleStore(options.directory);
    this.identity = openIdentity(this.store, options.networkName, Math.floor(options.now() / 1000));
    this.parameters = {
      version: PROTOCOL_VERSION,
      networkName: this.identity.networkName,
      networkId: networkIdOf(this.identity.networkName),
      bech32Hrp: options.bech32Hrp,
      minPowScore: options.minPowScore,
      belowMaxDepth: options.belowMaxDepth,
      vByteCost: options.vByteCost,
      tokenSupply: TOKEN_SUPPLY,
    };
    this.#pending = new PendingBlocks((id) => this.#referencedBy(id), options.belowMaxDepth);
    const pruningIndex = this.store.setting('pruningIndex');
    this.#pruningIndex = typeof pruningIndex === 'number' ? pruningIndex : 0;
    this.#latest = this.store.latestMilestone();
    if (this.#latest) this.#pending.add(blockOfMilestone(milestoneOf(this.#latest)), this.#latest.index);
  }

  get latest(): StoredMilestone {
    if (!this.#latest) throw new Error('the first milestone is not issued yet');
    return this.#latest;
  }

  get hasMilestone(): boolean {
    return this.#latest !== undefined;
  }

  get pruningIndex(): number {
    return this.#pruningIndex;
  }

  get features(): readonly string[] {
    return this.#options.remotePow ? ['pow'] : [];
  }

  /** As of the latest milestone. */
  rates(): Rates {
    return this.#rates;
  }

  listen(listener: Partial<TangleEvents>): void {
    this.#listeners.push(listener);
  }

  /** One to eight blocks to build upon. */
  tips(): BlockId[] {
    const tips = this.#pending.tips();
    return tips.length > 0 ? tips : [this.#latest?.blockId ?? NOTHING_BEFORE];
  }

  /**
   * Takes a block as its bytes.
   *
   * @returns its id
   * @throws InvalidBlockError, NodeBusyError
   */
  async attachBytes(bytes: Buffer): Promise<BlockId> {
    return this.#attach(decodeBlock(bytes));
  }

  /** Takes a block whose parents may be left to the node. @throws InvalidBlockError, NodeBusyError */
  async attachBlock(block: Block): Promise<BlockId> {
    if (block.protocolVersion !== PROTOCOL_VERSION)
      throw new InvalidBlockError(`protocolVersion invalid: ${block.protocolVersion}`);
    if (block.parents.length > 0) return this.#attach(decodeBlock(encodeBlock(block)));
    if (block.nonce !== 0n) throw new InvalidBlockError('no parents were given but nonce was != 0');
    if (this.parameters.minPowScore > 0 && !this.#options.remotePow) {
      throw new InvalidBlockError('no parents given and node PoW is disabled');
    }
    return this.#attach(decodeBlock(encodeBlock({ ...block, parents: this.tips().sort() })));
  }

  /** Adds a block of the node itself, which needs no proof of work. */
  attachOwn(block: Block): BlockId {
    return this.#keep(decodeBlock(encodeBlock(block)));
  }

  /** A block by its id, wherever it is. */
  block(id: BlockId): Buffer | undefined {
    return this.#pending.get(id)?.decoded.bytes ?? this.store.block(id)?.bytes ?? this.#milestoneBlock(id)?.bytes;
  }

  metadata(id: BlockId): BlockMetadata | undefined {
    const milestone = this.store.milestoneByBlock(id);
    const milestoneIndex = milestone && { milestoneIndex: milestone.index };
    const pending = this.#pending.get(id);
    if (pending) {
      const { decoded, solid } = pending;
      const shouldReattach = solid ? { shouldReattach: this.#pending.isBelowMaxDepth(pending, this.latest.index) } : {};
      return { blockId: id, parents: decoded.block.parents, isSolid: solid, ...milestoneIndex, ...shouldReattach };
    }
    if (milestone?.whiteFlagIndex !== undefined) {
      const referenced = {
        by: milestone.index + 1,
        whiteFlagIndex: milestone.whiteFlagIndex,
        state: 'noTransaction',
      } as const;
      return { blockId: id, parents: milestoneOf(milestone).parents, isSolid: true, ...milestoneIndex, referenced };
    }
    const stored = this.store.block(id);
    if (!stored) return undefined;
    const { block, transaction } = decodeBlock(stored.bytes);
    const { referencedBy, whiteFlagIndex, conflict } = stored;
    const state = inclusionState(transaction !== undefined, conflict);
    const referenced = { by: referencedBy, whiteFlagIndex, state, ...(conflict && { conflict }) };
    return { blockId: id, parents: block.parents, isSolid: true, referenced };
  }

  /** Makes everything final that can be referenced now. */
  issueMilestone(): StoredMilestone {
    const parents = this.#milestoneParents();
    const previous = this.#latest;
    const timestamp = this.#nextTimestamp();
    const order = whiteFlagOrder(parents, (id) => this.#pending.get(id)?.decoded);
    const mutations = applyWhiteFlag(order, this.store, timestamp);
    const { stored, block } = signMilestone(this.identity.coordinator, previous, parents, timestamp, mutations);
    this.store.confirm(stored, previous, mutations);

    this.#latest = stored;
    this.#measure(order.length, timestamp - (previous?.timestamp ?? timestamp));
    this.#remember(mutations, stored.index);
    this.#pending.removeReferenced(
      order.map(({ id }) => id),
      stored.index,
    );
    this.#pending.add(block, stored.index);
    this.#prune();
    for (const listener of this.#listeners) {
      listener.received?.(block);
      listener.confirmed?.(stored, mutations);
    }
    return stored;
  }

  close(): void {
    this.#closing.abort();
    this.store.close();
  }

  async #attach(given: DecodedBlock): Promise<BlockId> {
    const { protocolVersion } = given.block;
    if (protocolVersion !== PROTOCOL_VERSION)
      throw new InvalidBlockError(`protocolVersion invalid: ${protocolVersion}`);
    if (given.transaction) checkTransactionSyntax(given.transaction, this.parameters);
    return this.#keep(await this.#worked(given));
  }

  #keep(decoded: DecodedBlock): BlockId {
    // Sent again, by a client that did not hear the answer: the block is here already.
    if (this.block(decoded.id)) return decoded.id;
    const solid = this.#pending.add(decoded, this.latest.index);
    this.#arrivals += 1;
    if (solid === 'full') throw new NodeBusyError('too many blocks wait for a milestone');
    for (const listener of this.#listeners) {
      listener.received?.(decoded);
      for (const block of solid) listener.solid?.(block.decoded);
    }
    return decoded.id;
  }

  /** The block with its proof of work: its sender's, or ours where the node offers that. */
  async #worked(decoded: DecodedBlock): Promise<DecodedBlock> {
    const { minPowScore } = this.parameters;
    if (minPowScore === 0 || decoded.block.payload?.kind === 'milestone') return decoded;
    if (powScore(decoded.bytes) >= minPowScore) return decoded;
    if (decoded.block.nonce !== 0n)
      throw new InvalidBlockError(`block has insufficient PoW score, needed ${minPowScore}`);
    if (!this.#options.remotePow) throw new NodeBusyError('proof of work is not available on this node');
    const nonce = await mine(decoded.bytes, minPowScore, this.#closing.signal);
    if (nonce === undefined) throw new NodeBusyError('the node is closing');
    return decodeBlock(encodeBlock({ ...decoded.block, nonce }));
  }

  #milestoneParents(): BlockId[] {
    let tips = this.#pending.allTips();
    while (tips.length > MOST_TIPS) {
      const checkpoint = checkpointBlock(tips.slice(0, MOST_TIPS));
      this.#pending.add(checkpoint, this.latest.index);
      tips = this.#pending.allTips();
    }
    return tips.length > 0 ? tips.sort() : [this.#latest?.blockId ?? NOTHING_BEFORE];
  }

  #nextTimestamp(): number {
    const now = Math.floor(this.#options.now() / 1000);
    const least = this.#latest ? this.#latest.timestamp + (this.#options.distinctTimes ? 1 : 0) : 0;
    return Math.max(now, least);
  }

  #referencedBy(id: BlockId): number | undefined {
    if (id === NOTHING_BEFORE) return 0;
    const recent = this.#recentlyReferenced.get(id);
    if (recent !== undefined) return recent;
    const milestone = this.store.milestoneByBlock(id);
    if (milestone?.whiteFlagIndex !== undefined) return milestone.index + 1;
    return this.store.block(id)?.referencedBy;
  }

  #remember({ referenced }: Mutations, index: number): void {
    for (const { decoded } of referenced) this.#recentlyReferenced.set(decoded.id, index);
    for (const [id, by] of this.#recentlyReferenced) {
      if (index - by <= this.parameters.belowMaxDepth) break;
      this.#recentlyReferenced.delete(id);
    }
  }

  #measure(referenced: number, elapsed: number): void {
    const seconds = Math.max(1, elapsed);
    const arrivals = Math.max(1, this.#arrivals);
    this.#arrivals = 1; // the milestone's own block
    this.#rates = {
      blocksPerSecond: arrivals / seconds,
      referencedBlocksPerSecond: referenced / seconds,
      referencedRate: Math.min(100, (100 * referenced) / arrivals),
    };
  }

  #prune(): void {
    const target = this.latest.index - this.#options.milestoneHistory;
    if (target < this.#pruningIndex + PRUNE_STEP) return;
    this.store.prune(target);
    this.#pruningIndex = target;
  }

  #milestoneBlock(id: BlockId): DecodedBlock | undefined {
    const milestone = this.store.milestoneByBlock(id);
    return milestone && blockOfMilestone(milestoneOf(milestone));
  }
}

export function milestoneOf({ payload }: StoredMilestone): Milestone {
  const reader = new ByteReader(payload);
  if (reader.u32() !== PAYLOAD.milestone) throw new Error('what is stored as a milestone is none');
  return readMilestone(reader);
}

export function inclusionState(isTransaction: boolean, conflict: Conflict | undefined): InclusionState {
  if (!isTransaction) return 'noTransaction';
  return conflict ? 'conflicting' : 'included';
}
