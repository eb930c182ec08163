import { createHash } from 'node:crypto';
import { base58 } from '@scure/base';
import { canonicalJson, readSigned, signableDocument, signDocument } from '../../../lib/evidence';
import { SENSOR } from './signers';

export const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

export type Json = Record<string, unknown>;
export interface Signed extends Json {
  proof: Json;
}

/** With a proof of ours. */
export const signed = (payload: unknown, sequence = 7): Signed =>
  JSON.parse(signDocument(signableDocument(payload), 'data-integrity', { signer: SENSOR, created: AT, sequence }));

/** Signs a proof as a foreign program would, member by member from §3.3. */
export function foreign(document: Json, proof: Json, signer = SENSOR): Signed {
  const options = {
    type: 'DataIntegrityProof',
    cryptosuite: 'eddsa-jcs-2022',
    proofPurpose: 'assertionMethod',
    verificationMethod: `${signer.did}#${signer.did.slice(8)}`,
    ...proof,
  };
  const hash = (value: unknown) => createHash('sha256').update(canonicalJson(value)).digest();
  // What is covered is the document with the context of the proof.
  const covered = '@context' in proof ? { ...document, '@context': proof['@context'] } : document;
  const signature = signer.sign(Buffer.concat([hash(options), hash(covered)]));
  return { ...document, proof: { ...options, proofValue: `z${base58.encode(signature)}` } };
}

export function verdicts(payload: unknown): boolean[] {
  return readSigned(payload).signatures.map((signature) => signature.verify());
}
