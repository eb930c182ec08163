export { type Bundle, type BundleItem, MOST_CHARACTERS, readBundle } from './bundle';
export { rememberingRecords } from './known-records';
export {
  PROBLEM_CODES,
  PROBLEMS,
  type Problem,
  type ProblemCode,
  type ProblemParameters,
  WARNING_CODES,
  WARNINGS,
  type WarningCode,
} from './problems';
export type { RecordLedger } from './record-chain';
export type { DocumentsSummary, LogSummary, Verification, VerificationRequest } from './verdict';
export { type VerificationPorts, verify } from './verify';
