import { CodedError } from '../errors';
import type { JsonValue } from '../journal';

/** Who signs, without the key: it stays where it is. */
export interface Signer {
  readonly did: string;
  /** The 64-byte Ed25519 signature (RFC 8032). */
  sign(bytes: Uint8Array): Uint8Array;
}

export interface SignatureFacts {
  readonly signer: Signer;
  /** Unix milliseconds. */
  readonly created: number;
  /** The document's place in the signer's log; absent: it is not in there. */
  readonly sequence?: number;
}

export interface ReadSignature {
  /** did:key */
  readonly signer: string;
  /** Unix milliseconds (a JWS of ours says whole seconds); null: the signature does not tell. */
  readonly signedAt: number | null;
  /** Unix milliseconds; null: never. Only foreign signatures have an end. */
  readonly expiresAt: number | null;
  /** Null: the signer keeps no log. */
  readonly sequence: number | null;
  /** Whether the signer's key made this signature over the content, and it has not expired. Never throws. */
  verify(): boolean;
}

/** A signature that cannot be read as one of ours or of the specification's. Where it is wrong, `verify` says so. */
export function signatureInvalid(detail: string, value: unknown = ''): CodedError {
  // It goes into a message, and comes from outside.
  const shown = String(typeof value === 'string' || typeof value === 'number' ? value : typeof value).slice(0, 100);
  return new CodedError('SIGNATURE_INVALID', detail, `no valid signature (${detail}) ${shown}`, {
    value: shown.replace(/[^\x20-\x7e]/g, '?'),
  });
}

/** @throws CodedError `SIGNATURE_INVALID` (`sequence`) */
export function readSequence(value: JsonValue | undefined): number | null {
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw signatureInvalid('sequence', value);
}
