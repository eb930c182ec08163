import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import * as sdk from '@iota/sdk-wasm/node';
import fc from 'fast-check';
import type { TransactionRequest } from '../../../lib/ledger';
import { outputIdAt } from '../../../lib/ledger/stardust/node-api';
import type { BasicOutput } from '../../../lib/ledger/stardust/output';
import { writeOutput } from '../../../lib/ledger/stardust/output';
import { loadSdk } from '../../../lib/ledger/stardust/sdk';
import {
  type BuildingSite,
  BYTES_FOR_PAYMENTS,
  buildEssence,
  checkedInput,
  type InputContent,
  networkNumber,
  payloadOf,
  sealEssence,
} from '../../../lib/ledger/stardust/transaction';
import { addressHash, writeAddress } from '../../../lib/values';
import { TransactionHelper } from '../../sandbox/reference-codec';
import { anyHex } from './arbitrary';

const form = { kind: 'bech32', prefix: 'tst' } as const;
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const publicBytes = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
const myHash = addressHash(publicBytes);
const me = writeAddress(myHash, form);
const mine = { kind: 'ed25519', hash: `0x${Buffer.from(myHash).toString('hex')}` } as const;
const other = { kind: 'ed25519', hash: `0x${'22'.repeat(32)}` } as const;
const payee = writeAddress(Buffer.alloc(32, 0x22), form);

const wasm = loadSdk({ url: 'http://127.0.0.1:1', localPow: () => true, seconds: 1 }, undefined);
const site: BuildingSite = {
  sdk: wasm,
  networkName: 'private_tangle1',
  form,
  rent: { vByteCost: 100, vByteFactorKey: 10, vByteFactorData: 1 },
  ledgerTime: 1_700_000_000_000,
};

const nothing: TransactionRequest = { from: me, payments: [], records: [], claims: [] };
const pays = (amount: bigint, reference = ''): TransactionRequest => ({
  ...nothing,
  payments: [{ to: payee, amount, reference }],
});
const holding = (amount: bigint, more: Partial<BasicOutput> = {}, index = 0): InputContent => ({
  outputId: outputIdAt(`0x${'ab'.repeat(32)}`, index),
  output: { amount, address: mine, foreign: false, ...more },
});
const seal = (prepared: { essence: Uint8Array; signingHash: Uint8Array }) =>
  sealEssence(
    prepared.essence,
    { publicKey: publicBytes, signature: sign(null, prepared.signingHash, privateKey) },
    wasm,
  );

describe('a transaction built for signing', () => {
  const request = fc.record({
    from: fc.constant(me),
    payments: fc.array(
      fc.record({
        to: fc.constant(payee),
        amount: fc.bigInt({ min: 100_000n, max: 10n ** 9n }),
        reference: fc.string({ maxLength: 60, unit: 'grapheme' }),
      }),
      { maxLength: 8 },
    ),
    records: fc.array(
      fc.record({ tag: fc.uint8Array({ minLength: 1, maxLength: 64 }), bytes: fc.uint8Array({ maxLength: 200 }) }),
      { maxLength: 3 },
    ),
    claims: fc.constant([]),
  });
  const inputs = fc.uniqueArray(
    fc.record({ outputId: anyHex(32).map((id) => outputIdAt(id, 3)), metadata: anyHex(1, 40) }),
    { minLength: 1, maxLength: 6, selector: ({ outputId }) => outputId },
  );

  it('is one that the SDK and an older, independent library understand alike, and that the ledger rules allow', () => {
    fc.assert(
      fc.property(request, inputs, (wanted, ids) => {
        const contents: InputContent[] = ids.map(({ outputId, metadata }, i) => ({
          outputId,
          output: { amount: 10n ** 10n, address: mine, ...(i % 2 ? { sender: other, metadata } : {}), foreign: false },
        }));
        const prepared = buildEssence(wanted, contents, [], site);
        const sealed = seal(prepared);
        const payload = payloadOf(sealed, wasm);

        const id = TransactionHelper.getTransactionPayloadHash(payload);
        assert.equal(`0x${Buffer.from(id).toString('hex')}`, sealed.transactionId);
        const hash = TransactionHelper.getTransactionEssenceHash(payload.essence);
        assert.deepEqual(Buffer.from(hash), Buffer.from(prepared.signingHash));

        sdk.Utils.verifyTransactionSyntax(payload as unknown as sdk.TransactionPayload, protocol);
        assert.equal(
          sdk.Utils.verifyTransactionSemantic(
            contents.map(signingData) as never,
            payload as unknown as sdk.TransactionPayload,
            1_700_000_000,
          ),
          'None',
        );

        const out =
          wanted.payments.reduce((sum, { amount }) => sum + amount, 0n) +
          prepared.change.reduce((sum, { amount }) => sum + amount, 0n);
        assert.equal(out, 10n ** 10n * BigInt(contents.length));
        assert.deepEqual(
          sealed.change?.map(({ index, amount }) => ({ index, amount })),
          prepared.change,
        );
        assert.deepEqual(
          sealed.change?.map(({ outputId }) => outputId),
          prepared.change.map(({ index }) => outputIdAt(sealed.transactionId, index)),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('keeps the order of the payments, with records and change behind them', () => {
    const prepared = buildEssence(
      {
        ...nothing,
        payments: [
          { to: payee, amount: 70_000n, reference: 'a' },
          { to: payee, amount: 80_000n, reference: 'b' },
        ],
        records: [{ tag: Buffer.from('t'), bytes: Buffer.from('r') }],
      },
      [holding(10n ** 6n)],
      [],
      site,
    );
    const { outputs } = JSON.parse(Buffer.from(prepared.essence).toString()) as { outputs: { amount: string }[] };
    assert.deepEqual(
      outputs.slice(0, 2).map(({ amount }) => amount),
      ['70000', '80000'],
    );
    assert.deepEqual(
      prepared.change.map(({ index }) => index),
      [2, 3],
    );
    assert.equal(prepared.inputs.length, 1);
  });

  it('is refused when the inputs do not suffice, or would leave less than a deposit', () => {
    const short = { code: 'FUNDS_INSUFFICIENT' };
    assert.throws(() => buildEssence(pays(10n ** 6n + 1n), [holding(10n ** 6n)], [], site), {
      ...short,
      parameters: { missing: '1' },
    });
    assert.throws(() => buildEssence(pays(10n ** 6n - 42_599n), [holding(10n ** 6n)], [], site), {
      ...short,
      parameters: { missing: '1' },
    });
    assert.deepEqual(buildEssence(pays(10n ** 6n - 42_600n), [holding(10n ** 6n)], [], site).change, [
      { index: 1, amount: 42_600n },
    ]);
    assert.deepEqual(buildEssence(pays(10n ** 6n), [holding(10n ** 6n)], [], site).change, []);
  });

  it('is refused when a payee would get less than the deposit, who is named', () => {
    // 426 bytes of an address, and 34 of a sender.
    assert.throws(() => buildEssence(pays(45_999n), [holding(10n ** 6n)], [], site), {
      code: 'DEPOSIT_TOO_SMALL',
      parameters: { payee, amount: '45999', minimum: '46000' },
    });
    assert.ok(buildEssence(pays(46_000n), [holding(10n ** 6n)], [], site));
  });

  it('is refused when no block could hold it, and as large as a block may be otherwise', () => {
    const tooLarge = { code: 'PAYMENT_FAILED', detail: 'too-large' };
    const many = (count: number, reference: string) => ({
      ...nothing,
      payments: Array.from({ length: count }, () => ({ to: payee, amount: 10n ** 6n, reference })),
    });
    const holdings = (count: number) => Array.from({ length: count }, (_, i) => holding(10n ** 10n, {}, i));
    assert.throws(() => buildEssence(many(128, ''), holdings(1), [], site), tooLarge);
    assert.ok(buildEssence(many(127, ''), holdings(1), [], site));
    assert.throws(() => buildEssence(many(1, ''), holdings(129), [], site), tooLarge);
    assert.ok(buildEssence(many(1, ''), holdings(128), [], site));
    assert.throws(() => buildEssence(many(4, 'x'.repeat(8000)), holdings(1), [], site), tooLarge);

    // The largest one that we build is one that the SDK can put into a block, and it fills that to the last byte.
    const inputs = holdings(128);
    const buildable = (bytes: number) => {
      try {
        return buildEssence(
          { ...nothing, payments: [...many(3, 'x'.repeat(7000)).payments, ...many(1, 'x'.repeat(bytes)).payments] },
          inputs,
          [],
          site,
        );
      } catch {
        return undefined;
      }
    };
    let [fits, tooLong] = [1, 8192];
    while (tooLong - fits > 1) {
      const middle = Math.floor((fits + tooLong) / 2);
      if (buildable(middle)) fits = middle;
      else tooLong = middle;
    }
    const largest = buildable(fits);
    assert.ok(largest);
    const payload = payloadOf(seal(largest), wasm);
    const block = {
      protocolVersion: 2,
      parents: Array.from({ length: 8 }, (_, i) => `0x0${i}${'00'.repeat(31)}`),
      payload,
      nonce: '0',
    };
    assert.equal(sdk.Utils.blockBytes(block as unknown as sdk.Block).length, 32_768);
    assert.ok(BYTES_FOR_PAYMENTS > 26 * 1024);
  });

  it('never spends what is not freely ours', () => {
    const notOurs: Partial<BasicOutput>[] = [
      { address: other },
      { foreign: true },
      { timelock: 1 },
      { expiration: { returnsTo: other, unixTime: 1 } },
      { depositReturn: { to: other, amount: 1n } },
    ];
    for (const more of notOurs)
      assert.throws(() => buildEssence(pays(100_000n), [holding(10n ** 6n, more)], [], site), RangeError);
    assert.throws(() => checkedInput({ outputId: '0x', amount: 2n }, { amount: 1n, address: mine, foreign: false }), {
      code: 'LEDGER_UNREACHABLE',
    });
    assert.throws(() => checkedInput({ outputId: '0x', amount: 2n }, null), { code: 'LEDGER_UNREACHABLE' });
  });

  describe('that claims', () => {
    const now = site.ledgerTime / 1000;
    it('gives the deposit back to who lent it', () => {
      const lent = holding(500_000n, { depositReturn: { to: other, amount: 42_600n } });
      const prepared = buildEssence(nothing, [], [lent], site);
      const sealed = seal(prepared);
      const payload = payloadOf(sealed, wasm) as unknown as sdk.TransactionPayload;
      assert.equal(sdk.Utils.verifyTransactionSemantic([signingData(lent)] as never, payload, now), 'None');
      assert.deepEqual(prepared.change, [{ index: 1, amount: 457_400n }]);
    });

    it('takes what has not expired yet, and what came back to us', () => {
      const waiting = holding(500_000n, { expiration: { returnsTo: other, unixTime: now + 1 } });
      const returned = holding(
        500_000n,
        { address: other, expiration: { returnsTo: mine, unixTime: now }, depositReturn: { to: mine, amount: 1n } },
        1,
      );
      assert.deepEqual(buildEssence(nothing, [], [waiting, returned], site).change, [{ index: 0, amount: 1_000_000n }]);
    });

    it('leaves alone what belongs to somebody else by now, or to nobody yet', () => {
      const notOurs = [
        holding(500_000n, { expiration: { returnsTo: other, unixTime: now } }),
        holding(500_000n, { address: other, expiration: { returnsTo: mine, unixTime: now + 1 } }),
        holding(500_000n, { timelock: now + 1 }),
        holding(500_000n, { foreign: true }),
      ];
      for (const claim of notOurs) assert.throws(() => buildEssence(nothing, [], [claim], site), RangeError);
    });
  });

  it('is bound to its network', () => {
    assert.equal(networkNumber('private_tangle1'), TransactionHelper.networkIdFromNetworkName('private_tangle1'));
    const here = buildEssence(pays(100_000n), [holding(10n ** 6n)], [], site);
    const elsewhere = buildEssence(pays(100_000n), [holding(10n ** 6n)], [], {
      ...site,
      networkName: 'private_tangle2',
    });
    assert.notDeepEqual(here.signingHash, elsewhere.signingHash);
  });

  it('is not submitted under another id than its own', () => {
    const sealed = seal(buildEssence(pays(100_000n), [holding(10n ** 6n)], [], site));
    assert.throws(() => payloadOf({ ...sealed, transactionId: `0x${'00'.repeat(32)}` }, wasm), RangeError);
  });
});

const protocol = {
  version: 2,
  networkName: 'private_tangle1',
  bech32Hrp: 'tst',
  minPowScore: 0,
  belowMaxDepth: 15,
  rentStructure: { vByteCost: 100, vByteFactorKey: 10, vByteFactorData: 1 },
  tokenSupply: '1000000000000000',
} as unknown as sdk.INodeInfoProtocol;

function signingData({ outputId, output }: InputContent) {
  const metadata = {
    blockId: `0x${'00'.repeat(32)}`,
    transactionId: outputId.slice(0, 66),
    outputIndex: Buffer.from(outputId.slice(66), 'hex').readUInt16LE(),
    isSpent: false,
    milestoneIndexBooked: 1,
    milestoneTimestampBooked: 1,
    ledgerIndex: 1,
  };
  return { output: writeOutput(output), outputMetadata: metadata };
}
