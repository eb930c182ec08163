import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import { blake2b256, encodeBlock, type Hex } from '../../lib/sandbox/tangle/codec';
import { networkIdOf } from '../../lib/sandbox/tangle/parameters';
import { Account, type Owned } from './account';
import { NodeClient, outputId } from './node-client';
import { TransactionHelper } from './reference-codec';

const IOTA = 1_000_000n;
const BINARY = 'application/vnd.iota.serializer-v1';

describe('the node API', () => {
  let tangle: SandboxTangle;
  let node: NodeClient;
  let now: number;

  beforeEach(async () => {
    now = 1_700_000_000_000;
    tangle = await startTangle({ port: 0, milestoneInterval: 0, now: () => now });
    node = new NodeClient(tangle);
  });

  afterEach(() => tangle.close());

  it('says who it is', async () => {
    assert.equal((await fetch(`${tangle.url}/health`)).status, 200);
    assert.deepEqual(await node.read('/api/routes'), { routes: ['core/v2', 'indexer/v1', 'mqtt/v1'] });
    const info = await node.read('/api/core/v2/info');
    assert.match(info.protocol.networkName, /^sandbox-tangle-[0-9a-f]{8}$/);
    assert.equal(info.protocol.networkName, tangle.networkName);
    assert.equal(
      String(networkIdOf(tangle.networkName)),
      TransactionHelper.networkIdFromNetworkName(tangle.networkName),
    );
    assert.deepEqual(Object.keys(info), [
      'name',
      'version',
      'status',
      'supportedProtocolVersions',
      'protocol',
      'pendingProtocolParameters',
      'baseToken',
      'metrics',
      'features',
    ]);
    assert.deepEqual(info.protocol.rentStructure, { vByteCost: 100, vByteFactorData: 1, vByteFactorKey: 10 });
    assert.deepEqual([info.protocol.version, info.protocol.bech32Hrp, info.protocol.minPowScore], [2, 'tst', 0]);
    assert.equal(info.protocol.tokenSupply, '4600000000000000');
    assert.equal(info.baseToken.decimals, 6);
    assert.equal(info.status.isHealthy, true);
    assert.equal(info.status.latestMilestone.timestamp, 1_700_000_000);
  });

  it('is another network each time it begins anew', async () => {
    const other = await startTangle({ port: 0, milestoneInterval: 0 });
    assert.notEqual(other.networkName, tangle.networkName);
    await other.close();
  });

  describe('asked for what it does not have', () => {
    const unknown32 = `0x${'ab'.repeat(32)}`;
    for (const path of [
      `/api/core/v2/blocks/${unknown32}`,
      `/api/core/v2/blocks/${unknown32}/metadata`,
      `/api/core/v2/transactions/${unknown32}/included-block`,
      `/api/core/v2/transactions/${unknown32}/included-block/metadata`,
      `/api/core/v2/outputs/${unknown32}0000`,
      `/api/core/v2/outputs/${unknown32}0000/metadata`,
      `/api/core/v2/milestones/${unknown32}`,
      '/api/core/v2/milestones/by-index/4000',
      '/api/core/v2/milestones/by-index/4000/utxo-changes',
      `/api/indexer/v1/outputs/alias/${unknown32}`,
      '/api/core/v2/nothing',
      '/',
    ]) {
      it(`answers ${path.replace(unknown32, 'ID')} with 404 in HORNET's form`, async () => {
        const { status, body } = await node.get(path);
        assert.equal(status, 404);
        assert.deepEqual(Object.keys(body), ['error']);
        assert.equal(body.error.code, '404');
        assert.match(body.error.message, /^Not Found/);
      });
    }

    for (const path of [
      '/api/core/v2/blocks/0x12',
      '/api/core/v2/blocks/latest/metadata',
      '/api/core/v2/outputs/0xzz',
      '/api/core/v2/milestones/by-index/-1',
      '/api/core/v2/milestones/by-index/99999999999',
      '/api/indexer/v1/outputs/basic?address=tst1nonsense',
      '/api/indexer/v1/outputs/basic?tag=hello',
      '/api/indexer/v1/outputs/basic?hasExpiration=maybe',
      '/api/indexer/v1/outputs/basic?createdAfter=yesterday',
      '/api/indexer/v1/outputs/basic?cursor=12.3',
    ]) {
      it(`answers ${path} with 400`, async () => {
        const { status, body } = await node.get(path);
        assert.deepEqual([status, body.error.code], [400, '400']);
      });
    }
  });

  it('gives blocks, outputs and milestones as JSON or as bytes', async () => {
    const account = new Account();
    const { outputId: id } = await node.fund(account);
    const { metadata } = await node.read(`/api/core/v2/outputs/${id}`);
    assert.deepEqual(metadata, await node.read(`/api/core/v2/outputs/${id}/metadata`));
    const block = await fetch(`${tangle.url}/api/core/v2/blocks/${metadata.blockId}`, { headers: { accept: BINARY } });
    assert.equal(block.headers.get('content-type'), BINARY);
    assert.equal(blake2b256(new Uint8Array(await block.arrayBuffer())), metadata.blockId);
    const included = await node.read(`/api/core/v2/transactions/${metadata.transactionId}/included-block`);
    assert.deepEqual(included, await node.read(`/api/core/v2/blocks/${metadata.blockId}`));
    assert.deepEqual(
      await node.read(`/api/core/v2/transactions/${metadata.transactionId}/included-block/metadata`),
      await node.metadata(metadata.blockId),
    );
    const raw = await fetch(`${tangle.url}/api/core/v2/outputs/${id}`, { headers: { accept: BINARY } });
    assert.equal(Buffer.from(await raw.arrayBuffer()).readUInt8(), 3);
  });

  it('takes the same block as JSON and as bytes', async () => {
    const parents = await node.tips();
    const json = { protocolVersion: 2, parents, payload: { type: 5, tag: '0x01', data: '0x02' }, nonce: '7' };
    const { status, body } = await node.post('/api/core/v2/blocks', JSON.stringify(json));
    assert.equal(status, 201);
    const payload = { kind: 'taggedData', tag: '0x01', data: '0x02' } as const;
    assert.equal(await node.postBlock(encodeBlock({ protocolVersion: 2, parents, payload, nonce: 7n })), body.blockId);
    assert.deepEqual(await node.read(`/api/core/v2/blocks/${body.blockId}`), json);
  });

  describe('under bad clients', () => {
    it('refuses what is no block, in whatever form', async () => {
      for (const [body, type] of [
        ['{}', 'application/json'],
        ['[', 'application/json'],
        ['null', 'application/json'],
        [`${'['.repeat(100_000)}`, 'application/json'],
        ['noise', BINARY],
        ['', BINARY],
      ] as const) {
        const { status, body: answer } = await node.post('/api/core/v2/blocks', body, type);
        assert.deepEqual([status, answer.error.code], [400, '400'], body.slice(0, 20));
      }
      assert.equal((await node.post('/api/core/v2/blocks', 'x', 'text/plain')).status, 415);
      assert.equal((await node.post('/api/core/v2/info', '{}')).status, 405);
    });

    it('survives any bytes as a block', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.uint8Array({ maxLength: 200 }),
          fc.constantFrom(BINARY, 'application/json'),
          async (noise, type) => {
            assert.equal((await node.post('/api/core/v2/blocks', noise, type)).status, 400);
          },
        ),
        { numRuns: 60 },
      );
    });

    it('reads no more of a body than it must', async () => {
      const socket = connect(Number(new URL(tangle.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      const answer = once(socket, 'data');
      socket.write(
        `POST /api/core/v2/blocks HTTP/1.1\r\nhost: x\r\ncontent-type: ${BINARY}\r\ncontent-length: 500000000\r\n\r\n`,
      );
      for (let n = 0; n < 40; n++) socket.write(Buffer.alloc(64 * 1024));
      const [data] = (await answer) as [Buffer];
      assert.match(data.toString(), /^HTTP\/1\.1 413 /);
      assert.match(data.toString(), /connection: close/i);
      if (!socket.closed) await once(socket, 'close');
    });

    it('answers others while one says nothing', async () => {
      const silent = Array.from({ length: 20 }, () => connect(Number(new URL(tangle.url).port), '127.0.0.1'));
      await Promise.all(silent.map((socket) => once(socket, 'connect')));
      for (const socket of silent)
        socket.write('POST /api/core/v2/blocks HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc');
      assert.equal((await node.get('/api/core/v2/info')).status, 200);
      for (const socket of silent) socket.destroy();
    });

    it('answers what is no HTTP at all with 400', async () => {
      const socket = connect(Number(new URL(tangle.url).port), '127.0.0.1');
      socket.write('\u0000\u0001 what?\r\n\r\n');
      const [data] = (await once(socket, 'data')) as [Buffer];
      assert.match(data.toString(), /^HTTP\/1\.1 400 /);
      socket.destroy();
    });
  });

  it('keeps a connection open while its client works on a nonce', async () => {
    const response = await fetch(`${tangle.url}/health`);
    assert.match(response.headers.get('keep-alive') ?? '', /timeout=600/);
  });

  it('refuses a port that is taken', async () => {
    const port = Number(new URL(tangle.url).port);
    await assert.rejects(startTangle({ port, milestoneInterval: 0 }), { code: 'EADDRINUSE' });
  });

  describe('has an indexer', () => {
    let alice: Account;
    let bob: Account;
    let coin: Owned;

    beforeEach(async () => {
      alice = new Account();
      bob = new Account();
      coin = await node.fund(alice);
    });

    const seconds = () => Math.floor(now / 1000);

    it('that finds unspent outputs by what they say', async () => {
      const at = seconds();
      const outputs = [
        bob.output(IOTA),
        bob.output(2n * IOTA, { tag: '0x6d6531' }),
        bob.output(3n * IOTA, { sender: alice.address, tag: '0x6d6531' }),
        bob.output(4n * IOTA, { timelock: at + 100 }),
        bob.output(5n * IOTA, { expiration: { address: alice.address, unixTime: at + 200 } }),
        bob.output(6n * IOTA, { storageReturn: { address: alice.address, amount: 42_600n } }),
        alice.output(coin.output.amount - 21n * IOTA),
      ];
      const transaction = node.sign({ inputs: [coin], outputs, signers: [alice] });
      const blockId = await node.send(transaction);
      now += 5_000;
      tangle.issueMilestone();
      const [id] = await node.outputs(`address=${alice.bech32}`);
      const made = (...indices: number[]) => indices.map((index) => outputId(id!.slice(0, 66) as Hex, index)).sort();
      const finds = async (query: string, ...indices: number[]) =>
        assert.deepEqual((await node.outputs(query)).sort(), made(...indices), query);
      assert.equal((await node.metadata(blockId)).ledgerInclusionState, 'included');
      await finds(`address=${bob.bech32}`, 0, 1, 2, 3, 4, 5);
      await finds(`tag=0x6d6531`, 1, 2);
      await finds(`tag=0x6d6531&sender=${alice.bech32}`, 2);
      await finds(`address=${bob.bech32}&hasTimelock=true`, 3);
      await finds(`address=${bob.bech32}&hasTimelock=false&hasExpiration=false&hasStorageDepositReturn=false`, 0, 1, 2);
      await finds(`address=${bob.bech32}&hasExpiration=true`, 4);
      await finds(`expirationReturnAddress=${alice.bech32}`, 4);
      await finds(`storageDepositReturnAddress=${alice.bech32}`, 5);
      await finds(`expiresBefore=${at + 201}`, 4);
      await finds(`expiresBefore=${at + 200}`);
      await finds(`expiresAfter=${at + 199}`, 4);
      await finds(`timelockedBefore=${at + 101}`, 3);
      await finds(`timelockedAfter=${at + 100}`);
      await finds(`address=${bob.bech32}&createdAfter=${at + 4}`, 0, 1, 2, 3, 4, 5);
      await finds(`address=${bob.bech32}&createdBefore=${at + 5}`);
      await finds(`address=${bob.bech32}&hasNativeTokens=true`);
      const anything = await node.read(`/api/indexer/v1/outputs?unlockableByAddress=${alice.bech32}`);
      assert.deepEqual([...anything.items].sort(), made(4, 5, 6));
      assert.deepEqual((await node.read('/api/indexer/v1/outputs/nft')).items, []);
    });

    it('that gives long answers in pages, oldest first, each output once', async () => {
      const outputs = Array.from({ length: 30 }, () => bob.output(IOTA));
      const rest = alice.output(coin.output.amount - 30n * IOTA);
      const { ledgerInclusionState } = await node.confirm({
        inputs: [coin],
        outputs: [...outputs, rest],
        signers: [alice],
      });
      assert.equal(ledgerInclusionState, 'included');
      const seen: Hex[] = [];
      let cursor: string | undefined;
      let pages = 0;
      do {
        const query = cursor === undefined ? 'pageSize=7' : `cursor=${cursor}`;
        const page = await node.read(`/api/indexer/v1/outputs/basic?address=${bob.bech32}&${query}`);
        assert.equal(page.pageSize, 7);
        seen.push(...page.items);
        cursor = page.cursor;
        pages += 1;
      } while (cursor);
      assert.deepEqual([pages, new Set(seen).size, seen.length], [5, 30, 30]);
    });
  });

  describe('has a faucet', () => {
    const ask = (address: unknown) => node.post('/api/enqueue', JSON.stringify({ address }));

    it('that pays 1,000 IOTA by a transaction like any other', async () => {
      const account = new Account();
      const { status, body } = await ask(account.bech32);
      assert.deepEqual([status, body], [202, { address: account.bech32, waitingRequests: 1 }]);
      assert.deepEqual(await node.outputs(`address=${account.bech32}`), []);
      tangle.issueMilestone();
      const [id] = await node.outputs(`address=${account.bech32}`);
      const { output, metadata } = await node.read(`/api/core/v2/outputs/${id}`);
      assert.equal(output.amount, '1000000000');
      const { payload } = await node.read(`/api/core/v2/blocks/${metadata.blockId}`);
      assert.equal(payload.type, 6);
    });

    it('that pays an address once at a time', async () => {
      const account = new Account();
      assert.equal((await ask(account.bech32)).status, 202);
      const { status, body } = await ask(account.bech32);
      assert.deepEqual([status, body], [400, { error: { code: '400', message: 'Address is already in the queue.' } }]);
      tangle.issueMilestone();
      assert.equal((await ask(account.bech32)).status, 202);
      tangle.issueMilestone();
      assert.equal((await node.outputs(`address=${account.bech32}`)).length, 2);
    });

    it('that serves more at once than fit into one transaction', async () => {
      const accounts = Array.from({ length: 130 }, () => new Account());
      for (const { bech32 } of accounts) assert.equal((await ask(bech32)).status, 202);
      tangle.issueMilestone();
      tangle.issueMilestone();
      for (const { bech32 } of accounts) assert.equal((await node.outputs(`address=${bech32}`)).length, 1);
      assert.equal(await node.supply(), 4_600_000_000n * IOTA);
    });

    it('that knows addresses of its own network only', async () => {
      const { bech32 } = new Account();
      const foreign = 'smr1qzktz8fp2d3zc7fcp09cy0ee8vttcv4k54vlvdgj08xw3w69eukmjwsm9x5';
      for (const wrong of [foreign, `${bech32}x`, '', undefined, 5, {}, 'x'.repeat(100_000)]) {
        const { status, body } = await ask(wrong);
        assert.deepEqual([status, body.error.code], [400, '400']);
        assert.match(body.error.message, /^Invalid bech32 address/);
      }
      assert.equal((await node.post('/api/enqueue', 'no JSON')).status, 400);
    });

    it('that says what it has', async () => {
      const { bech32Hrp, balance, address } = await node.read('/api/info');
      assert.equal(bech32Hrp, 'tst');
      assert.equal(balance, 4_600_000_000_000_000);
      assert.equal((await node.outputs(`address=${address}`)).length, 1);
    });
  });
});
