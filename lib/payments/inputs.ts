import type { SpendableOutput } from '../ledger';
import type { BaseUnits } from '../values';

/** More outputs than this are merged along the way, smallest first; fewer stay apart, for attempts that must not conflict. */
const TIDY_COUNT = 32;

export interface InputQuestion {
  readonly amount: BaseUnits;
  /** Change is nothing at all, or at least this. */
  readonly minimumChange: BaseUnits;
  readonly maxInputs: number;
  /** Inputs that this transaction has to spend, so that it conflicts with earlier ones. */
  readonly must: readonly SpendableOutput[];
  /** What is free beside them, largest first. */
  readonly largest: readonly SpendableOutput[];
  /** The same, smallest first. */
  readonly smallest: readonly SpendableOutput[];
  /** How many are free in all. */
  readonly freeCount: number;
}

/** Chooses inputs, or undefined when these outputs cannot carry the amount with a change that the ledger allows. */
export function chooseInputs(question: InputQuestion): SpendableOutput[] | undefined {
  const { amount, minimumChange, maxInputs, must, largest, smallest, freeCount } = question;
  if (must.length > maxInputs) return undefined;
  const chosen = [...must];
  let sum = chosen.reduce((total, output) => total + output.amount, 0n);
  const enough = () => chosen.length > 0 && (sum === amount || sum >= amount + minimumChange) && sum >= amount;
  for (const output of largest) {
    if (enough() || chosen.length === maxInputs) break;
    chosen.push(output);
    sum += output.amount;
  }
  if (!enough()) return undefined;
  const taken = new Set(chosen.map(({ outputId }) => outputId));
  let untouched = freeCount - (chosen.length - must.length);
  // With change already there, one more input can only make it larger.
  for (const output of sum > amount ? smallest : []) {
    if (untouched <= TIDY_COUNT || chosen.length === maxInputs) break;
    if (taken.has(output.outputId)) continue;
    chosen.push(output);
    untouched -= 1;
  }
  return chosen;
}

/** The inputs of a transaction that only merges: payments wait that need more inputs than one transaction may have. */
export function chooseMerge(question: Omit<InputQuestion, 'must' | 'amount'>): SpendableOutput[] | undefined {
  const chosen = question.largest.slice(0, question.maxInputs);
  const sum = chosen.reduce((total, output) => total + output.amount, 0n);
  return chosen.length > 1 && sum >= question.minimumChange ? chosen : undefined;
}
