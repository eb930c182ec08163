import { createCipheriv, createDecipheriv, createHash, randomBytes, scrypt } from 'node:crypto';
import { CodedError } from '../errors';
import { shownKeyName } from './key-name';

/**
 * A key on disk: JSON, everything but the secret in the clear and bound to it.
 *
 * The secret is AES-256-GCM under a key that scrypt (RFC 7914) makes from the passphrase; the additional authenticated
 * data is the JSON text of all other members but `sealed` and `checksum`, in the order of {@link KeyFile}. `checksum`, the
 * SHA-256 of everything before it, tells a damaged file from a wrong passphrase; it is no protection against anyone.
 */
export interface KeyFile {
  readonly format: typeof FORMAT;
  /** Raised when members are added; an older version of this package refuses a newer file. */
  readonly version: typeof VERSION;
  /** The key's name, so that a file copied to another name does not become that key. */
  readonly key: string;
  /** `did:key` of account 0. */
  readonly did: string;
  readonly protection: Protection;
  readonly backedUp: boolean;
  readonly scrypt: ScryptParameters;
  readonly sealed: { readonly nonce: string; readonly text: string; readonly tag: string };
  readonly checksum: string;
}

/** `unprotected`: the passphrase is a random one in the file that is named, beside the key. */
export type Protection =
  | { readonly by: 'passphrase' }
  | { readonly by: 'unprotected'; readonly passphraseFile: string };

export interface ScryptParameters {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
}

/** What a new file says in the clear. */
export type KeyFacts = Pick<KeyFile, 'key' | 'did' | 'protection' | 'backedUp'>;

/** What is encrypted. Both are zeroed by whoever is done with them. */
export interface KeySecret {
  /** BIP-39 entropy, 16 to 32 bytes: the words. */
  readonly entropy: Uint8Array;
  /** BIP-39 seed, 64 bytes; kept so that opening a key never spells out its words. */
  readonly seed: Uint8Array;
}

const FORMAT = 'machine-economy-key';
const VERSION = 1;
const LARGEST_FILE = 64 * 1024;
const SEED_LENGTH = 64;
const TAG_LENGTH = 16;

// OWASP's parameters for a person's passphrase: 32 MiB, fit for a Raspberry Pi. A random passphrase needs no stretching.
const FOR_PASSPHRASES = { N: 2 ** 15, r: 8, p: 3 };
const FOR_RANDOM = { N: 2 ** 10, r: 8, p: 1 };
// A hostile file must not make us compute for hours or take all memory.
const MOST_MEMORY = 256 * 1024 * 1024;
const MOST_PASSES = 16;

/** Encrypts a key into the text of its file. */
export async function sealKey(facts: KeyFacts, secret: KeySecret, passphrase: Uint8Array): Promise<string> {
  const cost = facts.protection.by === 'unprotected' ? FOR_RANDOM : FOR_PASSPHRASES;
  const header = headerOf({ ...facts, scrypt: { ...cost, salt: randomBytes(16).toString('hex') } });
  const encryptionKey = await stretch(passphrase, header.scrypt);
  const plaintext = Buffer.concat([secret.entropy, secret.seed]);
  try {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', encryptionKey, nonce, { authTagLength: TAG_LENGTH });
    cipher.setAAD(Buffer.from(JSON.stringify(header)));
    const text = Buffer.concat([cipher.update(plaintext), cipher.final()]);
    const sealed = {
      nonce: nonce.toString('hex'),
      text: text.toString('hex'),
      tag: cipher.getAuthTag().toString('hex'),
    };
    return `${JSON.stringify({ ...header, sealed, checksum: checksumOf({ ...header, sealed }) }, null, 2)}\n`;
  } finally {
    plaintext.fill(0);
    encryptionKey.fill(0);
  }
}

/** Reads a file's text. @throws CodedError `KEY_LOCKED` (`key-damaged`, `key-newer`) */
export function readKeyFile(bytes: Uint8Array, key: string): KeyFile {
  const file = parse(bytes);
  if (typeof file !== 'object' || file === null || Array.isArray(file)) throw damaged(key);
  const candidate = file as Record<string, unknown>;
  if (candidate['format'] === FORMAT && Number(candidate['version']) > VERSION) {
    throw new CodedError('KEY_LOCKED', 'key-newer', `the key ${key} was written by a later version of this package`, {
      key,
    });
  }
  if (!isKeyFile(candidate)) throw damaged(key);
  const { checksum, sealed, ...header } = candidate;
  if (
    checksumOf({ ...headerOf(header), sealed: { nonce: sealed.nonce, text: sealed.text, tag: sealed.tag } }) !==
    checksum
  ) {
    throw damaged(key);
  }
  return candidate;
}

/** Decrypts a key. @throws CodedError `KEY_LOCKED` (`passphrase-wrong`) */
export async function unsealKey(file: KeyFile, passphrase: Uint8Array): Promise<KeySecret> {
  const encryptionKey = await stretch(passphrase, file.scrypt);
  let plaintext: Buffer | undefined;
  try {
    const nonce = Buffer.from(file.sealed.nonce, 'hex');
    const decipher = createDecipheriv('aes-256-gcm', encryptionKey, nonce, { authTagLength: TAG_LENGTH });
    decipher.setAAD(Buffer.from(JSON.stringify(headerOf(file))));
    decipher.setAuthTag(Buffer.from(file.sealed.tag, 'hex'));
    plaintext = decipher.update(Buffer.from(file.sealed.text, 'hex'));
    decipher.final();
    const entropy = Uint8Array.from(plaintext.subarray(0, plaintext.length - SEED_LENGTH));
    return { entropy, seed: Uint8Array.from(plaintext.subarray(plaintext.length - SEED_LENGTH)) };
  } catch {
    throw locked('passphrase-wrong', file.key, 'has another passphrase');
  } finally {
    plaintext?.fill(0);
    encryptionKey.fill(0);
  }
}

export function wipeSecret(secret: KeySecret): void {
  secret.entropy.fill(0);
  secret.seed.fill(0);
}

/** A `KEY_LOCKED` about one key. */
export function locked(detail: string, name: string, problem: string, cause?: unknown): CodedError {
  const key = shownKeyName(name);
  return new CodedError('KEY_LOCKED', detail, `the key ${key} ${problem}`, { key }, { cause });
}

function damaged(key: string): CodedError {
  return locked('key-damaged', key, 'has a damaged file: restore it from its words');
}

type Header = Omit<KeyFile, 'sealed' | 'checksum'>;

// Every member by name and in order: this text is authenticated.
function headerOf({
  key,
  did,
  protection,
  backedUp,
  scrypt: { N, r, p, salt },
}: Omit<Header, 'format' | 'version'>): Header {
  return {
    format: FORMAT,
    version: VERSION,
    key,
    did,
    protection:
      protection.by === 'passphrase'
        ? { by: 'passphrase' }
        : { by: 'unprotected', passphraseFile: protection.passphraseFile },
    backedUp,
    scrypt: { N, r, p, salt },
  };
}

function checksumOf(content: Omit<KeyFile, 'checksum'>): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

function stretch(passphrase: Uint8Array, { N, r, p, salt }: ScryptParameters): Promise<Buffer> {
  // The callback form computes on libuv's threads: payments go on meanwhile.
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.from(salt, 'hex'), 32, { N, r, p, maxmem: 2 * MOST_MEMORY }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length > LARGEST_FILE) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

function isKeyFile(file: Record<string, unknown>): file is Record<string, unknown> & KeyFile {
  const { format, version, key, did, protection, backedUp, scrypt: cost, sealed, checksum } = file;
  return (
    format === FORMAT &&
    version === VERSION &&
    typeof key === 'string' &&
    typeof did === 'string' &&
    typeof backedUp === 'boolean' &&
    isProtection(protection) &&
    isScryptParameters(cost) &&
    isRecord(sealed) &&
    isHex(sealed['nonce'], 12, 12) &&
    isHex(sealed['tag'], TAG_LENGTH, TAG_LENGTH) &&
    isHex(sealed['text'], 16 + SEED_LENGTH, 32 + SEED_LENGTH) &&
    isHex(checksum, 32, 32)
  );
}

function isProtection(value: unknown): value is Protection {
  if (!isRecord(value)) return false;
  if (value['by'] === 'passphrase') return true;
  // A plain file name: a path could make us read something else.
  return (
    value['by'] === 'unprotected' &&
    typeof value['passphraseFile'] === 'string' &&
    /^[a-z0-9-]+\.passphrase$/.test(value['passphraseFile'])
  );
}

function isScryptParameters(value: unknown): value is ScryptParameters {
  if (!isRecord(value)) return false;
  const { N, r, p, salt } = value;
  return (
    isBetween(N, 2, 2 ** 20) &&
    Number.isInteger(Math.log2(N)) &&
    isBetween(r, 1, 32) &&
    isBetween(p, 1, MOST_PASSES) &&
    128 * N * r <= MOST_MEMORY &&
    isHex(salt, 16, 64)
  );
}

function isBetween(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most;
}

function isHex(value: unknown, leastBytes: number, mostBytes: number): value is string {
  return (
    typeof value === 'string' &&
    value.length >= 2 * leastBytes &&
    value.length <= 2 * mostBytes &&
    /^([0-9a-f]{2})+$/.test(value)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
