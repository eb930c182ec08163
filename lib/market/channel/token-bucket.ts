import type { Clock } from '../../payments';

export interface Rate {
  /** At once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** So many at once, and then so many a second. */
export class TokenBucket {
  #tokens: number;
  #filledAt: number;

  constructor(
    private readonly rate: Rate,
    private readonly clock: Clock,
  ) {
    this.#tokens = rate.burst;
    this.#filledAt = clock.elapsed();
  }

  hasOne(): boolean {
    const now = this.clock.elapsed();
    const { burst, perSecond } = this.rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) / 1_000) * perSecond);
    this.#filledAt = now;
    return this.#tokens >= 1;
  }

  take(): boolean {
    if (!this.hasOne()) return false;
    this.#tokens -= 1;
    return true;
  }
}

/** A bucket for each of the latest callers. */
export class TokenBuckets {
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(
    private readonly rate: Rate,
    private readonly clock: Clock,
    private readonly most: number,
  ) {}

  take(key: string): boolean {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.rate, this.clock);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.most) {
      const [oldest] = this.#buckets.keys();
      this.#buckets.delete(oldest as string);
    }
    return bucket.take();
  }
}
