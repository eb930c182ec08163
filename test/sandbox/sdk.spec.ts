import assert from 'node:assert/strict';
import {
  Client,
  CoinType,
  OutputsToClaim,
  SecretManager,
  TaggedDataPayload,
  type TransactionPayload,
  Utils,
  Wallet,
} from '@iota/sdk-wasm/node';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import { blockFromJson, decodeBlock, encodeBlock } from '../../lib/sandbox/tangle/codec';
import { NodeClient } from './node-client';

const IOTA = 1_000_000n;

describe('the unmodified IOTA SDK', function () {
  this.timeout(60_000);
  let tangle: SandboxTangle;
  let node: NodeClient;
  let client: Client;

  before(async () => {
    tangle = await startTangle({ port: 0, milestoneInterval: 100 });
    node = new NodeClient(tangle);
    client = new Client({ nodes: [tangle.url], localPow: true });
  });

  after(() => tangle.close());

  /** Until a milestone has come after this. */
  async function milestone(): Promise<void> {
    const height = async () => (await node.read('/api/core/v2/info')).status.confirmedMilestone.index;
    const before = await height();
    while ((await height()) < before + 2) await new Promise((resolve) => setImmediate(resolve));
  }

  async function fundedWallet(name: string) {
    const wallet = new Wallet({
      storagePath: `unused-${name}`,
      clientOptions: { nodes: [tangle.url], localPow: true },
      coinType: CoinType.IOTA,
      secretManager: { mnemonic: Utils.generateMnemonic() },
    });
    const account = await wallet.createAccount({ alias: name });
    const [first] = await account.addresses();
    assert.ok(first);
    await client.requestFundsFromFaucet(tangle.faucetUrl, first.address);
    await milestone();
    return { account, address: first.address };
  }

  it('understands who it talks to', async () => {
    const { nodeInfo } = await client.getInfo();
    assert.equal(nodeInfo.protocol.networkName, tangle.networkName);
    assert.equal(await client.getBech32Hrp(), 'tst');
    assert.equal(await client.getHealth(tangle.url), true);
    assert.ok((await client.getTips()).length >= 1);
  });

  it('pays out of a wallet, and both sides see the same', async () => {
    const alice = await fundedWallet('alice');
    const bob = await fundedWallet('bob');
    assert.equal((await alice.account.sync()).baseCoin.available, 1_000n * IOTA);
    const { transactionId } = await alice.account.send(5n * IOTA, bob.address);
    await alice.account.retryTransactionUntilIncluded(transactionId, 1, 20);
    assert.equal((await alice.account.sync()).baseCoin.total, 995n * IOTA);
    assert.equal((await bob.account.sync({ syncIncomingTransactions: true })).baseCoin.total, 1_005n * IOTA);
    const incoming = await bob.account.incomingTransactions();
    assert.ok(incoming.some((transaction) => transaction.transactionId === transactionId));
  });

  it('pays less than a deposit by lending it, which the payee claims', async () => {
    const alice = await fundedWallet('carol');
    const bob = await fundedWallet('dave');
    await alice.account.sync();
    const sent = await alice.account.send(1n, bob.address, { allowMicroAmount: true });
    await alice.account.retryTransactionUntilIncluded(sent.transactionId, 1, 20);
    await bob.account.sync();
    const claimed = await bob.account.claimOutputs(await bob.account.claimableOutputs(OutputsToClaim.All));
    await bob.account.retryTransactionUntilIncluded(claimed.transactionId, 1, 20);
    assert.equal((await bob.account.sync()).baseCoin.total, 1_000n * IOTA + 1n);
    assert.equal((await alice.account.sync()).baseCoin.total, 1_000n * IOTA - 1n);
  });

  it('gathers many outputs into one', async () => {
    const { account, address } = await fundedWallet('erin');
    await account.sync();
    const outputs = Array.from({ length: 20 }, () => ({ address, amount: IOTA }));
    const sent = await account.sendWithParams(outputs);
    await account.retryTransactionUntilIncluded(sent.transactionId, 1, 20);
    await account.sync();
    const consolidated = await account.consolidateOutputs({ force: true });
    await account.retryTransactionUntilIncluded(consolidated.transactionId, 1, 20);
    assert.equal((await account.sync()).baseCoin.total, 1_000n * IOTA);
    assert.equal((await account.unspentOutputs()).length, 1);
  });

  it('builds, signs and posts a transaction step by step, whose ids are the ones the node knows', async () => {
    const secretManager = { mnemonic: Utils.generateMnemonic() };
    const [address] = await new SecretManager(secretManager).generateEd25519Addresses({
      coinType: CoinType.IOTA,
      range: { start: 0, end: 1 },
      bech32Hrp: 'tst',
    });
    assert.ok(address);
    await client.requestFundsFromFaucet(tangle.faucetUrl, address);
    await milestone();
    const output = await client.buildBasicOutput({
      amount: 2n * IOTA,
      unlockConditions: [{ type: 0, address: Utils.parseBech32Address(address) } as never],
    });
    const prepared = await client.prepareTransaction(secretManager, { coinType: CoinType.IOTA, outputs: [output] });
    const payload = (await client.signTransaction(secretManager, prepared)) as TransactionPayload;
    const [blockId] = await client.postBlockPayload(payload);
    await milestone();
    const { ledgerInclusionState } = await client.getBlockMetadata(blockId);
    assert.equal(ledgerInclusionState, 'included');
    const transactionId = Utils.transactionId(payload);
    const block = await client.getIncludedBlock(transactionId);
    assert.equal(Utils.blockId(block), blockId);
    const json = await node.read(`/api/core/v2/blocks/${blockId}`);
    const decoded = decodeBlock(encodeBlock(blockFromJson(json)));
    assert.deepEqual([decoded.id, decoded.transaction?.id], [blockId, transactionId]);
  });

  it('posts data as bytes and as JSON', async () => {
    const [blockId, block] = await client.buildAndPostBlock(undefined, { tag: '0x6d6531', data: '0x01' });
    await milestone();
    const metadata = await client.getBlockMetadata(blockId);
    assert.equal(metadata.ledgerInclusionState, 'noTransaction');
    assert.equal(Utils.blockId(block), blockId);
    const again = await client.postBlock(block);
    assert.equal(again, blockId);
    const raw = await client.getBlockRaw(blockId);
    assert.equal(decodeBlock(Buffer.from(raw)).id, blockId);
    const [other] = await client.postBlockPayload(new TaggedDataPayload('0x6d6532', '0x02'));
    assert.notEqual(other, blockId);
  });

  it('does its proof of work where the node asks for it, and leaves it to a node that offers it', async () => {
    const strict = await startTangle({ port: 0, milestoneInterval: 100, minPowScore: 20 });
    const helpful = await startTangle({ port: 0, milestoneInterval: 100, minPowScore: 20, remotePow: true });
    try {
      const working = new Client({ nodes: [strict.url], localPow: true });
      const [blockId] = await working.buildAndPostBlock(undefined, { tag: '0x01' });
      assert.match(blockId, /^0x/);
      // An option that the SDK knows and its types do not.
      const leaveItToTheNode = { nodes: [strict.url], localPow: false, fallbackToLocalPow: false };
      const lazy = new Client(leaveItToTheNode);
      await assert.rejects(lazy.buildAndPostBlock(undefined, { tag: '0x02' }));
      const served = new Client({ nodes: [helpful.url], localPow: false });
      assert.match((await served.buildAndPostBlock(undefined, { tag: '0x03' }))[0], /^0x/);
    } finally {
      await strict.close();
      await helpful.close();
    }
  });
});
