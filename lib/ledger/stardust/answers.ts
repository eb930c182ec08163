import { nonsense } from './failures';

/**
 * Readers for the members of an answer. Everything that comes from a node is hostile until one of these has looked at it;
 * each throws `LEDGER_UNREACHABLE` (`answer`) and names the member, never its content.
 */
export type Answer = { readonly [member: string]: unknown };

const UINT32_MAX = 0xffff_ffff;
const UINT64_MAX = 0xffff_ffff_ffff_ffffn;

export function objectOf(value: unknown, what: string): Answer {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw nonsense(`${what} is not an object`);
  return value as Answer;
}

export function arrayOf(value: unknown, what: string, longest: number): readonly unknown[] {
  if (!Array.isArray(value)) throw nonsense(`${what} is not a list`);
  if (value.length > longest) throw nonsense(`${what} is too long`);
  return value;
}

export function textOf(value: unknown, what: string, form: RegExp): string {
  if (typeof value !== 'string' || !form.test(value)) throw nonsense(`${what} is not as it should be`);
  return value;
}

/** Lower-case `0x…` of exactly this many bytes. */
export function hexOf(value: unknown, what: string, bytes: number): string {
  if (typeof value !== 'string' || value.length !== 2 + 2 * bytes || !HEX.test(value))
    throw nonsense(`${what} is not ${bytes} bytes of hex`);
  return value.toLowerCase();
}

/** Lower-case `0x…` of 0 to `most` bytes. */
export function hexUpTo(value: unknown, what: string, most: number): string {
  if (typeof value !== 'string' || value.length > 2 + 2 * most || !HEX.test(value))
    throw nonsense(`${what} is not hex of up to ${most} bytes`);
  return value.toLowerCase();
}

const HEX = /^0x(?:[0-9a-fA-F]{2})*$/;

export function uint32Of(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > UINT32_MAX)
    throw nonsense(`${what} is not a whole number`);
  return value;
}

/** An amount: a decimal string in JSON, because it may exceed what a number holds exactly. */
export function uint64Of(value: unknown, what: string): bigint {
  if (typeof value !== 'string' || !/^\d{1,20}$/.test(value)) throw nonsense(`${what} is not a decimal string`);
  const amount = BigInt(value);
  if (amount > UINT64_MAX) throw nonsense(`${what} is too large`);
  return amount;
}

export function booleanOf(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw nonsense(`${what} is neither true nor false`);
  return value;
}
