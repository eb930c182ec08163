import { CodedError } from '../errors';
import type { Unit } from './messages/message';

/** Exact decimals as text: at most nine digits before the point and nine after it. */
const QUANTITY = /^(0|[1-9]\d{0,8})(?:\.(\d{1,9}))?$/;
const DECIMALS = 9;
/** What 1 is, counted in the smallest quantity that can be written. */
const ONE = 10n ** BigInt(DECIMALS);

const SECONDS: { readonly [unit in Unit]?: bigint } = { second: 1n, minute: 60n, hour: 3_600n };
/** There is no half of them. */
const WHOLE: ReadonlySet<Unit> = new Set(['once', 'piece', 'record']);

/** Milliseconds. Nobody has to keep a promise of longer, and times keep four digits of a year. */
export const LONGEST_SERVICE = 3_660 * 24 * 3_600 * 1_000;

/**
 * A quantity in its one spelling (`"1.50"` → `"1.5"`): what messages carry.
 *
 * @param value an exact decimal as text or number, with a point
 * @throws CodedError `CONFIG_INVALID` (`quantity`)
 */
export function parseQuantity(value: unknown): string {
  return write(scaled(value));
}

/** Like {@link parseQuantity}, but nothing cannot be bought. @throws CodedError `CONFIG_INVALID` (`quantity`) */
export function parseOrderedQuantity(value: unknown): string {
  const quantity = scaled(value);
  if (quantity === 0n) throw invalid('0');
  return write(quantity);
}

/** Negative, 0 or positive, as `sort` wants it. */
export function compareQuantities(one: string, other: string): number {
  const difference = scaled(one) - scaled(other);
  return difference < 0n ? -1 : Number(difference > 0n);
}

/** @throws CodedError `CONFIG_INVALID` (`quantity`) when the sum cannot be written any more */
export function addQuantities(one: string, other: string): string {
  return parseQuantity(write(scaled(one) + scaled(other)));
}

/**
 * What a quantity costs: price x quantity, rounded up to a base unit.
 *
 * @param price base units per unit
 */
export function amountFor(price: bigint, quantity: string): bigint {
  return roundedUp(price * scaled(quantity));
}

/** How long a service runs, in milliseconds rounded up; null where it does not end by time. */
export function durationOf(unit: Unit, quantity: string): number | null {
  const seconds = SECONDS[unit];
  return seconds === undefined ? null : Number(roundedUp(seconds * 1_000n * scaled(quantity)));
}

/** Whether so much of that unit can be delivered at all: whole pieces, and not for longer than {@link LONGEST_SERVICE}. */
export function canDeliver(unit: Unit, quantity: string): boolean {
  if (scaled(quantity) === 0n) return false;
  if (WHOLE.has(unit)) return scaled(quantity) % ONE === 0n;
  return (durationOf(unit, quantity) ?? 0) <= LONGEST_SERVICE;
}

function scaled(value: unknown): bigint {
  // A number is taken by the decimal that it prints as: what a person wrote, 0.1 for example, and not the double next to it.
  const text = typeof value === 'number' ? String(value) : value;
  const [, whole, fraction = ''] = (typeof text === 'string' && QUANTITY.exec(text)) || [];
  if (whole === undefined) throw invalid(String(text).slice(0, 40));
  return BigInt(whole) * ONE + BigInt(fraction.padEnd(DECIMALS, '0'));
}

function write(quantity: bigint): string {
  const fraction = (quantity % ONE).toString().padStart(DECIMALS, '0').replace(/0+$/, '');
  return `${quantity / ONE}${fraction === '' ? '' : `.${fraction}`}`;
}

function roundedUp(value: bigint): bigint {
  return (value + ONE - 1n) / ONE;
}

function invalid(value: string): CodedError {
  return new CodedError('CONFIG_INVALID', 'quantity', `not a quantity: ${value}`, { value });
}
