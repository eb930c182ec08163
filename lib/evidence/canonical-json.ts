import { isProxy } from 'node:util/types';
import { CodedError } from '../errors';

/** Objects and arrays inside each other. */
export const DEEPEST_JSON = 64;

/** What a text may cost. A long text of few values is quick, a short one of many values is not: both are bounded. */
export interface JsonLimits {
  /** Of the text in UTF-8. */
  readonly bytes: number;
  /** Members and elements, at all depths. */
  readonly values: number;
}

/** For what comes from outside and is read in a thread that may take its time. */
export const FOREIGN_LIMITS: JsonLimits = { bytes: 16 * 1024 * 1024, values: 1_000_000 };

/** Where a member of the outermost object stands in its text: from the quote of its name to the end of its value. */
export interface MemberPlace {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/**
 * The canonical text of a JSON value (RFC 8785): one text per value, whoever writes it, so that its bytes can be signed.
 *
 * Takes plain data only. What `JSON.stringify` would change silently is refused, and no code of the value is run: no
 * `toJSON`, no getter, no proxy. Objects and arrays of another realm (function nodes run in their own) are plain, too.
 *
 * @throws CodedError `DATA_NOT_CANONICAL` (`path`: JSON Pointer of the offender, RFC 6901), `DATA_TOO_LARGE`
 */
export function canonicalJson(value: unknown, limits: JsonLimits = FOREIGN_LIMITS): string {
  return new CanonicalWriter(limits).write(value);
}

/** The same of an object, with the places of its members in the text, in their order. */
export function canonicalMembers(value: object, limits: JsonLimits): { text: string; members: readonly MemberPlace[] } {
  const members: MemberPlace[] = [];
  return { text: new CanonicalWriter(limits, members).write(value), members };
}

// RFC 8785 §3.2.2.2: only these need more than quotes around them. Surrogates need a look: do they come in pairs?
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON escapes
const NEEDS_CARE = /[\u0000-\u001f"\\\ud800-\udfff]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

class CanonicalWriter {
  #characters = 0;
  #values = 0;
  /** Names and indices on the way to the value at work; those below its depth count. */
  readonly #way: (string | number)[] = [];
  readonly #around: object[] = [];

  constructor(
    private readonly limits: JsonLimits,
    private readonly members?: MemberPlace[],
  ) {}

  write(value: unknown): string {
    const text = this.#value(value, 0);
    if (Buffer.byteLength(text) > this.limits.bytes) throw tooLarge(this.limits);
    return text;
  }

  #value(value: unknown, depth: number): string {
    if (++this.#values > this.limits.values) throw tooManyValues(this.limits);
    switch (typeof value) {
      case 'string':
        return this.#string(value, depth);
      case 'number':
        if (!Number.isFinite(value)) throw this.#refusal('number', depth, String(value));
        // RFC 8785 §3.2.2.3: as ECMAScript writes it, which has one zero.
        return this.#counted(String(value));
      case 'boolean':
        return this.#counted(value ? 'true' : 'false');
      case 'object':
        if (value === null) return this.#counted('null');
        if (isProxy(value)) throw this.#refusal('type', depth, 'Proxy');
        if (depth >= DEEPEST_JSON) throw this.#refusal(this.#around.includes(value) ? 'cycle' : 'depth', depth);
        this.#around[depth] = value;
        return Array.isArray(value) ? this.#array(value, depth) : this.#object(value, depth);
      default:
        throw this.#refusal('type', depth, typeof value);
    }
  }

  #array(array: readonly unknown[], depth: number): string {
    if (!isPlainArray(array)) throw this.#refusal('type', depth, classOf(array));
    const { length } = array;
    if (length > this.limits.values) throw tooManyValues(this.limits);
    let text = this.#counted('[');
    for (let index = 0; index < length; index++) {
      this.#way[depth] = index;
      const element = this.#data(Object.getOwnPropertyDescriptor(array, index), depth + 1);
      if (index > 0) text += this.#counted(',');
      text += this.#value(element, depth + 1);
    }
    // Its elements and `length`: anything more would be left out of what is signed.
    if (Reflect.ownKeys(array).length !== length + 1) throw this.#refusal('array-members', depth);
    return text + this.#counted(']');
  }

  #object(object: object, depth: number): string {
    if (!isPlainObject(object)) throw this.#refusal('type', depth, classOf(object));
    let text = this.#counted('{');
    for (const name of this.#namesInOrder(object, depth)) {
      this.#way[depth] = name;
      if (name === '__proto__') throw this.#refusal('proto', depth + 1);
      const value = this.#data(Object.getOwnPropertyDescriptor(object, name), depth + 1);
      if (text.length > 1) text += this.#counted(',');
      const start = text.length;
      text += this.#string(name, depth + 1) + this.#counted(':');
      text += this.#value(value, depth + 1);
      if (depth === 0) this.members?.push({ name, start, end: text.length });
    }
    return text + this.#counted('}');
  }

  /** RFC 8785 §3.2.3: by UTF-16 code units, as ECMAScript sorts and compares. */
  #namesInOrder(object: object, depth: number): string[] {
    const names = Reflect.ownKeys(object);
    if (names.length > this.limits.values) throw tooManyValues(this.limits);
    let sorted = true;
    for (let at = 0; at < names.length; at++) {
      const name = names[at] as string | symbol;
      if (typeof name === 'symbol') throw this.#refusal('symbol', depth);
      if (at > 0 && name < (names[at - 1] as string)) sorted = false;
    }
    return (sorted ? names : names.sort()) as string[];
  }

  /** The value of a property, without running a getter. What copying would lose (not enumerable) is refused as well. */
  #data(property: PropertyDescriptor | undefined, depth: number): unknown {
    if (property === undefined) throw this.#refusal('hole', depth);
    if (property.get !== undefined || property.set !== undefined) throw this.#refusal('accessor', depth);
    if (!property.enumerable) throw this.#refusal('hidden', depth);
    return property.value;
  }

  #string(value: string, depth: number): string {
    this.#count(value.length + 2);
    if (!NEEDS_CARE.test(value)) return `"${value}"`;
    if (LONE_SURROGATE.test(value)) throw this.#refusal('surrogate', depth);
    // The escapes of RFC 8785 §3.2.2.2 are those that ECMAScript writes.
    return JSON.stringify(value);
  }

  #counted(text: string): string {
    this.#count(text.length);
    return text;
  }

  /** As it grows: a text of a gigabyte is not made in order to be refused. */
  #count(characters: number): void {
    this.#characters += characters;
    if (this.#characters > this.limits.bytes) throw tooLarge(this.limits);
  }

  #refusal(
    detail:
      | 'accessor'
      | 'array-members'
      | 'cycle'
      | 'depth'
      | 'hidden'
      | 'hole'
      | 'number'
      | 'proto'
      | 'surrogate'
      | 'symbol'
      | 'type',
    depth: number,
    value = '',
  ): CodedError {
    const path = jsonPointer(this.#way.slice(0, depth));
    const message = `no canonical JSON: ${detail} ${value} at "${path}"`;
    return new CodedError('DATA_NOT_CANONICAL', detail, message, { path, value, limit: DEEPEST_JSON });
  }
}

const LONGEST_POINTER = 200;

/** RFC 6901. Goes into messages: cut when long. */
export function jsonPointer(way: readonly (string | number)[]): string {
  const path = way.map((step) => `/${String(step).slice(0, LONGEST_POINTER).replace(/~/g, '~0').replace(/\//g, '~1')}`);
  return path
    .join('')
    .slice(0, LONGEST_POINTER)
    .replace(/\p{Surrogate}/gu, '\ufffd');
}

export function tooLarge({ bytes }: JsonLimits): CodedError {
  const limit = Math.floor(bytes / 1024);
  return new CodedError('DATA_TOO_LARGE', 'bytes', `more than ${limit} KiB of JSON`, { limit });
}

function tooManyValues({ values }: JsonLimits): CodedError {
  return new CodedError('DATA_TOO_LARGE', 'values', `more than ${values} values in one document`, { limit: values });
}

/** `{}`, `Object.create(null)`, and `{}` of another realm; no instance of a class. */
function isPlainObject(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return prototype === Object.prototype || prototype === null || isRoot(prototype);
}

function isPlainArray(array: readonly unknown[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(array);
  if (prototype === Array.prototype) return true;
  // Every realm's Array.prototype is itself an array, above it only that realm's Object.prototype.
  return Array.isArray(prototype) && !isProxy(prototype) && isRoot(Object.getPrototypeOf(prototype));
}

/** The Object.prototype of some realm. */
function isRoot(prototype: unknown): boolean {
  if (typeof prototype !== 'object' || prototype === null || isProxy(prototype)) return false;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

/** What an instance would call its class, found without running any of its code. */
function classOf(object: object): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  const maker = dataOf(prototype, 'constructor');
  const name = dataOf(maker, 'name');
  return typeof name === 'string' && /^[\w$]{1,60}$/.test(name) ? name : 'object';
}

function dataOf(holder: unknown, name: string): unknown {
  if ((typeof holder !== 'object' && typeof holder !== 'function') || holder === null || isProxy(holder))
    return undefined;
  return Object.getOwnPropertyDescriptor(holder, name)?.value;
}
