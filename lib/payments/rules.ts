import type { Outcome, SpendableOutput } from '../ledger';
import type { BookReader } from './book-reader';
import type { AttemptRow } from './book-rows';
import type { ReservedSince } from './policy';

/** One earlier attempt of a payment that is to be signed once more. */
export interface EarlierAttempt {
  readonly transactionId: string;
  /** Those of its inputs that are certainly unspent. */
  readonly unspent: readonly string[];
}

/**
 * The decisions that money depends on, in one place. The simulation replaces them one by one and must notice each time.
 */
export interface Rules {
  /** What an outcome allows to conclude. */
  verdict(outcome: Outcome, attempt: Pick<AttemptRow, 'expiresEpoch'>): 'final' | 'dead' | 'doubt';
  /** What a submission that did not succeed allows to conclude. */
  verdictOfFailedSubmission(): 'dead' | 'doubt';
  /**
   * What a replacement spends of the inputs of earlier attempts, so that the ledger itself admits only one of them all;
   * undefined when that cannot be had, and then nothing may be signed.
   */
  inputsOfReplacement(earlier: readonly EarlierAttempt[]): readonly string[] | undefined;
  /** What a record has to spend: every record before it that is unspent, so that their chain cannot fork. */
  inputsOfRecord(book: BookReader): readonly SpendableOutput[];
  /** What counts against a budget. */
  reservedSince(book: BookReader): ReservedSince;
}

export const RULES: Rules = {
  // A node that does not know a transaction has proved nothing: it may be behind, or have pruned it.
  verdict: ({ state }) => (state === 'final' || state === 'dead' ? state : 'doubt'),

  // The answer may have been lost instead of the question.
  verdictOfFailedSubmission: () => 'doubt',

  // All that is left of them: one input of each would do, but all together pay for the same payments once more.
  inputsOfReplacement: (earlier) =>
    earlier.every(({ unspent }) => unspent.length > 0)
      ? [...new Set(earlier.flatMap(({ unspent }) => unspent))]
      : undefined,

  // More than one is there only by accident, and then they become one again.
  inputsOfRecord: (book) => book.unspentRecords(),

  // From the intent on, whatever becomes of it.
  reservedSince: (book) => (after) => book.reservedSince(after),
};
