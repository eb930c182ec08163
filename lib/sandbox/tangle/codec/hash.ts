import { blake2b } from '@noble/hashes/blake2.js';
import { type Hex, hexOf } from './bytes';

export function blake2b256Bytes(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = blake2b.create({ dkLen: 32 });
  for (const part of parts) hash.update(part);
  return hash.digest();
}

export function blake2b256(...parts: readonly Uint8Array[]): Hex {
  return hexOf(blake2b256Bytes(...parts));
}
