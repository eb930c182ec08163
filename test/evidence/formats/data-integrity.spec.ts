import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import sinon from 'sinon';
import { isCodedError } from '../../../lib/errors';
import { canonicalJson, readSigned, signableDocument, signDocument, signProofSet } from '../../../lib/evidence';
import { AT, foreign, type Json, type Signed, signed, verdicts } from './proofs';
import { METER, SENSOR } from './signers';

// Data Integrity EdDSA Cryptosuites v1.0, appendix B.2 ("Representation: eddsa-jcs-2022").
const VECTOR: Signed = {
  '@context': ['https://www.w3.org/ns/credentials/v2', 'https://www.w3.org/ns/credentials/examples/v2'],
  id: 'urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33',
  type: ['VerifiableCredential', 'AlumniCredential'],
  name: 'Alumni Credential',
  description: 'A minimum viable example of an Alumni Credential.',
  issuer: 'https://vc.example/issuers/5678',
  validFrom: '2023-01-01T00:00:00Z',
  credentialSubject: { id: 'did:example:abcdefgh', alumniOf: 'The School of Examples' },
  proof: {
    type: 'DataIntegrityProof',
    cryptosuite: 'eddsa-jcs-2022',
    created: '2023-02-24T23:36:38Z',
    verificationMethod:
      'did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2#z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2',
    proofPurpose: 'assertionMethod',
    '@context': ['https://www.w3.org/ns/credentials/v2', 'https://www.w3.org/ns/credentials/examples/v2'],
    proofValue: 'z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX',
  },
};
const VECTOR_DOCUMENT_HASH = '59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19';

describe('a document with a proof (eddsa-jcs-2022)', () => {
  afterEach(() => sinon.restore());

  describe('of the specification', () => {
    it('is valid, and says what its test vector says', () => {
      const { format, content, signatures } = readSigned(VECTOR);
      const { proof, ...document } = VECTOR;
      assert.equal(format, 'data-integrity');
      assert.deepEqual(content, document);
      assert.equal(createHash('sha256').update(canonicalJson(content)).digest('hex'), VECTOR_DOCUMENT_HASH);
      assert.equal(signatures.length, 1);
      assert.equal(signatures[0]?.signer, 'did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2');
      assert.equal(signatures[0]?.signedAt, Date.UTC(2023, 1, 24, 23, 36, 38));
      assert.equal(signatures[0]?.sequence, null);
      assert.equal(signatures[0]?.verify(), true);
      assert.equal(proof.cryptosuite, 'eddsa-jcs-2022');
    });

    it('is valid in any order and with any white space, and leaves one leaf', () => {
      const leaf = Buffer.from(canonicalJson(VECTOR));
      const backwards = Object.fromEntries(Object.entries(VECTOR).reverse());
      for (const payload of [VECTOR, backwards, JSON.stringify(backwards, null, 3), ` \n${JSON.stringify(VECTOR)}\n`]) {
        const read = readSigned(payload);
        assert.deepEqual(Buffer.from(read.leaf), leaf);
        assert.equal(read.signatures[0]?.verify(), true);
      }
    });
  });

  describe('of ours', () => {
    it('has the members that we promise, all of them signed, in canonical order', () => {
      const text = signDocument(signableDocument({ v: 21.5 }), 'data-integrity', {
        signer: SENSOR,
        created: AT,
        sequence: 7,
      });
      const document = JSON.parse(text) as Signed;
      const { proofValue, ...options } = document.proof;
      assert.deepEqual(options, {
        type: 'DataIntegrityProof',
        cryptosuite: 'eddsa-jcs-2022',
        created: '2026-01-02T03:04:05.678Z',
        verificationMethod: `${SENSOR.did}#${SENSOR.did.slice(8)}`,
        proofPurpose: 'assertionMethod',
        sequence: 7,
      });
      assert.match(String(proofValue), /^z[1-9A-HJ-NP-Za-km-z]{85,88}$/);
      assert.equal(canonicalJson(document), text);
      for (const [name, value] of Object.entries(options)) {
        const changed = typeof value === 'number' ? value + 1 : `${value}`.replace('2026', '2025');
        if (changed === value) continue;
        assert.deepEqual(verdicts({ ...document, proof: { ...document.proof, [name]: changed } }), [false], name);
      }
      assert.deepEqual(verdicts({ ...document, proof: { ...document.proof, more: 1 } }), [false]);
    });

    it('is read back: content, leaf, signer, time, place in the log', () => {
      for (const payload of [
        {},
        { a: 1 },
        { z: 1 },
        { a: [{ b: '😀\n' }], z: 1e21 },
        { '@context': ['x', { y: 1 }] },
        { '@context': 'x' },
      ]) {
        const text = signDocument(signableDocument(payload), 'data-integrity', {
          signer: SENSOR,
          created: AT,
          sequence: 0,
        });
        const { content, leaf, signatures } = readSigned(JSON.parse(text));
        assert.deepEqual(content, payload);
        assert.equal(Buffer.from(leaf).toString('utf8'), text);
        const [signature, ...more] = signatures;
        assert.equal(more.length, 0);
        assert.deepEqual(
          { ...signature, verify: signature?.verify() },
          { signer: SENSOR.did, signedAt: AT, expiresAt: null, sequence: 0, verify: true },
        );
      }
    });

    it('may be outside of any log', () => {
      const text = signDocument(signableDocument({ v: 1 }), 'data-integrity', { signer: SENSOR, created: AT });
      assert.equal(canonicalJson(JSON.parse(text)), text);
      const [signature] = readSigned(text).signatures;
      assert.deepEqual([signature?.sequence, signature?.verify()], [null, true]);
    });

    it('is not valid with a single bit of its text flipped, for every bit', () => {
      const text = Buffer.from(
        signDocument(signableDocument({ '@context': ['u:a'], at: 'ä', on: true, v: 1e21 }), 'data-integrity', {
          signer: SENSOR,
          created: AT,
          sequence: 3,
        }),
      );
      let same = 0;
      for (let bit = 0; bit < text.length * 8; bit++) {
        const flipped = Buffer.from(text);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        try {
          const read = readSigned(new TextDecoder('utf-8', { fatal: true }).decode(flipped));
          if (Buffer.from(read.leaf).equals(text)) same++;
          else assert.equal(read.signatures[0]?.verify(), false, flipped.toString());
        } catch (error) {
          assert.ok(isCodedError(error) || (error as Error).name === 'TypeError', String(error));
          assert.ok(!(error instanceof assert.AssertionError), String(error));
        }
      }
      // "1E+21" is another text of the same number.
      assert.equal(same, 1);
    });

    it('is refused or not valid with any member changed, added or removed', () => {
      const document = signed({ a: { b: [1, 2] }, c: null });
      const changed: Json[] = [
        { ...document, a: { b: [2, 1] } },
        { ...document, a: { b: [1] } },
        { ...document, c: 0 },
        { ...document, d: 1 },
        { ...document, '@context': [] },
        { a: document.a, proof: document.proof },
      ];
      for (const each of changed) assert.deepEqual(verdicts(each), [false], JSON.stringify(each));
    });
  });

  describe('with a context', () => {
    const one = { '@context': ['u:a', { b: 1 }], v: 1 };

    it('may have got more of it behind what the proof covers: the content is what is covered (§3.3.2 step 4)', () => {
      const document = signed(one);
      const longer = { ...document, '@context': ['u:a', { b: 1 }, 'u:c'] };
      const { content, signatures } = readSigned(longer);
      assert.equal(signatures[0]?.verify(), true);
      assert.deepEqual(content, one);
    });

    it('is not valid where the context begins otherwise', () => {
      const document = signed(one);
      for (const context of [
        ['u:a'],
        [{ b: 1 }, 'u:a'],
        ['u:c', 'u:a', { b: 1 }],
        ['u:a', { b: 2 }],
        'u:a',
        [],
        undefined,
      ]) {
        const { '@context': _, ...rest } = document;
        const other = context === undefined ? rest : { ...rest, '@context': context };
        assert.deepEqual(verdicts(other), [false], JSON.stringify(context));
      }
    });

    it('may leave it out of the proof, as some programs do: then all of it is covered with the document', () => {
      const document = foreign(one, {});
      assert.deepEqual(verdicts(document), [true]);
      assert.deepEqual(verdicts({ ...document, '@context': [...one['@context'], 'u:c'] }), [false]);
    });

    it('may be one value or a list of one', () => {
      assert.deepEqual(verdicts(foreign({ '@context': 'u:a', v: 1 }, { '@context': ['u:a'] })), [true]);
      assert.deepEqual(verdicts(foreign({ '@context': ['u:a', 'u:b'], v: 1 }, { '@context': 'u:a' })), [true]);
    });
  });

  describe('that several keys sign', () => {
    const facts = [
      { signer: SENSOR, created: AT, sequence: 5 },
      { signer: METER, created: AT + 1, sequence: 0 },
    ];

    it('has one proof of each over the document alone', () => {
      const text = signProofSet(signableDocument({ '@context': 'x', a: 1 }), facts);
      const { content, leaf, signatures } = readSigned(text);
      assert.deepEqual(content, { '@context': 'x', a: 1 });
      assert.equal(Buffer.from(leaf).toString(), text);
      assert.equal(canonicalJson(JSON.parse(text)), text);
      assert.deepEqual(
        signatures.map((each) => [each.signer, each.signedAt, each.sequence, each.verify()]),
        [
          [SENSOR.did, AT, 5, true],
          [METER.did, AT + 1, 0, true],
        ],
      );
    });

    it('tells which of them is wrong', () => {
      const document = JSON.parse(signProofSet(signableDocument({ a: 1 }), facts)) as { proof: Json[] };
      const [first, second] = document.proof as [Json, Json];
      assert.deepEqual(verdicts({ ...document, proof: [first, { ...second, sequence: 1 }] }), [true, false]);
      assert.deepEqual(verdicts({ ...document, proof: [{ ...first, proofValue: second.proofValue }, second] }), [
        false,
        true,
      ]);
      assert.deepEqual(verdicts({ ...document, proof: [second] }), [true]);
    });

    it('counts only what all of them cover', () => {
      const whole = signed({ '@context': ['a', 'b'], v: 1 });
      const part = signed({ '@context': ['a'], v: 1 });
      const { content, signatures } = readSigned({ ...whole, proof: [whole.proof, part.proof] });
      assert.deepEqual(
        signatures.map((each) => each.verify()),
        [true, true],
      );
      assert.deepEqual(content, { '@context': ['a'], v: 1 });
    });
  });

  it('understands every way to write a time', () => {
    const times: [string, number][] = [
      ['2026-01-02T03:04:05Z', AT - 678],
      ['2026-01-02T03:04:05.6789123Z', AT],
      ['2026-01-02T04:34:05.678+01:30', AT],
      ['2026-01-01T23:04:05.678-04:00', AT],
      ['2026-01-02T03:04:05.678', AT],
      ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ];
    for (const [created, at] of times) {
      const [signature] = readSigned(foreign({ a: 1 }, { created })).signatures;
      assert.equal(signature?.signedAt, at, created);
      assert.equal(signature?.verify(), true);
    }
    assert.equal(readSigned(foreign({ a: 1 }, {})).signatures[0]?.signedAt, null);
  });

  it('takes a time without a zone for UTC, wherever it is read', () => {
    const zone = process.env.TZ;
    process.env.TZ = 'Asia/Tokyo';
    try {
      const [signature] = readSigned(foreign({ a: 1 }, { created: '2026-01-02T03:04:05.678' })).signatures;
      assert.equal(signature?.signedAt, AT);
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
  });

  it('is valid until it expires', () => {
    const clock = sinon.useFakeTimers({ now: AT, toFake: ['Date'] });
    const [signature] = readSigned(foreign({ a: 1 }, { expires: '2026-01-02T03:05:00Z' })).signatures;
    assert.equal(signature?.expiresAt, Date.UTC(2026, 0, 2, 3, 5));
    assert.equal(signature?.verify(), true);
    clock.setSystemTime(Date.UTC(2026, 0, 2, 3, 5));
    assert.equal(signature?.verify(), true);
    clock.setSystemTime(Date.UTC(2026, 0, 2, 3, 5, 0, 1));
    assert.equal(signature?.verify(), false);
  });

  it('does not change with the object that it was read from', () => {
    const document = signed({ a: { b: 1 } });
    const read = readSigned(document);
    (document.a as Json)['b'] = 2;
    document.proof['sequence'] = 8;
    assert.deepEqual(read.content, { a: { b: 1 } });
    assert.equal(read.signatures[0]?.verify(), true);
  });
});
