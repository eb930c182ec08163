import { createHash } from 'node:crypto';
import { base58 } from '@scure/base';
import type { JsonObject, JsonValue } from '../journal';
import { canonicalJson } from './canonical-json';
import { type SignableDocument, withMember } from './signable-document';
import { type ReadSignature, readSequence, type SignatureFacts, signatureInvalid } from './signature';
import { isSignedBy, methodOf, signerOfMethod } from './signer-key';

/**
 * Data Integrity EdDSA Cryptosuites v1.0 (W3C Recommendation of 15 May 2025) §3.3: `eddsa-jcs-2022`, in the proof format of
 * Verifiable Credential Data Integrity 1.0 (same day). Everything in a proof but its `proofValue` is signed, so also our
 * member `sequence`.
 */
const TYPE = 'DataIntegrityProof';
const CRYPTOSUITE = 'eddsa-jcs-2022';
const PURPOSE = 'assertionMethod';

const MOST_PROOFS = 32;

/** §3.3.1: the document with one proof. */
export function withProof(document: SignableDocument, facts: SignatureFacts): string {
  return withMember(document, `"proof":${proof(document, sha256(document.text), facts)}`);
}

/** Data Integrity 1.0 §2.1.1: a set of proofs, each over the document without any. */
export function withProofSet(document: SignableDocument, signers: readonly SignatureFacts[]): string {
  const hash = sha256(document.text);
  return withMember(document, `"proof":[${signers.map((facts) => proof(document, hash, facts)).join(',')}]`);
}

/** The RFC 8785 text of a proof. Its members are known: their order is written down here instead of being found again. */
function proof({ context }: SignableDocument, documentHash: Uint8Array, facts: SignatureFacts): string {
  const { signer, created, sequence } = facts;
  const start =
    `{${context === undefined ? '' : `"@context":${context},`}"created":"${new Date(created).toISOString()}",` +
    `"cryptosuite":"${CRYPTOSUITE}","proofPurpose":"${PURPOSE}",`;
  const place = sequence === undefined ? '' : `"sequence":${sequence},`;
  const end = `${place}"type":"${TYPE}","verificationMethod":"${methodOf(signer.did)}"}`;
  // §3.3.4: the hash of the proof configuration comes first.
  const signature = signer.sign(Buffer.concat([sha256(start + end), documentHash]));
  return `${start}"proofValue":"z${base58.encode(signature)}",${end}`;
}

interface ReadProofs {
  readonly content: JsonObject;
  /** False: `@context` goes on behind what any of the proofs covers. */
  readonly isCovered: boolean;
  readonly signatures: readonly ReadSignature[];
}

/**
 * What a document with proofs says, and who signed it. The content is what every proof covers: a proof may cover only the
 * first values of `@context` (§3.3.2 step 4).
 *
 * @param secured plain JSON
 * @throws CodedError `SIGNATURE_INVALID`
 */
export function readProofs({ proof, ...unsecured }: JsonObject): ReadProofs {
  const proofs: readonly JsonValue[] = proof === undefined ? [] : Array.isArray(proof) ? proof : [proof];
  if (proofs.length === 0) throw signatureInvalid('unsigned');
  if (proofs.length > MOST_PROOFS) throw signatureInvalid('proof-count', String(proofs.length));
  const whole = new ProofDocument(unsecured);
  let content = whole;
  let isCovered = false;
  const signatures = proofs.map((each) => {
    const covered = coveredBy(each, whole);
    if (covered?.contextLength === whole.contextLength) isCovered = true;
    if (covered && covered.contextLength < content.contextLength) content = covered;
    return readProof(each, covered);
  });
  return { content: content.content, isCovered, signatures };
}

/** A document without proofs, hashed once for all proofs that cover the same. */
class ProofDocument {
  readonly contextLength: number;
  #hash: Uint8Array | undefined;

  constructor(readonly content: JsonObject) {
    this.contextLength = contextsOf(content['@context']).length;
  }

  get hash(): Uint8Array {
    this.#hash ??= sha256(canonicalJson(this.content));
    return this.#hash;
  }
}

/** §3.3.2 step 4. Undefined: the proof is for a document with another `@context`. */
function coveredBy(proof: JsonValue, whole: ProofDocument): ProofDocument | undefined {
  if (!isObject(proof) || !('@context' in proof)) return whole;
  const context = proof['@context'] as JsonValue;
  const own = contextsOf(context);
  const given = contextsOf(whole.content['@context']);
  const isStart = own.every((value, at) => at < given.length && canonicalJson(value) === canonicalJson(given[at]));
  if (!isStart) return undefined;
  if (canonicalJson(context) === canonicalJson(whole.content['@context'] ?? null)) return whole;
  return new ProofDocument({ ...whole.content, '@context': context });
}

/** @param covered undefined: nothing of this document */
function readProof(proof: JsonValue, covered: ProofDocument | undefined): ReadSignature {
  if (!isObject(proof)) throw signatureInvalid('proof', proof);
  const { proofValue, ...options } = proof;
  if (options['type'] !== TYPE) throw signatureInvalid('proof-type', options['type']);
  if (options['cryptosuite'] !== CRYPTOSUITE) throw signatureInvalid('cryptosuite', options['cryptosuite']);
  if (options['proofPurpose'] !== PURPOSE) throw signatureInvalid('proof-purpose', options['proofPurpose']);
  // Data Integrity 1.0 §2.1.2: it would also sign the proof that it names.
  if (options['previousProof'] !== undefined) throw signatureInvalid('proof-chain');
  const signer = signerOfMethod(options['verificationMethod']);
  if (signer === undefined) throw signatureInvalid('verification-method', options['verificationMethod']);
  const signature = readProofValue(proofValue);
  const expiresAt = readTime(options['expires']);
  return {
    signer,
    signedAt: readTime(options['created']),
    expiresAt,
    sequence: readSequence(options['sequence']),
    verify: () =>
      covered !== undefined &&
      (expiresAt === null || Date.now() <= expiresAt) &&
      isSignedBy(signer, Buffer.concat([sha256(canonicalJson(options)), covered.hash]), signature),
  };
}

/** Multibase base58btc. */
function readProofValue(value: JsonValue | undefined): Uint8Array {
  // 64 bytes take 64 (all zero) to 88 digits.
  if (typeof value === 'string' && /^z[1-9A-HJ-NP-Za-km-z]{64,88}$/.test(value)) {
    const signature = base58.decode(value.slice(1));
    if (signature.length === 64) return signature;
  }
  throw signatureInvalid('proof-value', value);
}

// XML Schema 1.1 Part 2 §3.3.7, of years with four digits. Without a time zone it is UTC (Data Integrity 1.0 §2.1).
const DATE_TIME =
  /^(\d{4}-\d\d)-(\d\d)(T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?)(Z|[+-](?:(?:0\d|1[0-3]):[0-5]\d|14:00))?$/;

/** Unix milliseconds. @throws CodedError `SIGNATURE_INVALID` (`time`) */
function readTime(value: JsonValue | undefined): number | null {
  if (value === undefined) return null;
  const [, month, day, time, zone = 'Z'] = (typeof value === 'string' && DATE_TIME.exec(value)) || [];
  const at = Date.parse(`${month}-${day}${time}${zone}`);
  // 30 February would silently be a day of March.
  if (Number.isNaN(at) || new Date(`${month}-${day}`).getUTCDate() !== Number(day))
    throw signatureInvalid('time', value);
  return at;
}

function contextsOf(context: JsonValue | undefined): readonly JsonValue[] {
  if (context === undefined) return [];
  return Array.isArray(context) ? context : [context as JsonValue];
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}
