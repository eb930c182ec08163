export interface FairQueueLimits {
  readonly items: number;
  readonly itemsPerKey: number;
}

/**
 * A queue in which everybody gets their turn: one item of each key after the other, however many somebody has brought.
 *
 * When it is full somebody who has brought much loses one, taken by lot: in a flood, what comes again and again gets in
 * sooner or later, which with "first come" or "last come" it would not.
 */
export class FairQueue<T> {
  readonly #limits: FairQueueLimits;
  readonly #random: () => number;
  readonly #items = new Map<string, T[]>();
  /** Keys in no order, to draw one. */
  readonly #keys: string[] = [];
  readonly #placeOf = new Map<string, number>();
  #size = 0;

  constructor(limits: FairQueueLimits, random: () => number) {
    this.#limits = limits;
    this.#random = random;
  }

  get size(): number {
    return this.#size;
  }

  /** False: it, or another one in its place, was dropped. */
  put(key: string, item: T): boolean {
    const own = this.#items.get(key);
    if (own && own.length >= this.#limits.itemsPerKey) {
      this.#replaceOne(own, item);
      return false;
    }
    if (this.#size < this.#limits.items) {
      this.#add(key, item);
      return true;
    }
    const richest = this.#drawRich();
    if (richest === undefined) return false;
    const theirs = this.#items.get(richest) as T[];
    if (own && own.length >= theirs.length) {
      this.#replaceOne(own, item);
      return false;
    }
    // Among equals the lot decides between it and the newcomer.
    if (!own && theirs.length === 1 && this.#random() < 0.5) return false;
    theirs.splice(this.#draw(theirs.length), 1);
    this.#size -= 1;
    if (theirs.length === 0) this.#removeKey(richest);
    this.#add(key, item);
    return false;
  }

  take(): T | undefined {
    for (const [key, items] of this.#items) {
      const item = items.shift();
      this.#size -= 1;
      this.#items.delete(key);
      if (items.length > 0) this.#items.set(key, items);
      else this.#removeKey(key);
      return item;
    }
    return undefined;
  }

  #add(key: string, item: T): void {
    const items = this.#items.get(key);
    if (items) items.push(item);
    else {
      this.#items.set(key, [item]);
      this.#placeOf.set(key, this.#keys.length);
      this.#keys.push(key);
    }
    this.#size += 1;
  }

  #removeKey(key: string): void {
    this.#items.delete(key);
    const place = this.#placeOf.get(key) as number;
    this.#placeOf.delete(key);
    const last = this.#keys.pop() as string;
    if (last === key) return;
    this.#keys[place] = last;
    this.#placeOf.set(last, place);
  }

  #replaceOne(items: T[], item: T): void {
    const place = this.#draw(items.length + 1);
    if (place < items.length) items[place] = item;
  }

  /** The one with the most of a few: nearly as good as the one with the most of all, and costs nothing. */
  #drawRich(): string | undefined {
    let richest: string | undefined;
    for (let draws = 0; draws < 8 && this.#keys.length > 0; draws += 1) {
      const key = this.#keys[this.#draw(this.#keys.length)] as string;
      if (richest === undefined || this.#lengthOf(key) > this.#lengthOf(richest)) richest = key;
    }
    return richest;
  }

  #lengthOf(key: string): number {
    return this.#items.get(key)?.length ?? 0;
  }

  #draw(below: number): number {
    return Math.min(below - 1, Math.floor(this.#random() * below));
  }
}
