/** How far ledger and system clock have come, each counted forwards only; Unix milliseconds when both were always right. */
export interface BudgetTime {
  readonly ledger: number;
  readonly system: number;
}

/** Budget time, and what the clocks showed at it. */
export interface BudgetMoment extends BudgetTime {
  readonly ledgerShown: number;
  readonly systemShown: number;
}

/** Nodes are a little behind each other, clocks are corrected: no reason to doubt them. */
const TOLERANCE_MS = 300_000;

/**
 * The time that budgets roll by. A payment leaves a window when *both* clocks say that the window has passed since it:
 * the slower one decides. What is compared is how far they went since that payment, not what they show: a machine that
 * boots in 1970, or with yesterday's time, would otherwise date its payments back, and find them long past as soon as its
 * clock is put right. A clock that is set back loses the stretch it jumped over, so that budgets roll late and not early;
 * one that leaps ahead is held by the other. So a window is never exceeded while one of the two is right, whichever.
 */
export class BudgetClock {
  #last: BudgetMoment;

  /** @param last the latest moment that the journal holds */
  constructor(last: BudgetMoment) {
    this.#last = last;
  }

  now(ledgerShown: number, systemShown: number): BudgetMoment {
    const last = this.#last;
    const ledger = follow(last.ledger, last.ledgerShown, ledgerShown);
    const system = follow(last.system, last.systemShown, systemShown);
    this.#last = { ledger: ledger.time, system: system.time, ledgerShown: ledger.shown, systemShown: system.shown };
    return this.#last;
  }
}

function follow(time: number, before: number, shown: number): { readonly time: number; readonly shown: number } {
  if (shown < before - TOLERANCE_MS) return { time, shown };
  return { time: time + Math.max(0, shown - before), shown: Math.max(before, shown) };
}
