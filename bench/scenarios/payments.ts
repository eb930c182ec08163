/** Payments through a Node-RED of its own: how long one takes, how many go, and what the main thread feels of it. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import mqtt from 'mqtt';
import { EmbeddedNodeRed, removeUserDirectory, userDirectory } from '../embedded-node-red';
import { Fleet, fleetFlow } from '../fleet';
import { freePort, scenario } from '../scenario';

export interface PaymentsParameters {
  readonly machines: number;
  /** Payments that one machine makes one after the other, to see how long each takes. */
  readonly oneByOne: number;
  /** Payments that are asked for at once, over all machines. */
  readonly atOnce: number;
  /** Of a Tangle that runs already; without one the embedded one is used. */
  readonly url?: string;
  readonly faucetUrl?: string;
}

export interface PaymentsMeasured {
  /** Milliseconds from message to receipt. */
  readonly total: number[];
  /** Of these, what was not waiting for the milestone. */
  readonly ours: number[];
  readonly oneByOnePerSecond: number;
  readonly atOncePerSecond: number;
  /** Event-loop delay of the main thread in ms, 99th percentile. */
  readonly idleDelay: number;
  readonly loadedDelay: number;
  /** A bare request to the node, milliseconds. */
  readonly bareRequest: number[];
}

const IDLE_MS = 5000;
/** The monitor's own interval, which it counts as delay. */
const RESOLUTION_MS = 1;

scenario<PaymentsParameters, PaymentsMeasured>(async ({ machines, oneByOne, atOnce, url: given, faucetUrl }) => {
  const port = await freePort();
  const url = given ?? `http://127.0.0.1:${port}`;
  const ledger = given
    ? { network: 'tangle', url, faucetUrl }
    : { network: 'sandbox-tangle', port, deviceBrokerPort: 0 };
  const userDir = await userDirectory(fleetFlow({ machines, ledger }));
  const nodeRed = await EmbeddedNodeRed.start(userDir);
  const fleet = new Fleet(nodeRed);
  const everyone = Array.from({ length: machines }, (_, n) => n);
  const addresses = await Promise.all(everyone.map((n) => fleet.address(n)));
  await Promise.all(everyone.map((n) => fleet.funded(n)));
  const pay = (n: number) => fleet.pay(n, addresses[(n + 1) % machines] as string);

  // The first payment loads the SDK.
  await Promise.all(everyone.map(pay));

  const idle = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  idle.enable();
  await new Promise((rested) => setTimeout(rested, IDLE_MS));
  idle.disable();

  const bareRequest: number[] = [];
  for (let n = 0; n < 50; n += 1) {
    const before = performance.now();
    await (await fetch(`${url}/api/core/v2/tips`)).arrayBuffer();
    bareRequest.push(performance.now() - before);
  }

  const loaded = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  loaded.enable();
  const milestones = await milestoneTimes(url);
  const total: number[] = [];
  const ours: number[] = [];
  const oneByOneStarted = performance.now();
  let resting = 0;
  for (let i = 0; i < oneByOne; i += 1) {
    // At any moment between two milestones, not always right after one.
    const rest = Math.random() * 500;
    resting += rest;
    await new Promise((rested) => setTimeout(rested, rest));
    const { sent, submitted, received } = await pay(0);
    total.push(received - sent);
    // The milestone that confirmed it is the one that came nearest before the receipt, give or take our own delay.
    const milestone = milestones.nearest(received);
    ours.push(submitted - sent + Math.max(0, received - milestone));
  }
  const oneByOnePerSecond = (oneByOne * 1000) / (performance.now() - oneByOneStarted - resting);
  milestones.stop();

  const atOnceStarted = performance.now();
  await Promise.all(Array.from({ length: atOnce }, (_, i) => pay(i % machines)));
  const atOncePerSecond = (atOnce * 1000) / (performance.now() - atOnceStarted);
  loaded.disable();
  await nodeRed.stop();
  await removeUserDirectory(userDir);
  return {
    total,
    ours,
    oneByOnePerSecond,
    atOncePerSecond,
    idleDelay: idle.percentile(99) / 1e6 - RESOLUTION_MS,
    loadedDelay: loaded.percentile(99) / 1e6 - RESOLUTION_MS,
    bareRequest,
  };
});

/** When confirmed milestones were told, as heard over the node's own events. */
async function milestoneTimes(url: string) {
  const times: number[] = [];
  const client = await mqtt.connectAsync(`${url.replace('http', 'ws')}/api/mqtt/v1`, { protocolVersion: 4 });
  client.on('message', () => times.push(performance.now()));
  await client.subscribeAsync('milestone-info/confirmed');
  return {
    nearest: (at: number) => times.reduce((best, time) => (Math.abs(time - at) < Math.abs(best - at) ? time : best), 0),
    stop: () => client.end(true),
  };
}
