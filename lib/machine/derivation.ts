import { createHmac } from 'node:crypto';
import { CodedError } from '../errors';

/** SLIP-44 coin type of IOTA. */
const IOTA = 4218;
const HARDENED = 0x80000000;

/** `m/44'/4218'/account'/0'/0'` (BIP-44 with every step hardened, as Ed25519 wants it). @throws CodedError `CONFIG_INVALID` */
export function pathOfAccount(accountIndex: number): readonly number[] {
  if (!Number.isInteger(accountIndex) || accountIndex < 0 || accountIndex >= HARDENED) {
    throw new CodedError('CONFIG_INVALID', 'account-index', 'an account index is a whole number from 0 to 2147483647');
  }
  return [44, IOTA, accountIndex, 0, 0];
}

/**
 * SLIP-0010 "Private parent key → private child key" for Ed25519: the 32-byte private key at a path of hardened steps.
 * The caller zeroes it.
 */
export function derivePrivateKey(seed: Uint8Array, path: readonly number[]): Uint8Array {
  let node = hmac(Buffer.from('ed25519 seed'), seed);
  for (const index of path) {
    const data = Buffer.alloc(1 + 32 + 4);
    node.copy(data, 1, 0, 32);
    data.writeUInt32BE(index + HARDENED, 33);
    const child = hmac(node.subarray(32), data);
    data.fill(0);
    node.fill(0);
    node = child;
  }
  const key = Uint8Array.from(node.subarray(0, 32));
  node.fill(0);
  return key;
}

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha512', key).update(data).digest();
}
