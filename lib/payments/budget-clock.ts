/** A moment as both clocks showed it, and as budgets count it; Unix milliseconds. */
export interface BudgetMoment {
  readonly budget: number;
  readonly ledger: number;
  readonly system: number;
}

/** Nodes are a little behind each other, clocks are corrected: no reason to doubt them. */
const TOLERANCE_MS = 300_000;

/**
 * The time that budgets roll by. Between two moments as much of it passes as on the slower one of ledger and system
 * clock; it never goes back. While both are right it is simply the lesser of the two.
 *
 * Why not always the lesser one: a machine that boots in 1970 would date its payments back to the last moment known, and
 * when its clock is put right a moment later those payments would count as long past. Only how fast the clocks go can be
 * compared, not what they show. And a clock that was set back has lost the stretch it jumped over: late is safe.
 */
export class BudgetClock {
  #anchor: BudgetMoment;
  #last: BudgetMoment;

  /** @param anchor the latest moment that the journal holds */
  constructor(anchor: BudgetMoment) {
    this.#anchor = anchor;
    this.#last = anchor;
  }

  now(ledger: number, system: number): BudgetMoment {
    const last = this.#last;
    if (ledger < last.ledger - TOLERANCE_MS || system < last.system - TOLERANCE_MS) {
      this.#anchor = { budget: last.budget, ledger, system };
      this.#last = this.#anchor;
      return this.#last;
    }
    const anchor = this.#anchor;
    const later = { ledger: Math.max(last.ledger, ledger), system: Math.max(last.system, system) };
    const passed = Math.min(later.ledger - anchor.ledger, later.system - anchor.system);
    this.#last = { ...later, budget: Math.max(last.budget, anchor.budget + passed) };
    return this.#last;
  }
}
