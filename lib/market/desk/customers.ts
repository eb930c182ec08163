import type { Floor } from './floor';

/** The latest of them. */
const MOST_CUSTOMERS = 1_000;

/**
 * Who has paid us before. Keys cost nothing, so anybody can call under a thousand names; a payment costs something, and whoever
 * has made one is heard before strangers are.
 */
export class Customers {
  /** In the order of their last payment. */
  #dids: Set<string> | undefined;

  constructor(private readonly floor: Floor) {}

  has(did: string): boolean {
    return this.#all().has(did);
  }

  /** @returns false when it was one already */
  add(did: string): boolean {
    const dids = this.#all();
    const isNew = !dids.delete(did);
    dids.add(did);
    const [oldest] = dids;
    if (dids.size > MOST_CUSTOMERS && oldest !== undefined) dids.delete(oldest);
    return isNew;
  }

  list(): string[] {
    return [...this.#all()];
  }

  #all(): Set<string> {
    this.#dids ??= new Set(this.floor.book.customers(MOST_CUSTOMERS).reverse());
    return this.#dids;
  }
}
