import assert from 'node:assert/strict';
import fc from 'fast-check';
import { startTangle } from '../../lib/sandbox/tangle';
import { encodeBlock } from '../../lib/sandbox/tangle/codec';
import { mine, powScore } from '../../lib/sandbox/tangle/proof-of-work';
import { block } from './arbitraries';
import { NodeClient } from './node-client';
import { PowHelper } from './reference-codec';

describe('proof of work', () => {
  it('has the score that another implementation computes', () => {
    fc.assert(
      fc.property(block, (model) => {
        const bytes = encodeBlock(model);
        assert.equal(powScore(bytes).toFixed(9), PowHelper.score(bytes).toFixed(9));
      }),
      { numRuns: 60 },
    );
  });

  it('finds a nonce that is worth what was asked, and no more work than that', async () => {
    const bytes = encodeBlock({ protocolVersion: 2, parents: [`0x${'07'.repeat(32)}`], nonce: 0n });
    const nonce = await mine(bytes, 100);
    assert.ok(nonce !== undefined);
    bytes.writeBigUInt64LE(nonce, bytes.length - 8);
    assert.ok(PowHelper.score(bytes) >= 100);
  });

  it('stops when it is told to, and leaves the thread to others meanwhile', async () => {
    const bytes = encodeBlock({ protocolVersion: 2, parents: [`0x${'07'.repeat(32)}`], nonce: 0n });
    const stop = new AbortController();
    const searching = mine(bytes, 1e12, stop.signal);
    await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    assert.equal(await searching, undefined);
  });

  it('is asked of every block where the network asks for it', async () => {
    const tangle = await startTangle({ port: 0, milestoneInterval: 0, minPowScore: 50 });
    try {
      const node = new NodeClient(tangle);
      const model = { protocolVersion: 2, parents: await node.tips(), nonce: 0n };
      const post = (nonce: bigint) =>
        node.post(
          '/api/core/v2/blocks',
          Uint8Array.from(encodeBlock({ ...model, nonce })),
          'application/vnd.iota.serializer-v1',
        );
      const good = await mine(encodeBlock(model), 50);
      assert.ok(good !== undefined && good > 0n);
      assert.equal((await post(0n)).status, 503);
      let bad = 1n;
      while (powScore(encodeBlock({ ...model, nonce: bad })) >= 50) bad += 1n;
      assert.equal((await post(bad)).status, 400);
      assert.equal((await post(good)).status, 201);
    } finally {
      await tangle.close();
    }
  });

  it('is done by the node for who leaves the nonce at zero, if it offers that', async () => {
    const tangle = await startTangle({ port: 0, milestoneInterval: 0, minPowScore: 50, remotePow: true });
    try {
      const node = new NodeClient(tangle);
      assert.deepEqual((await node.read('/api/core/v2/info')).features, ['pow']);
      const { status, body } = await node.post('/api/core/v2/blocks', JSON.stringify({ protocolVersion: 2 }));
      assert.equal(status, 201);
      const { nonce } = await node.read(`/api/core/v2/blocks/${body.blockId}`);
      assert.notEqual(nonce, '0');
    } finally {
      await tangle.close();
    }
  });
});
