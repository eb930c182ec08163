import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Aedes } from 'aedes';
import { createWebSocketStream, WebSocketServer } from 'ws';
import { MilestoneFeed } from '../../../lib/ledger/stardust/milestone-feed';

const TOPIC = 'milestone-info/confirmed';

/** The event interface of a node, which can go away and come back. */
class EventBroker {
  readonly subscriptions: string[] = [];
  readonly clients = new Set<string>();
  port = 0;
  #server: Server | undefined;
  #broker: Aedes | undefined;
  #sockets: WebSocketServer | undefined;
  subscribed = () => {};

  async open(): Promise<void> {
    const broker = await Aedes.createBroker();
    broker.on('subscribe', (subscriptions, client) => {
      this.subscriptions.push(...subscriptions.map(({ topic, qos }) => `${topic}@${qos}`));
      this.clients.add(client.id);
      this.subscribed();
    });
    const server = createServer();
    const sockets = new WebSocketServer({ server, path: '/api/mqtt/v1', handleProtocols: () => 'mqtt' });
    sockets.on('connection', (socket, request) => broker.handle(createWebSocketStream(socket), request));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address) this.port = address.port;
    this.#server = server;
    this.#broker = broker;
    this.#sockets = sockets;
  }

  publish(payload: string | Buffer, topic = TOPIC): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#broker?.publish({ cmd: 'publish', dup: false, topic, payload, qos: 0, retain: false }, (error) =>
        error ? reject(error) : resolve(),
      );
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets?.clients ?? []) socket.terminate();
    const closed = this.#server && once(this.#server, 'close');
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#broker?.close();
    await closed;
  }
}

describe("the feed of a node's milestones", () => {
  let broker: EventBroker;
  let feed: MilestoneFeed | undefined;
  let heights: number[];
  let losses: number;
  let heard: () => void;
  let lost: () => void;

  beforeEach(async () => {
    broker = new EventBroker();
    await broker.open();
    heights = [];
    losses = 0;
    heard = lost = () => {};
  });
  afterEach(async () => {
    await feed?.close();
    await broker.close();
  });

  const subscription = () =>
    new Promise<void>((resolve) => {
      broker.subscribed = resolve;
    });
  const start = async () => {
    const subscribed = subscription();
    feed = new MilestoneFeed(
      { url: `ws://127.0.0.1:${broker.port}/api/mqtt/v1`, longestPause: 200 },
      {
        confirmed: (height) => {
          heights.push(height);
          heard();
        },
        lost: () => {
          losses += 1;
          lost();
        },
      },
    );
    await subscribed;
  };

  it('asks for one concrete topic, and tells each height', async () => {
    await start();
    assert.deepEqual(broker.subscriptions, [`${TOPIC}@0`]);
    const two = new Promise<void>((resolve) => {
      heard = () => heights.length === 2 && resolve();
    });
    await broker.publish(JSON.stringify({ index: 7, timestamp: 1, milestoneId: '0x' }));
    await broker.publish(JSON.stringify({ index: 8 }));
    await two;
    assert.deepEqual(heights, [7, 8]);
  });

  it('ignores what is no milestone', async () => {
    await start();
    const one = new Promise<void>((resolve) => {
      heard = resolve;
    });
    const rubbish = [
      '',
      '{',
      'null',
      '[]',
      '7',
      '{"index":"7"}',
      '{"index":-1}',
      '{"index":1.5}',
      '{"index":1e99}',
      `{"index":5,"x":"${'y'.repeat(5000)}"}`,
    ];
    for (const payload of rubbish) await broker.publish(payload);
    await broker.publish(Buffer.alloc(100, 0xff));
    await broker.publish(JSON.stringify({ index: 9 }));
    await one;
    assert.deepEqual(heights, [9]);
  });

  it('comes back by itself after the node was away, however long', async () => {
    await start();
    const first = new Promise<void>((resolve) => {
      lost = resolve;
    });
    await broker.close();
    await first;
    // It tries in vain for a while.
    await new Promise<void>((resolve) => {
      lost = () => losses >= 3 && resolve();
    });
    const again = subscription();
    await broker.open();
    await again;
    const one = new Promise<void>((resolve) => {
      heard = resolve;
    });
    await broker.publish(JSON.stringify({ index: 12 }));
    await one;
    assert.deepEqual(heights, [12]);
    assert.equal(broker.clients.size, 1, 'it keeps its own client id');
  });

  it('leaves no timer behind when it is closed in the middle of a pause', async () => {
    const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    await start();
    const first = new Promise<void>((resolve) => {
      lost = resolve;
    });
    await broker.close();
    await first;
    const pausing = timers();
    await feed?.close();
    assert.equal(timers(), pausing - 1);
    feed = undefined;
  });
});
