import { configInvalid } from './failure';

/**
 * A property that is a list of names. Nothing in it is skipped: an entry that came out empty (a variable that is not set)
 * would otherwise turn "for these only" into "for everybody".
 *
 * @throws CodedError `CONFIG_INVALID` (`names`)
 */
export function namesIn(value: unknown, property: string): readonly string[] {
  if (value === undefined || value === null || value === '') return [];
  const names = Array.isArray(value)
    ? (value as unknown[]).map((name) => (typeof name === 'string' ? name.trim() : ''))
    : [''];
  if (names.includes('')) throw configInvalid('names', `"${property}" is not a list of names`, { name: property });
  return names;
}
