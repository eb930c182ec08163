import type { BlockId, DecodedBlock } from './codec';
import { MAX_PARENTS } from './codec';

/** A block that no milestone references yet. */
export interface PendingBlock {
  readonly decoded: DecodedBlock;
  /** All of its past is known. */
  solid: boolean;
  /** The milestone that referenced the oldest block its past rests on; decides how long it can still be referenced. */
  oldestRoot: number;
  /** Confirmed milestone index when it came. */
  readonly arrived: number;
}

export type PendingRefusal = 'full';

/** Bytes of blocks that wait for a milestone or for their parents. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
/** Blocks whose parents are unknown cost their sender nothing, so few are kept. */
const MAX_UNSOLID = 1_000;

/**
 * The unconfirmed part of the Tangle. Lives in memory only: blocks that no milestone references may be lost, as with any
 * node.
 */
export class PendingBlocks {
  readonly #blocks = new Map<BlockId, PendingBlock>();
  readonly #unsolid = new Set<BlockId>();
  /** Solid blocks young enough to be referenced, on which nothing builds yet. */
  readonly #tips = new Set<BlockId>();
  /** Parent that is missing or not solid → blocks that wait for it. */
  readonly #waiting = new Map<BlockId, Set<BlockId>>();
  #bytes = 0;

  /**
   * @param referencedBy index of the milestone that references a block, undefined if none does
   * @param belowMaxDepth milestones
   */
  constructor(
    private readonly referencedBy: (id: BlockId) => number | undefined,
    private readonly belowMaxDepth: number,
  ) {}

  get size(): number {
    return this.#blocks.size;
  }

  get(id: BlockId): PendingBlock | undefined {
    return this.#blocks.get(id);
  }

  /** Up to eight blocks to build upon, the youngest first; none when everything is referenced. */
  tips(): BlockId[] {
    return [...this.#tips].slice(-MAX_PARENTS).reverse();
  }

  /** Every block that the next milestone should reference, directly or through others. */
  allTips(): BlockId[] {
    return [...this.#tips];
  }

  isBelowMaxDepth({ oldestRoot }: PendingBlock, confirmedIndex: number): boolean {
    return confirmedIndex - oldestRoot > this.belowMaxDepth;
  }

  /** Adds a block and returns all that became solid through it, or why it can not be kept. */
  add(decoded: DecodedBlock, confirmedIndex: number): PendingBlock[] | PendingRefusal {
    if (this.#bytes + decoded.bytes.length > MAX_PENDING_BYTES) return 'full';
    const added: PendingBlock = { decoded, solid: false, oldestRoot: 0, arrived: confirmedIndex };
    this.#blocks.set(decoded.id, added);
    this.#bytes += decoded.bytes.length;
    const solidified: PendingBlock[] = [];
    const queue = [added];
    for (let next = queue.pop(); next; next = queue.pop()) {
      if (next.solid || !this.#solidify(next, confirmedIndex)) continue;
      solidified.push(next);
      const children = this.#waiting.get(next.decoded.id) ?? [];
      this.#waiting.delete(next.decoded.id);
      for (const child of children) {
        const block = this.#blocks.get(child);
        if (block) queue.push(block);
      }
    }
    this.#evictUnsolid();
    return solidified;
  }

  /** Takes out what a milestone referenced, and what has waited too long to be referenced ever. */
  removeReferenced(ids: Iterable<BlockId>, confirmedIndex: number): void {
    for (const id of ids) this.#remove(id);
    for (const [id, block] of this.#blocks) {
      if (confirmedIndex - block.arrived > 2 * this.belowMaxDepth) this.#remove(id);
    }
  }

  #solidify(block: PendingBlock, confirmedIndex: number): boolean {
    let oldestRoot = Number.POSITIVE_INFINITY;
    for (const parent of block.decoded.block.parents) {
      const pending = this.#blocks.get(parent);
      const root = pending ? (pending.solid ? pending.oldestRoot : undefined) : this.referencedBy(parent);
      if (root === undefined) {
        this.#unsolid.add(block.decoded.id);
        const waiting = this.#waiting.get(parent) ?? new Set();
        this.#waiting.set(parent, waiting.add(block.decoded.id));
        return false;
      }
      oldestRoot = Math.min(oldestRoot, root);
    }
    this.#unsolid.delete(block.decoded.id);
    block.solid = true;
    block.oldestRoot = oldestRoot;
    if (!this.isBelowMaxDepth(block, confirmedIndex)) {
      for (const parent of block.decoded.block.parents) this.#tips.delete(parent);
      this.#tips.add(block.decoded.id);
    }
    return true;
  }

  #evictUnsolid(): void {
    for (const id of this.#unsolid) {
      if (this.#unsolid.size <= MAX_UNSOLID) return;
      this.#remove(id);
    }
  }

  #remove(id: BlockId): void {
    const block = this.#blocks.get(id);
    if (!block) return;
    this.#blocks.delete(id);
    this.#unsolid.delete(id);
    this.#tips.delete(id);
    this.#bytes -= block.decoded.bytes.length;
    for (const parent of block.decoded.block.parents) {
      const waiting = this.#waiting.get(parent);
      waiting?.delete(id);
      if (waiting?.size === 0) this.#waiting.delete(parent);
    }
  }
}
