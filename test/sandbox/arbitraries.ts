import fc from 'fast-check';
import type { BasicOutput, Block, Hex, Payload, Transaction, Unlock } from '../../lib/sandbox/tangle/codec';

/** Objects as a codec makes them. */
const record = <T>(parts: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record(parts, { noNullPrototype: true }) as fc.Arbitrary<T>;

export function hexBytes(least: number, most = least): fc.Arbitrary<Hex> {
  return fc
    .uint8Array({ minLength: least, maxLength: most })
    .map((bytes) => `0x${Buffer.from(bytes).toString('hex')}` as const);
}

const hash = hexBytes(32);
const uint32 = fc.integer({ min: 1, max: 0xffff_ffff });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const address: fc.Arbitrary<Hex> = fc
  .tuple(fc.constantFrom('00', '08', '10'), hash)
  .map(([type, id]) => `0x${type}${id.slice(2)}` as const);

/** Present or left out. */
function optional<T extends object>(part: fc.Arbitrary<T>): fc.Arbitrary<T | Record<never, never>> {
  return fc.oneof(part, fc.constant({}));
}

const nativeTokens = fc
  .uniqueArray(record({ id: hexBytes(38), amount: fc.bigInt({ min: 1n, max: 2n ** 256n - 1n }) }), {
    maxLength: 3,
    selector: ({ id }) => id,
  })
  .map((tokens) => tokens.sort((a, b) => (a.id < b.id ? -1 : 1)));

export const output: fc.Arbitrary<BasicOutput> = fc
  .tuple(
    record({ amount: uint64, nativeTokens, address }),
    optional(record({ storageReturn: record({ address, amount: uint64 }) })),
    optional(record({ timelock: uint32 })),
    optional(record({ expiration: record({ address, unixTime: uint32 }) })),
    optional(record({ sender: address })),
    optional(record({ metadata: hexBytes(1, 300) })),
    optional(record({ tag: hexBytes(1, 64) })),
  )
  .map(([base, ...parts]) => Object.assign({}, base, ...parts) as BasicOutput);

const taggedData = (least: number) => record({ tag: hexBytes(least, 64), data: hexBytes(least, 500) });

const outputId = fc
  .tuple(hash, fc.integer({ min: 0, max: 127 }))
  .map(([id, index]) => `${id}${index.toString(16).padStart(2, '0')}00` as Hex);

/** Unlocks that keep the rules: signatures differ, references name one before them. */
function unlocksFor(count: number): fc.Arbitrary<Unlock[]> {
  const signature = record({ kind: fc.constant('signature' as const), publicKey: hash, signature: hexBytes(64) });
  return fc
    .tuple(
      signature,
      fc.array(fc.oneof(signature, fc.constant('reference' as const)), { minLength: count - 1, maxLength: count - 1 }),
    )
    .map(([first, others]) => [
      first,
      ...others.map((other): Unlock => (other === 'reference' ? { kind: 'reference', index: 0 } : other)),
    ]);
}

export const transaction = (leastTag = 0): fc.Arbitrary<Transaction> =>
  fc.integer({ min: 1, max: 4 }).chain((count) =>
    fc
      .tuple(
        record({
          networkId: uint64,
          inputs: fc.uniqueArray(outputId, { minLength: count, maxLength: count }),
          inputsCommitment: hash,
          outputs: fc.array(output, { minLength: 1, maxLength: 4 }),
          unlocks: unlocksFor(count),
        }),
        optional(record({ taggedData: taggedData(leastTag) })),
      )
      .map(([base, payload]) => ({ ...base, ...payload })),
  );

const milestone = (leastParents: number) =>
  record({
    index: uint32,
    timestamp: uint32,
    protocolVersion: fc.constant(2),
    previousMilestoneId: hash,
    parents: parents(leastParents),
    inclusionMerkleRoot: hash,
    appliedMerkleRoot: hash,
    metadata: hexBytes(0, 40),
    signatures: fc
      .uniqueArray(record({ publicKey: hash, signature: hexBytes(64) }), {
        minLength: 1,
        maxLength: 3,
        selector: ({ publicKey }) => publicKey,
      })
      .map((signatures) => signatures.sort((a, b) => (a.publicKey < b.publicKey ? -1 : 1))),
  });

function parents(least = 1): fc.Arbitrary<Hex[]> {
  return fc.uniqueArray(hash, { minLength: least, maxLength: 8 }).map((ids) => ids.sort());
}

/** What clients send: anything but milestones. */
export const clientPayload = (leastTag = 0): fc.Arbitrary<Payload> =>
  fc.oneof(
    taggedData(leastTag).map((payload) => ({ kind: 'taggedData' as const, ...payload })),
    transaction(leastTag).map((payload) => ({ kind: 'transaction' as const, ...payload })),
  );

export const milestonePayload = (leastParents = 1): fc.Arbitrary<Payload> =>
  milestone(leastParents).map((payload) => ({ kind: 'milestone' as const, ...payload }));

export const blockWith = (payload: fc.Arbitrary<Payload>): fc.Arbitrary<Block> =>
  record({ protocolVersion: fc.constant(2), parents: parents(), payload, nonce: uint64 });

export const block: fc.Arbitrary<Block> = fc.oneof(
  blockWith(clientPayload()),
  blockWith(milestonePayload()),
  record({ protocolVersion: fc.constant(2), parents: parents(), nonce: uint64 }),
);
