import assert from 'node:assert/strict';
import { connect, connectAsync, type IConnackPacket, type MqttClient } from 'mqtt';
import { WebSocket } from 'ws';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import { blake2b256, decodeBlock, encodeBlock, type Hex, hexOf } from '../../lib/sandbox/tangle/codec';
import { Account, type Owned, transactionBlock } from './account';
import { NodeClient, outputId } from './node-client';

const IOTA = 1_000_000n;

interface Message {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly retain: boolean;
}

/** A subscriber that keeps what comes until it is asked for. */
class Subscriber {
  readonly #messages: Message[] = [];
  #wake: () => void = () => undefined;

  private constructor(readonly client: MqttClient) {
    client.on('message', (topic, payload, { qos, retain }) => {
      this.#messages.push({ topic, payload, qos, retain });
      this.#wake();
    });
  }

  static async to(tangle: SandboxTangle, ...topics: string[]): Promise<Subscriber> {
    const subscriber = new Subscriber(await connectAsync(tangle.mqttUrl, { protocolVersion: 4, reconnectPeriod: 0 }));
    if (topics.length > 0) await subscriber.client.subscribeAsync(topics);
    return subscriber;
  }

  /** The next message under this topic; those under others stay. */
  async next(topic: string): Promise<Message> {
    for (;;) {
      const at = this.#messages.findIndex((message) => message.topic === topic);
      if (at >= 0) return this.#messages.splice(at, 1)[0]!;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: what a node tells is looked into freely in tests
  async nextJson(topic: string): Promise<any> {
    return JSON.parse((await this.next(topic)).payload.toString());
  }

  get pending(): readonly Message[] {
    return this.#messages;
  }
}

function closing(client: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    client.on('close', () => resolve());
  });
}

describe('the event interface', () => {
  let tangle: SandboxTangle;
  let node: NodeClient;
  const clients: MqttClient[] = [];

  beforeEach(async () => {
    tangle = await startTangle({ port: 0, milestoneInterval: 0 });
    node = new NodeClient(tangle);
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.endAsync(true);
    await tangle.close();
  });

  async function subscribe(...topics: string[]): Promise<Subscriber> {
    const subscriber = await Subscriber.to(tangle, ...topics);
    clients.push(subscriber.client);
    return subscriber;
  }

  async function payment(parts = {}): Promise<{ bytes: Buffer; payee: Account; payer: Account; coin: Owned }> {
    const payer = new Account();
    const payee = new Account();
    const coin = await node.fund(payer);
    const outputs = [payee.output(IOTA, parts), payer.output(coin.output.amount - IOTA)];
    const transaction = node.sign({ inputs: [coin], outputs, signers: [payer] });
    return { bytes: transactionBlock(transaction, await node.tips()), payee, payer, coin };
  }

  it('tells the latest milestone to who subscribes, and every one after it', async () => {
    const subscriber = await subscribe('milestone-info/latest', 'milestone-info/confirmed');
    const { status } = await node.read('/api/core/v2/info');
    assert.deepEqual(await subscriber.nextJson('milestone-info/latest'), status.latestMilestone);
    const { index, milestoneId, timestamp } = tangle.issueMilestone();
    for (;;) {
      const told = await subscriber.nextJson('milestone-info/confirmed');
      if (told.index < index) continue;
      assert.deepEqual(told, { index, timestamp, milestoneId });
      break;
    }
  });

  it('hears of a milestone every second, also when nothing happens, with times that only grow', async () => {
    const idle = await startTangle({ port: 0, milestoneInterval: 1_000 });
    try {
      const subscriber = await Subscriber.to(idle, 'milestone-info/confirmed');
      clients.push(subscriber.client);
      const first = await subscriber.nextJson('milestone-info/confirmed');
      const second = await subscriber.nextJson('milestone-info/confirmed');
      const third = await subscriber.nextJson('milestone-info/confirmed');
      assert.deepEqual([second.index, third.index], [first.index + 1, first.index + 2]);
      assert.ok(second.timestamp > first.timestamp && third.timestamp > second.timestamp);
    } finally {
      await idle.close();
    }
  });

  it('has everything ready to be read when it tells of a milestone', async () => {
    const subscriber = await subscribe('milestone-info/confirmed');
    await subscriber.next('milestone-info/confirmed');
    const { bytes, payee } = await payment();
    await subscriber.next('milestone-info/confirmed');
    await node.postBlock(bytes);
    tangle.issueMilestone();
    const { index } = await subscriber.nextJson('milestone-info/confirmed');
    const { createdOutputs } = await node.read(`/api/core/v2/milestones/by-index/${index}/utxo-changes`);
    assert.equal(createdOutputs.length, 2);
    assert.equal((await node.outputs(`address=${payee.bech32}`)).length, 1);
  });

  it('publishes blocks as bytes when they come, confirmed or not', async () => {
    const tag = '0x6d6531';
    const subscriber = await subscribe(
      'blocks',
      'blocks/tagged-data',
      `blocks/tagged-data/${tag}`,
      'blocks/transaction',
    );
    const bytes = encodeBlock({
      protocolVersion: 2,
      parents: await node.tips(),
      payload: { kind: 'taggedData', tag, data: '0x01' },
      nonce: 0n,
    });
    await node.postBlock(bytes);
    for (const topic of ['blocks', 'blocks/tagged-data', `blocks/tagged-data/${tag}`]) {
      const message = await subscriber.next(topic);
      assert.ok(message.payload.equals(bytes));
      assert.deepEqual([message.qos, message.retain], [0, false]);
    }
    const { bytes: paid } = await payment();
    await node.postBlock(paid);
    while (!(await subscriber.next('blocks/transaction')).payload.equals(paid));
  });

  it('publishes what a milestone did to a block and to a transaction', async () => {
    const { bytes } = await payment();
    const { id, transaction } = decodeBlock(bytes);
    const subscriber = await subscribe(`block-metadata/${id}`, `transactions/${transaction!.id}/included-block`);
    await node.postBlock(bytes);
    const solid = await subscriber.nextJson(`block-metadata/${id}`);
    assert.equal(solid.isSolid, true);
    assert.ok(Array.isArray(solid.parentBlockIds));
    const { index } = tangle.issueMilestone();
    const metadata = await subscriber.nextJson(`block-metadata/${id}`);
    assert.deepEqual([metadata.referencedByMilestoneIndex, metadata.ledgerInclusionState], [index, 'included']);
    assert.ok((await subscriber.next(`transactions/${transaction!.id}/included-block`)).payload.equals(bytes));
  });

  it('tells a late subscriber what is known of the one thing it asks for', async () => {
    const { bytes } = await payment();
    const { id, transaction } = decodeBlock(bytes);
    await node.postBlock(bytes);
    tangle.issueMilestone();
    const output = outputId(transaction!.id, 0);
    const subscriber = await subscribe(
      `block-metadata/${id}`,
      `outputs/${output}`,
      `transactions/${transaction!.id}/included-block`,
    );
    assert.equal((await subscriber.nextJson(`block-metadata/${id}`)).ledgerInclusionState, 'included');
    assert.equal((await subscriber.nextJson(`outputs/${output}`)).metadata.isSpent, false);
    assert.ok((await subscriber.next(`transactions/${transaction!.id}/included-block`)).payload.equals(bytes));
  });

  it('publishes outputs by who can unlock them, when they are made and when they are spent', async () => {
    const owner = new Account();
    const conditions = {
      expiration: { address: owner.address, unixTime: 2_000_000_000 },
      storageReturn: { address: owner.address, amount: 42_600n },
    };
    const { bytes, payee, payer, coin } = await payment(conditions);
    const topics = [
      `outputs/unlock/address/${payee.bech32}`,
      `outputs/unlock/expiration/${owner.bech32}`,
      `outputs/unlock/storage-return/${owner.bech32}`,
    ];
    const spentTopic = `outputs/unlock/address/${payer.bech32}/spent`;
    const subscriber = await subscribe(...topics, spentTopic, `outputs/${coin.outputId}`);
    assert.equal((await subscriber.nextJson(`outputs/${coin.outputId}`)).metadata.isSpent, false);
    await node.postBlock(bytes);
    tangle.issueMilestone();
    const spent = await subscriber.nextJson(`outputs/${coin.outputId}`);
    assert.equal(spent.metadata.isSpent, true);
    assert.deepEqual(await subscriber.nextJson(spentTopic), spent);
    const made = `/api/core/v2/outputs/${outputId(decodeBlock(bytes).transaction!.id, 0)}`;
    for (const topic of topics) assert.deepEqual(await subscriber.nextJson(topic), await node.read(made));
  });

  it('serves a subscriber of all addresses too', async () => {
    const { bytes, payee } = await payment();
    const subscriber = await subscribe(`outputs/unlock/+/${payee.bech32}`);
    await node.postBlock(bytes);
    tangle.issueMilestone();
    const { output } = await subscriber.nextJson(`outputs/unlock/address/${payee.bech32}`);
    assert.equal(output.amount, IOTA.toString());
  });

  it('keeps no session: who comes back subscribes again', async () => {
    const client = await connectAsync(tangle.mqttUrl, {
      protocolVersion: 4,
      clean: false,
      clientId: 'one',
      reconnectPeriod: 0,
    });
    await client.subscribeAsync('milestones', { qos: 1 });
    await client.endAsync(true);
    const again = connect(tangle.mqttUrl, { protocolVersion: 4, clean: false, clientId: 'one', reconnectPeriod: 0 });
    clients.push(again);
    const { sessionPresent } = await new Promise<IConnackPacket>((resolve) => {
      again.on('connect', resolve);
    });
    assert.equal(sessionPresent, false);
  });

  it('is for reading: who publishes is shown out', async () => {
    const listener = await subscribe('milestones', 'blocks');
    const liar = await connectAsync(tangle.mqttUrl, { protocolVersion: 4, reconnectPeriod: 0 });
    clients.push(liar);
    const closed = closing(liar);
    liar.publish('blocks', 'a lie');
    await closed;
    tangle.issueMilestone();
    const message = await listener.next('milestones');
    assert.equal(message.payload.readUInt32LE(), 7);
    assert.ok(listener.pending.every(({ payload }) => payload.toString() !== 'a lie'));
  });

  it('stops with the node, however many listen', async () => {
    const subscriber = await subscribe('milestones');
    const closed = closing(subscriber.client);
    await tangle.close();
    await closed;
  });

  it('is found under its own path only', async () => {
    const socket = new WebSocket(tangle.mqttUrl.replace('/api/mqtt/v1', '/elsewhere'), 'mqtt');
    const error = await new Promise<Error>((resolve) => {
      socket.on('error', resolve);
    });
    assert.match(error.message, /404/);
  });

  it('names blocks by the hash of the bytes it publishes', async () => {
    const subscriber = await subscribe('blocks');
    const blockId = await node.postBlock(encodeBlock({ protocolVersion: 2, parents: await node.tips(), nonce: 1n }));
    const { payload } = await subscriber.next('blocks');
    assert.equal(blake2b256(payload), blockId satisfies Hex);
    assert.equal(hexOf(payload), hexOf(decodeBlock(payload).bytes));
  });
});
