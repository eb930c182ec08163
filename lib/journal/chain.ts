import { hash } from 'node:crypto';

/**
 * The hash chain, defined here byte by byte so that anyone can verify a journal without this code.
 *
 * Event: `SHA-256( "machine-economy/journal/event/1" || 0x00 || previous || sequence || at || length(type) || type ||
 * length(body) || body )`, where `previous` is the 32-byte hash of the event before (32 zero bytes before event 1),
 * `sequence` an unsigned and `at` a signed 64-bit big-endian integer, `length` an unsigned 32-bit big-endian count of
 * bytes, `type` UTF-8, and `body` the stored JSON text in UTF-8, byte for byte: nothing is parsed or re-serialised.
 *
 * Seal: `SHA-256( "machine-economy/journal/seal/1" || 0x00 || previous || segment || first || last || head )`, where
 * `previous` is the hash of the seal before (32 zero bytes before seal 1), the integers are unsigned 64-bit big-endian
 * and `head` is the hash of event `last`.
 */
export const HASH_LENGTH = 32;

/** What stands before the first event and before the first seal. */
export const GENESIS: Uint8Array = new Uint8Array(HASH_LENGTH);

/** An event as it is stored and hashed. */
export interface StoredEvent {
  readonly sequence: number;
  readonly at: number;
  readonly type: string;
  /** JSON text */
  readonly body: string;
}

export interface Seal {
  /** 1, 2, 3 … */
  readonly segment: number;
  readonly first: number;
  readonly last: number;
  /** Hash of event `last`. */
  readonly head: Uint8Array;
}

const EVENT_DOMAIN = Buffer.from('machine-economy/journal/event/1\0', 'latin1');
const SEAL_DOMAIN = Buffer.from('machine-economy/journal/seal/1\0', 'latin1');

export function eventHash(previous: Uint8Array, event: StoredEvent): Uint8Array {
  const typeLength = Buffer.byteLength(event.type);
  const bodyLength = Buffer.byteLength(event.body);
  const input = Buffer.allocUnsafe(EVENT_DOMAIN.length + HASH_LENGTH + 8 + 8 + 4 + typeLength + 4 + bodyLength);
  let at = EVENT_DOMAIN.copy(input);
  input.set(previous, at);
  at += HASH_LENGTH;
  at = input.writeBigUInt64BE(BigInt(event.sequence), at);
  at = input.writeBigInt64BE(BigInt(event.at), at);
  at = input.writeUInt32BE(typeLength, at);
  at += input.write(event.type, at, 'utf8');
  at = input.writeUInt32BE(bodyLength, at);
  input.write(event.body, at, 'utf8');
  return sha256(input);
}

export function sealHash(previous: Uint8Array, seal: Seal): Uint8Array {
  const input = Buffer.allocUnsafe(SEAL_DOMAIN.length + HASH_LENGTH + 3 * 8 + HASH_LENGTH);
  let at = SEAL_DOMAIN.copy(input);
  input.set(previous, at);
  at += HASH_LENGTH;
  for (const number of [seal.segment, seal.first, seal.last]) at = input.writeBigUInt64BE(BigInt(number), at);
  input.set(seal.head, at);
  return sha256(input);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function sha256(input: Buffer): Uint8Array {
  return hash('sha256', input, 'buffer');
}
