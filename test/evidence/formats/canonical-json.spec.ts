import assert from 'node:assert/strict';
import vm from 'node:vm';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { canonicalJson, parseStrictJson } from '../../../lib/evidence';
import { refused } from './signers';
import { slowCanonical } from './slow-canonical';

const double = (bits: string) => Buffer.from(bits, 'hex').readDoubleBE();
const notCanonical = (detail: string, value: unknown, path?: string) => {
  const error = refused('DATA_NOT_CANONICAL', detail, () => canonicalJson(value));
  if (path !== undefined) assert.equal(error.parameters.path, path);
};

/** Nested so deep; the innermost is a number. */
function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let at = 0; at < depth; at++) value = at % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('canonical JSON', () => {
  describe('of the examples in RFC 8785', () => {
    it('writes numbers, texts and literals (§3.2.2, §3.2.4)', () => {
      const text = String.raw`{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
      }`;
      const bytes = Buffer.from(canonicalJson(parseStrictJson(text)), 'utf8').toString('hex');
      assert.equal(
        bytes,
        '7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e333333' +
          '333333332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e412742' +
          '5c225c5c5c5c5c222f227d',
      );
    });

    it('sorts by UTF-16 code units, not by characters (§3.2.3)', () => {
      const values = parseStrictJson(String.raw`{
        "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
        "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
      }`);
      assert.deepEqual(canonicalJson(values).match(/(?<=:")[^"]+/g), [
        'Carriage Return',
        'One',
        'Control',
        'Latin Small Letter O With Diaeresis',
        'Euro Sign',
        'Emoji: Grinning Face',
        'Hebrew Letter Dalet With Dagesh',
      ]);
    });

    it('writes the doubles of appendix B', () => {
      const samples: [string, string][] = [
        ['0000000000000000', '0'],
        ['8000000000000000', '0'],
        ['0000000000000001', '5e-324'],
        ['8000000000000001', '-5e-324'],
        ['7fefffffffffffff', '1.7976931348623157e+308'],
        ['ffefffffffffffff', '-1.7976931348623157e+308'],
        ['4340000000000000', '9007199254740992'],
        ['c340000000000000', '-9007199254740992'],
        ['4430000000000000', '295147905179352830000'],
        ['44b52d02c7e14af5', '9.999999999999997e+22'],
        ['44b52d02c7e14af6', '1e+23'],
        ['44b52d02c7e14af7', '1.0000000000000001e+23'],
        ['444b1ae4d6e2ef4e', '999999999999999700000'],
        ['444b1ae4d6e2ef4f', '999999999999999900000'],
        ['444b1ae4d6e2ef50', '1e+21'],
        ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
        ['3eb0c6f7a0b5ed8d', '0.000001'],
        ['41b3de4355555553', '333333333.3333332'],
        ['41b3de4355555554', '333333333.33333325'],
        ['41b3de4355555555', '333333333.3333333'],
        ['41b3de4355555556', '333333333.3333334'],
        ['41b3de4355555557', '333333333.33333343'],
        ['becbf647612f3696', '-0.0000033333333333333333'],
        ['43143ff3c1cb0959', '1424953923781206.2'],
      ];
      for (const [bits, text] of samples) assert.equal(canonicalJson(double(bits)), text, bits);
      notCanonical('number', double('7fffffffffffffff'));
      notCanonical('number', double('7ff0000000000000'));
      notCanonical('number', double('fff0000000000000'));
    });
  });

  it('sorts names of digits, of other scripts and of none like any other, and normalises nothing', () => {
    // What the published test data of the scheme (cyberphone/json-canonicalization) is about.
    const samples: [unknown, string][] = [
      [[56, { d: true, 10: null, 1: [] }], '[56,{"1":[],"10":null,"d":true}]'],
      [{ sin: 1, pêche: 2, péché: 3, peach: 4 }, '{"peach":4,"péché":3,"pêche":2,"sin":1}'],
      [
        { 1: { f: { f: 'hi', F: 5 }, '\n': 56 }, 10: {}, '': 'empty', a: {}, 111: [{ e: 'yes', E: 'no' }], A: {} },
        '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
      ],
      [{ 'Unnormalized Unicode': 'A\u030a' }, '{"Unnormalized Unicode":"A\u030a"}'],
      [{ '</script>': '\u007f\u2028\u2029\u0080' }, '{"</script>":"\u007f\u2028\u2029\u0080"}'],
      [['\b\t\n\v\f\r\u0000\u001f "\\/'], '["\\b\\t\\n\\u000b\\f\\r\\u0000\\u001f \\"\\\\/"]'],
      ['😀', '"😀"'],
      [{}, '{}'],
      [[[], [[]]], '[[],[[]]]'],
    ];
    for (const [value, text] of samples) assert.equal(canonicalJson(value), text);
  });

  describe('of any value', () => {
    const text = fc.string({ unit: 'binary', maxLength: 5 });
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { maxDepth: 3 },
        fc.oneof(text, number, fc.integer(), fc.boolean(), fc.constant(null)),
        fc.array(tie('json'), { maxLength: 4 }),
        fc.dictionary(text, tie('json'), { maxKeys: 5 }),
      ),
    }));

    it('is what the slow writer makes, is read back as the same, and comes out the same again (60,000 values)', function () {
      this.timeout(120_000);
      fc.assert(
        fc.property(json, (value) => {
          fc.pre(!JSON.stringify(value).includes('"__proto__"'));
          const text = canonicalJson(value);
          assert.equal(text, slowCanonical(value));
          assert.equal(canonicalJson(JSON.parse(text)), text);
          assert.equal(canonicalJson(parseStrictJson(text)), text);
        }),
        { numRuns: 60_000 },
      );
    });

    it('does not depend on the order in which members were set (20,000 objects)', function () {
      this.timeout(60_000);
      const members = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary', maxLength: 4 }), fc.integer()), {
        selector: ([name]) => name,
        maxLength: 12,
      });
      fc.assert(
        fc.property(
          members.chain((each) => fc.tuple(fc.constant(each), fc.shuffledSubarray(each, { minLength: each.length }))),
          ([given, shuffled]) => {
            fc.pre(given.every(([name]) => name !== '__proto__'));
            assert.equal(canonicalJson(Object.fromEntries(given)), canonicalJson(Object.fromEntries(shuffled)));
          },
        ),
        { numRuns: 20_000 },
      );
    });

    it('writes every double with the fewest digits that read back (20,000 bit patterns)', () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (bytes) => {
          const number = Buffer.from(bytes).readDoubleBE();
          fc.pre(Number.isFinite(number));
          assert.equal(canonicalJson(number), slowCanonical(number));
          assert.equal(Number(canonicalJson(number)), number === 0 ? 0 : number);
        }),
        { numRuns: 20_000 },
      );
    });
  });

  describe('is refused, with the place, for', () => {
    it('what JSON has no value for', () => {
      notCanonical('type', undefined, '');
      notCanonical('type', { a: [1, { b: undefined }] }, '/a/1/b');
      notCanonical('type', { a: () => 1 }, '/a');
      notCanonical('type', [Symbol('x')], '/0');
      notCanonical('type', { big: 1n }, '/big');
      for (const number of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        notCanonical('number', { a: number }, '/a');
      }
    });

    it('instances of classes, by their name', () => {
      class Reading {
        value = 1;
      }
      class List extends Array {}
      const instances: [unknown, string][] = [
        [new Date(0), 'Date'],
        [Buffer.from('x'), 'Buffer'],
        [new Uint8Array(1), 'Uint8Array'],
        [new Map(), 'Map'],
        [new Set(), 'Set'],
        [/x/, 'RegExp'],
        [new Error('x'), 'Error'],
        [new Reading(), 'Reading'],
        [List.of(1), 'List'],
        [new String('x'), 'String'],
        [new Number(1), 'Number'],
        [Object.create({ inherited: 1 }), 'object'],
        [Object.create(Object.create(null)), 'object'],
        [Promise.resolve(), 'Promise'],
      ];
      for (const [value, name] of instances) {
        notCanonical('type', { at: value }, '/at');
        const error = refused('DATA_NOT_CANONICAL', 'type', () => canonicalJson(value));
        assert.equal(error.parameters.value, name);
      }
    });

    it('lone surrogates, in texts and in names', () => {
      for (const text of ['\ud800', 'a\udc00b', '\udc00\ud800', '\ud83d\ude00\ud83d']) {
        notCanonical('surrogate', { a: text }, '/a');
        notCanonical('surrogate', { [text]: 1 });
      }
    });

    it('members that are hidden, computed, or named by a symbol', () => {
      notCanonical(
        'accessor',
        {
          inner: {
            get a() {
              throw new Error('a getter ran');
            },
          },
        },
        '/inner/a',
      );
      notCanonical('accessor', Object.defineProperty({}, 'a', { set: () => {}, enumerable: true }), '/a');
      notCanonical('hidden', Object.defineProperty({}, 'a', { value: 1 }), '/a');
      notCanonical('symbol', { a: { [Symbol('x')]: 1 } }, '/a');
      notCanonical('accessor', Object.defineProperty([1], 0, { get: () => 2, enumerable: true }), '/0');
      notCanonical('hidden', Object.defineProperty([1], 0, { enumerable: false }), '/0');
      notCanonical('proto', JSON.parse('{"a":{"__proto__":{"b":1}}}'), '/a/__proto__');
    });

    it('arrays with holes or with members beside their elements', () => {
      // biome-ignore lint/suspicious/noSparseArray: that is what it is about
      notCanonical('hole', { list: [1, , 3] }, '/list/1');
      notCanonical('hole', new Array(3), '/0');
      notCanonical('array-members', { list: Object.assign([1, 2], { unit: 'C' }) }, '/list');
      notCanonical('array-members', Object.assign([1], { [Symbol('x')]: 1 }), '');
      notCanonical('array-members', /(a)/.exec('a'), '');
    });

    it('cycles and what is too deep', () => {
      assert.equal(canonicalJson(nested(64)).length > 64, true);
      notCanonical('depth', nested(65));
      notCanonical('depth', nested(10_000));
      const cycle: { own?: unknown; n: number } = { n: 1 };
      cycle.own = { a: [cycle] };
      notCanonical('cycle', cycle);
      const list: unknown[] = [];
      list.push(list);
      notCanonical('cycle', list);
    });

    it('proxies, whatever they would do', () => {
      const trap = () => {
        throw new Error('a trap ran');
      };
      const traps = { get: trap, ownKeys: trap, getPrototypeOf: trap, getOwnPropertyDescriptor: trap, has: trap };
      notCanonical('type', { a: new Proxy({}, traps) }, '/a');
      notCanonical('type', new Proxy([], traps), '');
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      notCanonical('type', [proxy], '/0');
      notCanonical('type', Object.create(new Proxy({}, traps)), '');
      notCanonical('type', Object.setPrototypeOf([], new Proxy([], traps)), '');
    });
  });

  it('shares nothing with cycles: the same object twice is written twice', () => {
    const place = { lat: 1 };
    assert.equal(canonicalJson([place, place]), '[{"lat":1},{"lat":1}]');
  });

  it('calls no toJSON', () => {
    notCanonical('type', { a: 1, toJSON: () => ({ b: 2 }) }, '/toJSON');
  });

  it('takes objects and arrays of function nodes, which live in a realm of their own', () => {
    const made: unknown = vm.runInNewContext('({ b: [1, { c: [] }], a: Object.create(null) })');
    assert.equal(canonicalJson(made), '{"a":{},"b":[1,{"c":[]}]}');
    for (const script of [
      'new Date(0)',
      'new Map()',
      'new (class A {})()',
      'new Uint8Array(2)',
      'new (class B extends Array {})()',
    ]) {
      notCanonical('type', vm.runInNewContext(script));
    }
    notCanonical('hole', vm.runInNewContext('[1, , 2]'), '/1');
  });

  it('names places as JSON Pointers, cut where they are long', () => {
    notCanonical('type', { 'a/b~c': [undefined] }, '/a~1b~0c/0');
    const error = refused('DATA_NOT_CANONICAL', 'type', () => canonicalJson({ ['x'.repeat(100_000)]: undefined }));
    assert.equal(String(error.parameters.path).length, 200);
    assert.ok(error.message.length < 300);
  });

  describe('that is too large', () => {
    const limits = { bytes: 1000, values: 100 };
    const tooLarge = (detail: string, value: unknown) =>
      refused('DATA_TOO_LARGE', detail, () => canonicalJson(value, limits));

    it('is refused by its bytes in UTF-8', () => {
      assert.equal(canonicalJson('x'.repeat(998), limits).length, 1000);
      tooLarge('bytes', 'x'.repeat(999));
      tooLarge('bytes', 'ä'.repeat(500));
      tooLarge('bytes', { ['x'.repeat(1000)]: 1 });
      tooLarge('bytes', Array(30).fill('x'.repeat(40)));
      tooLarge('bytes', '\n'.repeat(600));
    });

    it('is refused by its values', () => {
      assert.equal(canonicalJson(Array(99).fill(1), limits).length, 199);
      tooLarge('values', Array(100).fill(1));
      tooLarge('values', Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`k${at}`, 1])));
      tooLarge('values', [Array(50).fill(1), Array(50).fill(1)]);
    });

    it('is refused before it is made: a hostile value costs no memory', () => {
      const huge: unknown[] = [];
      huge.length = 2 ** 32 - 1;
      tooLarge('values', huge);
      // 800 MB of text, more than a string can be.
      refused('DATA_TOO_LARGE', 'bytes', () => canonicalJson(Array(8000).fill('x'.repeat(100_000))));
      // 2^60 leaves, in a few objects.
      let tree: unknown = 'leaf';
      for (let at = 0; at < 60; at++) tree = { a: tree, b: tree };
      assert.throws(
        () => canonicalJson(tree, limits),
        (error) => isCodedError(error, 'DATA_TOO_LARGE'),
      );
    });
  });
});
