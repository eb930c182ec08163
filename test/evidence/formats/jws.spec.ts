import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify } from 'jose';
import { isCodedError } from '../../../lib/errors';
import { readSigned, signableDocument, signDocument } from '../../../lib/evidence';
import { isSignedBy } from '../../../lib/evidence/signer-key';
import { didKeyOf } from '../../../lib/values';
import { refused, SENSOR } from './signers';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const KID = `${SENSOR.did}#${SENSOR.did.slice(8)}`;

const token = (payload: unknown, sequence = 7) =>
  signDocument(signableDocument(payload), 'jws', { signer: SENSOR, created: AT, sequence });

const base64url = (text: string | Uint8Array) => Buffer.from(text as string).toString('base64url');

/** A JWS as a foreign program would make it. */
function foreign(header: object | string, payload: string | Uint8Array): string {
  const input = `${base64url(typeof header === 'string' ? header : JSON.stringify(header))}.${base64url(payload)}`;
  return `${input}.${base64url(SENSOR.sign(Buffer.from(input)))}`;
}

// RFC 8037 appendix A.1, A.2, A.4 and A.5.
const RFC_8037 = {
  jwk: {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
  },
  token:
    'eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg',
};

const publicJwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(SENSOR.publicKey).toString('base64url') };

describe('a JWS', () => {
  describe('of ours', () => {
    it('says what we promise in its header, over the canonical bytes', () => {
      const [header = '', payload = '', signature = ''] = token({ b: 1, a: 'ä' }).split('.');
      assert.deepEqual(JSON.parse(Buffer.from(header, 'base64url').toString()), {
        alg: 'Ed25519',
        iat: Math.floor(AT / 1000),
        kid: KID,
        sequence: 7,
      });
      assert.equal(Buffer.from(payload, 'base64url').toString(), '{"a":"ä","b":1}');
      assert.equal(Buffer.from(signature, 'base64url').length, 64);
    });

    it('is read back: content, leaf, signer, second, place in the log', () => {
      for (const payload of [{}, { a: [1, '😀\n'] }, { '@context': ['x'], z: 1e21 }]) {
        const { format, content, leaf, signatures } = readSigned(token(payload, 0));
        assert.equal(format, 'jws');
        assert.deepEqual(content, payload);
        assert.equal(Buffer.from(leaf).toString('latin1'), token(payload, 0));
        const [signature, ...more] = signatures;
        assert.equal(more.length, 0);
        assert.deepEqual(
          { ...signature, verify: signature?.verify() },
          { signer: SENSOR.did, signedAt: AT - 678, expiresAt: null, sequence: 0, verify: true },
        );
      }
    });

    it('may be outside of any log', () => {
      const [signature] = readSigned(
        signDocument(signableDocument({}), 'jws', { signer: SENSOR, created: AT }),
      ).signatures;
      assert.deepEqual([signature?.sequence, signature?.verify()], [null, true]);
    });

    it('is refused or not valid with a single bit flipped, for every bit', () => {
      const bytes = Buffer.from(token({ v: 1 }), 'latin1');
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
        let valid = false;
        try {
          valid = readSigned(flipped.toString('latin1')).signatures[0]?.verify() ?? true;
        } catch (error) {
          assert.ok(isCodedError(error), String(error));
        }
        assert.equal(valid, false, flipped.toString('latin1'));
      }
    });

    it('is accepted by jose', async () => {
      for (const payload of [{}, { a: [1, '😀\n'], z: 1e21 }, [1, 2]]) {
        const verified = await compactVerify(token(payload), publicJwk, { algorithms: ['Ed25519'] });
        assert.equal(new TextDecoder().decode(verified.payload), signableDocument(payload).text);
        assert.equal(verified.protectedHeader.kid, KID);
      }
    });
  });

  describe('of others', () => {
    it('is accepted from jose, with the name of the algorithm of today and of yesterday', async () => {
      const { privateKey, did } = joseKey();
      for (const alg of ['Ed25519', 'EdDSA']) {
        const payload = '{ "b": [1.50], "a": "\\u00e4" }';
        const made = await new CompactSign(Buffer.from(payload))
          .setProtectedHeader({ alg, kid: `${did}#${did.slice(8)}`, typ: 'JOSE' })
          .sign(privateKey);
        const { content, leaf, signatures } = readSigned(made);
        assert.deepEqual(content, { a: 'ä', b: [1.5] });
        assert.equal(Buffer.from(leaf).toString(), made);
        assert.deepEqual([signatures[0]?.signer, signatures[0]?.verify()], [did, true]);
        assert.deepEqual([signatures[0]?.signedAt, signatures[0]?.sequence], [null, null]);
      }
    });

    it('may tell parts of a second', () => {
      const [signature] = readSigned(foreign({ alg: 'EdDSA', kid: KID, iat: 1.5 }, '{}')).signatures;
      assert.equal(signature?.signedAt, 1500);
    });

    it('has the signature of RFC 8037 appendix A.4, but names nobody', () => {
      const key = createPublicKey({ key: { ...RFC_8037.jwk }, format: 'jwk' });
      const raw = key.export({ format: 'der', type: 'spki' }).subarray(-32);
      const at = RFC_8037.token.lastIndexOf('.');
      const signature = Buffer.from(RFC_8037.token.slice(at + 1), 'base64url');
      assert.equal(isSignedBy(didKeyOf(raw), Buffer.from(RFC_8037.token.slice(0, at)), signature), true);
      refused('SIGNATURE_INVALID', 'jws-key', () => readSigned(RFC_8037.token));
    });
  });

  describe('is refused, with the reason,', () => {
    const refusedWith = (detail: string, jws: string) =>
      refused('SIGNATURE_INVALID', detail, () => readSigned(jws), jws.slice(0, 200));
    const header = { alg: 'Ed25519', kid: KID };

    it('where it has not three parts', () => {
      const [first, second, third] = token({}).split('.');
      for (const jws of [
        '',
        '.',
        'x',
        `${first}.${second}`,
        `${token({})}.`,
        `${token({})}.a.b.c`,
        `${first}..${third}`,
      ]) {
        refusedWith('jws-parts', jws);
      }
      refusedWith('jws-parts', 'x'.repeat(1_000_000));
    });

    it('where it is too large to be looked at', () => {
      refused('DATA_TOO_LARGE', 'bytes', () => readSigned('x'.repeat(23_000_000)));
    });

    it('where it is not base64url to the letter', () => {
      const [first, second, third] = token({ a: 1 }).split('.') as [string, string, string];
      for (const jws of [
        `${first}=.${second}.${third}`,
        `${first}.${second}==.${third}`,
        `${first}.${second}.${third}==`,
        `${first}. ${second}.${third}`,
        `${first}.${second}.${third}\n`,
        `${first}.${second}.${third.replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1))}`,
        ` ${first}.${second}.${third}`,
        `${first}.${second}.${third.slice(0, -1)}`,
      ]) {
        refusedWith('jws-base64', jws);
      }
      const plus = foreign(header, '{"a":"~~~???"}');
      const [a, b, c] = plus.split('.') as [string, string, string];
      refusedWith(
        'jws-base64',
        `${a}.${b.replace(/-/g, '+').replace(/_/g, '/')}.${c.replace(/-/g, '+').replace(/_/g, '/')}`,
      );
    });

    it('where the signature has another length', () => {
      const [first, second] = token({}).split('.');
      refusedWith('jws-signature', `${first}.${second}.`);
      refusedWith('jws-signature', `${first}.${second}.${base64url(Buffer.alloc(63))}`);
      refusedWith('jws-signature', `${first}.${second}.${base64url(Buffer.alloc(65))}`);
    });

    it('where the algorithm is another, or none', () => {
      for (const alg of ['none', 'HS256', 'ES256', 'Ed448', 'ed25519', undefined, ['Ed25519'], null]) {
        refusedWith('jws-algorithm', foreign({ ...header, alg }, '{}'));
      }
    });

    it('where it wants something else than RFC 7515 says', () => {
      refusedWith('jws-extension', foreign({ ...header, crit: ['b64'], b64: false }, '{}'));
      refusedWith('jws-extension', foreign({ ...header, crit: [] }, '{}'));
      refusedWith('jws-extension', foreign({ ...header, b64: true }, '{}'));
    });

    it('where the key is not named by did:key, whatever else the header offers', () => {
      for (const kid of [undefined, SENSOR.did, 'key-1', `#${SENSOR.did.slice(8)}`, 'did:web:example.org#1', 7, null]) {
        refusedWith('jws-key', foreign({ alg: 'Ed25519', kid, jwk: publicJwk }, '{}'));
      }
    });

    it('where header members are of another type', () => {
      for (const iat of ['1', null, 1e300, {}]) refusedWith('time', foreign({ ...header, iat }, '{}'));
      for (const sequence of ['1', null, -1, 0.5]) refusedWith('sequence', foreign({ ...header, sequence }, '{}'));
      for (const text of ['[]', 'null', '5', '"x"']) refusedWith('jws-header', foreign(text, '{}'));
    });

    it('where header or payload are no strict JSON', () => {
      const inHeader = (detail: string, text: string) =>
        refused('DATA_NOT_CANONICAL', detail, () => readSigned(foreign(text, '{}')));
      inHeader('duplicate', `{"alg":"Ed25519","kid":"${KID}","kid":"${KID}"}`);
      inHeader('syntax', '');
      const inPayload = (detail: string, text: string) =>
        refused('DATA_NOT_CANONICAL', detail, () => readSigned(foreign(header, text)));
      inPayload('duplicate', '{"a":1,"a":2}');
      inPayload('syntax', 'Example of Ed25519 signing');
      inPayload('syntax', '\ufeff{}');
      refusedWith('jws-utf8', foreign(header, Buffer.from([0x22, 0xff, 0x22])));
      refusedWith('jws-utf8', foreign(header, Buffer.from('22eda08022', 'hex')));
    });
  });

  it('is never more than refused, whatever text comes (2,000 texts)', () => {
    const part = fc.oneof(
      fc.base64String(),
      fc.constant(token({}).split('.')[0] as string),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        try {
          assert.equal(readSigned(parts.join('.')).signatures[0]?.verify(), false);
        } catch (error) {
          assert.ok(isCodedError(error), String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });
});

function joseKey() {
  const privateKey = createPrivateKey({ key: RFC_8037.jwk, format: 'jwk' });
  const raw = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(-32);
  return { privateKey, did: didKeyOf(raw) };
}
