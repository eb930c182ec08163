import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { parseSignedJson, parseStrictJson } from '../../../lib/evidence';
import { refused } from './signers';

const notCanonical = (detail: string, text: string, path?: string) => {
  const error = refused('DATA_NOT_CANONICAL', detail, () => parseStrictJson(text), text.slice(0, 60));
  if (path !== undefined) assert.equal(error.parameters.path, path);
};

describe('JSON from outside', () => {
  it('is read like any other', () => {
    const texts = [
      '{}',
      '[]',
      ' \t\r\n{ "b" : [ 1 , 2.50 , "x" ] , "a" : { "b" : null } } ',
      '"a\\u00e4\\n"',
      '-0',
      '1E2',
      'true',
    ];
    for (const text of texts) assert.deepEqual(parseStrictJson(text), JSON.parse(text), text);
  });

  it('keeps numbers that a double holds only roughly: what is signed is the double', () => {
    assert.equal(parseStrictJson('12345678901234567890'), 12345678901234567000);
    notCanonical('number', '{"a":1e400}', '/a');
  });

  it('is refused, if only its value is signed, for digits of an integer that no number keeps: they could be others', () => {
    for (const [number, value] of [
      ['9007199254740993', '9007199254740993'],
      ['-9007199254740993', '-9007199254740993'],
      ['12345678901234567999', '12345678901234567999'],
      ['12345678901234567168', '12345678901234567168'],
      [`1${'0'.repeat(40)}1`, `1${'0'.repeat(39)}`],
    ] as const) {
      for (const text of [` ${number}`, `{"b":"\\"1", "a":[${number}]}`]) {
        const error = refused('DATA_NOT_CANONICAL', 'integer', () => parseSignedJson(text), text);
        assert.equal(error.parameters.value, value);
      }
    }
  });

  it('is not refused for digits that say the same, for fractions that are rounded, or for digits in texts', () => {
    for (const text of [
      '[ 9007199254740992, 12345678901234567000, -0, 1000000000000000000000, -12345678901234560000000 ]',
      '[ 1.0, 1e2, 333333333.33333329, 0.10000000000000000555, 1e-400, 1234567890123456789e0 ]',
      '{ "9007199254740993": "9007199254740993", "\\"12345678901234567999": "\\\\" }',
    ])
      assert.deepEqual(parseSignedJson(text), JSON.parse(text), text);
    notCanonical('duplicate', '{"a":1,"a":1}');
    refused('DATA_NOT_CANONICAL', 'duplicate', () => parseSignedJson('{"a":1,"a":1}'));
  });

  it('is refused where a name occurs twice, however it is spelt', () => {
    notCanonical('duplicate', '{"a":1,"a":1}', '/a');
    notCanonical('duplicate', '{"a":1, "\\u0061":2}', '/a');
    notCanonical('duplicate', '[{}, {"x": {"b": [0, {"c": 1, "d": 2, "c": {}}]}}]', '/1/x/b/1/c');
    notCanonical('duplicate', '{"a":{"a":1},"b":[{"a":1}],"a":2}', '/a');
    notCanonical('duplicate', '{"":1,"":2}', '/');
    notCanonical('duplicate', '{"a\\"":1,"a\\"":2}', '/a"');
    notCanonical('duplicate', '{"\\\\":1,"\\\\":2}', '/\\');
    // As long as its canonical text, because a number is shorter here.
    notCanonical('duplicate', '{"a":0,"a":1e09}', '/a');
    // The first of them is not even in what JSON.parse returns.
    notCanonical('duplicate', '{"a":{"deep":[1,2]},"a":1}', '/a');
  });

  it('is not refused where one name occurs in several objects, or in texts', () => {
    for (const text of [
      '{ "a": { "a": { "a": 1 } }, "b": [ { "a": 1 }, { "a": 2 } ] }',
      '{ "a": "\\"a\\":1,\\"a\\":2", "b": ":,{}[]\\\\" }',
      '[ "a", "a", { "x": "a" }, ":" ]',
      '{ "a" : "b" , "b" : "a" }',
      '[[{"a":[]},{"a":{}}],{"a":1}] ',
    ])
      assert.deepEqual(parseStrictJson(text), JSON.parse(text), text);
  });

  it('finds a member put in twice wherever it is, and nothing in a document without (5,000 documents)', () => {
    const name = fc.string({ unit: 'binary', maxLength: 3 });
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }),
        name,
        fc.nat(),
        fc.boolean(),
        (value, twice, at, indent) => {
          const text = JSON.stringify(value, null, indent ? 1 : 0);
          fc.pre(!text.includes('"__proto__"') && twice !== '__proto__');
          assert.deepEqual(parseStrictJson(text), JSON.parse(text));
          // In front of any object's members: a pair of one name.
          const places = [...text.matchAll(/\{/g)]
            .map(({ index }) => index + 1)
            .filter((place) => !isInText(text, place));
          fc.pre(places.length > 0);
          const place = places[at % places.length] as number;
          const comma = /^\s*\}/.test(text.slice(place)) ? '' : ',';
          const pair = `${JSON.stringify(twice)}:0 ,${JSON.stringify(twice)}:1${comma}`;
          assert.throws(
            () => parseStrictJson(text.slice(0, place) + pair + text.slice(place)),
            (error) => isCodedError(error, 'DATA_NOT_CANONICAL') && error.detail === 'duplicate',
          );
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('is refused for lone surrogates, raw and escaped', () => {
    notCanonical('surrogate', '"\\ud800"');
    notCanonical('surrogate', '{"a":["\\udc00\\ud800"]}', '/a/0');
    notCanonical('surrogate', `{"\ud800":1}`);
    assert.equal(parseStrictJson('"\\ud83d\\ude00"'), '😀');
  });

  it('is refused for __proto__, also escaped and without a prototype being touched', () => {
    notCanonical('proto', '{"a":{"__proto__":{"polluted":1}}}', '/a/__proto__');
    notCanonical('proto', '{"\\u005f_proto__":null}');
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it('is refused when it is deep, without the stack noticing', () => {
    notCanonical('depth', '['.repeat(65) + ']'.repeat(65));
    notCanonical('depth', '['.repeat(1_000_000) + ']'.repeat(1_000_000));
    notCanonical('depth', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`);
    assert.ok(parseStrictJson('['.repeat(64) + ']'.repeat(64)));
  });

  it('is refused when it is no JSON', () => {
    for (const text of [
      '',
      ' ',
      '{',
      '{"a":1,}',
      '[1,]',
      "{'a':1}",
      '{a:1}',
      '01',
      '1.',
      '.5',
      '+1',
      'NaN',
      'Infinity',
      'undefined',
      '"\n"',
      '"\\x41"',
      '1 2',
      '{}x',
      '\ufeff{}',
      '// x\n{}',
      '\u00a0{}',
    ])
      notCanonical('syntax', text);
  });

  it('is refused when it is too large, before it is read', () => {
    const limits = { bytes: 100, values: 10 };
    refused('DATA_TOO_LARGE', 'bytes', () => parseStrictJson(`"${'x'.repeat(99)}"`, limits));
    refused('DATA_TOO_LARGE', 'bytes', () => parseStrictJson(' '.repeat(101), limits));
    refused('DATA_TOO_LARGE', 'values', () => parseStrictJson('[1,2,3,4,5,6,7,8,9,10]', limits));
    assert.deepEqual(parseStrictJson('[1,2,3,4,5,6,7,8,9]', limits), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

function isInText(text: string, place: number): boolean {
  return (text.slice(0, place).replace(/\\./g, '').match(/"/g)?.length ?? 0) % 2 === 1;
}
