/** Remembers the most recently used entries and forgets the rest, so that a busy ledger cannot fill our memory. */
export class Lru<K, V> {
  readonly #entries = new Map<K, V>();

  constructor(private readonly most: number) {}

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  set(key: K, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.most) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
  }

  delete(key: K): void {
    this.#entries.delete(key);
  }

  /** The value under the key, or the one that `make` promises; a promise that fails is forgotten. */
  static async remember<K, V>(lru: Lru<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
    const known = lru.get(key);
    if (known) return known;
    const made = make();
    lru.set(key, made);
    made.catch(() => {
      if (lru.get(key) === made) lru.delete(key);
    });
    return made;
  }
}
