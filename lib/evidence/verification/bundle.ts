import { isProxy } from 'node:util/types';
import { isCodedError } from '../../errors';
import { parseSignedJson } from '../strict-json';
import { listElements, textLines, withoutSpace } from './bundle-text';
import { type Problem, problem } from './problems';

/** Characters of one text. A day of readings, one per second, each with its evidence, is about 170 million. */
export const MOST_CHARACTERS = 256 * 1024 * 1024;
export const MOST_DOCUMENTS = 1_000_000;

/** One document with what was given beside it, still unread; or why there is none. */
export type BundleItem =
  | { readonly document: unknown; readonly evidence: unknown; readonly problem?: undefined }
  | { readonly problem: Problem };

/** What a payload holds. Items are read one by one: the text of a day is longer than what it may take to read it. */
export type Bundle =
  | { readonly kind: 'single'; readonly item: BundleItem }
  | { readonly kind: 'several'; readonly items: Iterable<BundleItem> }
  | { readonly kind: 'unreadable'; readonly problem: Problem };

export function readBundle(payload: unknown): Bundle {
  if (isProxy(payload)) return single(payload);
  if (payload instanceof Uint8Array) return readBytes(payload);
  if (typeof payload === 'string') return readText(payload);
  if (!Array.isArray(payload)) return single(payload);
  if (payload.length === 0) return empty();
  if (payload.length > MOST_DOCUMENTS) return unreadable(tooMany(payload.length));
  return { kind: 'several', items: numbered(payload.values(), itemOfValue) };
}

function readBytes(bytes: Uint8Array): Bundle {
  if (bytes.length > MOST_CHARACTERS) return unreadable(tooLong(bytes.length));
  try {
    return readText(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return unreadable(problem('BUNDLE_UNREADABLE', { reason: 'not UTF-8' }));
  }
}

function readText(text: string): Bundle {
  if (text.length > MOST_CHARACTERS) return unreadable(tooLong(text.length));
  // Windows programs write one; RFC 8259 §8.1 lets a parser ignore it.
  const plain = text.startsWith('\ufeff') ? text.slice(1) : text;
  const [first, second] = textLines(plain);
  if (first === undefined) return empty();
  if (first.startsWith('[')) {
    const elements = listElements(plain);
    // One look ahead: an empty list is no list of documents.
    return elements.next().done ? empty() : { kind: 'several', items: numbered(listElements(plain), itemOfText) };
  }
  const line = itemOfText(first);
  if (second === undefined) return singleText(line);
  if (line.problem) {
    // An object written over several lines; or lines, the first of which is damaged or cut off.
    const whole = itemOfText(plain);
    const areLines = /^".*"$|^\{.*\}$/.test(first) || /^\{.*\}$/.test(second) || isJws(second);
    if (!whole.problem || !areLines) return singleText(whole);
  }
  return { kind: 'several', items: numbered(textLines(plain), itemOfText) };
}

/** Nothing could be made of the whole text. */
function singleText(item: BundleItem): Bundle {
  if (!item.problem) return { kind: 'single', item };
  const reason = String(item.problem.parameters['reason']);
  return unreadable(problem('BUNDLE_UNREADABLE', { reason }));
}

const single = (value: unknown): Bundle => ({ kind: 'single', item: itemOf(value) });
const unreadable = (found: Problem): Bundle => ({ kind: 'unreadable', problem: found });
const empty = (): Bundle => unreadable(problem('BUNDLE_EMPTY'));
const tooLong = (size: number): Problem =>
  problem('BUNDLE_TOO_LARGE', { size: `${size} characters`, limit: `${MOST_CHARACTERS} characters` });
const tooMany = (size: number): Problem =>
  problem('BUNDLE_TOO_LARGE', { size: `${size} documents`, limit: `${MOST_DOCUMENTS} documents` });

function* numbered<T>(values: Iterable<T>, read: (value: T) => BundleItem): Generator<BundleItem> {
  let count = 0;
  for (const value of values) {
    count += 1;
    if (count > MOST_DOCUMENTS) {
      yield { problem: tooMany(count) };
      return;
    }
    yield read(value);
  }
}

/** Three parts of base64url; or what begins as the header of one does (`{"`), and has not even that. */
function isJws(text: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]+$|^eyJ[\w=-]*\.[\w=-]*\.[\w=-]*$/.test(text);
}

/** One JSON text, or one compact JWS without quotes around it. */
function itemOfText(text: string): BundleItem {
  const trimmed = withoutSpace(text);
  if (isJws(trimmed)) return { document: trimmed, evidence: undefined };
  try {
    return itemOf(parseSignedJson(trimmed));
  } catch (error) {
    return { problem: problem('DOCUMENT_UNREADABLE', { reason: reasonOf(error) }) };
  }
}

/** In a list that a flow collected a document may still be text. */
const itemOfValue = (value: unknown): BundleItem => (typeof value === 'string' ? itemOfText(value) : itemOf(value));

/** `{ document, evidence }`, or the document itself. What has a proof is a document, whatever else is in it. */
function itemOf(value: unknown): BundleItem {
  if (isPlainObject(value) && !Object.hasOwn(value, 'proof') && Object.hasOwn(value, 'document')) {
    return { document: ownValue(value, 'document'), evidence: ownValue(value, 'evidence') ?? undefined };
  }
  return { document: value, evidence: undefined };
}

export function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !isProxy(value) && !Array.isArray(value);
}

/** Runs no getter: what is no plain data is nothing. */
export function ownValue(object: object, name: string): unknown {
  return Object.getOwnPropertyDescriptor(object, name)?.value;
}

/** What a `CodedError` of a reader says; of anything else nothing, it may hold what was read. */
export function reasonOf(error: unknown): string {
  return isCodedError(error) ? error.message : 'it is no plain data';
}
