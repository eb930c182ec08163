import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { inspect } from 'node:util';
import { CodedError } from '../errors';
import { didKeyOf } from '../values';

// RFC 8410 §7: what stands before the 32 bytes of an Ed25519 private key in PKCS #8, and of a public key in SPKI.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const PUBLIC_KEY_LENGTH = 32;

/** An open key: one account's identity, able to sign until it is wiped. Shows nothing secret to whoever prints it. */
export class MachineKey {
  /** `did:key` of this account's public key. */
  readonly did: string;
  readonly publicKey: Uint8Array;
  #privateKey: KeyObject | undefined;

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

  wipe(): void {
    this.#privateKey = undefined;
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
