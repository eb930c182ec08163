import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { isCodedError } from '../errors';
import { publicKeyOfDidKey } from '../values';

// RFC 8410 §4: what stands before the 32 bytes of an Ed25519 public key in SPKI.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Making a key ready takes longer than one verification; a thousand signers need 2 MB or so. */
const KEPT_KEYS = 1000;
/** Null: a did whose key verifies nothing. In the order of last use. */
const keys = new Map<string, KeyObject | null>();

/** Whether the key that a `did:key` names made this Ed25519 signature (RFC 8032). Never throws. */
export function isSignedBy(did: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = keyOf(did);
  return key !== null && verify(null, bytes, key, signature);
}

function keyOf(did: string): KeyObject | null {
  let key = keys.get(did);
  keys.delete(did);
  if (key === undefined) {
    key = readKey(did);
    if (keys.size >= KEPT_KEYS) keys.delete(keys.keys().next().value as string);
  }
  keys.set(did, key);
  return key;
}

function readKey(did: string): KeyObject | null {
  try {
    const publicKey = publicKeyOfDidKey(did);
    // A point of small order "signs" every text without anybody knowing a key (RFC 8032 does not exclude it).
    if (ed25519.Point.fromBytes(publicKey).isSmallOrder()) return null;
    return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
  } catch {
    return null;
  }
}

/** The did whose only key a verification method (`did:key:z…#z…`) names; undefined for anything else. */
export function signerOfMethod(method: unknown): string | undefined {
  if (typeof method !== 'string' || method.length > 200) return undefined;
  const [did = '', fragment, ...more] = method.split('#');
  if (more.length > 0 || did !== `did:key:${fragment}`) return undefined;
  try {
    publicKeyOfDidKey(did);
    return did;
  } catch (error) {
    if (isCodedError(error, 'ADDRESS_INVALID')) return undefined;
    throw error;
  }
}

/** did:key, "Document Creation Algorithm": the one verification method is named after the key once more. */
export function methodOf(did: string): string {
  return `${did}#${did.slice('did:key:'.length)}`;
}
