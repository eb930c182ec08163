import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { inspect } from 'node:util';
import { CodedError } from '../errors';
import { didKeyOf } from '../values';

// RFC 8410 §7: what stands before the 32 bytes of an Ed25519 private key in PKCS #8, and of a public key in SPKI.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_LENGTH = 32;
const PRIVATE_KEY_LENGTH = 32;
// The same before an X25519 private key.
const PKCS8_PREFIX_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** An open key: one account's identity, able to sign until it is wiped. Shows nothing secret to whoever prints it. */
export class MachineKey {
  /** `did:key` of this account's public key. */
  readonly did: string;
  readonly publicKey: Uint8Array;
  #privateKey: KeyObject | undefined;
  #agreementKey: KeyObject | undefined;

  /** False: whoever reads the disk has the key (its passphrase lies beside it). */
  readonly protected: boolean;
  /** A person has shown to hold the words. */
  readonly backedUp: boolean;

  /** @param privateKey 32 bytes; the caller zeroes them */
  constructor(privateKey: Uint8Array, facts: { readonly protected: boolean; readonly backedUp: boolean }) {
    this.protected = facts.protected;
    this.backedUp = facts.backedUp;
    this.#privateKey = privateKeyObject(privateKey);
    this.publicKey = publicKeyOf(this.#privateKey);
    this.did = didKeyOf(this.publicKey);
  }

  /** The 64-byte Ed25519 signature (RFC 8032). @throws CodedError `KEY_LOCKED` (`wiped`) */
  sign(bytes: Uint8Array): Uint8Array {
    if (!this.#privateKey) throw new CodedError('KEY_LOCKED', 'wiped', 'the key was closed');
    return new Uint8Array(sign(null, bytes, this.#privateKey));
  }

  /**
   * The X25519 private key that belongs to this identity: with it the machine opens what was encrypted for its did. Its
   * public key is the Ed25519 one on the other curve (RFC 7748 §4.1). @throws CodedError `KEY_LOCKED` (`wiped`)
   */
  agreementKey(): KeyObject {
    if (!this.#privateKey) throw new CodedError('KEY_LOCKED', 'wiped', 'the key was closed');
    this.#agreementKey ??= agreementKeyOf(this.#privateKey);
    return this.#agreementKey;
  }

  wipe(): void {
    this.#privateKey = undefined;
    this.#agreementKey = undefined;
  }

  [inspect.custom](): string {
    return `MachineKey <${this.did}>`;
  }

  toJSON(): { readonly did: string } {
    return { did: this.did };
  }
}

/** The public key of a 32-byte private key. */
export function publicKeyOfPrivate(privateKey: Uint8Array): Uint8Array {
  return publicKeyOf(privateKeyObject(privateKey));
}

function privateKeyObject(privateKey: Uint8Array): KeyObject {
  const der = Buffer.concat([PKCS8_PREFIX, privateKey]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    der.fill(0);
  }
}

function publicKeyOf(privateKey: KeyObject): Uint8Array {
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return new Uint8Array(der.subarray(der.length - PUBLIC_KEY_LENGTH));
}

/**
 * RFC 8032 §5.1.5: the first half of the seed's SHA-512 is the scalar of both curves; X25519 sets and clears the same bits
 * of it (RFC 7748 §5).
 */
function agreementKeyOf(privateKey: KeyObject): KeyObject {
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' });
  const hash = createHash('sha512').update(pkcs8.subarray(-PRIVATE_KEY_LENGTH)).digest();
  const der = Buffer.concat([PKCS8_PREFIX_X25519, hash.subarray(0, PRIVATE_KEY_LENGTH)]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    for (const secret of [pkcs8, hash, der]) secret.fill(0);
  }
}
