import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { connectAsync } from 'mqtt';
import { startSandbox } from '../../lib/sandbox';
import { type DeviceBroker, startDeviceBroker } from '../../lib/sandbox/device-broker';

describe('the device broker', () => {
  let broker: DeviceBroker;

  beforeEach(async () => {
    broker = await startDeviceBroker({ port: 0 });
  });

  afterEach(() => broker.close());

  it('carries what a sensor says to who listens, over a real socket', async () => {
    const barrier = await connectAsync(broker.url, { reconnectPeriod: 0 });
    const sensor = await connectAsync(broker.url, { reconnectPeriod: 0 });
    await barrier.subscribeAsync('parking/1/presence', { qos: 1 });
    const heard = new Promise<string>((resolve) => {
      barrier.on('message', (_, payload) => resolve(payload.toString()));
    });
    await sensor.publishAsync('parking/1/presence', '{"occupied":true}', { qos: 1 });
    assert.equal(await heard, '{"occupied":true}');
    await Promise.all([barrier.endAsync(true), sensor.endAsync(true)]);
  });

  it('keeps the last word of a device for who comes later', async () => {
    const sensor = await connectAsync(broker.url, { reconnectPeriod: 0 });
    await sensor.publishAsync('meter/total', '41.5', { retain: true, qos: 1 });
    const display = await connectAsync(broker.url, { reconnectPeriod: 0 });
    const heard = new Promise<boolean>((resolve) => {
      display.on('message', (_topic, _payload, packet) => resolve(packet.retain));
    });
    await display.subscribeAsync('meter/total');
    assert.equal(await heard, true);
    await Promise.all([display.endAsync(true), sensor.endAsync(true)]);
  });

  it('lets its clients go when it closes', async () => {
    const device = await connectAsync(broker.url, { reconnectPeriod: 0 });
    const closed = new Promise<void>((resolve) => {
      device.on('close', () => resolve());
    });
    await broker.close();
    await closed;
  });

  it('whose port is taken does not keep the ledger from starting', async () => {
    const holder = createServer().listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const address = holder.address();
    assert.ok(typeof address === 'object' && address);
    const sandbox = await startSandbox({ port: 0, milestoneInterval: 0, deviceBrokerPort: address.port });
    try {
      assert.match(sandbox.deviceBrokerError ?? '', /EADDRINUSE/);
      assert.equal((await fetch(`${sandbox.tangle.url}/health`)).status, 200);
    } finally {
      await sandbox.close();
      holder.close();
    }
  });
});
