/**
 * TIP-12 proof of work: Curl-P-81 over 32 nonces at a time. A trit is spread over two words, `low` and `high`, one bit per
 * nonce: (1,1) is 0, (0,1) is 1, (1,0) is -1. With that, the substitution box is four bit operations.
 */
export const LANES = 32;
const HASH_TRITS = 243;
const STATE_TRITS = 3 * HASH_TRITS;
const ROUNDS = 81;
const ALL = 0xffff_ffff | 0;

/** Where round r takes its second operand from: the walk is the same in every round. */
const WALK = (() => {
  const walk = new Uint16Array(STATE_TRITS + 1);
  for (let n = 0; n < STATE_TRITS; n++) walk[n + 1] = (walk[n]! + (walk[n]! < 365 ? 364 : -365)) % STATE_TRITS;
  return walk;
})();

/** One Curl block, for 32 inputs that differ in some trits. */
export class CurlBlock {
  readonly low = new Int32Array(STATE_TRITS).fill(ALL);
  readonly high = new Int32Array(STATE_TRITS).fill(ALL);

  /** The same trit in all lanes. */
  setTrit(index: number, trit: number): void {
    this.low[index] = trit === 1 ? 0 : ALL;
    this.high[index] = trit === -1 ? 0 : ALL;
  }

  setLaneTrit(index: number, lane: number, trit: number): void {
    const bit = 1 << lane;
    this.low[index] = trit === 1 ? this.low[index]! & ~bit : this.low[index]! | bit;
    this.high[index] = trit === -1 ? this.high[index]! & ~bit : this.high[index]! | bit;
  }

  /** For each lane the number of zero trits at the end of its hash, as a set of lanes per count: lanes[n] have at least n. */
  trailingZeros(): Int32Array {
    const { low, high } = transform(this.low, this.high);
    const lanes = new Int32Array(HASH_TRITS + 1);
    lanes[0] = ALL;
    for (let n = 0; n < HASH_TRITS && lanes[n] !== 0; n++) {
      lanes[n + 1] = lanes[n]! & low[HASH_TRITS - 1 - n]! & high[HASH_TRITS - 1 - n]!;
    }
    return lanes;
  }
}

function transform(startLow: Int32Array, startHigh: Int32Array): { low: Int32Array; high: Int32Array } {
  let low = startLow.slice();
  let high = startHigh.slice();
  let nextLow = new Int32Array(STATE_TRITS);
  let nextHigh = new Int32Array(STATE_TRITS);
  for (let round = 0; round < ROUNDS; round++) {
    for (let n = 0; n < STATE_TRITS; n++) {
      const a = WALK[n]!;
      const b = WALK[n + 1]!;
      const alpha = low[a]!;
      const beta = high[a]!;
      const gamma = high[b]!;
      const delta = (alpha | ~gamma) & (low[b]! ^ beta);
      nextLow[n] = ~delta;
      nextHigh[n] = (alpha ^ gamma) | delta;
    }
    [low, nextLow] = [nextLow, low];
    [high, nextHigh] = [nextHigh, high];
  }
  return { low, high };
}
