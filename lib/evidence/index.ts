export { BACKLOG_LIMIT, type BacklogLimit, type WaitingDocument, type WaitingOrigin } from './backlog';
export { canonicalJson } from './canonical-json';
export { type Checkpoint, readCheckpoint, writeCheckpoint } from './checkpoint';
export { decryptWith, encryptFor, isEncrypted } from './encryption';
export type { Anchor, EncryptedPayload, Evidence, SignatureFormat, SignedPayload } from './evidence';
export { PROOF_TYPE } from './evidence';
export { type Leaf, Log, type LogIdentity, type SignedCheckpoint } from './log';
export { type LogAnchor, log } from './log-projection';
export * from './merkle-tree';
export { readEvidence } from './read-evidence';
export { compileSchema } from './schema';
export { type SignableDocument, signableDocument } from './signable-document';
export type { ReadSignature, SignatureFacts, Signer } from './signature';
export { readSigned, type SignedDocument, signDocument, signProofSet } from './signed-document';
export { parseSignedJson, parseStrictJson } from './strict-json';
export { readSuccession, type Succession, successionStatement } from './succession';
export { type LogProof, readProof, writeProof } from './tlog-proof';
export {
  type Bundle,
  type BundleItem,
  type DocumentsSummary,
  type LogSummary,
  MOST_CHARACTERS,
  PROBLEM_CODES,
  type Problem,
  type ProblemCode,
  type ProblemParameters,
  type RecordLedger,
  readBundle,
  rememberingRecords,
  type Verification,
  type VerificationRequest,
  verify,
  WARNING_CODES,
  type WarningCode,
} from './verification';
export type { AttachLedgerMessage, VerificationWorker } from './verification-service';
