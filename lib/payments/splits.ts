import { CodedError } from '../errors';
import type { Address, BaseUnits } from '../values';

/** One payee's share of an amount: a fixed sum, or an exact fraction of the whole. */
export type Share = { readonly amount: BaseUnits } | { readonly numerator: bigint; readonly denominator: bigint };

export interface Split {
  readonly address: Address;
  readonly share: Share;
}

const SHARE = /^(0|[1-9]\d{0,2})(?:\.(\d{1,18}))?%$/;

/** Parses `"12.5%"`, exactly. @throws CodedError `CONFIG_INVALID` (`splits`) */
export function parseShare(value: unknown, field: string): Share {
  const match = typeof value === 'string' ? SHARE.exec(value) : null;
  if (!match) throw splitsInvalid(`${field} is not a share like "12.5%"`, field);
  const [, whole = '0', fraction = ''] = match;
  const numerator = BigInt(whole + fraction);
  const denominator = 100n * 10n ** BigInt(fraction.length);
  if (numerator === 0n || numerator > denominator) throw splitsInvalid(`${field} is not between 0% and 100%`, field);
  return { numerator, denominator };
}

export interface Part {
  readonly address: Address;
  readonly amount: BaseUnits;
}

/**
 * Divides an amount: every share is rounded down to a base unit, and what is left goes to `to`, first in the result
 * (absent when nothing is left). The parts always add up to the amount.
 *
 * @throws CodedError `CONFIG_INVALID` (`splits`) beyond 100 % or with a payee twice, `AMOUNT_INVALID` (`splits`) when fixed
 * sums exceed the amount
 */
export function divide(to: Address, amount: BaseUnits, splits: readonly Split[]): Part[] {
  const payees = new Set([to, ...splits.map(({ address }) => address)]);
  if (payees.size !== splits.length + 1) throw splitsInvalid('a payee appears twice', 'splits');
  assertAtMostWhole(splits);
  const parts = splits.map(({ address, share }) => ({
    address,
    amount: 'amount' in share ? share.amount : (amount * share.numerator) / share.denominator,
  }));
  const rest = parts.reduce((left, part) => left - part.amount, amount);
  if (rest < 0n) {
    throw new CodedError('AMOUNT_INVALID', 'splits', 'the splits take more than the amount', {
      value: amount.toString(),
    });
  }
  return rest === 0n ? parts : [{ address: to, amount: rest }, ...parts];
}

function assertAtMostWhole(splits: readonly Split[]): void {
  let numerator = 0n;
  let denominator = 1n;
  for (const { share } of splits) {
    if ('amount' in share) continue;
    numerator = numerator * share.denominator + share.numerator * denominator;
    denominator *= share.denominator;
  }
  if (numerator > denominator) throw splitsInvalid('the shares are more than 100% together', 'splits');
}

export function splitsInvalid(message: string, field: string): CodedError {
  return new CodedError('CONFIG_INVALID', 'splits', `splits: ${message}`, { field });
}
