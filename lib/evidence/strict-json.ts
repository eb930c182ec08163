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
  // Before it is parsed: a character takes at least a byte. White space counts.
  if (text.length > limits.bytes) throw tooLarge(limits);
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new CodedError('DATA_NOT_CANONICAL', 'syntax', 'this is no JSON', { path: '' }, { cause });
  }
  // A text that is canonical already is as long as its value needs: there is no room for a second member of one name.
  if (canonicalJson(value, limits) !== text) assertNoDuplicates(text);
  return value;
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
