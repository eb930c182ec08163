import type { Checkpoint } from '../checkpoint';
import { nodeHash } from '../merkle-tree';

/**
 * What proofs tell of a log beside what they prove: a subtree all of whose leaves are there never changes again (RFC 6962
 * §2.1), whatever the size of the tree. Two proofs that show another hash for one of them show two histories, even where no
 * consistency proof is at hand.
 */
export class SeenSubtrees {
  /** By height and index; with each the size of the tree in which it was seen. */
  readonly #seen = new Map<string, { readonly hash: string; readonly size: number }>();

  /** Beyond this nothing new is kept: an attacker's documents may not fill the memory. */
  constructor(private readonly most = 2_000_000) {}

  /**
   * @param proof one that was found good
   * @returns the size of another tree that contradicts this one
   */
  add(proof: {
    readonly leafHash: Uint8Array;
    readonly index: number;
    readonly hashes: readonly Uint8Array[];
    readonly checkpoint: Checkpoint;
  }): number | undefined {
    const { size } = proof.checkpoint;
    let contradicted: number | undefined;
    const see = (height: number, index: number, hash: Uint8Array) => {
      if ((index + 1) * 2 ** height > size) return;
      const key = `${height} ${index}`;
      const text = Buffer.from(hash).toString('latin1');
      const before = this.#seen.get(key);
      if (before && before.hash !== text) contradicted ??= before.size;
      if (!before && this.#seen.size < this.most) this.#seen.set(key, { hash: text, size });
    };

    // The way of RFC 9162 §2.1.3.2, which has been gone before: here only to know where each hash belongs.
    let { index: node, leafHash: hash } = proof;
    let last = size - 1;
    let height = 0;
    const up = () => {
      node = Math.floor(node / 2);
      last = Math.floor(last / 2);
      height += 1;
    };
    see(height, node, hash);
    for (const sibling of proof.hashes) {
      while (node === last && node % 2 === 0 && node > 0) up();
      const isRight = node % 2 === 1;
      see(height, isRight ? node - 1 : node + 1, sibling);
      hash = isRight ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
      up();
      see(height, node, hash);
    }
    return contradicted;
  }
}
