import { base58 } from '@scure/base';
import { CodedError } from '../errors';

// did:key, "Ed25519": multicodec 0xed01 before the 32 key bytes, multibase base58btc ("z").
const MULTICODEC_ED25519 = [0xed, 0x01];

/** A machine's identity: `did:key:z6Mk…` of its Ed25519 public key. */
export function didKeyOf(publicKey: Uint8Array): string {
  if (publicKey.length !== 32) throw new RangeError(`an Ed25519 public key has 32 bytes, not ${publicKey.length}`);
  return `did:key:z${base58.encode(Uint8Array.from([...MULTICODEC_ED25519, ...publicKey]))}`;
}

/** The Ed25519 public key that a `did:key` names. @throws CodedError `ADDRESS_INVALID` */
export function publicKeyOfDidKey(did: string): Uint8Array {
  const match = /^did:key:z([1-9A-HJ-NP-Za-km-z]{40,60})$/.exec(did);
  if (match?.[1] !== undefined) {
    const bytes = base58.decode(match[1]);
    if (bytes.length === 34 && bytes[0] === MULTICODEC_ED25519[0] && bytes[1] === MULTICODEC_ED25519[1]) {
      return bytes.subarray(2);
    }
  }
  const shown = did.slice(0, 120);
  throw new CodedError('ADDRESS_INVALID', 'did', `not an Ed25519 did:key: ${shown}`, { value: shown });
}
