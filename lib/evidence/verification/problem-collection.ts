import type { Problem } from './problems';
import { MOST_PROBLEMS } from './verdict';

/** The first problems are kept, all are counted: a hostile text may have millions of them. */
export class ProblemCollection {
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];
  problemCount = 0;
  warningCount = 0;

  add(found: Problem): void {
    this.problemCount += 1;
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push(found);
  }

  warn(found: Problem): void {
    this.warningCount += 1;
    if (this.#warnings.length < MOST_PROBLEMS) this.#warnings.push(found);
  }

  /** By document; what is about no single one comes first. */
  get problems(): Problem[] {
    return this.#problems.sort(byDocument);
  }

  get warnings(): Problem[] {
    return this.#warnings.sort(byDocument);
  }
}

function byDocument(a: Problem, b: Problem): number {
  return (a.document ?? -1) - (b.document ?? -1);
}
