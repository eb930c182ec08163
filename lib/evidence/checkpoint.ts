import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { CodedError } from '../errors';
import { publicKeyOfDidKey } from '../values';
import { fromBase64, toBase64 } from './base64';
import { EMPTY_ROOT, HASH_LENGTH, sameHash } from './merkle-tree';
import { readSize } from './note-lines';

/** c2sp.org/tlog-checkpoint: how large a machine's log is, and the root of its tree. */
export interface Checkpoint {
  /** The machine's did:key, which is the key's name in the signature line as well. */
  readonly origin: string;
  /** Leaves in the tree; at most 2^53 - 1. */
  readonly size: number;
  readonly root: Uint8Array;
}

/** c2sp.org/signed-note "Signature types": Ed25519 over the note text. */
const ED25519 = 0x01;
const KEY_ID_LENGTH = 4;
const SIGNATURE_LENGTH = 64;
/** Room for the 16 signatures that every reader of notes accepts, each of the 5 kB that the largest kind takes. */
const LONGEST_NOTE = 128 * 1024;
/** The em dash that begins a signature line. */
const SIGNED_BY = '\u2014 ';
// c2sp.org/signed-note "Format": no ASCII control characters other than newline; valid UTF-8.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a note must not hold
const FORBIDDEN = /[\0-\x09\x0b-\x1f]|\p{Surrogate}/u;
const KEY_NAME = /^[^\p{White_Space}+]+$/u;

/** The signed note, with one signature line and no extension lines. */
export function writeCheckpoint(checkpoint: Checkpoint, sign: (bytes: Uint8Array) => Uint8Array): string {
  const { origin, size, root } = checkpoint;
  const text = `${origin}\n${size}\n${toBase64(root)}\n`;
  const signature = Buffer.concat([keyId(origin, publicKeyOfDidKey(origin)), sign(Buffer.from(text, 'utf8'))]);
  return `${text}\n${SIGNED_BY}${origin} ${toBase64(signature)}\n`;
}

/**
 * A checkpoint from outside, whose origin has signed it. Signature lines of others (c2sp.org/signed-note: "Verifiers MUST
 * ignore signatures from unknown keys", such as witnesses) and extension lines (c2sp.org/tlog-checkpoint: "opaque and
 * OPTIONAL") are passed over: neither changes what the origin says about its tree.
 *
 * @throws CodedError `EVIDENCE_INVALID` (`checkpoint-form`, `checkpoint-origin`, `checkpoint-unsigned`, `checkpoint-signature`)
 */
export function readCheckpoint(note: string): Checkpoint {
  if (note.length > LONGEST_NOTE) throw malformed('length');
  if (FORBIDDEN.test(note) || !note.endsWith('\n')) throw malformed('characters');
  const border = note.lastIndexOf('\n\n');
  if (border < 0) throw malformed('signatures');
  const text = note.slice(0, border + 1);
  const [origin = '', sizeLine = '', rootLine = '', ...extensions] = text.slice(0, -1).split('\n');
  const size = readSize(sizeLine);
  if (size === undefined) throw malformed('size');
  const root = fromBase64(rootLine);
  if (root?.length !== HASH_LENGTH || (size === 0 && !sameHash(root, EMPTY_ROOT))) throw malformed('root');
  if (extensions.includes('')) throw malformed('extension');
  verifySignature(origin, text, note.slice(border + 2));
  return { origin, size, root };
}

function verifySignature(origin: string, text: string, lines: string): void {
  const publicKey = originKey(origin);
  const wanted = keyId(origin, publicKey);
  const own = lines
    .slice(0, -1)
    .split('\n')
    .map(readSignature)
    .filter(({ name, bytes }) => name === origin && wanted.equals(bytes.subarray(0, KEY_ID_LENGTH)));
  if (own.length !== 1) {
    throw new CodedError(
      'EVIDENCE_INVALID',
      'checkpoint-unsigned',
      `a checkpoint has one signature of its origin, not ${own.length}`,
      { count: own.length },
    );
  }
  const signature = own[0]?.bytes.subarray(KEY_ID_LENGTH);
  if (
    signature?.length !== SIGNATURE_LENGTH ||
    !verify(null, Buffer.from(text, 'utf8'), keyObject(publicKey), signature)
  ) {
    throw new CodedError('EVIDENCE_INVALID', 'checkpoint-signature', 'the signature of the checkpoint is wrong');
  }
}

/** `— <key name> base64(key id || signature)` */
function readSignature(line: string): { readonly name: string; readonly bytes: Uint8Array } {
  const [name = '', encoded = '', ...rest] = line.startsWith(SIGNED_BY) ? line.slice(SIGNED_BY.length).split(' ') : [];
  const bytes = fromBase64(encoded);
  if (!KEY_NAME.test(name) || rest.length > 0 || !bytes || bytes.length <= KEY_ID_LENGTH) throw malformed('signatures');
  return { name, bytes };
}

/** SHA-256(name || 0x0A || type || public key)[:4], c2sp.org/signed-note "Signatures". */
function keyId(name: string, publicKey: Uint8Array): Buffer {
  const input = Buffer.concat([Buffer.from(`${name}\n`, 'utf8'), Buffer.of(ED25519), publicKey]);
  return hash('sha256', input, 'buffer').subarray(0, KEY_ID_LENGTH);
}

function originKey(origin: string): Uint8Array {
  try {
    return publicKeyOfDidKey(origin);
  } catch (cause) {
    throw new CodedError(
      'EVIDENCE_INVALID',
      'checkpoint-origin',
      'the origin of the checkpoint is not an Ed25519 did:key',
      {},
      { cause },
    );
  }
}

function keyObject(publicKey: Uint8Array): KeyObject {
  const x = Buffer.from(publicKey).toString('base64url');
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}

/** @param part what of it is wrong */
function malformed(part: 'length' | 'characters' | 'signatures' | 'size' | 'root' | 'extension'): CodedError {
  return new CodedError('EVIDENCE_INVALID', 'checkpoint-form', `the checkpoint is malformed: ${part}`, { part });
}
