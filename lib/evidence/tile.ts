import { HASH_LENGTH, nodeHash } from './merkle-tree';

/** c2sp.org/tlog-tiles: a tile is a subtree of this height, stored as the hashes at its bottom. */
export const TILE_HEIGHT = 8;
export const TILE_WIDTH = 2 ** TILE_HEIGHT;

/** Nodes of a full tile, its root included. */
const NODES = 2 * TILE_WIDTH - 1;

/**
 * One tile, full or partial, with every node above its hashes that has both its children.
 *
 * Its hashes are the leaf hashes of the log at level 0, and the roots of full tiles one level below at the others.
 */
export class Tile {
  /** Bottom hashes so far. */
  #width = 0;
  /** Of these, how many are on the disk. */
  #storedWidth = 0;
  readonly #nodes: Uint8Array;

  constructor(
    readonly level: number,
    readonly index: number,
    nodes: Uint8Array = new Uint8Array(NODES * HASH_LENGTH),
  ) {
    this.#nodes = nodes;
  }

  static of(level: number, index: number, hashes: Uint8Array): Tile {
    const tile = new Tile(level, index);
    for (let at = 0; at < hashes.length; at += HASH_LENGTH) tile.push(hashes.subarray(at, at + HASH_LENGTH));
    return tile;
  }

  get width(): number {
    return this.#width;
  }

  get storedWidth(): number {
    return this.#storedWidth;
  }

  get full(): boolean {
    return this.#width === TILE_WIDTH;
  }

  /** The bottom: what is stored of it. */
  get hashes(): Uint8Array {
    return this.#nodes.subarray(0, this.#width * HASH_LENGTH);
  }

  /** Of a full tile: its hash in the tile above. */
  get root(): Uint8Array {
    return this.node(TILE_HEIGHT, 0);
  }

  /** The root of the bottom hashes `position · 2^height` to `(position + 1) · 2^height - 1`, which are there. */
  node(height: number, position: number): Uint8Array {
    const at = nodeOffset(height, position);
    return this.#nodes.subarray(at, at + HASH_LENGTH);
  }

  push(hash: Uint8Array): void {
    if (this.full) throw new Error('a full tile has no room');
    let [height, position, node] = [0, this.#width, hash];
    this.#nodes.set(node, nodeOffset(height, position));
    // An odd node completes its parent.
    while (position % 2 === 1) {
      node = nodeHash(this.node(height, position - 1), node);
      [height, position] = [height + 1, (position - 1) / 2];
      this.#nodes.set(node, nodeOffset(height, position));
    }
    this.#width += 1;
  }

  /** What it is to grow from, once it is stored itself. */
  next(): Tile {
    const tile = new Tile(this.level, this.index, this.#nodes.slice());
    tile.#width = this.#width;
    tile.#storedWidth = this.#width;
    return tile;
  }
}

/** The bottom first, then each row above it. */
function nodeOffset(height: number, position: number): number {
  return (2 * TILE_WIDTH - 2 * 2 ** (TILE_HEIGHT - height) + position) * HASH_LENGTH;
}
