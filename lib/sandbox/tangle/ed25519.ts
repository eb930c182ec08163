import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { type AddressBytes, blake2b256, type Hex, hexOf } from './codec';

// RFC 8410: the PKCS #8 form of an Ed25519 private key is this and its 32 bytes; the public form ends with its 32 bytes.
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A key of the sandbox itself: the coordinator's or the faucet's. It holds no value outside the sandbox. */
export class SandboxKey {
  readonly publicKey: Hex;
  readonly address: AddressBytes;
  readonly #key: KeyObject;

  /** @param seed 32 bytes */
  constructor(seed: Uint8Array) {
    this.#key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32);
    this.publicKey = hexOf(publicKey);
    this.address = `0x00${blake2b256(publicKey).slice(2)}`;
  }

  sign(message: Uint8Array): Hex {
    return hexOf(sign(null, message, this.#key));
  }
}
