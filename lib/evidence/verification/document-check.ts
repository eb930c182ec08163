import { isCodedError } from '../../errors';
import { type Checkpoint, readCheckpoint } from '../checkpoint';
import { type Anchor, PROOF_TYPE } from '../evidence';
import { leafHash, verifyInclusion } from '../merkle-tree';
import { readEvidence } from '../read-evidence';
import type { ReadSignature } from '../signature';
import { readSigned, type SignedDocument } from '../signed-document';
import { isSuccession, readSuccession, type Succession } from '../succession';
import { type LogProof, readProof } from '../tlog-proof';
import { type BundleItem, isPlainObject, ownValue, reasonOf } from './bundle';
import { type Problem, type ProblemCode, type ProblemParameters, problem } from './problems';

/** What one document and its evidence say, as far as that can be told without a ledger and without other documents. */
export interface CheckedDocument {
  readonly problems: readonly Problem[];
  /** Evidence was given, good or not. */
  readonly evidenced: boolean;
  /** Signed by its machine, whether or not it is about this document. */
  readonly checkpoint?: Checkpoint;
  /** Undefined: it could not be read. */
  readonly read?: ReadDocument;
  /** A good proof leads from the document to this checkpoint of one of its signers. */
  readonly logged?: LoggedDocument;
  /** The document is a valid statement. */
  readonly succession?: Succession;
}

/** What a signature says, without what it was made over. */
export type SignatureClaim = Pick<ReadSignature, 'signer' | 'signedAt' | 'sequence'>;

export interface ReadDocument {
  readonly leafHash: Uint8Array;
  /** Every signature was found good, and together they cover all of it. */
  readonly authentic: boolean;
  readonly signatures: readonly SignatureClaim[];
  /** What is after `signedAt` for certain: a JWS says whole seconds. Milliseconds. */
  readonly clockStep: number;
  /** The signature that the verdict names. */
  readonly main: SignatureClaim;
}

export interface LoggedDocument {
  readonly proof: LogProof;
  readonly checkpoint: Checkpoint;
  readonly anchor: Anchor;
}

type Report = (code: ProblemCode, parameters?: ProblemParameters) => void;

/** Checks documents one by one. Remembers checkpoints: one of them stands behind thousands of documents. */
export class DocumentChecker {
  /** Text → checkpoint, or what is wrong with it. */
  readonly #checkpoints = new Map<string, Checkpoint | Problem>();

  constructor(private readonly now: number) {}

  check(item: BundleItem, evidence: unknown, position: number | undefined): CheckedDocument {
    const evidenced = evidence !== undefined;
    if (item.problem) return { problems: [at(item.problem, position)], evidenced };
    const problems: Problem[] = [];
    const report: Report = (code, parameters) => problems.push(problem(code, parameters, position));
    const document = readDocument(item.document, report);
    if (!document) return { problems, evidenced };

    const bad = document.signatures.filter((signature) => !signature.verify());
    for (const { signer, expiresAt } of bad) {
      if (expiresAt !== null && expiresAt <= this.now) {
        report('SIGNATURE_EXPIRED', { signer, expiresAt: new Date(expiresAt).toISOString() });
      } else report('PAYLOAD_CHANGED', { signer });
    }
    if (bad.length === 0 && !document.isCovered) report('CONTEXT_UNSIGNED');
    const authentic = bad.length === 0 && document.isCovered;
    const claims = document.signatures.map(({ signer, signedAt, sequence }) => ({ signer, signedAt, sequence }));
    const hash = leafHash(document.leaf);
    const found = evidenced ? this.#readEvidence(evidence, report) : undefined;
    // Of a document that was changed no proof can be right: that is no second problem.
    const isLogged =
      found !== undefined && isEvidenceOf(found, claims, report) && authentic && leads(found, hash, report);
    const succession = authentic ? checkSuccession(document, report) : undefined;
    const speaker = isLogged ? found.checkpoint.origin : succession?.predecessor;
    return {
      problems,
      evidenced,
      read: {
        leafHash: hash,
        authentic,
        signatures: claims,
        clockStep: document.format === 'jws' ? 1_000 : 1,
        main: mainOf(claims, speaker),
      },
      ...(found && { checkpoint: found.checkpoint }),
      ...(isLogged && { logged: found }),
      ...(succession && problems.length === 0 && { succession }),
    };
  }

  /** @returns nothing unless the checkpoint is its machine's */
  #readEvidence(value: unknown, report: Report): LoggedDocument | undefined {
    const evidence = readProofOf(value, report);
    if (!evidence) return undefined;
    const checkpoint = this.#checkpointOf(evidence.proof.checkpoint);
    if (!('code' in checkpoint)) return { ...evidence, checkpoint };
    report(checkpoint.code as ProblemCode, checkpoint.parameters);
    return undefined;
  }

  #checkpointOf(text: string): Checkpoint | Problem {
    let found = this.#checkpoints.get(text);
    if (!found) {
      found = readCheckpointOf(text);
      this.#checkpoints.set(text, found);
    }
    return found;
  }
}

/** JSON of an object, or something in three parts: a compact JWS, for all we know. */
const TEXT_OF_DOCUMENT = /^[\t\n\r ]*\{|^[^.]*\.[^.]*\.[^.]*$/;

function readDocument(document: unknown, report: Report): SignedDocument | undefined {
  const isText = typeof document === 'string' && TEXT_OF_DOCUMENT.test(document);
  const isSigned = isText || (isPlainObject(document) && Object.hasOwn(document, 'proof'));
  const kind = isPlainObject(document) ? kindOf(document) : undefined;
  if (!isSigned || kind) {
    report(kind ?? 'DOCUMENT_UNSIGNED');
    return undefined;
  }
  try {
    return readSigned(document);
  } catch (error) {
    if (!isCodedError(error, 'SIGNATURE_INVALID')) report('DOCUMENT_UNREADABLE', { reason: reasonOf(error) });
    else if (error.detail === 'unsigned') report('DOCUMENT_UNSIGNED');
    else report('SIGNATURE_UNREADABLE', { reason: error.message });
    return undefined;
  }
}

/** Whether evidence is from the log of one of the signers, and about the place that the signer named. */
function isEvidenceOf(
  { proof, checkpoint }: LoggedDocument,
  claims: readonly SignatureClaim[],
  report: Report,
): boolean {
  const { index } = proof;
  const { origin } = checkpoint;
  const own = claims.find(({ signer }) => signer === origin);
  if (!own) report('EVIDENCE_OF_ANOTHER_MACHINE', { origin, signer: claims[0]?.signer ?? '' });
  else if (own.sequence === null || own.sequence === index) return true;
  else report('EVIDENCE_OF_ANOTHER_DOCUMENT', { index, sequence: own.sequence });
  return false;
}

function leads({ proof, checkpoint }: LoggedDocument, leaf: Uint8Array, report: Report): boolean {
  const { index, hashes } = proof;
  const { size, root } = checkpoint;
  if (verifyInclusion({ leafHash: leaf, index, size, hashes, root })) return true;
  report('PROOF_BROKEN', { index, size });
  return false;
}

/** Of several signatures the one that the document is known by. */
function mainOf(claims: readonly SignatureClaim[], speaker: string | undefined): SignatureClaim {
  return (claims.find(({ signer }) => signer === speaker) ??
    claims.find(({ sequence }) => sequence !== null) ??
    claims[0]) as SignatureClaim;
}

/** What is often taken for a signed document. */
function kindOf(object: object): 'DOCUMENT_ENCRYPTED' | 'EVIDENCE_ALONE' | undefined {
  if (ownValue(object, 'type') === PROOF_TYPE) return 'EVIDENCE_ALONE';
  // RFC 7516 §7.2: a JWE has these in both of its JSON serializations. Somebody may sign one, too.
  const isJwe = ['ciphertext', 'iv'].every((name) => Object.hasOwn(object, name)) && !Object.hasOwn(object, 'proof');
  return isJwe ? 'DOCUMENT_ENCRYPTED' : undefined;
}

function readProofOf(value: unknown, report: Report): { anchor: Anchor; proof: LogProof } | undefined {
  try {
    const { anchor, proof } = readEvidence(value);
    return { anchor, proof: readProof(proof) };
  } catch (error) {
    report('EVIDENCE_UNREADABLE', { reason: reasonOf(error) });
    return undefined;
  }
}

function readCheckpointOf(text: string): Checkpoint | Problem {
  try {
    return readCheckpoint(text);
  } catch (error) {
    const forged = isCodedError(error, 'EVIDENCE_INVALID') && error.detail === 'checkpoint-signature';
    return forged
      ? problem('CHECKPOINT_SIGNATURE_INVALID')
      : problem('CHECKPOINT_UNREADABLE', { reason: reasonOf(error) });
  }
}

function checkSuccession(document: SignedDocument, report: Report): Succession | undefined {
  if (!isSuccession(document)) return undefined;
  const succession = readSuccession(document);
  if (typeof succession !== 'string') return succession;
  report('SUCCESSION_INVALID', { reason: succession });
  return undefined;
}

function at(found: Problem, position: number | undefined): Problem {
  return position === undefined ? found : { ...found, document: position };
}
