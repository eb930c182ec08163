import { createPublicKey, type KeyObject } from 'node:crypto';
import { isProxy } from 'node:util/types';
import { ed25519 } from '@noble/curves/ed25519.js';
import { base58 } from '@scure/base';
import { errors, type FlattenedJWE, flattenedDecrypt, GeneralEncrypt, type GeneralJWE } from 'jose';
import { CodedError } from '../errors';
import { publicKeyOfDidKey } from '../values';
import { canonicalJson } from './canonical-json';
import type { EncryptedPayload } from './evidence';

/**
 * Documents for chosen readers: General JWE (RFC 7516 §7.2.1). The content is encrypted once (A256GCM), its key once for
 * each reader (ECDH-ES+A256KW with X25519, RFC 7518 §4.6 and RFC 8037 §3.2).
 *
 * A reader needs no key beside the identity it has: its X25519 key is the Ed25519 key on the other curve (RFC 7748 §4.1), as
 * did:key derives `keyAgreement`. The `kid` of a reader is the name of that verification method: `did:key:z6Mk…#z6LS…`.
 */
const KEY_ALGORITHM = 'ECDH-ES+A256KW';
const CONTENT_ALGORITHM = 'A256GCM';
const MOST_READERS = 100;

// did:key, "X25519": multicodec 0xec01.
const MULTICODEC_X25519 = [0xec, 0x01];
// RFC 8410 §4: what stands before the 32 bytes of an X25519 public key in SPKI.
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

interface Reader {
  readonly kid: string;
  readonly key: KeyObject;
}

/** Going from curve to curve costs more than the encryption. */
const knownReaders = new Map<string, Reader>();
const KEPT_READERS = 1000;

/**
 * @param readers dids
 * @throws CodedError `CONFIG_INVALID` (`reader`, `reader-count`)
 */
export async function encryptFor(readers: readonly string[], plaintext: string): Promise<EncryptedPayload> {
  const dids = new Set(readers);
  if (dids.size === 0 || dids.size > MOST_READERS) {
    const message = `a document is for 1 to ${MOST_READERS} readers, not ${dids.size}`;
    throw new CodedError('CONFIG_INVALID', 'reader-count', message, { count: dids.size, limit: MOST_READERS });
  }
  const jwe = new GeneralEncrypt(Buffer.from(plaintext, 'utf8')).setProtectedHeader({ enc: CONTENT_ALGORITHM });
  for (const { kid, key } of [...dids].map(readerOf)) {
    jwe.addRecipient(key).setUnprotectedHeader({ alg: KEY_ALGORITHM, kid });
  }
  return (await jwe.encrypt()) as unknown as EncryptedPayload;
}

/**
 * The plaintext of a General JWE that has this X25519 key among its readers.
 *
 * @throws CodedError `DATA_NOT_CANONICAL` (`encrypted`: no such JWE), `KEY_MISSING` (`not-a-reader`), `SIGNATURE_INVALID`
 *   (`encrypted`: it was altered, or not made with this key)
 */
export async function decryptWith(key: KeyObject, payload: unknown): Promise<string> {
  const jwe = readJwe(payload);
  const name = `#${agreementName(rawKey(createPublicKey(key)))}`;
  const recipient = jwe.recipients.find(({ header }) => typeof header?.kid === 'string' && header.kid.endsWith(name));
  if (!recipient) throw new CodedError('KEY_MISSING', 'not-a-reader', 'this machine is not among the readers');
  const { recipients: _, ...shared } = jwe;
  try {
    const { plaintext } = await flattenedDecrypt({ ...shared, ...recipient } as FlattenedJWE, key, {
      keyManagementAlgorithms: [KEY_ALGORITHM],
      contentEncryptionAlgorithms: [CONTENT_ALGORITHM],
      // RFC 7516 §4.1.3: a few bytes could stand for gigabytes.
      maxDecompressedLength: 0,
    });
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(plaintext);
  } catch (cause) {
    if (cause instanceof errors.JWEInvalid || cause instanceof errors.JOSENotSupported) throw notEncrypted(cause);
    throw new CodedError('SIGNATURE_INVALID', 'encrypted', 'it cannot be decrypted', {}, { cause });
  }
}

/** Whether it looks like a General JWE. Never throws, runs nothing of it. */
export function isEncrypted(payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null || isProxy(payload)) return false;
  const member = (name: string): unknown => Object.getOwnPropertyDescriptor(payload, name)?.value;
  return typeof member('ciphertext') === 'string' && Array.isArray(member('recipients'));
}

function readJwe(payload: unknown): GeneralJWE {
  if (!isEncrypted(payload)) throw notEncrypted();
  // A copy, of plain data only.
  const jwe = JSON.parse(canonicalJson(payload)) as GeneralJWE;
  const { recipients } = jwe;
  if (recipients.length > MOST_READERS) throw notEncrypted();
  if (recipients.some((each: unknown) => typeof each !== 'object' || each === null)) throw notEncrypted();
  return jwe;
}

function notEncrypted(cause?: unknown): CodedError {
  return new CodedError(
    'DATA_NOT_CANONICAL',
    'encrypted',
    'this is no General JWE of this kind',
    { path: '' },
    { cause },
  );
}

function readerOf(did: string): Reader {
  const known = knownReaders.get(did);
  if (known) return known;
  const raw = agreementKeyOf(did);
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, raw]), format: 'der', type: 'spki' });
  const reader = { kid: `${did}#${agreementName(raw)}`, key };
  if (knownReaders.size >= KEPT_READERS) knownReaders.delete(knownReaders.keys().next().value as string);
  knownReaders.set(did, reader);
  return reader;
}

/** The X25519 public key of an identity. @throws CodedError `CONFIG_INVALID` (`reader`) */
function agreementKeyOf(did: string): Uint8Array {
  try {
    const publicKey = publicKeyOfDidKey(did);
    // Whatever is agreed with a point of small order is known to everybody.
    if (ed25519.Point.fromBytes(publicKey).isSmallOrder()) throw new RangeError('a point of small order');
    return ed25519.utils.toMontgomery(publicKey);
  } catch (cause) {
    const value = String(did).slice(0, 120);
    throw new CodedError('CONFIG_INVALID', 'reader', `not an identity to encrypt for: ${value}`, { value }, { cause });
  }
}

function agreementName(raw: Uint8Array): string {
  return `z${base58.encode(Uint8Array.from([...MULTICODEC_X25519, ...raw]))}`;
}

function rawKey(publicKey: KeyObject): Uint8Array {
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length));
}
