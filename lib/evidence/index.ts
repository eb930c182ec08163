export { BACKLOG_LIMIT, type BacklogLimit, type WaitingDocument, type WaitingOrigin } from './backlog';
export { canonicalJson } from './canonical-json';
export { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint';
export { decryptWith, encryptFor, isEncrypted } from './encryption';
export type { Anchor, EncryptedPayload, Evidence, SignatureFormat, SignedPayload } from './evidence';
export { PROOF_TYPE } from './evidence';
export { type Leaf, Log, type LogIdentity, type SignedCheckpoint } from './log';
export { type LogAnchor, log } from './log-projection';
export * from './merkle-tree';
export {
  PROBLEM_CODES,
  type Problem,
  type ProblemCode,
  type ProblemParameters,
  WARNING_CODES,
  type WarningCode,
} from './problems';
export { readEvidence } from './read-evidence';
export { compileSchema } from './schema';
export { type SignableDocument, signableDocument } from './signable-document';
export type { ReadSignature, SignatureFacts, Signer } from './signature';
export { readSigned, type SignedDocument, signDocument, signProofSet } from './signed-document';
export { parseStrictJson } from './strict-json';
export { type LogProof, readProof, writeProof } from './tlog-proof';
export type { DocumentsSummary, LogSummary, Verification, VerificationRequest } from './verdict';
