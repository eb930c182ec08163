import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type BasicOutput,
  type Block,
  blake2b256,
  blockFromJson,
  blockToJson,
  bytesOf,
  decodeBlock,
  encodeBlock,
  type Hex,
  hexOf,
  InvalidBlockError,
  milestoneEssence,
  milestoneToJson,
  outputBytes,
  outputFromJson,
  outputToJson,
} from '../../lib/sandbox/tangle/codec';
import { type ProtocolParameters, storageDeposit } from '../../lib/sandbox/tangle/parameters';
import { Account } from './account';
import { block, blockWith, clientPayload, milestonePayload, output } from './arbitraries';
import {
  decodeOutputWithReference,
  decodeWithReference,
  encodeWithReference,
  milestoneIdFromMilestonePayload,
  TransactionHelper,
} from './reference-codec';

const RUNS = 150;

/** The only error that bytes from outside may cause. */
function invalidOr<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof InvalidBlockError) return undefined;
    throw error;
  }
}

describe('a block as bytes', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(block, (model) => assert.deepEqual(decodeBlock(encodeBlock(model)).block, model)),
      { numRuns: RUNS },
    );
  });

  it('means the same to another implementation, byte for byte and name for name', () => {
    fc.assert(
      fc.property(blockWith(clientPayload(1)), (model) => {
        const bytes = encodeBlock(model);
        const theirs = decodeWithReference(bytes);
        assert.deepEqual(withoutEmptyParts(theirs), withoutEmptyParts(blockToJson(model)));
        assert.equal(encodeWithReference(theirs), `0x${bytes.toString('hex')}`);
      }),
      { numRuns: RUNS },
    );
  });

  it('has the ids that another implementation computes', () => {
    fc.assert(
      fc.property(blockWith(clientPayload(1)), (model) => {
        const decoded = decodeBlock(encodeBlock(model));
        const theirs = decodeWithReference(decoded.bytes);
        assert.equal(decoded.id, TransactionHelper.calculateBlockId(theirs));
        if (!decoded.transaction) return;
        assert.equal(decoded.transaction.id, hexOf(TransactionHelper.getTransactionPayloadHash(theirs.payload)));
        const essenceHash = hexOf(TransactionHelper.getTransactionEssenceHash(theirs.payload?.essence));
        assert.equal(blake2b256(decoded.transaction.parts.essence), essenceHash);
      }),
      { numRuns: RUNS },
    );
  });

  it('may carry a milestone, which another implementation reads alike', () => {
    fc.assert(
      fc.property(blockWith(milestonePayload(2)), (model) => {
        const theirs = decodeWithReference(encodeBlock(model)).payload;
        assert.ok(model.payload?.kind === 'milestone');
        assert.deepEqual(withoutEmptyParts(theirs), withoutEmptyParts(milestoneToJson(model.payload)));
        assert.equal(blake2b256(milestoneEssence(model.payload)), milestoneIdFromMilestonePayload(theirs));
      }),
      { numRuns: RUNS },
    );
  });

  it('has one form only: a flipped bit makes another block or none', () => {
    fc.assert(
      fc.property(block, fc.nat(), fc.nat({ max: 7 }), (model, position, bit) => {
        const bytes = encodeBlock(model);
        const at = position % bytes.length;
        bytes[at] = bytes[at]! ^ (1 << bit);
        const decoded = invalidOr(() => decodeBlock(bytes));
        if (!decoded) return;
        assert.notDeepEqual(decoded.block, model);
        assert.ok(encodeBlock(decoded.block).equals(bytes));
      }),
      { numRuns: 600 },
    );
  });

  it('is refused when it is cut short, has something behind it, or is noise', () => {
    fc.assert(
      fc.property(block, fc.nat(), (model, position) => {
        const bytes = encodeBlock(model);
        assert.equal(
          invalidOr(() => decodeBlock(bytes.subarray(0, position % bytes.length))),
          undefined,
        );
        assert.equal(
          invalidOr(() => decodeBlock(Buffer.concat([bytes, Buffer.of(0)]))),
          undefined,
        );
      }),
      { numRuns: RUNS },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
        invalidOr(() => decodeBlock(Buffer.from(noise)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('lists its parents once each and in order', () => {
    const [first, second] = [`0x${'01'.repeat(32)}`, `0x${'02'.repeat(32)}`] as const;
    const withParents = (...parents: Hex[]) => encodeBlock({ protocolVersion: 2, parents, nonce: 0n });
    assert.ok(decodeBlock(withParents(first, second)));
    const nine = Array.from({ length: 9 }, (_, n): Hex => `0x${String(n).repeat(64)}`);
    for (const wrong of [[second, first], [first, first], [], nine]) {
      assert.throws(() => decodeBlock(withParents(...wrong)), InvalidBlockError);
    }
  });

  it('has at most 32 KiB', () => {
    const blockOf = (dataBytes: number) =>
      encodeBlock({
        protocolVersion: 2,
        parents: [`0x${'00'.repeat(32)}`],
        payload: { kind: 'taggedData', tag: '0x', data: `0x${'00'.repeat(dataBytes)}` },
        nonce: 0n,
      });
    const overhead = blockOf(0).length;
    assert.equal(decodeBlock(blockOf(32_768 - overhead)).bytes.length, 32_768);
    assert.throws(() => decodeBlock(blockOf(32_769 - overhead)), InvalidBlockError);
  });
});

describe('a block as JSON', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(blockWith(clientPayload()), (model) => {
        assert.deepEqual(blockFromJson(JSON.parse(JSON.stringify(blockToJson(model)))), model);
      }),
      { numRuns: RUNS },
    );
  });

  it('is refused with one kind of error, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        invalidOr(() => blockFromJson(anything));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(blockWith(clientPayload()), fc.nat(), fc.anything(), (model, position, anything) => {
        const json = JSON.parse(JSON.stringify(blockToJson(model)));
        replaceSomething(json, position, anything);
        const parsed = invalidOr(() => blockFromJson(json));
        if (parsed && parsed.parents.length > 0) invalidOr(() => decodeBlock(encodeBlock(parsed)));
      }),
      { numRuns: 1_000 },
    );
  });

  it('may leave parents and nonce to the node', () => {
    assert.deepEqual(blockFromJson({ protocolVersion: 2 }), {
      protocolVersion: 2,
      parents: [],
      nonce: 0n,
    } satisfies Block);
  });
});

describe('an output', () => {
  it('is the same in bytes, in JSON and in another implementation', () => {
    fc.assert(
      fc.property(output, (model) => {
        assert.deepEqual(outputFromJson(JSON.parse(JSON.stringify(outputToJson(model)))), model);
        const theirs = decodeOutputWithReference(outputBytes(model));
        assert.deepEqual(withoutEmptyParts(theirs), withoutEmptyParts(outputToJson(model)));
      }),
      { numRuns: RUNS },
    );
  });

  it('needs the deposit that another implementation asks for', () => {
    const parameters = parametersWith(100);
    fc.assert(
      fc.property(output, (model) => {
        const rent = { vByteCost: 100, vByteFactorData: 1, vByteFactorKey: 10 };
        const theirs = { nativeTokens: [], features: [], ...outputToJson(model) };
        assert.equal(storageDeposit(model, parameters), BigInt(TransactionHelper.getStorageDeposit(theirs, rent)));
      }),
      { numRuns: RUNS },
    );
  });

  const address = new Account().address;
  const plain: BasicOutput = { amount: 1n, nativeTokens: [], address };
  const cases: [string, BasicOutput, Record<number, bigint>][] = [
    ['an address only', plain, { 100: 42_600n, 250: 106_500n, 500: 213_000n }],
    [
      'sender, 100 bytes of metadata and a tag of 16 bytes',
      { ...plain, sender: address, metadata: `0x${'01'.repeat(100)}`, tag: `0x${'02'.repeat(16)}` },
      { 100: 58_100n, 250: 145_250n, 500: 290_500n },
    ],
    [
      'storage deposit return and expiration',
      { ...plain, storageReturn: { address, amount: 1n }, expiration: { address, unixTime: 1 } },
      { 100: 50_600n, 250: 126_500n, 500: 253_000n },
    ],
  ];
  for (const [name, model, deposits] of cases) {
    it(`with ${name} needs what was measured on real nodes`, () => {
      for (const [cost, deposit] of Object.entries(deposits))
        assert.equal(storageDeposit(model, parametersWith(Number(cost))), deposit);
    });
  }

  it('has native tokens once each, in order, and more than none of each', () => {
    const [first, second] = [`0x${'01'.repeat(38)}`, `0x${'02'.repeat(38)}`] as const;
    const withTokens = (...tokens: [Hex, bigint][]) =>
      blockAround(outputBytes({ ...plain, nativeTokens: tokens.map(([id, amount]) => ({ id, amount })) }));
    assert.ok(decodeBlock(withTokens([first, 1n], [second, 2n ** 256n - 1n])));
    const wrong: [Hex, bigint][][] = [
      [
        [second, 1n],
        [first, 1n],
      ],
      [
        [first, 1n],
        [first, 1n],
      ],
      [[first, 0n]],
    ];
    for (const tokens of wrong) assert.throws(() => decodeBlock(withTokens(...tokens)), InvalidBlockError);
  });

  it('has each condition once and in order', () => {
    const good = outputBytes({ ...plain, timelock: 5 });
    const conditions = good.subarray(10 + 1);
    const addressCondition = conditions.subarray(0, 34);
    const timelock = conditions.subarray(34, 39);
    const head = good.subarray(0, 10);
    const withConditions = (...parts: Buffer[]) =>
      Buffer.concat([head, Buffer.of(parts.length), ...parts, Buffer.of(0)]);
    const inBlock = (bytes: Buffer) => blockAround(bytes);
    assert.ok(decodeBlock(inBlock(withConditions(addressCondition, timelock))));
    for (const wrong of [[timelock, addressCondition], [addressCondition, addressCondition], [timelock], []]) {
      assert.throws(() => decodeBlock(inBlock(withConditions(...wrong))), InvalidBlockError);
    }
  });
});

/** A block whose only output is these bytes. */
function blockAround(outputContent: Buffer): Buffer {
  const model: Block = {
    protocolVersion: 2,
    parents: [`0x${'00'.repeat(32)}`],
    payload: {
      kind: 'transaction',
      networkId: 0n,
      inputs: [`0x${'00'.repeat(34)}`],
      inputsCommitment: `0x${'00'.repeat(32)}`,
      outputs: [{ amount: 1n, nativeTokens: [], address: `0x${'00'.repeat(33)}` }],
      unlocks: [{ kind: 'signature', publicKey: `0x${'00'.repeat(32)}`, signature: `0x${'00'.repeat(64)}` }],
    },
    nonce: 0n,
  };
  const bytes = encodeBlock(model);
  const placeholder = outputBytes({ amount: 1n, nativeTokens: [], address: `0x${'00'.repeat(33)}` });
  const at = bytes.indexOf(placeholder);
  const whole = Buffer.concat([bytes.subarray(0, at), outputContent, bytes.subarray(at + placeholder.length)]);
  const lengthAt = 1 + 1 + 32;
  whole.writeUInt32LE(bytes.readUInt32LE(lengthAt) + outputContent.length - placeholder.length, lengthAt);
  return whole;
}

function parametersWith(vByteCost: number): ProtocolParameters {
  return {
    version: 2,
    networkName: 'test',
    networkId: 0n,
    bech32Hrp: 'tst',
    minPowScore: 0,
    belowMaxDepth: 15,
    vByteCost,
    tokenSupply: 1n,
  };
}

/** Empty lists and empty hex are left out by one implementation and written by another; both mean nothing. */
function withoutEmptyParts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmptyParts);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(
    ([, part]) => part !== undefined && part !== '0x' && part !== '' && !(Array.isArray(part) && part.length === 0),
  );
  return Object.fromEntries(kept.map(([name, part]) => [name, withoutEmptyParts(part)]));
}

function replaceSomething(json: unknown, position: number, replacement: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const walk = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [name, part] of Object.entries(value)) {
      places.push([value as Record<string, unknown>, name]);
      walk(part);
    }
  };
  walk(json);
  const [owner, name] = places[position % places.length]!;
  owner[name] = replacement;
}

describe('hex', () => {
  it('is bytes and back', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) =>
        Buffer.from(bytes).equals(bytesOf(`0x${Buffer.from(bytes).toString('hex')}`)),
      ),
    );
  });
});
