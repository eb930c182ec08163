import { type BlockId, blake2b256Bytes, bytesOf, type Hex, hexOf } from './codec';

// RFC 6962 §2.1, as TIP-4 uses it: leaves and nodes are hashed apart.
const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** TIP-4 §Inclusion Merkle root over block ids in white-flag order. */
export function merkleRoot(blockIds: readonly BlockId[]): Hex {
  if (blockIds.length === 0) return hexOf(blake2b256Bytes());
  return hexOf(root(blockIds.map(bytesOf)));
}

function root(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return blake2b256Bytes(LEAF, leaves[0]!);
  const split = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return blake2b256Bytes(NODE, root(leaves.slice(0, split)), root(leaves.slice(split)));
}
