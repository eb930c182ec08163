import assert from 'node:assert/strict';
import fc from 'fast-check';
import { CodedError } from '../../lib/errors';
import { LONGEST_TAG_BYTES, parseTag, writeTag } from '../../lib/ledger';

const hexOf = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('a tag', () => {
  it('is read from a text as its UTF-8, and from hex after 0x', () => {
    for (const [text, hex] of [
      ['me1:log', '6d65313a6c6f67'],
      ['Zähler', '5ac3a4686c6572'],
      [' ', '20'],
      ['0x6d', '6d'],
      ['0X6D', '6d'],
      ['x0', '7830'],
      ['x'.repeat(64), '78'.repeat(64)],
      [`0x${'00'.repeat(64)}`, '00'.repeat(64)],
    ] as const)
      assert.equal(hexOf(parseTag(text)), hex, text);
  });

  it('is none if it is empty, too long, half of a character, or hex that is none', () => {
    for (const text of [
      '',
      'x'.repeat(65),
      'ä'.repeat(33),
      '\ud800',
      '0x',
      '0x0',
      '0xgg',
      '0x 1',
      `0x${'00'.repeat(65)}`,
    ])
      assert.throws(
        () => parseTag(text),
        (error) => error instanceof CodedError && error.code === 'CONFIG_INVALID' && error.detail === 'data-tag',
        text,
      );
  });

  it('is written so that it is read as the same bytes, as text where a person sees all of it', () => {
    for (const [hex, text] of [
      ['6d65313a6c6f67', 'me1:log'],
      ['5ac3a4686c6572', 'Zähler'],
      ['20', ' '],
      // What looks like hex, cannot be seen, reorders what is around it, or is no UTF-8.
      ['30786666', '0x30786666'],
      ['0a', '0x0a'],
      ['61e280ae62', '0x61e280ae62'],
      ['efbbbf61', '0xefbbbf61'],
      ['ff', '0xff'],
    ] as const) {
      const bytes = Buffer.from(hex, 'hex');
      assert.equal(writeTag(bytes), text);
      assert.equal(hexOf(parseTag(text)), hex);
    }
    const anyBytes = fc.uint8Array({ minLength: 1, maxLength: LONGEST_TAG_BYTES });
    const anyText = fc
      .string({ minLength: 1, maxLength: 16, unit: 'grapheme' })
      .map((text) => Buffer.from(text, 'utf8'));
    fc.assert(
      fc.property(fc.oneof(anyBytes, anyText), (bytes) => {
        fc.pre(bytes.length <= LONGEST_TAG_BYTES);
        assert.equal(hexOf(parseTag(writeTag(bytes))), hexOf(bytes));
      }),
      { numRuns: 1000 },
    );
  });
});
