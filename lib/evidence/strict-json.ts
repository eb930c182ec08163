import { CodedError } from '../errors';
import type { JsonValue } from '../journal';
import { canonicalJson, FOREIGN_LIMITS, type JsonLimits, jsonPointer, tooLarge } from './canonical-json';

/**
 * Reads JSON that came from outside. RFC 8259 §4 leaves open what a name that occurs twice means: two readers could see
 * two documents under one signature. So that is refused, like everything that has no canonical form (lone surrogates, also
 * escaped ones; numbers beyond a double; `__proto__`; too deep).
 *
 * @throws CodedError `DATA_NOT_CANONICAL` (`syntax`, `duplicate` ...), `DATA_TOO_LARGE`
 */
export function parseStrictJson(text: string, limits: JsonLimits = FOREIGN_LIMITS): JsonValue {
  return parse(text, limits, assertNoDuplicates);
}

/**
 * The same of a text whose value is signed, and not its characters. A double keeps some 16 digits: in a longer integer the
 * rest could be changed under a good signature, and who reads integers exactly (Python, Java, a database) would see it. So
 * its digits must be those that were signed.
 *
 * @throws CodedError `DATA_NOT_CANONICAL` (`integer`, and all of {@link parseStrictJson}), `DATA_TOO_LARGE`
 */
export function parseSignedJson(text: string): JsonValue {
  return parse(text, FOREIGN_LIMITS, (unlike) => {
    assertNoDuplicates(unlike);
    if (LONG_INTEGER.test(unlike)) assertExactIntegers(unlike);
  });
}

/** @param assertClear what a text is to fulfil that is not canonical */
function parse(text: string, limits: JsonLimits, assertClear: (text: string) => void): JsonValue {
  // Before it is parsed: a character takes at least a byte. White space counts.
  if (text.length > limits.bytes) throw tooLarge(limits);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new CodedError('DATA_NOT_CANONICAL', 'syntax', 'this is no JSON', { path: '' }, { cause });
  }
  // A text that is canonical already is as long as its value needs: there is no room for a second member of one name.
  if (canonicalJson(value, limits) !== text) assertClear(text);
  return value;
}

/** Every double keeps 15 digits. */
const LONG_INTEGER = /\d{16}/;
const OF_NUMBERS = '-+.eE0123456789';

/** @param text valid JSON */
function assertExactIntegers(text: string): void {
  for (let at = 0; at < text.length; at++) {
    const first = text[at] as string;
    if (first === '"') at = endOfString(text, at);
    if (first !== '-' && !(first >= '0' && first <= '9')) continue;
    const start = at;
    while (OF_NUMBERS.includes(text[at + 1] ?? ' ')) at++;
    assertExact(text.slice(start, at + 1));
  }
}

function assertExact(number: string): void {
  if (!/^-?\d{16,}$/.test(number) || digitsOf(number) === digitsOf(String(Number(number)))) return;
  const value = number.slice(0, 40);
  throw new CodedError('DATA_NOT_CANONICAL', 'integer', `more digits than a number keeps: ${value}`, { value });
}

/** Those that tell one number from another of its size: `-12300` and `-1.23e+4` have the same. */
function digitsOf(number: string): string {
  return number
    .replace(/e.*$/, '')
    .replace(/[.-]/g, '')
    .replace(/^0+|0+$/g, '');
}

interface OpenObject {
  /** Undefined: an array. */
  readonly names: Set<string> | undefined;
  /** Name of the member or index of the element at work. */
  step: string | number;
}

/** @param text valid JSON of bounded depth */
function assertNoDuplicates(text: string): void {
  const open: OpenObject[] = [];
  let quote = -1;
  for (let at = 0; at < text.length; at++) {
    const around = open.at(-1);
    switch (text[at]) {
      case '{':
        open.push({ names: new Set(), step: '' });
        break;
      case '[':
        open.push({ names: undefined, step: 0 });
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ',':
        if (typeof around?.step === 'number') around.step++;
        break;
      case '"':
        quote = at;
        at = endOfString(text, at);
        break;
      case ':': {
        // The string before a colon is a name; between them there is only white space.
        const name = JSON.parse(text.slice(quote, at)) as string;
        if (!around?.names) break;
        around.step = name;
        if (around.names.has(name)) {
          const path = jsonPointer(open.map(({ step }) => step));
          throw new CodedError('DATA_NOT_CANONICAL', 'duplicate', `a member twice: "${path}"`, { path });
        }
        around.names.add(name);
      }
    }
  }
}

/** Offset of the closing quote of the string that opens there. */
function endOfString(text: string, quote: number): number {
  for (let at = quote + 1; ; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\') at++;
  }
}
