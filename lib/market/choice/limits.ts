import type { Bid, Ranking } from '../market-order';
import type { MessageBodies } from '../messages/message';

type LeftOut = Ranking['leftOut'][number];

/** So many make a market price. */
const ENOUGH_FOR_A_MEDIAN = 3;

/** Percent have so many parts that count. */
const PARTS_OF_A_PERCENT = 1_000_000;

/** Which bids are within what the buyer called for, and within the band around their own median price. */
export function withinLimits(
  bids: readonly Bid[],
  { maxPrice, maxDistance }: MessageBodies['call'],
  priceBand: number,
): { readonly eligible: readonly Bid[]; readonly leftOut: readonly LeftOut[] } {
  const leftOut: LeftOut[] = [];
  const keep = (candidates: readonly Bid[], reason: LeftOut['reason'], passes: (bid: Bid) => boolean) =>
    candidates.filter((bid) => {
      const kept = passes(bid);
      if (!kept) leftOut.push({ bid, reason });
      return kept;
    });

  const affordable = keep(bids, 'price', ({ price }) => maxPrice === null || BigInt(price) <= BigInt(maxPrice));
  // Whoever does not say where it is, or is asked from nowhere, is not known to be near.
  const near = keep(
    affordable,
    'distance',
    ({ distance }) => maxDistance === null || (distance !== null && distance <= maxDistance),
  );
  // The median of those that are left: prices beyond the limit, which anybody can send any number of, do not move it.
  return { eligible: keep(near, 'band', bandAround(near, priceBand)), leftOut };
}

/** Exact: both sides of the comparison are multiplied out. */
function bandAround(bids: readonly Bid[], percent: number): (bid: Bid) => boolean {
  if (percent <= 0 || bids.length < ENOUGH_FOR_A_MEDIAN) return () => true;
  const doubledMedian = twiceTheMedian(bids.map(({ price }) => BigInt(price)));
  const width = doubledMedian * BigInt(Math.round(percent * PARTS_OF_A_PERCENT));
  return ({ price }) => {
    const away = 2n * BigInt(price) - doubledMedian;
    return (away < 0n ? -away : away) * 100n * BigInt(PARTS_OF_A_PERCENT) <= width;
  };
}

/** An even number of prices has its median between two of them: doubled, it is a whole number. */
function twiceTheMedian(prices: readonly bigint[]): bigint {
  const sorted = [...prices].sort((a, b) => (a < b ? -1 : Number(a > b)));
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0n;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0n;
  return lower + upper;
}
