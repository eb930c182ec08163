import type { JsonObject, JsonValue } from '../journal';
import { canonicalJson, FOREIGN_LIMITS, tooLarge } from './canonical-json';
import { readProofs, withProof, withProofSet } from './data-integrity';
import type { SignatureFormat } from './evidence';
import { readJws, toJws } from './jws';
import type { SignableDocument } from './signable-document';
import { type ReadSignature, type SignatureFacts, signatureInvalid } from './signature';
import { parseSignedJson } from './strict-json';

/** The text of a signed document: what leaves the machine, and the leaf of its log (in UTF-8). */
export function signDocument(document: SignableDocument, format: SignatureFormat, facts: SignatureFacts): string {
  return format === 'jws' ? toJws(document, facts) : withProof(document, facts);
}

/** One document that several keys sign, each for itself (data-integrity, a proof set). */
export function signProofSet(document: SignableDocument, facts: readonly SignatureFacts[]): string {
  return withProofSet(document, facts);
}

export interface SignedDocument {
  readonly format: SignatureFormat;
  /** As it stands in its signer's log. */
  readonly leaf: Uint8Array;
  /** What was signed: the document without proofs, or what is in the JWS. */
  readonly content: JsonValue;
  /**
   * False: there is more in `@context` than any signature covers. Signatures allow that (eddsa-jcs-2022 §3.3.2 step 4) and
   * call only the content verified; who passes the document on as it is would pass on what nobody has signed.
   */
  readonly isCovered: boolean;
  /** At least one; all of them must be right. */
  readonly signatures: readonly ReadSignature[];
}

/**
 * Reads a signed document from outside: an object with `proof`, its JSON text, or a compact JWS. Whether the signatures are
 * right is asked of each ({@link ReadSignature.verify}).
 *
 * @throws CodedError `SIGNATURE_INVALID` for what carries no signature that could be checked; `DATA_NOT_CANONICAL`,
 *   `DATA_TOO_LARGE`
 */
export function readSigned(payload: unknown): SignedDocument {
  if (typeof payload !== 'string') return readSecured(payload);
  if (/^[\t\n\r ]*\{/.test(payload)) return readSecured(parseSignedJson(payload));
  // base64url makes four characters of three bytes.
  if (payload.length > (FOREIGN_LIMITS.bytes / 3) * 4) throw tooLarge(FOREIGN_LIMITS);
  const { content, signature } = readJws(payload);
  return { format: 'jws', leaf: Buffer.from(payload, 'latin1'), content, isCovered: true, signatures: [signature] };
}

function readSecured(payload: unknown): SignedDocument {
  const text = canonicalJson(payload);
  // A copy: whatever the payload is, what is read now is what was put into the leaf.
  const secured = JSON.parse(text) as JsonValue;
  if (typeof secured !== 'object' || secured === null || Array.isArray(secured)) throw signatureInvalid('unsigned');
  const read = readProofs(secured as JsonObject);
  return { format: 'data-integrity', leaf: Buffer.from(text, 'utf8'), ...read };
}
