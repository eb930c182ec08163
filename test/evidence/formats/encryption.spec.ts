import assert from 'node:assert/strict';
import {
  createCipheriv,
  createHash,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { base58 } from '@scure/base';
import { GeneralEncrypt, type GeneralJWE, generalDecrypt } from 'jose';
import { type ErrorCode, isCodedError } from '../../../lib/errors';
import { decryptWith, encryptFor, isEncrypted } from '../../../lib/evidence';
import { didKeyOf } from '../../../lib/values';
import { keyNamed, METER, SENSOR } from './signers';

const STRANGER = keyNamed('a stranger');

async function rejected(code: ErrorCode, detail: string, promise: Promise<unknown>, what = ''): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isCodedError(error, code), `${what}: ${String(error)}`);
    assert.equal(error.detail, detail, what);
    return true;
  });
}

const jweFor = async (...readers: string[]) => (await encryptFor(readers, 'for you: ä😀')) as unknown as GeneralJWE;

describe('a document for chosen readers', () => {
  it('is read by each of them, and by nobody else', async () => {
    const jwe = await jweFor(SENSOR.did, METER.did);
    assert.equal(await decryptWith(SENSOR.agreementKey(), jwe), 'for you: ä😀');
    assert.equal(await decryptWith(METER.agreementKey(), jwe), 'for you: ä😀');
    await rejected('KEY_MISSING', 'not-a-reader', decryptWith(STRANGER.agreementKey(), jwe));
    assert.ok(!JSON.stringify(jwe).includes('for you'));
  });

  it('is a General JWE that names each reader by the key that did:key derives for agreement', async () => {
    // did:key, "Document Creation Algorithm": the example of an Ed25519 did and its keyAgreement.
    const did = 'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';
    const jwe = await jweFor(did, SENSOR.did);
    assert.equal(isEncrypted(jwe), true);
    assert.deepEqual(
      jwe.recipients.map(({ header }) => header?.alg),
      ['ECDH-ES+A256KW', 'ECDH-ES+A256KW'],
    );
    assert.equal(jwe.recipients[0]?.header?.kid, `${did}#z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p`);
    assert.deepEqual(JSON.parse(Buffer.from(jwe.protected as string, 'base64url').toString()), { enc: 'A256GCM' });
    // RFC 7518 §4.6.1: an ephemeral key for each.
    assert.equal(new Set(jwe.recipients.map(({ header }) => JSON.stringify(header?.epk))).size, 2);
  });

  it('is another text every time', async () => {
    const [one, two] = [await jweFor(SENSOR.did), await jweFor(SENSOR.did)];
    for (const name of ['ciphertext', 'iv', 'tag'] as const) assert.notEqual(one[name], two[name]);
  });

  it('is opened by any program that knows the specifications', async () => {
    const { plaintext } = await generalDecrypt(await jweFor(METER.did, SENSOR.did), SENSOR.agreementKey());
    assert.equal(Buffer.from(plaintext).toString(), 'for you: ä😀');
  });

  it('names a reader once who is listed twice', async () => {
    assert.equal((await jweFor(SENSOR.did, SENSOR.did)).recipients.length, 1);
  });

  it('has 1 to 100 readers', async () => {
    const many = Array.from({ length: 101 }, (_, at) => keyNamed(`reader ${at}`).did);
    assert.equal((await jweFor(...many.slice(0, 100))).recipients.length, 100);
    await rejected('CONFIG_INVALID', 'reader-count', jweFor(...many));
    await rejected('CONFIG_INVALID', 'reader-count', jweFor());
  });

  it('is not made for what is no identity, or one that everybody could read for', async () => {
    const neutral = Uint8Array.from([1, ...Array(31).fill(0)]);
    const nowhere = Uint8Array.from([2, ...Array(31).fill(0)]);
    for (const did of [
      '',
      'did:key:x',
      'did:web:example.org',
      `${SENSOR.did}#${SENSOR.did.slice(8)}`,
      'did:key:z6LSj72tK8brWgZja8NLRwPigth2T9QRiG1uH9oKZuKjdh9p',
      didKeyOf(neutral),
      didKeyOf(nowhere),
      didKeyOf(new Uint8Array(32)),
    ]) {
      await rejected('CONFIG_INVALID', 'reader', jweFor(METER.did, did), did);
    }
  });

  it('is refused with anything of it changed', async () => {
    const jwe = await jweFor(SENSOR.did, METER.did);
    const open = (changed: object) => decryptWith(SENSOR.agreementKey(), { ...jwe, ...changed });
    const flip = (text: string | undefined) => (text?.startsWith('A') ? 'B' : 'A') + text?.slice(1);
    for (const name of ['ciphertext', 'iv', 'tag'] as const) {
      await rejected('SIGNATURE_INVALID', 'encrypted', open({ [name]: flip(jwe[name]) }), name);
    }
    const [first, second] = jwe.recipients as [GeneralJWE['recipients'][0], GeneralJWE['recipients'][0]];
    const recipients = (changes: object) => ({ recipients: [{ ...first, ...changes }, second] });
    await rejected('SIGNATURE_INVALID', 'encrypted', open(recipients({ encrypted_key: second.encrypted_key })));
    await rejected(
      'SIGNATURE_INVALID',
      'encrypted',
      open(recipients({ header: { ...first.header, epk: second.header?.epk } })),
    );
    const protectedHeader = Buffer.from('{"enc":"A256GCM" }').toString('base64url');
    await rejected('SIGNATURE_INVALID', 'encrypted', open({ protected: protectedHeader }));
    // Another reader's part may be broken: it is not ours to judge.
    assert.equal(await open({ recipients: [first, { ...second, encrypted_key: 'x' }] }), 'for you: ä😀');
  });

  it('is refused where somebody else was encrypted for in this name', async () => {
    const jwe = await jweFor(STRANGER.did);
    const [only] = jwe.recipients as [GeneralJWE['recipients'][0]];
    const [own] = (await jweFor(SENSOR.did)).recipients as [GeneralJWE['recipients'][0]];
    const renamed = { ...jwe, recipients: [{ ...only, header: { ...only.header, kid: own.header?.kid } }] };
    await rejected('SIGNATURE_INVALID', 'encrypted', decryptWith(SENSOR.agreementKey(), renamed));
  });

  it('is refused with an ephemeral key of small order, which agrees on a secret that everybody knows', async () => {
    const kid = (await jweFor(SENSOR.did)).recipients[0]?.header?.kid as string;
    const ephemeral = generateKeyPairSync('x25519');
    const publicKey = createPublicKey(SENSOR.agreementKey());
    const agreed = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
    const raw = ephemeral.publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
    assert.equal(await decryptWith(SENSOR.agreementKey(), jweOf(kid, raw, agreed)), 'by hand');
    // RFC 7748 §6.1: points for which the shared secret is all zero.
    for (const hex of [
      '00'.repeat(32),
      `01${'00'.repeat(31)}`,
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      `ec${'ff'.repeat(30)}7f`,
      `ed${'ff'.repeat(30)}7f`,
      `ee${'ff'.repeat(30)}7f`,
    ]) {
      const opened = decryptWith(SENSOR.agreementKey(), jweOf(kid, Buffer.from(hex, 'hex'), Buffer.alloc(32)));
      await assert.rejects(opened, (error) => isCodedError(error), hex);
    }
  });

  it('is refused when it is encrypted in other ways, or when it is compressed', async () => {
    const kid = (await jweFor(SENSOR.did)).recipients[0]?.header?.kid as string;
    const key = createPublicKey(SENSOR.agreementKey());
    const foreign = async (alg: string, enc: string) => {
      const jwe = new GeneralEncrypt(Buffer.from('x')).setProtectedHeader({ enc });
      jwe.addRecipient(key).setUnprotectedHeader({ alg, kid });
      return jwe.encrypt();
    };
    assert.equal(await decryptWith(SENSOR.agreementKey(), await foreign('ECDH-ES+A256KW', 'A256GCM')), 'x');
    for (const [alg, enc] of [
      ['ECDH-ES+A128KW', 'A256GCM'],
      ['ECDH-ES+A256KW', 'A128CBC-HS256'],
      ['ECDH-ES', 'A256GCM'],
    ]) {
      const jwe = await foreign(alg as string, enc as string);
      await rejected('SIGNATURE_INVALID', 'encrypted', decryptWith(SENSOR.agreementKey(), jwe), `${alg} ${enc}`);
    }
    const zipped = new GeneralEncrypt(Buffer.from('x'.repeat(1000))).setProtectedHeader({ enc: 'A256GCM', zip: 'DEF' });
    zipped.addRecipient(key).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid });
    await assert.rejects(decryptWith(SENSOR.agreementKey(), await zipped.encrypt()), (error) => isCodedError(error));
  });

  it('is refused when it is no such thing at all', async () => {
    const jwe = await jweFor(SENSOR.did);
    for (const payload of [
      null,
      undefined,
      'x',
      [],
      {},
      { ciphertext: 'x' },
      { recipients: [] },
      { ciphertext: 1, recipients: [] },
      { ...jwe, recipients: {} },
      { ...jwe, recipients: [null] },
      { ...jwe, recipients: Array(101).fill(jwe.recipients[0]) },
      { ...jwe, iv: 7 },
      { ...jwe, protected: undefined },
      new Proxy(jwe, {}),
    ]) {
      await assert.rejects(decryptWith(SENSOR.agreementKey(), payload), (error) =>
        isCodedError(error, 'DATA_NOT_CANONICAL'),
      );
    }
    await rejected('KEY_MISSING', 'not-a-reader', decryptWith(SENSOR.agreementKey(), { ...jwe, recipients: [{}] }));
  });

  it('is told from others without running anything of them', () => {
    const trap = () => {
      throw new Error('ran');
    };
    const getter = Object.defineProperty({ recipients: [] }, 'ciphertext', { get: trap });
    for (const payload of [null, 1, 'x', {}, [], getter, new Proxy({}, { getOwnPropertyDescriptor: trap })]) {
      assert.equal(isEncrypted(payload), false);
    }
  });
});

describe("a machine's key of agreement", () => {
  const publicOf = (key: KeyObject) => createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);

  it('is the one that others derive from its did', async () => {
    for (const machine of [SENSOR, METER, ...Array.from({ length: 20 }, (_, at) => keyNamed(`machine ${at}`))]) {
      const kid = (await jweFor(machine.did)).recipients[0]?.header?.kid;
      const name = base58.encode(Uint8Array.from([0xec, 0x01, ...publicOf(machine.agreementKey())]));
      assert.equal(kid, `${machine.did}#z${name}`);
    }
  });

  it('agrees with anybody on one secret', () => {
    const other = generateKeyPairSync('x25519');
    const own = SENSOR.agreementKey();
    assert.deepEqual(
      diffieHellman({ privateKey: own, publicKey: other.publicKey }),
      diffieHellman({ privateKey: other.privateKey, publicKey: createPublicKey(own) }),
    );
    assert.equal(SENSOR.agreementKey(), own);
  });

  it('is gone with the key', () => {
    const machine = keyNamed('short-lived');
    machine.agreementKey();
    machine.wipe();
    assert.throws(
      () => machine.agreementKey(),
      (error) => isCodedError(error, 'KEY_LOCKED') && error.detail === 'wiped',
    );
  });
});

/** A JWE made by hand from RFC 7518 §4.4, §4.6 and §5.3, for an agreed secret of any kind. */
function jweOf(kid: string, ephemeral: Uint8Array, agreed: Uint8Array): object {
  const base64url = (bytes: Uint8Array | string) => Buffer.from(bytes as Uint8Array).toString('base64url');
  const number = (value: number) => Buffer.from([0, 0, value >> 8, value & 255]);
  const alg = 'ECDH-ES+A256KW';
  const otherInfo = [number(alg.length), Buffer.from(alg), number(0), number(0), number(256)];
  const wrapping = createHash('sha256')
    .update(Buffer.concat([number(1), agreed, ...otherInfo]))
    .digest();
  const contentKey = Buffer.alloc(32, 7);
  const wrap = createCipheriv('id-aes256-wrap', wrapping, Buffer.alloc(8, 0xa6));
  const protectedHeader = base64url('{"enc":"A256GCM"}');
  const iv = Buffer.alloc(12, 1);
  const cipher = createCipheriv('aes-256-gcm', contentKey, iv).setAAD(Buffer.from(protectedHeader));
  const ciphertext = base64url(Buffer.concat([cipher.update('by hand'), cipher.final()]));
  const header = { alg, kid, epk: { kty: 'OKP', crv: 'X25519', x: base64url(ephemeral) } };
  const encrypted_key = base64url(Buffer.concat([wrap.update(contentKey), wrap.final()]));
  const tag = base64url(cipher.getAuthTag());
  return { protected: protectedHeader, iv: base64url(iv), ciphertext, tag, recipients: [{ header, encrypted_key }] };
}
