import { CodedError } from '../errors';

/** TIP-18 "Tag Feature": 1 to 64 bytes. Other ledgers take at least as much. */
export const LONGEST_TAG_BYTES = 64;

const HEX = /^0x(?:[0-9a-f]{2})+$/i;
// Control characters and what only changes how others look would make two tags that read the same.
const UNREADABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u;

/**
 * The bytes that a tag stands for: hex after `0x`, else the UTF-8 of the text.
 *
 * @throws CodedError `CONFIG_INVALID` (`data-tag`)
 */
export function parseTag(text: string): Uint8Array {
  const isHex = /^0x/i.test(text);
  const bytes = isHex ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text, 'utf8');
  if ((isHex && !HEX.test(text)) || /\p{Surrogate}/u.test(text) || bytes.length < 1 || bytes.length > LONGEST_TAG_BYTES)
    throw new CodedError(
      'CONFIG_INVALID',
      'data-tag',
      `a tag is a text of 1 to ${LONGEST_TAG_BYTES} bytes, or 0x hex`,
      {
        value: text.slice(0, 2 * LONGEST_TAG_BYTES + 2),
        limit: LONGEST_TAG_BYTES,
      },
    );
  return Uint8Array.from(bytes);
}

/** What {@link parseTag} reads as these bytes: as text where that can be read, else as hex. */
export function writeTag(bytes: Uint8Array): string {
  const text = readableText(bytes);
  return text === undefined || /^0x/i.test(text) ? `0x${Buffer.from(bytes).toString('hex')}` : text;
}

function readableText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return text === '' || UNREADABLE.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
