import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import type { Hex } from '../../lib/sandbox/tangle/codec';
import { Account, type Owned } from './account';
import { NodeClient, outputId } from './node-client';

const IOTA = 1_000_000n;
const SUPPLY = 4_600_000_000n * IOTA;

describe('a sandbox that is kept on disk', () => {
  let dataDir: string;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sandbox-tangle-'));
  });

  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  const start = (options = {}) => startTangle({ dataDir, port: 0, milestoneInterval: 0, ...options });

  it('goes on where it was: the same network, ledger and milestones', async () => {
    const before = await start();
    const account = new Account();
    const client = new NodeClient(before);
    const coin = await client.fund(account);
    const last = before.issueMilestone();
    const output = await client.read(`/api/core/v2/outputs/${coin.outputId}`);
    const { parents: _, ...metadata } = await client.metadata(output.metadata.blockId);
    await before.close();

    const after = await start();
    try {
      const again = new NodeClient(after);
      assert.equal(after.networkName, before.networkName);
      assert.deepEqual(await again.read(`/api/core/v2/outputs/${coin.outputId}`), output);
      assert.deepEqual(
        (({ parents: _parents, ...rest }) => rest)(await again.metadata(output.metadata.blockId)),
        metadata,
      );
      assert.equal((await again.read('/api/core/v2/info')).status.confirmedMilestone.milestoneId, last.milestoneId);
      const next = after.issueMilestone();
      assert.equal(next.index, last.index + 1);
      const milestone = await again.read(`/api/core/v2/milestones/by-index/${next.index}`);
      assert.equal(milestone.previousMilestoneId, last.milestoneId);
      assert.equal(
        (await again.confirm({ inputs: [coin], outputs: [account.output(coin.output.amount)], signers: [account] }))
          .ledgerInclusionState,
        'included',
      );
      assert.equal(await again.supply(), SUPPLY);
    } finally {
      await after.close();
    }
  });

  it('is used by one process at a time', async () => {
    const first = await start();
    await assert.rejects(start(), /used by another process/);
    await first.close();
    await (await start()).close();
  });

  it('finds the port taken before it touches the data', async () => {
    const first = await start();
    const port = Number(new URL(first.url).port);
    await assert.rejects(start({ port }), { code: 'EADDRINUSE' });
    await first.close();
  });

  it('is not opened as another network', async () => {
    await (await start({ networkName: 'one' })).close();
    await assert.rejects(start({ networkName: 'two' }), /belongs to the network one, not to two/);
    await (await start({ networkName: 'one' })).close();
  });

  it('keeps what it confirmed, and every coin, however often it is killed', async function () {
    this.timeout(120_000);
    const account = new Account();
    const confirmed = new Set<Hex>();
    let coin: Owned | undefined;
    let networkName: string | undefined;
    let height = 0;
    for (let round = 0; round < 6; round++) {
      const sandbox = await spawned(dataDir);
      try {
        const client = new NodeClient(sandbox.tangle);
        networkName ??= sandbox.tangle.networkName;
        assert.equal(sandbox.tangle.networkName, networkName);
        const info = await client.read('/api/core/v2/info');
        assert.ok(info.status.confirmedMilestone.index >= height, 'milestones that were told are lost');
        for (const id of confirmed) await client.read(`/api/core/v2/transactions/${id}/included-block`);
        assert.equal(await client.supply(), SUPPLY);
        coin = await survivor(client, account, coin);
        const deadline = 200 + Math.random() * 800;
        const kill = setTimeout(() => sandbox.process.kill('SIGKILL'), deadline);
        // Pays until the process is gone.
        try {
          for (;;) {
            coin ??= await funded(client, account);
            const outputs = [account.output(coin.output.amount - IOTA), new Account().output(IOTA)];
            const block = await client.send(client.sign({ inputs: [coin], outputs, signers: [account] }));
            const { id, index } = await inclusion(client, block);
            confirmed.add(id);
            height = Math.max(height, index);
            coin = { outputId: outputId(id, 0), output: outputs[0]! };
          }
        } catch (error) {
          // A connection may break a moment before the end of its process is seen; a broken promise is never excused.
          if (error instanceof assert.AssertionError) throw error;
          await sandbox.ended;
        } finally {
          clearTimeout(kill);
        }
      } finally {
        await sandbox.kill();
      }
    }
    assert.ok(confirmed.size > 10, `only ${confirmed.size} payments were confirmed between the kills`);
    const after = await start();
    try {
      const client = new NodeClient(after);
      assert.equal(after.networkName, networkName);
      for (const id of confirmed) await client.read(`/api/core/v2/transactions/${id}/included-block`);
      assert.equal(await client.supply(), SUPPLY);
    } finally {
      await after.close();
    }
  });
});

interface Spawned {
  readonly process: ChildProcess;
  readonly tangle: SandboxTangle;
  readonly ended: Promise<unknown>;
  kill(): Promise<void>;
}

async function spawned(dataDir: string): Promise<Spawned> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, 'sandbox-to-kill.ts'), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout! }), 'line'), exited])) as [string];
  const { url, networkName } = JSON.parse(line);
  const unusable = () => {
    throw new Error('only its own clock issues milestones');
  };
  const tangle = { url, networkName, faucetUrl: '', mqttUrl: '', issueMilestone: unusable, close: unusable };
  return {
    process: child,
    tangle,
    ended: exited,
    async kill() {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await exited;
    },
  };
}

/** What the account holds after a kill: the last coin, or what the last payment made of it. */
async function survivor(client: NodeClient, account: Account, coin: Owned | undefined): Promise<Owned | undefined> {
  if (!coin) return undefined;
  const ids = await client.outputs(`address=${account.bech32}`);
  assert.equal(ids.length, 1, 'the coin is neither there nor spent once');
  return { outputId: ids[0]!, output: await client.output(ids[0]!) };
}

async function funded(client: NodeClient, account: Account): Promise<Owned> {
  await client.post('/api/enqueue', JSON.stringify({ address: account.bech32 }));
  for (;;) {
    const [id] = await client.outputs(`address=${account.bech32}`);
    if (id) return { outputId: id, output: await client.output(id) };
  }
}

async function inclusion(client: NodeClient, blockId: Hex): Promise<{ id: Hex; index: number }> {
  for (;;) {
    const { ledgerInclusionState, referencedByMilestoneIndex } = await client.metadata(blockId);
    if (referencedByMilestoneIndex === undefined) continue;
    assert.equal(ledgerInclusionState, 'included');
    const { createdOutputs } = await client.read(
      `/api/core/v2/milestones/by-index/${referencedByMilestoneIndex}/utxo-changes`,
    );
    for (const created of createdOutputs as Hex[]) {
      const { metadata } = await client.read(`/api/core/v2/outputs/${created}`);
      if (metadata.blockId === blockId) return { id: metadata.transactionId, index: referencedByMilestoneIndex };
    }
  }
}
