import { createHash } from 'node:crypto';
import type { Clock } from '../../payments';

/** Shorter than the shortest pause after which an honest sender sends again. */
const RECENT = 500;
const REMEMBERED = 4_096;

/**
 * The same bytes again within half a second: a broker that delivers twice, or somebody who replays what others have signed.
 * Later they are looked at again: whoever sends again has not heard our answer.
 */
export class RecentlySeen {
  readonly #seen = new Map<string, number>();

  constructor(private readonly clock: Clock) {}

  isRecent(bytes: Uint8Array): boolean {
    const hash = createHash('sha256').update(bytes).digest('base64');
    const now = this.clock.elapsed();
    const before = this.#seen.get(hash);
    if (before !== undefined && now - before < RECENT) return true;
    this.#seen.delete(hash);
    this.#seen.set(hash, now);
    if (this.#seen.size > REMEMBERED) {
      const [oldest] = this.#seen.keys();
      this.#seen.delete(oldest as string);
    }
    return false;
  }
}
