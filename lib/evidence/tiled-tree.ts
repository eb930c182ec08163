import { HASH_LENGTH, rootOf, type Subtrees, sameHash } from './merkle-tree';
import { TILE_HEIGHT, TILE_WIDTH, Tile } from './tile';

/** Reads the hashes of a stored tile, as many as there are. */
export type ReadTile = (level: number, index: number) => Uint8Array;

/** What is wrong with stored tiles. */
export class TileDamage extends Error {
  override readonly name = 'TileDamage';
}

/** Full tiles in memory, 16 KiB each; the right edge is always there. */
const MOST_CACHED = 256;

/**
 * The tree of a log of one size over its stored tiles. It never changes: {@link grow} makes the next one.
 *
 * Every tile that is read is held against its hash in the tile above, and so in the end against the right edge, whose
 * root the log knows. A proof made from damaged tiles would be found wrong only by those who need it.
 */
export class TiledTree implements Subtrees {
  #root: Uint8Array | undefined;

  private constructor(
    readonly size: number,
    /** The partial tile of each level, empty ones included, up to the highest that has a hash. */
    private readonly edge: readonly Tile[],
    private readonly read: ReadTile,
    private readonly cache: Map<string, Tile>,
  ) {}

  /** @throws TileDamage when the right edge is not that of a tree of this size */
  static open(size: number, read: ReadTile): TiledTree {
    const edge: Tile[] = [];
    for (let [level, hashes] = [0, size]; hashes > 0; [level, hashes] = [level + 1, Math.floor(hashes / TILE_WIDTH)]) {
      const index = Math.floor(hashes / TILE_WIDTH);
      const width = hashes % TILE_WIDTH;
      edge.push(Tile.of(level, index, width === 0 ? new Uint8Array() : readWhole(read, level, index, width)));
    }
    return new TiledTree(size, edge, read, new Map());
  }

  get root(): Uint8Array {
    this.#root ??= rootOf(this.size, this);
    return this.#root;
  }

  /**
   * The tree with these leaves added, and the tiles that make the difference: each once, as it is afterwards. Grow from it
   * only once they are stored.
   */
  grow(leafHashes: readonly Uint8Array[]): { readonly tree: TiledTree; readonly tiles: readonly Tile[] } {
    const edge = this.edge.slice();
    const touched = new Set<Tile>();
    const push = (level: number, hash: Uint8Array): void => {
      let tile = edge[level];
      if (!tile || !touched.has(tile)) {
        // The edge of this tree stays as it is: what is being written may fail.
        tile = tile?.next() ?? new Tile(level, 0);
        edge[level] = tile;
        touched.add(tile);
      }
      tile.push(hash);
      if (!tile.full) return;
      edge[level] = new Tile(level, tile.index + 1);
      touched.add(edge[level]);
      push(level + 1, tile.root);
    };
    for (const hash of leafHashes) push(0, hash);
    const tiles = [...touched].filter(({ width }) => width > 0);
    return { tree: new TiledTree(this.size + leafHashes.length, edge, this.read, this.cache), tiles };
  }

  /** Full tiles that have just been written are likely to be asked for. */
  remember(tiles: readonly Tile[]): void {
    for (const tile of tiles) if (tile.full) this.#cached(tile);
  }

  subtree(height: number, index: number): Uint8Array {
    const level = Math.floor(height / TILE_HEIGHT);
    const inTile = height % TILE_HEIGHT;
    const acrossTile = 2 ** (TILE_HEIGHT - inTile);
    return this.#tile(level, Math.floor(index / acrossTile)).node(inTile, index % acrossTile);
  }

  /** @throws TileDamage */
  #tile(level: number, index: number): Tile {
    const partial = this.edge[level];
    if (partial?.index === index) return partial;
    const key = `${level}/${index}`;
    const cached = this.cache.get(key);
    if (cached) {
      // The least recently used is the first to go.
      this.cache.delete(key);
      this.cache.set(key, cached);
      return cached;
    }
    const above = this.#tile(level + 1, Math.floor(index / TILE_WIDTH));
    const tile = Tile.of(level, index, readWhole(this.read, level, index, TILE_WIDTH));
    if (!sameHash(tile.root, above.node(0, index % TILE_WIDTH)))
      throw new TileDamage(`tile ${key} is not the one that was written`);
    return this.#cached(tile);
  }

  #cached(tile: Tile): Tile {
    this.cache.set(`${tile.level}/${tile.index}`, tile);
    for (const key of this.cache.keys()) {
      if (this.cache.size <= MOST_CACHED) break;
      this.cache.delete(key);
    }
    return tile;
  }
}

function readWhole(read: ReadTile, level: number, index: number, width: number): Uint8Array {
  const hashes = read(level, index);
  if (hashes.length !== width * HASH_LENGTH)
    throw new TileDamage(`tile ${level}/${index} has ${hashes.length} bytes instead of ${width} hashes`);
  return hashes;
}
