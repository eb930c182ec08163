import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { base58 } from '@scure/base';
import { readSigned, signableDocument, signDocument, signProofSet } from '../../../lib/evidence';
import { keyNamed, METER, SENSOR } from './signers';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

/** @digitalbazaar's implementation of the same specifications; ESM only. */
async function digitalBazaar() {
  const [{ DataIntegrityProof }, suites, multikey, { default: jsigs }] = await Promise.all([
    import('@digitalbazaar/data-integrity'),
    import('@digitalbazaar/eddsa-jcs-2022-cryptosuite'),
    import('@digitalbazaar/ed25519-multikey'),
    import('jsonld-signatures'),
  ]);
  const purpose = () => new jsigs.purposes.AssertionProofPurpose();
  return {
    async verifies(document: object): Promise<boolean> {
      const suite = new DataIntegrityProof({ cryptosuite: suites.createVerifyCryptosuite() });
      const { verified } = await jsigs.verify(document, { suite, purpose: purpose(), documentLoader });
      return verified;
    },
    async signs(document: object, key: { seed: string }, date?: string): Promise<object> {
      const signer = await foreignSigner(multikey, key.seed);
      const cryptosuite = suites.createSignCryptosuite();
      const suite = new DataIntegrityProof({ signer, cryptosuite, ...(date && { date }) });
      return jsigs.sign(document, { suite, purpose: purpose(), documentLoader });
    },
  };
}

async function foreignSigner(
  multikey: typeof import('@digitalbazaar/ed25519-multikey'),
  seed: string,
): Promise<object> {
  const { did, publicKey } = keyNamed(seed);
  const secret = Buffer.concat([createHash('sha256').update(seed).digest(), publicKey]);
  const key = await multikey.from({
    type: 'Multikey',
    controller: did,
    id: `${did}#${did.slice(8)}`,
    publicKeyMultibase: did.slice(8),
    // Multikey: 0x1300 as a varint before the private key.
    secretKeyMultibase: `z${base58.encode(Buffer.concat([Buffer.from('8026', 'hex'), secret]))}`,
  });
  return key.signer();
}

/** Resolves did:key as its specification says, from nothing but the name. */
async function documentLoader(url: string): Promise<object> {
  const [did = '', fragment] = url.split('#');
  assert.match(did, /^did:key:z6Mk/, `only did:key is looked up, not ${url}`);
  const id = `${did}#${did.slice(8)}`;
  const method = { id, type: 'Multikey', controller: did, publicKeyMultibase: did.slice(8) };
  const document = fragment
    ? { '@context': 'https://w3id.org/security/multikey/v1', ...method }
    : {
        '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'],
        id: did,
        verificationMethod: [method],
        assertionMethod: [id],
      };
  return { contextUrl: null, documentUrl: url, document };
}

const DOCUMENTS: Record<string, Record<string, unknown>> = {
  'an empty document': {},
  'a reading': { sensor: 'pump-2', at: '2026-01-02T03:04:05.678Z', value: 21.437, ok: true, note: null },
  'a pack of readings': {
    value: [
      { n: 'temp', u: 'Cel', v: 21.5 },
      { n: 'hum', v: -0 },
    ],
  },
  'members on both sides of the proof': { a: 1, proof0: 2, prooe: 3, zebra: 4, Ä: 5, '😀': 6, '\ufb33': 7 },
  'texts of all scripts': { text: '€ "\\ \n\t\u0001 A\u030a \u2028 \u007f 😀 דּ', '\r': 'return' },
  'numbers at the edges': {
    n: [1e21, 1e-7, 5e-324, 1.7976931348623157e308, 333333333.3333333, 2 ** 53 + 2, 0.1 + 0.2],
  },
  'a context': { '@context': 'https://www.w3.org/ns/credentials/v2', type: 'Reading', value: 1 },
  'several contexts': {
    '@context': ['https://www.w3.org/ns/credentials/v2', 'https://www.w3.org/ns/credentials/examples/v2'],
    type: ['VerifiableCredential'],
    credentialSubject: { id: 'did:example:1', value: [1, 2, { a: 'b' }] },
  },
};

describe('Data Integrity between programs', () => {
  for (const [name, document] of Object.entries(DOCUMENTS)) {
    it(`${name}: theirs accepts ours, and not when it was changed`, async () => {
      const { verifies } = await digitalBazaar();
      const text = signDocument(signableDocument(document), 'data-integrity', {
        signer: SENSOR,
        created: AT,
        sequence: 41,
      });
      const signed = JSON.parse(text) as { proof: object };
      assert.equal(await verifies(JSON.parse(text)), true);
      assert.equal(await verifies({ ...JSON.parse(text), more: 1 }), false);
      assert.equal(await verifies({ ...signed, proof: { ...signed.proof, sequence: 42 } }), false);
    });

    it(`${name}: ours accepts theirs, and not when it was changed`, async () => {
      const { signs } = await digitalBazaar();
      const signed = await signs(structuredClone(document), { seed: 'a foreigner' }, '2026-01-02T03:04:05Z');
      const { signatures, content } = readSigned(signed);
      assert.equal(signatures[0]?.verify(), true);
      assert.equal(signatures[0]?.signer, keyNamed('a foreigner').did);
      assert.equal(signatures[0]?.signedAt, AT - 678);
      assert.equal(signatures[0]?.sequence, null);
      const { proof: _, ...unsigned } = signed as { proof: unknown };
      // As JSON: there is one zero.
      assert.deepEqual(content, JSON.parse(JSON.stringify(unsigned)));
      assert.equal(readSigned({ ...signed, more: 1 }).signatures[0]?.verify(), false);
    });
  }

  it('a set of our proofs is accepted by theirs', async () => {
    const { verifies } = await digitalBazaar();
    const text = signProofSet(signableDocument({ successor: METER.did }), [
      { signer: SENSOR, created: AT, sequence: 9 },
      { signer: METER, created: AT, sequence: 0 },
    ]);
    assert.equal(await verifies(JSON.parse(text)), true);
    assert.equal(await verifies({ ...JSON.parse(text), successor: SENSOR.did }), false);
  });

  it('their second proof beside ours makes a set that both accept', async () => {
    const { signs, verifies } = await digitalBazaar();
    const ours = JSON.parse(
      signDocument(signableDocument(DOCUMENTS['a context']), 'data-integrity', {
        signer: SENSOR,
        created: AT,
        sequence: 1,
      }),
    ) as object;
    const both = await signs(ours, { seed: 'a foreigner' });
    const { signatures } = readSigned(both);
    assert.deepEqual(
      signatures.map((each) => [each.signer, each.verify()]),
      [
        [SENSOR.did, true],
        [keyNamed('a foreigner').did, true],
      ],
    );
    assert.equal(await verifies(both), true);
  });
});
