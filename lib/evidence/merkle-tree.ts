import { hash } from 'node:crypto';

/**
 * The hash tree of RFC 6962 §2.1 over SHA-256, its proofs, and their verification by RFC 9162 §2.1.3.2 and §2.1.4.2.
 *
 * Sizes and indices are safe integers: beyond 2^32 there are no bit operators for them.
 */
export const HASH_LENGTH = 32;

/** MTH({}): what a log has for its root before its first leaf. */
export const EMPTY_ROOT: Uint8Array = sha256(Buffer.alloc(0));

/** The complete subtrees of a tree: what every root and every proof is made of. */
export interface Subtrees {
  /** MTH of the leaves `index · 2^height` to `(index + 1) · 2^height - 1`, all of which are there. */
  subtree(height: number, index: number): Uint8Array;
  /**
   * Where there is a place for them: the roots of the incomplete subtrees of one tree, by their first leaf. All of them end
   * with the tree, so that every proof in it needs the same ones.
   */
  readonly ragged?: Map<number, Uint8Array>;
}

const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/** MTH({d(0)}) = SHA-256(0x00 || d(0)) */
export function leafHash(leaf: Uint8Array): Uint8Array {
  const input = Buffer.allocUnsafe(1 + leaf.length);
  input[0] = LEAF_PREFIX;
  input.set(leaf, 1);
  return sha256(input);
}

// One at a time: nobody awaits in between.
const nodeInput = Buffer.alloc(1 + 2 * HASH_LENGTH, NODE_PREFIX);

/** MTH of a tree of two parts: SHA-256(0x01 || left || right) */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_LENGTH);
  return sha256(nodeInput);
}

/** MTH(D[size]) */
export function rootOf(size: number, tree: Subtrees): Uint8Array {
  return size === 0 ? EMPTY_ROOT : rangeHash({ from: 0, to: size }, tree);
}

/** RFC 6962 §2.1.1, PATH(index, D[size]): from the leaf's sibling up to a child of the root. */
export function inclusionProof(index: number, size: number, tree: Subtrees): Uint8Array[] {
  const path: Uint8Array[] = [];
  for (let range: Range = { from: 0, to: size }; range.to - range.from > 1; ) {
    const [left, right] = parts(range);
    const here = index < right.from ? left : right;
    path.push(rangeHash(here === left ? right : left, tree));
    range = here;
  }
  return path.reverse();
}

/** RFC 6962 §2.1.2, PROOF(oldSize, D[size]). Of the empty tree there is nothing to prove. */
export function consistencyProof(oldSize: number, size: number, tree: Subtrees): Uint8Array[] {
  if (oldSize === 0) return [];
  const path: Uint8Array[] = [];
  let range: Range = { from: 0, to: size };
  // SUBPROOF(m, D[n], b): as long as nothing was cut off on the left, the old root is known to whoever asks.
  let known = true;
  while (range.to !== oldSize) {
    const [left, right] = parts(range);
    if (oldSize <= left.to) {
      path.push(rangeHash(right, tree));
      range = left;
    } else {
      path.push(rangeHash(left, tree));
      range = right;
      known = false;
    }
  }
  if (!known) path.push(rangeHash(range, tree));
  return path.reverse();
}

/** RFC 9162 §2.1.3.2. False for everything that is no proof, whatever it is. */
export function verifyInclusion(claim: {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly hashes: readonly Uint8Array[];
  readonly root: Uint8Array;
}): boolean {
  const { leafHash, index, size, hashes, root } = claim;
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (!Array.isArray(hashes) || ![leafHash, root, ...hashes].every(isHash)) return false;
  let node = index;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of hashes) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      // A last node without a sibling is the same node one level up.
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(hash, root);
}

/** RFC 9162 §2.1.4.2. False for everything that is no proof, whatever it is. */
export function verifyConsistency(claim: {
  readonly oldSize: number;
  readonly size: number;
  readonly oldRoot: Uint8Array;
  readonly root: Uint8Array;
  readonly hashes: readonly Uint8Array[];
}): boolean {
  const { oldSize, size, oldRoot, root, hashes } = claim;
  if (!isSize(oldSize) || !isSize(size) || oldSize > size) return false;
  if (!Array.isArray(hashes) || ![oldRoot, root, ...hashes].every(isHash)) return false;
  // RFC 9162 proves what lies between two trees with leaves; the other two cases have empty proofs (RFC 6962 §2.1.2).
  if (oldSize === 0) {
    return hashes.length === 0 && sameHash(oldRoot, EMPTY_ROOT) && (size > 0 || sameHash(root, EMPTY_ROOT));
  }
  if (oldSize === size) return hashes.length === 0 && sameHash(oldRoot, root);
  if (hashes.length === 0) return false;
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...hashes] : hashes;
  let node = oldSize - 1;
  let last = size - 1;
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  let oldHash = first as Uint8Array;
  let hash = oldHash;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      oldHash = nodeHash(sibling, oldHash);
      hash = nodeHash(sibling, hash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && sameHash(oldHash, oldRoot) && sameHash(hash, root);
}

export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

/** Leaves from `from` to before `to`: a node of the tree, as RFC 6962 §2.1 cuts it. */
interface Range {
  readonly from: number;
  readonly to: number;
}

/** D[0:k] and D[k:n], k the largest power of two smaller than n. */
function parts({ from, to }: Range): [Range, Range] {
  const middle = from + 2 ** (heightOf(to - from) - 1);
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}

function rangeHash(range: Range, tree: Subtrees): Uint8Array {
  const width = range.to - range.from;
  const height = heightOf(width);
  if (width === 2 ** height) return tree.subtree(height, range.from / width);
  const known = tree.ragged?.get(range.from);
  if (known) return known;
  const [left, right] = parts(range);
  const hash = nodeHash(rangeHash(left, tree), rangeHash(right, tree));
  tree.ragged?.set(range.from, hash);
  return hash;
}

/** The smallest height that so many leaves fit under. */
function heightOf(leaves: number): number {
  if (leaves <= 2 ** 31) return 32 - Math.clz32(leaves - 1);
  let height = 31;
  while (2 ** height < leaves) height += 1;
  return height;
}

function isPowerOfTwo(leaves: number): boolean {
  return leaves === 2 ** heightOf(leaves);
}

function isOdd(number: number): boolean {
  return number % 2 === 1;
}

function half(number: number): number {
  return Math.floor(number / 2);
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isHash(value: unknown): boolean {
  return value instanceof Uint8Array && value.length === HASH_LENGTH;
}

function sha256(input: Buffer): Uint8Array {
  return hash('sha256', input, 'buffer');
}
