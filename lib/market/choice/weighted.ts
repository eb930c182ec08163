import type { Bid, ChoiceRule } from '../market-order';
import { amountOf, type Criterion, leadOf, metresOf } from './comparison';

/** Weights count in steps of this part of the largest one. */
const STEPS = 1_000_000_000;

/** A bid's place in a criterion, from 0 (the best of all) to `range` (the worst). */
interface Scale {
  readonly weight: bigint;
  readonly range: bigint;
  readonly place: (bid: Bid) => bigint;
}

/**
 * The weighted sum of where a bid lies between the best (0) and the worst (1) in each criterion; the smaller the better.
 * Whole numbers over a common denominator, which is left away: only the order matters, and equal sums are equal.
 */
export function weighted(bids: readonly Bid[], weights: NonNullable<ChoiceRule['weights']>): (bid: Bid) => bigint {
  const largest = Math.max(weights.price, weights.time, weights.distance);
  const scale = (criterion: Criterion, weight: number): Scale[] => {
    const steps = largest > 0 ? BigInt(Math.round((weight / largest) * STEPS)) : 0n;
    return steps === 0n ? [] : scaleOf(bids, criterion, steps);
  };
  const scales = [
    ...scale(amountOf, weights.price),
    ...scale(leadOf, weights.time),
    ...scale(metresOf, weights.distance),
  ];
  const denominator = scales.reduce((product, { range }) => product * range, 1n);
  return (bid) =>
    scales.reduce((sum, { weight, range, place }) => sum + weight * place(bid) * (denominator / range), 0n);
}

/** Nothing where all bids are the same in it. Whoever does not say counts as the worst. */
function scaleOf(bids: readonly Bid[], criterion: Criterion, weight: bigint): Scale[] {
  const said = bids.flatMap((bid) => criterion(bid) ?? []);
  const best = said.reduce((least, value) => (value < least ? value : least), said[0] ?? 0n);
  const worst = said.reduce((most, value) => (value > most ? value : most), best);
  const silent = said.length < bids.length;
  if (said.length === 0 || (worst === best && !silent)) return [];
  // Some say the same and others nothing: there is no range, and those who say it are the better ones.
  const range = worst === best ? 1n : worst - best;
  return [
    {
      weight,
      range,
      place: (bid) => {
        const value = criterion(bid);
        return value === null ? range : value - best;
      },
    },
  ];
}
