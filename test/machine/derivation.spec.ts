import assert from 'node:assert/strict';
import { SecretManager, Utils } from '@iota/sdk-wasm/node';
import { derivePrivateKey, pathOfAccount } from '../../lib/machine/derivation';
import { MachineKey, publicKeyOfPrivate } from '../../lib/machine/machine-key';
import { entropyOfWords, seedOfEntropy, wordsOfEntropy } from '../../lib/machine/mnemonic';
import { addressHash, writeAddress } from '../../lib/values';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('deriving a machine’s key', () => {
  // SLIP-0010 "Test vector 1/2 for ed25519": path, private key, public key without its 00 prefix
  const vectors = {
    '000102030405060708090a0b0c0d0e0f': [
      [
        [],
        '2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7',
        'a4b2856bfec510abab89753fac1ac0e1112364e7d250545963f135f2a33188ed',
      ],
      [
        [0],
        '68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3',
        '8c8a13df77a28f3445213a0f432fde644acaa215fc72dcdf300d5efaa85d350c',
      ],
      [[0, 1], 'b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2', null],
      [[0, 1, 2], '92a5b23c0b8a99e37d07df3fb9966917f5d06e02ddbd909c7e184371463e9fc9', null],
      [[0, 1, 2, 2], '30d1dc7e5fc04c31219ab25a27ae00b50f6fd66622f6e9c913253d6511d1e662', null],
      [[0, 1, 2, 2, 1000000000], '8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793', null],
    ],
    fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a29f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542:
      [
        [[], '171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012', null],
        [[0], '1559eb2bbec5790b0c65d8693e4d0875b1747f4970ae8b650486ed7470845635', null],
        [[0, 2147483647], 'ea4f5bfe8694d8bb74b7b59404632fd5968b774ed545e810de9c32a4fb4192f4', null],
        [[0, 2147483647, 1], '3757c7577170179c7868353ada796c839135b3d30554bbb74a4b1e4a5a58505c', null],
        [[0, 2147483647, 1, 2147483646], '5837736c89570de861ebc173b1086da4f505d4adb387c6a1b1342d5e4ac9ec72', null],
        [[0, 2147483647, 1, 2147483646, 2], '551d333177df541ad876a60ea71f00447931c0a9da16f227c11ea080d7391b8d', null],
      ],
  } as const;

  for (const [seed, steps] of Object.entries(vectors)) {
    for (const [path, privateKey, publicKey] of steps) {
      it(`follows SLIP-0010: seed ${seed.slice(0, 8)}…, m/${path.map((index) => `${index}'`).join('/')}`, () => {
        const derived = derivePrivateKey(Buffer.from(seed, 'hex'), path);
        assert.equal(hex(derived), privateKey);
        if (publicKey) assert.equal(hex(publicKeyOfPrivate(derived)), publicKey);
      });
    }
  }

  it('refuses an account index that is not one', () => {
    for (const index of [-1, 0.5, 2 ** 31, Number.NaN])
      assert.throws(() => pathOfAccount(index), { code: 'CONFIG_INVALID' });
  });

  it('agrees with the IOTA SDK on addresses and signatures of several accounts', async () => {
    const words =
      'endorse answer radar about source reunion marriage tag sausage weekend frost daring base attack because joke dream slender leisure group reason prepare broken river';
    const manager = new SecretManager({ mnemonic: words });
    const seed = await seedOfEntropy(entropyOfWords(words));
    for (const account of [0, 1, 7]) {
      const [theirs] = await manager.generateEd25519Addresses({
        coinType: 4218,
        accountIndex: account,
        bech32Hrp: 'smr',
        range: { start: 0, end: 1 },
      });
      const key = new MachineKey(derivePrivateKey(seed, pathOfAccount(account)), { protected: true, backedUp: true });
      assert.equal(writeAddress(addressHash(key.publicKey), { kind: 'bech32', prefix: 'smr' }), theirs);

      const message = Buffer.from('IOTA');
      const signature = key.sign(message);
      const signed = await manager.signEd25519(`0x${hex(message)}`, {
        coinType: 4218,
        account,
        change: 0,
        addressIndex: 0,
      });
      assert.equal(signed.signature, `0x${hex(signature)}`);
      assert.equal(signed.publicKey, `0x${hex(key.publicKey)}`);
      assert.ok(Utils.verifyEd25519Signature(signed, `0x${hex(message)}`));
    }
  });
});

describe('the words of a key', () => {
  it('are BIP-39: published entropies and their words', () => {
    // BIP-39 "Test vectors"
    assert.equal(wordsOfEntropy(new Uint8Array(32)), `${'abandon '.repeat(23)}art`);
    assert.equal(wordsOfEntropy(new Uint8Array(32).fill(0xff)), `${'zoo '.repeat(23)}vote`);
  });

  it('are read however a person spaces and capitalises them', () => {
    const words = `  ${'Abandon\n '.repeat(23)} ART `;
    assert.deepEqual(entropyOfWords(words), new Uint8Array(32));
  });

  it('are refused without quoting them', () => {
    for (const words of [`${'abandon '.repeat(23)}abandon`, 'secretword', '', 'a'.repeat(5000), 7, null]) {
      assert.throws(
        () => entropyOfWords(words),
        (error: Error) => {
          assert.equal((error as { code?: string }).code, 'CONFIG_INVALID');
          assert.doesNotMatch(JSON.stringify(error) + error.message + String(error.cause), /secretword|abandon/);
          return true;
        },
      );
    }
  });
});
