/**
 * Cuts the text of many documents into those of single ones, without reading them: a day's text is too long to be parsed in
 * one go, and what is wrong with one document should be said of that one.
 */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** JSON Lines: what stands between line feeds, without the empty ones and the space around them. */
export function* textLines(text: string): Generator<string> {
  for (let at = skipSpace(text, 0); at < text.length; at = skipSpace(text, at)) {
    const lineFeed = text.indexOf('\n', at);
    const end = lineFeed < 0 ? text.length : lineFeed;
    yield withoutSpace(text.slice(at, end));
    at = end;
  }
}

/** Without the space around it, as JSON understands space. */
export function withoutSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(Math.min(skipSpace(text, 0), end), end);
}

/**
 * The elements of the outermost JSON array. Only brackets, commas and quotes are looked at; whether an element is JSON is for
 * its reader to say. What stands behind the array, or an array that does not end, comes as an element that is none.
 */
export function* listElements(text: string): Generator<string> {
  const start = skipSpace(text, 0) + 1;
  let from = start;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case OPEN_BRACKET:
      case OPEN_BRACE:
        depth += 1;
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        if (depth > 0) {
          depth -= 1;
          break;
        }
        yield* lastElements(text, start, from, at);
        return;
      case COMMA:
        if (depth > 0) break;
        yield text.slice(from, at);
        from = at + 1;
    }
  }
  // With what was before it: it may be whole, but then something behind it was cut off.
  yield text.slice(from - 1);
}

function* lastElements(text: string, start: number, from: number, end: number): Generator<string> {
  const last = text.slice(from, end);
  if (from !== start || withoutSpace(last) !== '') yield last;
  const behind = text.charCodeAt(end) === CLOSE_BRACKET ? withoutSpace(text.slice(end + 1)) : text.slice(end);
  if (behind !== '') yield behind;
}

/** Offset of the closing quote, or of the end of a text without one. */
function endOfString(text: string, quote: number): number {
  for (let at = quote + 1; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) return at;
    if (character === BACKSLASH) at++;
  }
  return text.length;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text.charCodeAt(at))) at += 1;
  return at;
}

/** RFC 8259 §2: space, tab, line feed, carriage return. */
function isSpace(character: number): boolean {
  return character === 0x20 || character === 0x09 || character === 0x0a || character === 0x0d;
}
