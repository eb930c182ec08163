import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { base58 } from '@scure/base';
import { didKeyOf } from '../../../lib/values';
import { foreign, type Signed, signed, verdicts } from './proofs';
import { keyNamed, SENSOR } from './signers';

describe('a signer', () => {
  it('whose key is of small order has signed nothing, though the curve says so', () => {
    // RFC 8032 §5.1.7 with a neutral key: S = 0 and R = the neutral point fit every text.
    const neutral = Uint8Array.from([1, ...Array(31).fill(0)]);
    const signature = Uint8Array.from([...neutral, ...Array(32).fill(0)]);
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), neutral]);
    const anything = Buffer.from('anything');
    assert.equal(verify(null, anything, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature), true);

    // The points of order 1, 2, 4 and 8, also in the spellings that are not reduced (y and y + p).
    for (const hex of [
      '0100000000000000000000000000000000000000000000000000000000000000',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0000000000000000000000000000000000000000000000000000000000000080',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
      '0100000000000000000000000000000000000000000000000000000000000080',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    ]) {
      const did = didKeyOf(Buffer.from(hex, 'hex'));
      const document = foreign({ a: 1 }, {}, Object.assign(Object.create(SENSOR), { did, sign: () => signature }));
      assert.deepEqual(verdicts(document), [false], hex);
    }
  });

  it('whose key is no point of the curve has signed nothing', () => {
    const nowhere = Uint8Array.from([2, ...Array(31).fill(0)]);
    const document = signed({ a: 1 });
    const did = didKeyOf(nowhere);
    const verificationMethod = `${did}#${did.slice(8)}`;
    assert.deepEqual(verdicts({ ...document, proof: { ...document.proof, verificationMethod } }), [false]);
  });

  it('is told apart from every other, also from more of them than are kept ready', () => {
    const documents = Array.from({ length: 1100 }, (_, at) => foreign({ at }, {}, keyNamed(`signer ${at}`)));
    for (const document of [...documents, ...documents.slice(0, 50)]) assert.deepEqual(verdicts(document), [true]);
    const [first, second] = documents as [Signed, Signed];
    const mixed = { ...first, proof: { ...first.proof, verificationMethod: second.proof['verificationMethod'] } };
    assert.deepEqual(verdicts(mixed), [false]);
  }).timeout(30_000);

  it('cannot be made to have signed another text by a larger S', () => {
    // RFC 8032 §5.1.7: S + L would be the same number on the curve.
    const order = 2n ** 252n + 27742317777372353535851937790883648493n;
    const document = signed({ a: 1 });
    const signature = Buffer.from(base58.decode(String(document.proof['proofValue']).slice(1)));
    const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`) + order;
    Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse().copy(signature, 32);
    document.proof['proofValue'] = `z${base58.encode(signature)}`;
    assert.deepEqual(verdicts(document), [false]);
  });
});
