import { blake2b } from '@noble/hashes/blake2.js';
import { bech32 } from '@scure/base';
import { CodedError } from '../errors';

/** How a network writes addresses: bech32 under a human-readable part (Tangle), or `0x` and 64 hex digits (IOTA). */
export type AddressForm = { readonly kind: 'bech32'; readonly prefix: string } | { readonly kind: 'hex' };

/** An address in its network's one canonical spelling; only {@link parseAddress} and {@link writeAddress} make one. */
export type Address = string & { readonly __address: unique symbol };

// TIP-11: the first byte of a bech32 address payload names its type; 0 is Ed25519.
const ED25519_TYPE = 0;
const HASH_LENGTH = 32;

/** The 32 bytes that both protocols lock value to: blake2b-256 of the Ed25519 public key (TIP-18; IOTA address flag-less form). */
export function addressHash(publicKey: Uint8Array): Uint8Array {
  return blake2b(publicKey, { dkLen: HASH_LENGTH });
}

/** @param hash the 32 bytes of {@link addressHash} */
export function writeAddress(hash: Uint8Array, form: AddressForm): Address {
  if (hash.length !== HASH_LENGTH) throw new RangeError(`an address hash has 32 bytes, not ${hash.length}`);
  const text =
    form.kind === 'hex'
      ? `0x${Buffer.from(hash).toString('hex')}`
      : bech32.encode(form.prefix, bech32.toWords(Uint8Array.from([ED25519_TYPE, ...hash])));
  return text as Address;
}

/**
 * Parses an Ed25519 address of exactly this network.
 *
 * @throws CodedError `ADDRESS_INVALID`, `network` when it is an address of another network
 */
export function parseAddress(value: unknown, form: AddressForm): Address {
  if (typeof value !== 'string' || value.length > 120) throw invalid('grammar', String(value).slice(0, 120));
  return writeAddress(hashOfAddress(value, form), form);
}

/** The 32 bytes behind an address. @throws CodedError `ADDRESS_INVALID` */
export function hashOfAddress(value: string, form: AddressForm): Uint8Array {
  if (form.kind === 'hex') {
    if (/^0x[0-9a-f]{64}$/i.test(value)) return Uint8Array.from(Buffer.from(value.slice(2), 'hex'));
    throw invalid(decodeBech32(value) ? 'network' : 'grammar', value);
  }
  const decoded = decodeBech32(value);
  if (!decoded) throw invalid(/^0x[0-9a-f]{64}$/i.test(value) ? 'network' : 'grammar', value);
  if (decoded.prefix !== form.prefix) throw invalid('network', value, form.prefix);
  if (decoded.bytes[0] !== ED25519_TYPE || decoded.bytes.length !== HASH_LENGTH + 1) throw invalid('kind', value);
  return decoded.bytes.subarray(1);
}

function decodeBech32(value: string): { prefix: string; bytes: Uint8Array } | undefined {
  const decoded = bech32.decodeUnsafe(value as `${string}1${string}`, 120);
  const bytes = decoded && bech32.fromWordsUnsafe(decoded.words);
  return decoded && bytes ? { prefix: decoded.prefix, bytes: Uint8Array.from(bytes) } : undefined;
}

function invalid(detail: string, value: string, prefix?: string): CodedError {
  return new CodedError(
    'ADDRESS_INVALID',
    detail,
    `not an address of this network (${detail}): ${value}`,
    prefix === undefined ? { value } : { value, prefix },
  );
}
