import assert from 'node:assert/strict';
import vm from 'node:vm';
import fc from 'fast-check';
import { canonicalJson, signableDocument } from '../../../lib/evidence';
import { SIGNABLE_LIMITS, withMember } from '../../../lib/evidence/signable-document';
import { refused } from './signers';

describe('what a payload is signed as', () => {
  it('is an object as it is, and anything else as its value', () => {
    const texts: [unknown, string][] = [
      [{ b: 1, a: 2 }, '{"a":2,"b":1}'],
      [{}, '{}'],
      [[{ n: 'temp', v: 21 }], '{"value":[{"n":"temp","v":21}]}'],
      [21.5, '{"value":21.5}'],
      ['on', '{"value":"on"}'],
      [null, '{"value":null}'],
      [false, '{"value":false}'],
      [vm.runInNewContext('[1]'), '{"value":[1]}'],
    ];
    for (const [payload, text] of texts) assert.equal(signableDocument(payload).text, text);
  });

  it('is refused where it has no canonical form', () => {
    refused('DATA_NOT_CANONICAL', 'type', () => signableDocument(undefined));
    refused('DATA_NOT_CANONICAL', 'type', () => signableDocument(Buffer.from('x')));
    refused('DATA_NOT_CANONICAL', 'type', () => signableDocument(new Date()));
    const { proxy, revoke } = Proxy.revocable([], {});
    revoke();
    refused('DATA_NOT_CANONICAL', 'type', () => signableDocument(proxy));
  });

  it('has no member "proof" yet', () => {
    for (const proof of [null, {}, 'x']) {
      const error = refused('DATA_NOT_CANONICAL', 'proof', () => signableDocument({ a: 1, proof }));
      assert.equal(error.parameters.path, '/proof');
    }
    assert.equal(signableDocument({ inner: { proof: 1 } }).text, '{"inner":{"proof":1}}');
    assert.equal(signableDocument([{ proof: 1 }]).text, '{"value":[{"proof":1}]}');
  });

  it('knows its @context', () => {
    assert.equal(signableDocument({ b: 1, '@context': ['x', { z: 1, y: 2 }], ' ': 0 }).context, '["x",{"y":2,"z":1}]');
    assert.equal(signableDocument({ '@context': null }).context, 'null');
    assert.equal(signableDocument({ a: { '@context': 1 } }).context, undefined);
  });

  it('takes the proof where its canonical order has it (2,000 documents)', () => {
    const names = fc.oneof(
      fc.constantFrom('proo', 'prooe', 'prooez', 'prooz', 'proof ', 'proog', 'a', 'z', '', 'Proof', '"'),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue({ maxDepth: 1 })), (payload) => {
        fc.pre(!('proof' in payload) && !JSON.stringify(payload).includes('"__proto__"'));
        const document = signableDocument(payload);
        assert.equal(withMember(document, '"proof":{"type":"x"}'), canonicalJson({ ...payload, proof: { type: 'x' } }));
      }),
      { numRuns: 2000 },
    );
  });

  it('is refused beyond 256 KiB or 10,000 values, which are the most that the main thread can do beside its work', () => {
    const { bytes, values } = SIGNABLE_LIMITS;
    assert.equal(signableDocument({ a: 'x'.repeat(bytes - '{"a":""}'.length) }).text.length, bytes);
    refused('DATA_TOO_LARGE', 'bytes', () => signableDocument({ a: 'x'.repeat(bytes) }));
    assert.ok(signableDocument(Array(values - 2).fill(0)));
    refused('DATA_TOO_LARGE', 'values', () => signableDocument(Array(values - 1).fill(0)));
  });
});
