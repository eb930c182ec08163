import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { type Verification, type VerificationRequest, verify } from '../../../lib/evidence';
import { PROBLEMS, WARNINGS } from '../../../lib/evidence/verification';
import { FakeLedger, Notary, parsed } from './notary';

const machine = new Notary(1);
for (let n = 0; n < 4; n++) machine.next({ n });
const whole = { document: parsed(machine.leaves[1] as string), evidence: machine.evidence(1) };
const ledger = new FakeLedger();
ledger.record(machine, 4);

/** Answers, or refuses with a code; anything else is a defect. */
async function judged(request: Partial<VerificationRequest>): Promise<Verification | undefined> {
  try {
    const verdict = await verify({ payload: undefined, trusted: [], requireAnchor: false, ...request }, { ledger });
    assert.equal(verdict.valid, verdict.problemCount === 0);
    for (const { code, message, parameters } of [...verdict.problems, ...verdict.warnings]) {
      const template = { ...WARNINGS, ...PROBLEMS }[code];
      const names = [...template.matchAll(/__(\w+?)__/g)].map(([, name]) => name as string);
      assert.deepEqual(Object.keys(parameters).sort(), names.sort(), code);
      assert.doesNotMatch(message, /[<>&]|\p{Cc}|\p{Cf}/u);
    }
    return verdict;
  } catch (error) {
    if (isCodedError(error)) return undefined;
    throw error;
  }
}

describe('whatever is handed in for verification', function () {
  this.timeout(60_000);

  afterEach(() => assert.equal(Object.keys(Object.prototype).length, 0));

  it('is judged, if it is anything at all', async () => {
    const anything = fc.anything({
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withSparseArray: true,
    });
    await fc.assert(
      fc.asyncProperty(anything, anything, anything, async (payload, evidence, successions) => {
        assert.equal((await judged({ payload, evidence, successions }))?.valid, false);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is judged, if it is a text', async () => {
    const pieces = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      '\n',
      '{}',
      'null',
      '"proof"',
      '\u2028',
      '\ud800',
      '.',
      'a',
      '0',
    );
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((all) => all.join('')),
    );
    await fc.assert(
      fc.asyncProperty(text, async (payload) => {
        assert.equal((await judged({ payload }))?.valid, false);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is judged, if any member of it is replaced by anything', async () => {
    const paths = pathsOf(whole);
    assert.ok(paths.length > 15);
    const values = fc.oneof(
      fc.anything(),
      fc.constantFrom(-0, 2 ** 53, '', '\u0000', '__proto__', 'x'.repeat(300_000), Number.NaN),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), values, async (path, value) => {
        const changed = replaced(whole, path, value);
        const verdict = await judged({ payload: changed, requireAnchor: true });
        // "milestone" may be left out; "evidence" may not, since an anchor is required.
        if (verdict?.valid) assert.ok(path.at(-1) === 'milestone' && value === undefined, path.join('.'));
      }),
      { numRuns: 3_000 },
    );
  });

  it('runs no code of its own', async () => {
    let ran = 0;
    const run = () => {
      ran += 1;
      return 'x';
    };
    const names = ['get', 'has', 'ownKeys', 'getOwnPropertyDescriptor', 'getPrototypeOf'] as const;
    const traps = new Proxy({}, Object.fromEntries(names.map((name) => [name, run])) as ProxyHandler<object>);
    for (const payload of [
      traps,
      [traps],
      { document: traps },
      Object.defineProperty({}, 'document', { get: run, enumerable: true }),
      Object.defineProperty({}, 'proof', { get: run, enumerable: true }),
      { proof: { toJSON: run, toString: run } },
      { ...(whole.document as object), toJSON: run },
    ]) {
      assert.equal((await judged({ payload }))?.valid, false);
    }
    assert.equal(ran, 0);
  });

  it('changes no prototype', async () => {
    for (const payload of [
      '{"__proto__":{"polluted":1},"proof":{}}',
      '{"document":{"proof":{"__proto__":{"polluted":1}}},"evidence":{"__proto__":{"polluted":1}}}',
      '[{"constructor":{"prototype":{"polluted":1}},"proof":[]}]',
    ]) {
      assert.equal((await judged({ payload, successions: payload }))?.valid, false);
    }
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  });

  it('takes no longer than its length', async () => {
    const long = 4_000_000;
    for (const payload of [
      '['.repeat(long),
      '{"a":'.repeat(long / 5),
      `[${'"'.repeat(long)}`,
      `"${'\\'.repeat(long)}`,
      `${' '.repeat(long)}x`,
      `x${' '.repeat(long)}`,
      `${'a'.repeat(long / 2)}.${'a'.repeat(long / 2)}`,
      '.'.repeat(long),
      'a.b.c\n'.repeat(long / 200),
      `{"proof":"${'x'.repeat(long)}"}`,
      `{"proof":[${'{},'.repeat(100)}{}]}`,
    ]) {
      const before = performance.now();
      await judged({ payload });
      assert.ok(performance.now() - before < 6_000, payload.slice(0, 20));
    }
  });

  it('does not bring its own markup or line breaks into a message', async () => {
    const evil = '\u001b[31m<img src=x onerror=alert(1)>\u202e\n&amp;';
    const { problems = [] } =
      (await judged({ payload: { ...whole, evidence: machine.evidence(1, { anchor: { network: evil } }) } })) ?? {};
    assert.deepEqual(
      problems.map(({ code, parameters }) => [code, parameters['network']]),
      [['ANCHOR_NETWORK', '·[31m·img src=x onerror=alert(1)···amp;'.replace('···', '····')]],
    );
  });
});

describe('the list of problems', () => {
  it('has a sentence for each code, that names its parameters', () => {
    for (const [code, text] of [...Object.entries(PROBLEMS), ...Object.entries(WARNINGS)]) {
      assert.match(code, /^[A-Z_]+$/);
      assert.match(text, /^[A-Z_].*\.$/, code);
    }
  });
});

function pathsOf(value: unknown, path: readonly string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [[...path, name], ...pathsOf(member, [...path, name])]);
}

function replaced(object: unknown, [name, ...path]: readonly string[], value: unknown): unknown {
  const members = object as Record<string, unknown>;
  return { ...members, [name as string]: path.length === 0 ? value : replaced(members[name as string], path, value) };
}
