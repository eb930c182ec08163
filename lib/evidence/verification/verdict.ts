import type { Problem } from './problems';

/** What is to be verified, and against what. */
export interface VerificationRequest {
  /**
   * A signed document (object with `proof`, or the text of a compact JWS), `{ document, evidence }`, a list of those, or the
   * text of any of them: JSON, JSON Lines, or one compact JWS per line. A text may also be given as its UTF-8 bytes.
   */
  readonly payload: unknown;
  /** Evidence of a single document that does not bring its own. */
  readonly evidence?: unknown;
  /** The dids whose signatures count; none: anyone's, with a warning. */
  readonly trusted: readonly string[];
  /** Every document must have evidence that was found on the ledger; without a ledger nothing satisfies this. */
  readonly requireAnchor: boolean;
  /** Statements by which machines handed over to their successors, in any form that `payload` may have. */
  readonly successions?: unknown;
}

export interface Verification {
  /** True exactly if there is no problem. */
  readonly valid: boolean;
  /**
   * The did whose signature was found good. Of documents given together the one that signed them all. Null when there is none,
   * never a name that is only claimed.
   */
  readonly signer: string | null;
  /** ISO 8601, by the signer's own clock. Of documents given together null. */
  readonly signedAt: string | null;
  /** Place in the signer's log, signed. Of documents given together null. */
  readonly sequence: number | null;
  /**
   * The ledger was asked and has the checkpoint that this document is in, put there by its signer. Of documents given
   * together: each of them. Evidence alone proves that the document is in the log, never since when.
   */
  readonly anchored: boolean;
  /** ISO 8601, by the ledger's clock: the document is not younger than this. Of documents given together the latest. */
  readonly anchoredAt: string | null;
  /** At most {@link MOST_PROBLEMS}; `problemCount` counts them all. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly problemCount: number;
  readonly warningCount: number;
  /** Of documents given together. */
  readonly documents?: DocumentsSummary;
}

export interface DocumentsSummary {
  readonly count: number;
  /** Dates of the earliest and the latest document, ISO 8601, by the signers' clocks. */
  readonly firstSignedAt: string | null;
  readonly lastSignedAt: string | null;
  /** At most {@link MOST_LISTED}. */
  readonly signers: readonly string[];
  /** At most {@link MOST_LISTED}. */
  readonly logs: readonly LogSummary[];
}

/** The part of one log that was given. */
export interface LogSummary {
  readonly log: string;
  readonly count: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstSignedAt: string | null;
  readonly lastSignedAt: string | null;
  /** Documents that were found on the ledger. */
  readonly anchored: number;
}

/** What a list of problems holds; the rest is counted. */
export const MOST_PROBLEMS = 1_000;
export const MOST_LISTED = 100;
