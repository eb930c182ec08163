import fc from 'fast-check';
import type { BasicOutput, OutputAddress } from '../../../lib/ledger/stardust/output';

export const anyHex = (minimum: number, maximum = minimum) =>
  fc.uint8Array({ minLength: minimum, maxLength: maximum }).map((bytes) => `0x${Buffer.from(bytes).toString('hex')}`);

export const anyAddress: fc.Arbitrary<OutputAddress> = fc.record(
  { kind: fc.constantFrom('ed25519', 'alias', 'nft'), hash: anyHex(32) },
  { noNullPrototype: true },
);

const anyAmount = fc.bigInt({ min: 1n, max: 1_000_000_000_000n });
const anyTime = fc.integer({ min: 1, max: 0xffff_ffff });

/** Every basic output without native tokens that the protocol allows. */
export const anyOutput: fc.Arbitrary<BasicOutput> = fc
  .record(
    {
      amount: anyAmount,
      address: fc.record({ kind: fc.constant('ed25519' as const), hash: anyHex(32) }, { noNullPrototype: true }),
      depositReturn: fc.record({ to: anyAddress, amount: anyAmount }, { noNullPrototype: true }),
      timelock: anyTime,
      expiration: fc.record({ returnsTo: anyAddress, unixTime: anyTime }, { noNullPrototype: true }),
      sender: anyAddress,
      metadata: anyHex(1, 300),
      tag: anyHex(1, 64),
    },
    { requiredKeys: ['amount', 'address'] },
  )
  .map((output) => ({ ...output, foreign: false }));
