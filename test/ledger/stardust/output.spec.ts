import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { addressOf, isSpendable, readOutput, textOfMetadata, writeOutput } from '../../../lib/ledger/stardust/output';
import { anyOutput } from './arbitrary';

const address = { type: 0, address: { type: 0, pubKeyHash: `0x${'11'.repeat(32)}` } };
const form = { kind: 'bech32', prefix: 'tst' } as const;

describe('a basic output (TIP-18)', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(anyOutput, (output) =>
        assert.deepEqual(readOutput(JSON.parse(JSON.stringify(writeOutput(output)))), output),
      ),
    );
  });

  it('is read also where the node leaves out empty lists', () => {
    assert.deepEqual(readOutput({ type: 3, amount: '7', unlockConditions: [address] }), {
      amount: 7n,
      address: { kind: 'ed25519', hash: `0x${'11'.repeat(32)}` },
      foreign: false,
    });
  });

  it('is ours to spend freely only without any condition, token or unknown feature', () => {
    const plain = { type: 3, amount: '7', unlockConditions: [address] };
    const spendable = (output: object) => isSpendable(readOutput({ ...plain, ...output }) ?? assert.fail());
    const returnAddress = address.address;
    assert.equal(spendable({}), true);
    assert.equal(
      spendable({
        features: [
          { type: 0, address: returnAddress },
          { type: 2, data: '0x00' },
          { type: 3, tag: '0x00' },
        ],
      }),
      true,
    );
    assert.equal(spendable({ nativeTokens: [{ id: `0x${'08'.repeat(38)}`, amount: '0x1' }] }), false);
    assert.equal(spendable({ unlockConditions: [address, { type: 1, returnAddress, amount: '1' }] }), false);
    assert.equal(spendable({ unlockConditions: [address, { type: 2, unixTime: 1 }] }), false);
    assert.equal(spendable({ unlockConditions: [address, { type: 3, returnAddress, unixTime: 1 }] }), false);
    assert.equal(spendable({ features: [{ type: 9 }] }), false);
  });

  it('of another kind is none of ours', () => {
    for (const type of [2, 4, 5, 6]) assert.equal(readOutput({ type, amount: '7' }), null);
  });

  it('that is not one is refused and named', () => {
    const plain = { type: 3, amount: '7', unlockConditions: [address] };
    const broken: unknown[] = [
      null,
      [],
      'output',
      { ...plain, amount: 7 },
      { ...plain, amount: '-7' },
      { ...plain, amount: '18446744073709551616' },
      { ...plain, unlockConditions: [] },
      { ...plain, unlockConditions: 'x' },
      { ...plain, unlockConditions: [{ type: 0, address: { type: 0, pubKeyHash: '0x11' } }] },
      { ...plain, unlockConditions: [{ type: 0, address: { type: 1, pubKeyHash: `0x${'11'.repeat(32)}` } }] },
      { ...plain, unlockConditions: [address, { type: 4, address: address.address }] },
      { ...plain, unlockConditions: [address, { type: 2, unixTime: 1.5 }] },
      { ...plain, features: [{ type: 2, data: 'hello' }] },
      { ...plain, features: [{ type: 2, data: `0x${'00'.repeat(8193)}` }] },
      { ...plain, features: [{ type: 3, tag: '0x0' }] },
      { ...plain, nativeTokens: Array.from({ length: 65 }, () => ({})) },
    ];
    for (const output of broken) {
      assert.throws(
        () => readOutput(output),
        (error) => isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === 'answer',
        JSON.stringify(output),
      );
    }
  });

  it('has a reference only where its metadata is text', () => {
    const hex = (text: string) => `0x${Buffer.from(text).toString('hex')}`;
    assert.equal(textOfMetadata(undefined), null);
    assert.equal(textOfMetadata(hex('me1:0123')), 'me1:0123');
    assert.equal(textOfMetadata(hex('Grüße ☀')), 'Grüße ☀');
    assert.equal(textOfMetadata('0xff'), null);
    assert.equal(textOfMetadata('0xc3'), null);
  });

  it('has a sender only where that is an address that we can write', () => {
    const hash = `0x${'11'.repeat(32)}`;
    assert.equal(addressOf(undefined, form), null);
    assert.equal(addressOf({ kind: 'alias', hash }, form), null);
    assert.match(String(addressOf({ kind: 'ed25519', hash }, form)), /^tst1q/);
  });
});
