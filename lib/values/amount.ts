import { CodedError } from '../errors';

/** Amounts are base units as `bigint` everywhere inside; text only where a person or a flow writes or reads one. */
export type BaseUnits = bigint;

const AMOUNT = /^(0|[1-9]\d*)(?:\.(\d+))?( IOTA)?$/;

// Longer text cannot be a sum of money on any network; bounding it keeps a hostile message from costing time.
const LONGEST_AMOUNT = 64;

/**
 * Parses an amount as flows write it: `"1.5 IOTA"` (exact decimal of the base token), `"150000"` or `150000` (base units).
 * `IOTA` means the base token of whatever network is configured.
 *
 * @param decimals how many decimals the network's token has (6 on a Tangle, 9 on IOTA)
 * @throws CodedError `AMOUNT_INVALID`
 */
export function parseAmount(value: unknown, decimals: number): BaseUnits {
  if (typeof value === 'bigint') {
    if (value < 0n) throw invalid('negative', value.toString());
    return value;
  }
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || value < 0) throw invalid('number', String(value));
    return BigInt(value);
  }
  if (typeof value !== 'string') throw invalid('type', typeof value);
  if (value.length > LONGEST_AMOUNT) throw invalid('grammar', `${value.slice(0, 20)}…`);
  const match = AMOUNT.exec(value);
  if (!match) throw invalid('grammar', value);
  const [, whole = '0', fraction = '', unit] = match;
  if (unit === undefined) {
    if (fraction !== '') throw invalid('fraction', value);
    return BigInt(whole);
  }
  if (fraction.length > decimals) throw invalid('decimals', value, decimals);
  return BigInt(whole) * 10n ** BigInt(decimals) + BigInt(fraction.padEnd(decimals, '0') || '0');
}

/** Like {@link parseAmount}, but nothing can be paid with nothing. */
export function parsePayable(value: unknown, decimals: number): BaseUnits {
  const amount = parseAmount(value, decimals);
  if (amount === 0n) throw invalid('zero', '0');
  return amount;
}

/** `1500000n` with 6 decimals → `"1.5 IOTA"`: always a text that {@link parseAmount} reads back exactly. */
export function formatAmount(amount: BaseUnits, decimals: number): string {
  const digits = amount.toString().padStart(decimals + 1, '0');
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, '');
  return `${whole}${fraction === '' ? '' : `.${fraction}`} IOTA`;
}

function invalid(detail: string, value: string, decimals?: number): CodedError {
  const shown = value.slice(0, LONGEST_AMOUNT);
  return new CodedError(
    'AMOUNT_INVALID',
    detail,
    `not an amount (${detail}): ${shown}; write e.g. "1.5 IOTA" or a whole number of base units`,
    decimals === undefined ? { value: shown } : { value: shown, decimals },
  );
}
