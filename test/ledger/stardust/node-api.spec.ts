import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { isCodedError } from '../../../lib/errors';
import { NodeApi, outputIdAt, partsOfOutputId } from '../../../lib/ledger/stardust/node-api';

const txId = `0x${'ab'.repeat(32)}`;
const outputId = outputIdAt(txId, 1);
const info = {
  name: 'HORNET',
  version: '2.0.1',
  status: {
    isHealthy: true,
    latestMilestone: { index: 8, timestamp: 1_700_000_001, milestoneId: `0x${'01'.repeat(32)}` },
    confirmedMilestone: { index: 7, timestamp: 1_700_000_000, milestoneId: `0x${'01'.repeat(32)}` },
    pruningIndex: 2,
  },
  supportedProtocolVersions: [2],
  protocol: {
    version: 2,
    networkName: 'private_tangle1',
    bech32Hrp: 'tst',
    minPowScore: 0,
    belowMaxDepth: 15,
    rentStructure: { vByteCost: 500, vByteFactorData: 1, vByteFactorKey: 10 },
    tokenSupply: '2779530283277761',
  },
  pendingProtocolParameters: [],
  baseToken: {
    name: 'TestCoin',
    tickerSymbol: 'TEST',
    unit: 'TEST',
    subunit: 'testies',
    decimals: 6,
    useMetricPrefix: false,
  },
  metrics: { blocksPerSecond: 1.1, referencedBlocksPerSecond: 1.1, referencedRate: 100 },
  features: ['pow'],
};
const metadata = {
  blockId: `0x${'01'.repeat(32)}`,
  transactionId: txId,
  outputIndex: 1,
  isSpent: false,
  milestoneIndexBooked: 3,
  milestoneTimestampBooked: 1_700_000_000,
  ledgerIndex: 7,
};

describe('the API of a Stardust node', () => {
  let server: Server;
  let url: URL;
  let status = 200;
  let answer: unknown;
  const seen: { path: string; headers: IncomingHttpHeaders }[] = [];

  before(async () => {
    server = createServer((request, response) => {
      seen.push({ path: request.url ?? '', headers: request.headers });
      response.writeHead(status).end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address);
    url = new URL(`http://127.0.0.1:${address.port}/`);
  });
  after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  beforeEach(() => {
    status = 200;
    seen.length = 0;
  });

  const api = (more: { authToken?: string; indexerUrl?: URL } = {}) =>
    new NodeApi({ url, indexerUrl: url, timeout: 1000, ...more });
  const refuses = async (wrong: unknown, ask: (node: NodeApi) => Promise<unknown>) => {
    answer = wrong;
    await assert.rejects(
      ask(api()),
      (error) => isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === 'answer',
      JSON.stringify(wrong),
    );
  };

  it('tells who the node is', async () => {
    answer = info;
    assert.deepEqual(await api().info(), {
      networkName: 'private_tangle1',
      hrp: 'tst',
      minPowScore: 0,
      rent: { vByteCost: 500, vByteFactorKey: 10, vByteFactorData: 1 },
      token: 'TEST',
      decimals: 6,
      healthy: true,
      latest: { index: 8, time: 1_700_000_001_000 },
      confirmed: { index: 7, time: 1_700_000_000_000 },
      pruned: 2,
      features: ['pow'],
    });
  });

  it('is not believed when what it says of itself makes no sense', async () => {
    const { status: state, protocol, baseToken } = info;
    const wrong: unknown[] = [
      'not JSON',
      [],
      null,
      7,
      {},
      { ...info, status: undefined },
      { ...info, status: { ...state, isHealthy: 'yes' } },
      { ...info, status: { ...state, confirmedMilestone: null } },
      { ...info, status: { ...state, confirmedMilestone: { index: -1, timestamp: 1 } } },
      { ...info, status: { ...state, confirmedMilestone: { index: 1, timestamp: 1e12 } } },
      { ...info, status: { ...state, pruningIndex: '2' } },
      { ...info, protocol: { ...protocol, version: 3 } },
      { ...info, protocol: { ...protocol, networkName: '' } },
      { ...info, protocol: { ...protocol, networkName: 'x'.repeat(101) } },
      { ...info, protocol: { ...protocol, networkName: 'two words' } },
      { ...info, protocol: { ...protocol, bech32Hrp: 'T<b>' } },
      { ...info, protocol: { ...protocol, rentStructure: { vByteCost: 1.5, vByteFactorData: 1, vByteFactorKey: 10 } } },
      { ...info, protocol: { ...protocol, tokenSupply: 5 } },
      { ...info, baseToken: { ...baseToken, decimals: 19 } },
      { ...info, baseToken: { ...baseToken, tickerSymbol: '<script>alert(1)</script>' } },
    ];
    for (const answered of wrong) await refuses(answered, (node) => node.info());
  });

  it('lists what a milestone changed', async () => {
    answer = { index: 7, createdOutputs: [outputId], consumedOutputs: [outputId.toUpperCase().replace('0X', '0x')] };
    assert.deepEqual(await api().utxoChanges(7), { created: [outputId], consumed: [outputId] });
    await refuses({ index: 8, createdOutputs: [], consumedOutputs: [] }, (node) => node.utxoChanges(7));
    await refuses({ index: 7, createdOutputs: [txId], consumedOutputs: [] }, (node) => node.utxoChanges(7));
    await refuses({ index: 7, createdOutputs: null, consumedOutputs: [] }, (node) => node.utxoChanges(7));
    await refuses({ index: 7, createdOutputs: [] }, (node) => node.utxoChanges(7));
  });

  it('tells whether an output is spent, and by what', async () => {
    answer = metadata;
    assert.deepEqual(await api().outputMetadata(outputId), { booked: { index: 3, time: 1_700_000_000_000 } });
    const spent = {
      ...metadata,
      isSpent: true,
      milestoneIndexSpent: 5,
      milestoneTimestampSpent: 1_700_000_009,
      transactionIdSpent: txId,
    };
    answer = spent;
    assert.deepEqual((await api().outputMetadata(outputId))?.spent, {
      by: txId,
      at: { index: 5, time: 1_700_000_009_000 },
    });
    await refuses({ ...metadata, outputIndex: 2 }, (node) => node.outputMetadata(outputId));
    await refuses({ ...metadata, isSpent: 'false' }, (node) => node.outputMetadata(outputId));
    await refuses({ ...spent, transactionIdSpent: undefined }, (node) => node.outputMetadata(outputId));
    await refuses({ ...spent, milestoneIndexSpent: undefined }, (node) => node.outputMetadata(outputId));
    await refuses({ metadata: { ...metadata, outputIndex: 0 }, output: { type: 4 } }, (node) => node.output(outputId));
  });

  it('does not know a thing: that is no error, and says nothing', async () => {
    status = 404;
    answer = { error: { code: '404', message: 'output not found' } };
    assert.equal(await api().output(outputId), undefined);
    assert.equal(await api().outputMetadata(outputId), undefined);
    assert.equal(await api().blockMetadata(txId), undefined);
    assert.equal(await api().utxoChanges(7), undefined);
    assert.equal(await api().milestoneTime(7), undefined);
  });

  it('tells what a block came to', async () => {
    answer = {
      blockId: txId,
      isSolid: true,
      referencedByMilestoneIndex: 5,
      ledgerInclusionState: 'conflicting',
      conflictReason: 1,
    };
    assert.deepEqual(await api().blockMetadata(txId), {
      referencedBy: 5,
      inclusion: 'conflicting',
      conflict: 1,
      lost: false,
    });
    answer = { blockId: txId, isSolid: true, shouldPromote: false, shouldReattach: true };
    assert.deepEqual(await api().blockMetadata(txId), {
      referencedBy: undefined,
      inclusion: undefined,
      conflict: undefined,
      lost: true,
    });
  });

  it('says in words that it is busy, or does not let us in', async () => {
    const cases: [number, string][] = [
      [401, 'denied'],
      [403, 'denied'],
      [429, 'busy'],
      [503, 'busy'],
      [500, 'default'],
      [302, 'default'],
    ];
    for (const [code, detail] of cases) {
      status = code;
      answer = '<html>\u0007 no';
      await assert.rejects(
        api().info(),
        (error) =>
          isCodedError(error, 'LEDGER_UNREACHABLE') && error.detail === detail && !error.message.includes('\u0007'),
        String(code),
      );
    }
  });

  it('gets the token that was meant for it, and nobody else does', async () => {
    answer = info;
    await api({ authToken: 'secret' }).info();
    answer = { items: [], ledgerIndex: 7 };
    // The same server by another name is another origin.
    const elsewhere = new URL(url.href.replace('127.0.0.1', 'localhost'));
    await api({ authToken: 'secret', indexerUrl: elsewhere })
      .basicOutputIds({ address: 'tst1' }, undefined)
      .catch(() => {});
    assert.equal(seen[0]?.headers.authorization, 'Bearer secret');
    assert.ok(seen.slice(1).every(({ headers }) => headers.authorization === undefined));
  });

  it('is asked for page after page', async () => {
    answer = { items: [outputId], ledgerIndex: 7, pageSize: 1, cursor: '0x65.0xab.1' };
    assert.deepEqual(await api().basicOutputIds({ address: 'tst1q' }, undefined), {
      outputIds: [outputId],
      ledgerIndex: 7,
      cursor: '0x65.0xab.1',
    });
    answer = { items: [], ledgerIndex: 7 };
    assert.equal((await api().basicOutputIds({ address: 'tst1q' }, '0x65.0xab.1')).cursor, undefined);
    assert.equal(seen[1]?.path, '/api/indexer/v1/outputs/basic?address=tst1q&cursor=0x65.0xab.1');
    await refuses({ items: [], ledgerIndex: 7, cursor: '&address=another' }, (node) =>
      node.basicOutputIds({ address: 'tst1q' }, undefined),
    );
  });

  it('asks the indexer for a tag and a sender, too', async () => {
    answer = { items: [], ledgerIndex: 7 };
    await api().basicOutputIds({ sender: 'tst1q', tag: '0x61' }, undefined);
    assert.equal(seen[0]?.path, '/api/indexer/v1/outputs/basic?sender=tst1q&tag=0x61');
  });

  it('tells the transaction in a block, what it spends and what it makes', async () => {
    const output = {
      type: 3,
      amount: '1000',
      unlockConditions: [{ type: 0, address: { type: 0, pubKeyHash: `0x${'cd'.repeat(32)}` } }],
      features: [{ type: 3, tag: '0x61' }],
    };
    const essence = {
      type: 1,
      inputs: [{ type: 0, transactionId: txId, transactionOutputIndex: 1 }],
      // The second is an alias.
      outputs: [output, { type: 4 }],
    };
    const block = { protocolVersion: 2, payload: { type: 6, essence, unlocks: [] } };
    answer = block;
    const found = await api().includedTransaction(txId);
    assert.equal(seen[0]?.path, `/api/core/v2/transactions/${txId}/included-block`);
    assert.deepEqual(found?.payload, block.payload);
    assert.deepEqual(found?.inputs, [outputId]);
    assert.deepEqual(
      found?.outputs.map((made) => made?.tag),
      ['0x61', undefined],
    );
    assert.equal(found?.outputs[1], null);

    const wrongEssences: unknown[] = [
      null,
      { ...essence, inputs: [{ type: 1, transactionId: txId, transactionOutputIndex: 1 }] },
      { ...essence, inputs: [{ type: 0, transactionId: '0x', transactionOutputIndex: 1 }] },
      { ...essence, inputs: [{ type: 0, transactionId: txId, transactionOutputIndex: 65_536 }] },
      { ...essence, inputs: Array.from({ length: 129 }, () => essence.inputs[0]) },
      { ...essence, outputs: Array.from({ length: 129 }, () => output) },
      { ...essence, outputs: [{ ...output, features: [{ type: 3, tag: `0x${'00'.repeat(65)}` }] }] },
      { ...essence, outputs: [{ ...output, features: [{ type: 2, data: `0x${'00'.repeat(8193)}` }] }] },
      { ...essence, outputs: {} },
    ];
    for (const wrong of [
      {},
      { payload: null },
      { payload: { ...block.payload, type: 5 } },
      ...wrongEssences.map((essence) => ({ payload: { ...block.payload, essence } })),
    ])
      await refuses(wrong, (node) => node.includedTransaction(txId));
    status = 404;
    assert.equal(await api().includedTransaction(txId), undefined);
  });

  it('names outputs by transaction and index (TIP-20)', () => {
    assert.equal(outputIdAt(txId, 0x0102), `${txId}0201`);
    assert.deepEqual(partsOfOutputId(`${txId}0201`), { transactionId: txId, index: 0x0102 });
  });
});
