import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../lib/errors';
import { addressHash, didKeyOf, parseAddress, publicKeyOfDidKey, writeAddress } from '../../lib/values';

const tangle = { kind: 'bech32', prefix: 'tst' } as const;
const iota = { kind: 'hex' } as const;
const refused = (value: unknown, detail: string, form: typeof tangle | typeof iota = tangle) =>
  assert.throws(
    () => parseAddress(value, form),
    (error) => isCodedError(error, 'ADDRESS_INVALID') && error.detail === detail,
    String(value),
  );

describe('an address', () => {
  // TIP-11 lists this pair of public key and address for the human-readable part "iota".
  const publicKey = Buffer.from('6f1581709bb7b1ef030d210db18e3b0ba1c776fba65d8cdaad05415142d189f8', 'hex');

  it('is the bech32 form of the key hash that TIP-11 gives as an example', () => {
    const address = writeAddress(addressHash(publicKey), { kind: 'bech32', prefix: 'iota' });
    assert.equal(address, 'iota1qrhacyfwlcnzkvzteumekfkrrwks98mpdm37cj4xx3drvmjvnep6xqgyzyx');
  });

  it('of another network is refused as such', () => {
    const hash = addressHash(publicKey);
    refused(writeAddress(hash, { kind: 'bech32', prefix: 'smr' }), 'network');
    refused(writeAddress(hash, iota), 'network');
    refused(writeAddress(hash, tangle), 'network', iota);
  });

  it('with a typing error, of another kind or no text at all is refused', () => {
    const address = writeAddress(addressHash(publicKey), tangle);
    refused(`${address.slice(0, -1)}${address.endsWith('q') ? 'p' : 'q'}`, 'grammar');
    for (const value of ['', 'tst1', null, 7, {}, `0x${'z'.repeat(64)}`, 'x'.repeat(1000)]) refused(value, 'grammar');
    // an NFT address (type 16) and a truncated one
    refused('tst1zqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqxs6yjj', 'grammar');
  });

  it('has one spelling, whatever the case it came in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (hash) => {
        for (const form of [tangle, iota] as const) {
          const address = writeAddress(hash, form);
          assert.equal(parseAddress(address, form), address);
          assert.equal(
            parseAddress(form.kind === 'hex' ? address.toUpperCase().replace('0X', '0x') : address.toUpperCase(), form),
            address,
          );
        }
      }),
    );
  });
});

describe('a did:key', () => {
  it('names exactly one Ed25519 key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
        assert.deepEqual(Buffer.from(publicKeyOfDidKey(didKeyOf(key))), Buffer.from(key));
      }),
    );
  });

  it('of another key type or with a typing error is refused', () => {
    for (const did of [
      '',
      'did:key:',
      'did:web:example.org',
      'did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme',
      'did:key:z6Mk',
    ]) {
      assert.throws(
        () => publicKeyOfDidKey(did),
        (error) => isCodedError(error, 'ADDRESS_INVALID'),
      );
    }
  });
});
