import type { BookReader } from './book-reader';
import type { AttemptRow } from './book-rows';
import type { Engine } from './engine';
import type { EarlierAttempt } from './rules';

/** Payments that can only be signed anew together, and every attempt that ever carried one of them. */
export interface ReplacementGroup {
  readonly paymentIds: readonly string[];
  readonly attempts: readonly AttemptRow[];
}

/**
 * A replacement conflicts with every earlier attempt of its payments, so it takes their other payments along that are
 * not settled; those may have attempts of their own, and so on.
 */
export function groupOf(paymentId: string, book: BookReader): ReplacementGroup {
  const paymentIds = new Set([paymentId]);
  const attempts = new Map<string, AttemptRow>();
  for (const id of paymentIds) {
    for (const attempt of book.attemptsOf(id)) {
      if (attempts.has(attempt.transactionId)) continue;
      attempts.set(attempt.transactionId, attempt);
      for (const other of book.paymentsOf(attempt.transactionId)) {
        const state = book.payment(other)?.state;
        // The set grows while it is walked.
        if (state === 'READY' || state === 'IN_FLIGHT') paymentIds.add(other);
      }
    }
  }
  return { paymentIds: [...paymentIds], attempts: [...attempts.values()] };
}

/** Asks the ledger which inputs of these attempts are left. */
export async function earlierAttempts({ attempts }: ReplacementGroup, engine: Engine): Promise<EarlierAttempt[]> {
  const { book } = engine;
  const inputs = new Map(attempts.map(({ transactionId }) => [transactionId, book.inputsOf(transactionId)]));
  const outputIds = [...new Set([...inputs.values()].flat())];
  const states = await engine.ask((ledger) => ledger.spends(outputIds));
  const unspent = new Set(
    outputIds.filter(
      (outputId, index) => states[index]?.state === 'unspent' && book.output(outputId)?.spentBy === null,
    ),
  );
  return attempts.map(({ transactionId }) => ({
    transactionId,
    unspent: (inputs.get(transactionId) ?? []).filter((outputId) => unspent.has(outputId)),
  }));
}
