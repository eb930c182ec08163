import { createHash } from 'node:crypto';

/**
 * RFC 6962 §2.1 and RFC 9162 §2.1 as their texts define them, by recursion over lists of leaves, and nothing of ours.
 * Slow, and so are its verifiers: they rebuild the path of recursion instead of shifting indices.
 */
const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** "k be the largest power of two smaller than n" */
const splitOf = (n: number): number => {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
};

/** D_n, to which leaves are only added. */
export class ReferenceTree {
  readonly #leaves: Uint8Array[] = [];
  readonly #known = new Map<string, Buffer>();

  constructor(leaves: readonly Uint8Array[] = []) {
    this.add(leaves);
  }

  get size(): number {
    return this.#leaves.length;
  }

  add(leaves: readonly Uint8Array[]): void {
    for (const leaf of leaves) this.#leaves.push(leaf);
  }

  /** MTH(D[from:to]) */
  mth(from: number, to: number): Buffer {
    const n = to - from;
    if (n === 0) return sha256();
    if (n === 1) return sha256(Buffer.of(0x00), this.#leaves[from] as Uint8Array);
    const name = `${from}:${to}`;
    const known = this.#known.get(name);
    if (known) return known;
    const k = splitOf(n);
    const hash = sha256(Buffer.of(0x01), this.mth(from, from + k), this.mth(from + k, to));
    this.#known.set(name, hash);
    return hash;
  }

  root(size = this.size): Buffer {
    return this.mth(0, size);
  }

  /** PATH(m, D[from:to]) */
  path(m: number, from: number, to: number): Buffer[] {
    const n = to - from;
    if (n === 1) return [];
    const k = splitOf(n);
    return m < k
      ? [...this.path(m, from, from + k), this.mth(from + k, to)]
      : [...this.path(m - k, from + k, to), this.mth(from, from + k)];
  }

  /** PROOF(m, D_n) = SUBPROOF(m, D_n, true) */
  proof(m: number, n: number): Buffer[] {
    return this.#subproof(m, 0, n, true);
  }

  #subproof(m: number, from: number, to: number, b: boolean): Buffer[] {
    const n = to - from;
    if (m === n) return b ? [] : [this.mth(from, to)];
    const k = splitOf(n);
    return m <= k
      ? [...this.#subproof(m, from, from + k, b), this.mth(from + k, to)]
      : [...this.#subproof(m - k, from + k, to, false), this.mth(from, from + k)];
  }
}

/** The root that PATH(m, D[n]) leads to from a leaf hash. */
export function rootByPath(
  leafHash: Uint8Array,
  m: number,
  n: number,
  path: readonly Uint8Array[],
): Buffer | undefined {
  if (n === 1) return path.length === 0 ? Buffer.from(leafHash) : undefined;
  const sibling = path.at(-1);
  if (!sibling) return undefined;
  const k = splitOf(n);
  const rest = path.slice(0, -1);
  const below = m < k ? rootByPath(leafHash, m, k, rest) : rootByPath(leafHash, m - k, n - k, rest);
  if (!below) return undefined;
  return m < k ? sha256(Buffer.of(0x01), below, sibling) : sha256(Buffer.of(0x01), sibling, below);
}

/** Both roots that PROOF(m, D[n]) leads to, when the old root is `known`. */
export function rootsByProof(
  known: Uint8Array,
  m: number,
  n: number,
  proof: readonly Uint8Array[],
): { readonly before: Buffer; readonly after: Buffer } | undefined {
  const walk = (m: number, n: number, hashes: readonly Uint8Array[], b: boolean): [Buffer, Buffer] | undefined => {
    if (m === n) {
      if (b) return hashes.length === 0 ? [Buffer.from(known), Buffer.from(known)] : undefined;
      return hashes.length === 1
        ? [Buffer.from(hashes[0] as Uint8Array), Buffer.from(hashes[0] as Uint8Array)]
        : undefined;
    }
    const sibling = hashes.at(-1);
    if (!sibling) return undefined;
    const k = splitOf(n);
    const rest = hashes.slice(0, -1);
    if (m <= k) {
      const below = walk(m, k, rest, b);
      return below && [below[0], sha256(Buffer.of(0x01), below[1], sibling)];
    }
    const below = walk(m - k, n - k, rest, false);
    return below && [sha256(Buffer.of(0x01), sibling, below[0]), sha256(Buffer.of(0x01), sibling, below[1])];
  };
  const roots = walk(m, n, proof, true);
  return roots && { before: roots[0], after: roots[1] };
}
