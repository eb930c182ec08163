import type { JsonObject, JsonValue } from './event';

/** Larger things belong into a side table, named by their SHA-256. */
const LONGEST_BODY = 1024 * 1024;
const DEEPEST_BODY = 64;
const EVENT_TYPE = /^[\x21-\x7e]{1,100}$/;

/**
 * The JSON text of an event body. What JSON would change silently (`NaN` becomes null, `undefined` vanishes, a Date
 * becomes text) is refused: the projection must see the same value now and at a rebuild.
 *
 * @throws TypeError on what is not plain JSON, RangeError on what is too large
 */
export function encodeBody(body: JsonObject): string {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new TypeError('an event body is an object');
  assertPlain(body, 0);
  const text = JSON.stringify(body);
  if (text.length > LONGEST_BODY) throw new RangeError(`an event body of ${text.length} characters is too large`);
  return text;
}

export function decodeBody(text: string): JsonObject {
  return JSON.parse(text) as JsonObject;
}

export function assertEventType(type: string): void {
  if (!EVENT_TYPE.test(type))
    throw new TypeError('an event type is 1 to 100 printable ASCII characters without spaces');
}

function assertPlain(value: JsonValue | undefined, depth: number): void {
  if (depth > DEEPEST_BODY) throw new RangeError('an event body is nested too deeply');
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      break;
    case 'object':
      if (value === null) return;
      if (Array.isArray(value)) {
        for (const member of value) assertPlain(member, depth + 1);
        return;
      }
      if (isPlainObject(value)) {
        for (const member of Object.values(value)) assertPlain(member, depth + 1);
        return;
      }
  }
  throw new TypeError(
    `an event body holds plain JSON only, not ${typeof value === 'number' ? String(value) : typeof value}`,
  );
}

function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}
