import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import type { LogIdentity } from '../../../lib/evidence';
import { didKeyOf } from '../../../lib/values';

/** RFC 8410: before the 32 bytes of an Ed25519 private key. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** A machine whose key is the same each time. */
export function machine(seed = 1): LogIdentity {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8, Buffer.alloc(32, seed)]), format: 'der', type: 'pkcs8' });
  const publicKey = new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32));
  return { did: didKeyOf(publicKey), publicKey, sign: (bytes) => new Uint8Array(sign(null, bytes, key)) };
}
