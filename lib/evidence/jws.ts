import { isCodedError } from '../errors';
import type { JsonObject, JsonValue } from '../journal';
import type { SignableDocument } from './signable-document';
import { type ReadSignature, readSequence, type SignatureFacts, signatureInvalid } from './signature';
import { isSignedBy, methodOf, signerOfMethod } from './signer-key';
import { parseStrictJson } from './strict-json';

/** Of RFC 9864 §2.2. `EdDSA` (RFC 8037 §3.1) says less, and is what older software writes. */
const ALGORITHM = 'Ed25519';
const ACCEPTED_ALGORITHMS: readonly unknown[] = [ALGORITHM, 'EdDSA'];

/** RFC 7515 §7.1, compact. */
export function toJws(document: SignableDocument, { signer, created, sequence }: SignatureFacts): string {
  const issuedAt = Math.floor(created / 1000);
  const place = sequence === undefined ? '' : `,"sequence":${sequence}`;
  const header = `{"alg":"${ALGORITHM}","iat":${issuedAt},"kid":"${methodOf(signer.did)}"${place}}`;
  const input = `${base64url(header)}.${base64url(document.text)}`;
  const signature = signer.sign(Buffer.from(input, 'latin1'));
  return `${input}.${Buffer.from(signature.buffer, signature.byteOffset, signature.length).toString('base64url')}`;
}

/**
 * What a compact JWS says, and who signed it. The key is found through `kid` alone; whoever signed must be named by
 * did:key.
 *
 * @throws CodedError `SIGNATURE_INVALID`; `DATA_NOT_CANONICAL` for what is no strict JSON inside
 */
export function readJws(token: string): { readonly content: JsonValue; readonly signature: ReadSignature } {
  const parts = token.split('.', 4);
  // The second part may be missing where the payload travels elsewhere (RFC 7515 appendix F): nothing to check then.
  if (parts.length !== 3 || parts[1] === '') throw signatureInvalid('jws-parts');
  const [protectedPart, payloadPart, signaturePart] = parts as [string, string, string];
  const header = readHeader(textOf(protectedPart));
  if (!ACCEPTED_ALGORITHMS.includes(header['alg'])) throw signatureInvalid('jws-algorithm', header['alg']);
  // RFC 7515 §4.1.11: there is no extension that we understand. RFC 7797 changes what is signed.
  if ('crit' in header || 'b64' in header) throw signatureInvalid('jws-extension');
  const signer = signerOfMethod(header['kid']);
  if (signer === undefined) throw signatureInvalid('jws-key', header['kid']);
  const issuedAt = header['iat'];
  const signature = bytesOf(signaturePart);
  if (signature.length !== 64) throw signatureInvalid('jws-signature');
  const input = Buffer.from(`${protectedPart}.${payloadPart}`, 'latin1');
  return {
    content: parseStrictJson(textOf(payloadPart)),
    signature: {
      signer,
      signedAt: issuedAt === undefined ? null : millisecondsOf(issuedAt),
      expiresAt: null,
      sequence: readSequence(header['sequence']),
      verify: () => isSignedBy(signer, input, signature),
    },
  };
}

function readHeader(text: string): JsonObject {
  const header = parseStrictJson(text);
  if (typeof header !== 'object' || header === null || Array.isArray(header)) throw signatureInvalid('jws-header');
  return header as JsonObject;
}

/** RFC 7519 §2, NumericDate. */
function millisecondsOf(seconds: JsonValue): number {
  const milliseconds = typeof seconds === 'number' ? Math.round(seconds * 1000) : Number.NaN;
  // The range of ECMAScript's dates.
  if (Math.abs(milliseconds) <= 8.64e15) return milliseconds;
  throw signatureInvalid('time', seconds);
}

function textOf(part: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytesOf(part));
  } catch (error) {
    if (isCodedError(error)) throw error;
    throw signatureInvalid('jws-utf8');
  }
}

/** RFC 7515 §2: no padding, no white space, and no second spelling of the same bytes. */
function bytesOf(part: string): Buffer {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw signatureInvalid('jws-base64');
  return bytes;
}

function base64url(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url');
}
