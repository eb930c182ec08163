import { isEncrypted } from '../../lib/evidence';

/** Decrypts one JWE. */
export type Open = (encrypted: object) => Promise<unknown>;

/** Parsing a text holds up Node-RED; longer ones are read line by line. */
const PARSED_AT_ONCE = 1024 * 1024;
/** A member of every JWE: without it there is nothing to open. */
const MARK = '"ciphertext"';

/**
 * A payload with its encrypted documents opened, whichever form it has: a document, `{ document, evidence }`, a list of them,
 * or the text of any of them. The same payload where there is nothing to open.
 */
export async function opened(payload: unknown, open: Open): Promise<unknown> {
  if (payload instanceof Uint8Array) {
    const text = textOf(payload);
    const result = text === undefined ? undefined : await openedText(text, open);
    return result === text ? payload : result;
  }
  if (typeof payload === 'string') return openedText(payload, open);
  if (Array.isArray(payload)) return openedList(payload, open);
  return openedEntry(payload, open);
}

async function openedText(text: string, open: Open): Promise<unknown> {
  if (!text.includes(MARK)) return text;
  const whole = text.length <= PARSED_AT_ONCE ? parsed(text) : undefined;
  if (whole !== undefined) {
    const result = Array.isArray(whole) ? await openedList(whole, open) : await openedEntry(whole, open);
    return result === whole ? text : result;
  }
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const entries: unknown[] = [];
  // A line that is no JSON may be the text of a JWS.
  for (const line of lines) entries.push(await openedEntry(parsed(line) ?? line.trim(), open));
  return entries;
}

async function openedList(list: readonly unknown[], open: Open): Promise<readonly unknown[]> {
  const entries: unknown[] = [];
  for (const entry of list) entries.push(await openedEntry(entry, open));
  return entries.some((entry, index) => entry !== list[index]) ? entries : list;
}

async function openedEntry(entry: unknown, open: Open): Promise<unknown> {
  if (typeof entry !== 'object' || entry === null) return entry;
  if (isEncrypted(entry)) return open(entry);
  const { document } = entry as { document?: unknown };
  return isEncrypted(document) ? { ...entry, document: await open(document as object) } : entry;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
