import { createHash } from 'node:crypto';
import { CodedError } from '../errors';

const LONGEST_NAME = 1000;
const LONGEST_SLUG = 40;
const LONGEST_SHOWN = 100;

/**
 * The name of a key as it is compared: names come from flows, environment and people on different systems, which write
 * the same accents in different ways.
 *
 * @throws CodedError `CONFIG_INVALID` (`key-name`)
 */
export function normalizeKeyName(name: string): string {
  if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME || !isWellFormed(name)) {
    throw new CodedError('CONFIG_INVALID', 'key-name', `a key's name is text of 1 to ${LONGEST_NAME} characters`, {
      longest: LONGEST_NAME,
    });
  }
  return name.normalize('NFC');
}

/**
 * The file name (without ending) that a key name maps to: a readable part for people, then the hash that makes it unique,
 * also where `Car` and `car` would be one file. Holds no character that could leave the directory.
 *
 * @param name from {@link normalizeKeyName}
 */
export function fileNameOfKey(name: string): string {
  const slug = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, LONGEST_SLUG)
    .replace(/^-+|-+$/g, '');
  const hash = createHash('sha256').update(name, 'utf8').digest('hex').slice(0, 32);
  return slug === '' ? hash : `${slug}-${hash}`;
}

/** As much of a name as a message shows: it came from outside. */
export function shownKeyName(name: string): string {
  return name.length <= LONGEST_SHOWN ? name : `${name.slice(0, LONGEST_SHOWN)}…`;
}

/** Half a surrogate pair would become the same replacement character in every name's hash. */
function isWellFormed(name: string): boolean {
  return Buffer.from(name, 'utf8').toString('utf8') === name;
}
