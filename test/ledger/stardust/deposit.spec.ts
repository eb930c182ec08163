import assert from 'node:assert/strict';
import * as sdk from '@iota/sdk-wasm/node';
import fc from 'fast-check';
import { byteLength, minimumDeposit } from '../../../lib/ledger/stardust/deposit';
import { type BasicOutput, writeOutput } from '../../../lib/ledger/stardust/output';
import { anyOutput } from './arbitrary';

const me = { kind: 'ed25519', hash: `0x${'11'.repeat(32)}` } as const;
const rent = (vByteCost: number) => ({ vByteCost, vByteFactorKey: 10, vByteFactorData: 1 });
const plain: BasicOutput = { amount: 1n, address: me, foreign: false };

describe('the storage deposit (TIP-19)', () => {
  // What the nodes of networks with these byte costs demand.
  const table: readonly { what: string; output: BasicOutput; deposits: readonly [bigint, bigint, bigint] }[] = [
    { what: 'an address only', output: plain, deposits: [42_600n, 106_500n, 213_000n] },
    {
      what: 'a sender, 100 bytes of metadata and a tag of 16',
      output: { ...plain, sender: me, metadata: `0x${'00'.repeat(100)}`, tag: `0x${'00'.repeat(16)}` },
      deposits: [58_100n, 145_250n, 290_500n],
    },
    {
      what: 'a deposit to return and an expiration',
      output: { ...plain, depositReturn: { to: me, amount: 1n }, expiration: { returnsTo: me, unixTime: 1 } },
      deposits: [50_600n, 126_500n, 253_000n],
    },
  ];
  for (const { what, output, deposits } of table) {
    it(`of an output with ${what} is ${deposits.join(', ')} at 100, 250 and 500 a byte`, () => {
      assert.deepEqual(
        [100, 250, 500].map((cost) => minimumDeposit(output, rent(cost))),
        deposits,
      );
    });
  }

  it('is what the SDK computes, whatever is in the output and whatever a byte costs', () => {
    fc.assert(
      fc.property(anyOutput, fc.integer({ min: 1, max: 2000 }), (output, vByteCost) => {
        const structure = rent(vByteCost);
        const expected = sdk.Utils.computeStorageDeposit(writeOutput(output) as unknown as sdk.Output, structure);
        assert.equal(minimumDeposit(output, structure), BigInt(expected));
      }),
      { numRuns: 200 },
    );
  });

  it('counts exactly the bytes that the output has', () => {
    fc.assert(
      fc.property(anyOutput, (output) => {
        const bytes = sdk.Utils.outputHexBytes(writeOutput(output) as unknown as sdk.Output);
        assert.equal(byteLength(output), (bytes.length - 2) / 2);
      }),
      { numRuns: 100 },
    );
  });
});
