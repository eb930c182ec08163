import type { Bid } from '../market-order';

/** Negative: the first one is better. */
export type Comparison = (a: Bid, b: Bid) => number;

/** Whole numbers, so that equal is equal; null where a bid does not say. */
export type Criterion = (bid: Bid) => bigint | null;

export const amountOf = (bid: Bid): bigint => BigInt(bid.amount);
/** Milliseconds */
export const leadOf: Criterion = ({ leadSeconds }) => inThousandths(leadSeconds);
/** Metres */
export const metresOf: Criterion = ({ distance }) => inThousandths(distance);

/** What is not said comes last. */
export const by =
  (criterion: Criterion): Comparison =>
  (a, b) => {
    const [left, right] = [criterion(a), criterion(b)];
    if (left === null || right === null) return Number(left === null) - Number(right === null);
    return sign(left, right);
  };

/** By the first of these that tells two bids apart. */
export const inTurn =
  (...comparisons: readonly Comparison[]): Comparison =>
  (a, b) => {
    for (const compare of comparisons) {
      const order = compare(a, b);
      if (order !== 0) return order;
    }
    return 0;
  };

/**
 * Who wins among equals: a total order of what is in the proposals, by nothing that a machine's clock, language or network
 * has a say in. The hash tells even two proposals of one seller apart.
 */
export const AMONG_EQUALS: Comparison = inTurn(
  by(amountOf),
  by(leadOf),
  by(metresOf),
  (a, b) => sign(a.seller, b.seller),
  (a, b) => sign(a.hash, b.hash),
);

/** Code units, not letters: no language decides. */
function sign<T extends bigint | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function inThousandths(value: number | null): bigint | null {
  return value === null ? null : BigInt(Math.round(value * 1000));
}
