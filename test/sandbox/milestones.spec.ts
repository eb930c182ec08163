import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import {
  type Block,
  ByteReader,
  blake2b256,
  blake2b256Bytes,
  bytesOf,
  type DecodedBlock,
  decodeBlock,
  encodeBlock,
  type Hex,
  hexOf,
  milestoneEssence,
  readMilestone,
} from '../../lib/sandbox/tangle/codec';
import { merkleRoot } from '../../lib/sandbox/tangle/merkle';
import { whiteFlagOrder } from '../../lib/sandbox/tangle/white-flag';
import { NodeClient } from './node-client';

const BINARY = 'application/vnd.iota.serializer-v1';
const GENESIS: Hex = `0x${'00'.repeat(32)}`;

function dataBlock(parents: readonly Hex[], text: string): Buffer {
  const payload = { kind: 'taggedData' as const, tag: '0x' as const, data: hexOf(Buffer.from(text)) };
  return encodeBlock({ protocolVersion: 2, parents: [...parents].sort(), payload, nonce: 0n });
}

describe('the white flag', () => {
  const decoded = (parents: readonly Hex[], text: string): DecodedBlock => decodeBlock(dataBlock(parents, text));

  it('orders the past of a milestone parents first, each once, in the order in which blocks list their parents', () => {
    const a = decoded([GENESIS], 'a');
    const b = decoded([GENESIS], 'b');
    const c = decoded([a.id, b.id], 'c');
    const d = decoded([c.id, a.id], 'd');
    const blocks = new Map([a, b, c, d].map((block) => [block.id, block]));
    const order = whiteFlagOrder([d.id], (id) => blocks.get(id)).map(({ id }) => id);
    const postOrder: Hex[] = [];
    const visit = (id: Hex) => {
      const block = blocks.get(id);
      if (!block || postOrder.includes(id)) return;
      block.block.parents.forEach(visit);
      if (!postOrder.includes(id)) postOrder.push(id);
    };
    visit(d.id);
    assert.deepEqual(order, postOrder);
    assert.equal(order.length, 4);
    assert.ok(order.indexOf(c.id) > order.indexOf(a.id) && order.indexOf(c.id) > order.indexOf(b.id));
  });

  it('does not mind a chain of fifty thousand', () => {
    const ids = Array.from({ length: 50_000 }, (_, n): Hex => `0x${n.toString(16).padStart(64, '0')}`);
    const link = (n: number) =>
      ({ id: ids[n], block: { parents: n === 0 ? [GENESIS] : [ids[n - 1]] } }) as unknown as DecodedBlock;
    const places = new Map(ids.map((id, n) => [id, n]));
    const order = whiteFlagOrder([ids.at(-1)!], (id) => {
      const n = places.get(id);
      return n === undefined || id === GENESIS ? undefined : link(n);
    });
    assert.equal(order.length, ids.length - 1);
  });
});

describe('the Merkle root over block ids', () => {
  const root = (leaves: Uint8Array[]): Uint8Array => {
    // RFC 6962 §2.1, written down once more
    if (leaves.length === 0) return blake2b256Bytes();
    if (leaves.length === 1) return blake2b256Bytes(Uint8Array.of(0), leaves[0]!);
    let k = 1;
    while (k * 2 < leaves.length) k *= 2;
    return blake2b256Bytes(Uint8Array.of(1), root(leaves.slice(0, k)), root(leaves.slice(k)));
  };

  it('is that of RFC 6962 with blake2b, for any number of leaves', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { maxLength: 40 }), (leaves) => {
        assert.equal(merkleRoot(leaves.map(hexOf)), hexOf(root(leaves)));
      }),
      { numRuns: 60 },
    );
  });

  it('of seven known ids is the one of TIP-4', () => {
    const names = [
      '52fdfc072182654f163f5f0f9a621d729566c74d10037c4d7bbb0407d1e2c649',
      '81855ad8681d0d86d1e91e00167939cb6694d2c422acd208a0072939487f6999',
      'eb9d18a44784045d87f3c67cf22746e995af5a25367951baa2ff6cd471c483f1',
      '5fb90badb37c5821b6d95526a41a9504680b4e7c8b763a1b1d49d4955c848621',
      '6325253fec738dd7a9e28bf921119c160f0702448615bbda08313f6a8eb668d2',
      '0bf5059875921e668a5bdf2c7fc4844592d2572bcd0668d2d6c52f5054e2d083',
      '6bf84c7174cb7476364cc3dbd968b0f7172ed85794bb358b0c3b525da1786f9f',
    ];
    const expected = '0xbf67ce7ba23e8c0951b5abaec4f5524360d2c26d971ff226d3359fa70cdb0beb';
    assert.equal(merkleRoot(names.map((name): Hex => `0x${name}`)), expected);
  });
});

describe('a milestone', () => {
  let tangle: SandboxTangle;
  let node: NodeClient;

  beforeEach(async () => {
    tangle = await startTangle({ port: 0, milestoneInterval: 0, belowMaxDepth: 15 });
    node = new NodeClient(tangle);
  });

  afterEach(() => tangle.close());

  it('is signed, follows the one before, and names what it makes final', async () => {
    const before = tangle.issueMilestone();
    const blockId = await node.postBlock(dataBlock(await node.tips(), 'hello'));
    const issued = tangle.issueMilestone();
    const response = await fetch(`${tangle.url}/api/core/v2/milestones/by-index/${issued.index}`, {
      headers: { accept: BINARY },
    });
    const reader = new ByteReader(Buffer.from(await response.arrayBuffer()));
    assert.equal(reader.u32(), 7);
    const milestone = readMilestone(reader);
    assert.equal(milestone.index, before.index + 1);
    assert.equal(milestone.previousMilestoneId, before.milestoneId);
    const essenceHash = blake2b256Bytes(milestoneEssence(milestone));
    assert.equal(hexOf(essenceHash), issued.milestoneId);
    const [{ publicKey, signature }] = milestone.signatures as [{ publicKey: Hex; signature: Hex }];
    const key = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytesOf(publicKey)]);
    assert.ok(verify(null, essenceHash, createPublicKey({ key, format: 'der', type: 'spki' }), bytesOf(signature)));
    const metadata = await node.metadata(blockId);
    assert.equal(metadata.referencedByMilestoneIndex, issued.index);
    const json = await node.read(`/api/core/v2/milestones/${issued.milestoneId}`);
    assert.deepEqual(json, await node.read(`/api/core/v2/milestones/by-index/${issued.index}`));
  });

  it('has a block, which the next milestone makes final', async () => {
    tangle.issueMilestone();
    const [blockId] = (await node.tips()) as [Hex];
    const open = await node.metadata(blockId);
    const { status } = await node.read('/api/core/v2/info');
    assert.equal(open.milestoneIndex, status.latestMilestone.index);
    assert.equal(open.referencedByMilestoneIndex, undefined);
    const block = await node.read(`/api/core/v2/blocks/${blockId}`);
    assert.equal(block.payload.type, 7);
    tangle.issueMilestone();
    const metadata = await node.metadata(blockId);
    assert.deepEqual(
      [metadata.referencedByMilestoneIndex, metadata.ledgerInclusionState, metadata.whiteFlagIndex],
      [open.milestoneIndex + 1, 'noTransaction', 0],
    );
    const response = await fetch(`${tangle.url}/api/core/v2/blocks/${blockId}`, { headers: { accept: BINARY } });
    assert.equal(blake2b256(Buffer.from(await response.arrayBuffer())), blockId);
  });

  it('makes a hundred tips final at once, though it has eight parents at most', async () => {
    const tips = await node.tips();
    const ids: Hex[] = [];
    for (let n = 0; n < 100; n++) ids.push(await node.postBlock(dataBlock(tips, String(n))));
    assert.equal((await node.tips()).length, 8);
    const { index } = tangle.issueMilestone();
    const places = new Set<number>();
    for (const id of ids) {
      const metadata = await node.metadata(id);
      assert.equal(metadata.referencedByMilestoneIndex, index);
      places.add(metadata.whiteFlagIndex);
    }
    assert.equal(places.size, 100);
  });

  it('never has a time before the one before it, though the clock was set back', async () => {
    let now = Date.now();
    const own = await startTangle({ port: 0, milestoneInterval: 0, now: () => now });
    try {
      const before = own.issueMilestone().timestamp;
      now -= 3_600_000;
      assert.ok(own.issueMilestone().timestamp >= before);
    } finally {
      await own.close();
    }
  });

  describe('and a block that came', () => {
    it('before its parents waits for them', async () => {
      const parent = dataBlock(await node.tips(), 'parent');
      const child = dataBlock([blake2b256(parent)], 'child');
      const childId = await node.postBlock(child);
      assert.equal((await node.metadata(childId)).isSolid, false);
      tangle.issueMilestone();
      assert.equal((await node.metadata(childId)).referencedByMilestoneIndex, undefined);
      await node.postBlock(parent);
      assert.equal((await node.metadata(childId)).isSolid, true);
      const { index } = tangle.issueMilestone();
      assert.equal((await node.metadata(childId)).referencedByMilestoneIndex, index);
    });

    it('on a past that is too old must be reattached', async () => {
      const old = await node.tips();
      for (let n = 0; n < 17; n++) tangle.issueMilestone();
      const late = await node.postBlock(dataBlock(old, 'late'));
      tangle.issueMilestone();
      const metadata = await node.metadata(late);
      assert.deepEqual([metadata.shouldReattach, metadata.referencedByMilestoneIndex], [true, undefined]);
      assert.ok(!(await node.tips()).includes(late));
      const again = await node.postBlock(dataBlock(await node.tips(), 'late'));
      tangle.issueMilestone();
      assert.equal((await node.metadata(again)).ledgerInclusionState, 'noTransaction');
    });

    it('twice is the same block', async () => {
      const bytes = dataBlock(await node.tips(), 'twice');
      const first = await node.postBlock(bytes);
      assert.equal(await node.postBlock(bytes), first);
      const { index } = tangle.issueMilestone();
      assert.equal(await node.postBlock(bytes), first);
      tangle.issueMilestone();
      assert.equal((await node.metadata(first)).referencedByMilestoneIndex, index);
    });

    it('without parents gets some', async () => {
      const { status, body } = await node.post('/api/core/v2/blocks', JSON.stringify({ protocolVersion: 2 }));
      assert.equal(status, 201);
      const block: Block & { parents: Hex[] } = await node.read(`/api/core/v2/blocks/${body.blockId}`);
      assert.ok(block.parents.length >= 1);
    });
  });

  it('is forgotten with all it made final, when it is older than what is kept', async () => {
    const short = await startTangle({ port: 0, milestoneInterval: 0, milestoneHistory: 10 });
    try {
      const client = new NodeClient(short);
      const blockId = await client.postBlock(dataBlock(await client.tips(), 'old'));
      const { index } = short.issueMilestone();
      for (let n = 0; n < 120; n++) short.issueMilestone();
      const { status } = await client.read('/api/core/v2/info');
      assert.ok(status.pruningIndex >= index, String(status.pruningIndex));
      assert.ok(status.latestMilestone.index - status.pruningIndex >= 10);
      assert.equal((await client.get(`/api/core/v2/blocks/${blockId}`)).status, 404);
      assert.equal((await client.get(`/api/core/v2/milestones/by-index/${index}`)).status, 404);
      assert.equal(
        (await client.get(`/api/core/v2/milestones/by-index/${status.pruningIndex}/utxo-changes`)).status,
        404,
      );
      await client.read(`/api/core/v2/milestones/by-index/${status.pruningIndex + 1}/utxo-changes`);
      assert.equal(await client.supply(), 4_600_000_000_000_000n);
    } finally {
      await short.close();
    }
  });
});
