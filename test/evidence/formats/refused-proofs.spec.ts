import { readSigned } from '../../../lib/evidence';
import { type Json, signed } from './proofs';
import { METER, refused, SENSOR } from './signers';

describe('a document whose proof cannot be checked is refused, with the reason,', () => {
  const refusedWith = (detail: string, payload: unknown) =>
    refused('SIGNATURE_INVALID', detail, () => readSigned(payload), JSON.stringify(payload)?.slice(0, 300));
  const withProof = (changes: Json) => {
    const document = signed({ a: 1 });
    return JSON.parse(JSON.stringify({ ...document, proof: { ...document.proof, ...changes } })) as Json;
  };

  it('where there is no proof', () => {
    for (const payload of [{}, { a: 1 }, { proof: [] }, [], [signed({ a: 1 })], null, 5, '{}'])
      refusedWith('unsigned', payload);
    for (const proof of [null, 'x', 1, [1], [null], [[{}]]]) refusedWith('proof', { a: 1, proof });
    refusedWith('proof-count', { proof: Array(33).fill(signed({}).proof) });
  });

  it('where the proof is of another kind', () => {
    refusedWith('proof-type', withProof({ type: 'Ed25519Signature2020' }));
    refusedWith('proof-type', withProof({ type: undefined }));
    refusedWith('proof-type', withProof({ type: ['DataIntegrityProof'] }));
    refusedWith('cryptosuite', withProof({ cryptosuite: 'eddsa-rdfc-2022' }));
    refusedWith('cryptosuite', withProof({ cryptosuite: 'EDDSA-JCS-2022' }));
    refusedWith('proof-purpose', withProof({ proofPurpose: 'authentication' }));
    refusedWith('proof-chain', withProof({ previousProof: 'urn:uuid:1' }));
  });

  it('where it names no did:key and its one key', () => {
    const [did, other] = [SENSOR.did, METER.did];
    for (const method of [
      did,
      `${did}#`,
      `${did}#key-1`,
      `${did}#${other.slice(8)}`,
      `${did}#${did.slice(8)}#`,
      `did:web:example.org#${did.slice(8)}`,
      `${did.slice(0, -1)}#${did.slice(8, -1)}`,
      `#${did.slice(8)}`,
      'did:key:z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p#z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p',
      'x'.repeat(100_000),
      5,
      null,
      { id: did },
    ]) {
      refusedWith('verification-method', withProof({ verificationMethod: method }));
    }
  });

  it('where the signature is not written as it has to be', () => {
    const value = String(signed({ a: 1 }).proof.proofValue);
    for (const proofValue of [
      undefined,
      value.slice(1),
      `u${value.slice(1)}`,
      `${value}1`,
      `z1${value.slice(1)}`,
      value.slice(0, -2),
      `${value.slice(0, -1)}0`,
      ` ${value}`,
      'z',
      `z${'1'.repeat(63)}`,
      `z${'z'.repeat(88)}`,
      'z'.repeat(1_000_000),
      1,
    ]) {
      refusedWith('proof-value', withProof({ proofValue }));
    }
  });

  it('where its sequence is no place in a log', () => {
    for (const sequence of [-1, 1.5, '1', null, 2 ** 53, true]) refusedWith('sequence', withProof({ sequence }));
  });

  it('where its times are none', () => {
    for (const time of [
      '2026-01-02',
      '2026-01-02T03:04:05,5Z',
      '2026-01-02 03:04:05Z',
      '2026-1-2T03:04:05Z',
      '2026-02-30T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-00-01T00:00:00Z',
      '2026-01-00T00:00:00Z',
      '2026-01-02T24:00:01Z',
      '2026-01-02T03:04:60Z',
      '2026-01-02T03:04:05+15:00',
      '2026-01-02T03:04:05Z ',
      'yesterday',
      1767323045,
      null,
    ]) {
      refusedWith('time', withProof({ created: time }));
      refusedWith('time', withProof({ expires: time }));
    }
  });

  it('where the document has no canonical form', () => {
    refused('DATA_NOT_CANONICAL', 'type', () => readSigned({ ...signed({ a: 1 }), b: undefined }));
    refused('DATA_NOT_CANONICAL', 'type', () => readSigned(undefined));
    const text = JSON.stringify(signed({ a: 1 }));
    refused('DATA_NOT_CANONICAL', 'duplicate', () => readSigned(text.replace('{"a":1', '{"a":2,"a":1')));
    refused('DATA_NOT_CANONICAL', 'syntax', () => readSigned(text.slice(0, -1)));
  });
});
