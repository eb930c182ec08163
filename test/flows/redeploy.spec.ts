import assert from 'node:assert/strict';
import { Fleet } from './fleet';

const REDEPLOYS = 12;

/** Counted inside Node-RED, by a function node: what a forgotten close would pile up. */
interface Resources {
  readonly active: Readonly<Record<string, number>>;
  readonly flowsStartedListeners: number;
}

describe('redeploys in the middle of payments', function () {
  this.timeout(180_000);
  let fleet: Fleet;

  beforeEach(async () => {
    fleet = await Fleet.start(4);
  });
  afterEach(() => fleet.stop());

  const redeploy = async (type: 'full' | 'nodes' | 'flows', flow: readonly object[]) => {
    const response = await fetch(`${fleet.directory.url}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'node-red-deployment-type': type },
      body: JSON.stringify(flow),
    });
    assert.equal(response.status, 204);
  };
  const resources = async (): Promise<Resources> =>
    (await fetch(`${fleet.directory.url}/resources`)).json() as Promise<Resources>;

  it('lose and double nothing, and leave no listener, socket, timer or thread behind', async () => {
    const before = await fleet.funded();
    await redeploy('full', fleet.flow);
    const warmUp = fleet.orders(20, 3);
    await fleet.settle(warmUp, await fleet.payAll(warmUp, before), before);
    const start = await resources();
    const balances = await Promise.all(before.map((_, machine) => fleet.balance(machine)));

    const orders = fleet.orders(300, 4);
    let deploys = 0;
    let deployed = Promise.resolve();
    const receipts = await fleet.payAll(orders, balances, (done) => {
      if (done % 25 !== 0 || deploys === REDEPLOYS) return;
      deploys += 1;
      const type = (['full', 'flows', 'nodes'] as const)[deploys % 3] ?? 'full';
      // A changed pay node and a changed machine, so that partial deploys restart some nodes and not others.
      const flow = fleet.flow.map((node) =>
        ['pay-0', 'machine-1', 'listen-2'].includes((node as { id: string }).id)
          ? { ...node, name: `deploy ${deploys}` }
          : node,
      );
      deployed = deployed.then(() => redeploy(type, flow));
    });
    await deployed;
    assert.equal(deploys, REDEPLOYS);
    await fleet.settle(orders, receipts, balances);

    // What is closed takes a moment to be gone (keep-alive sockets, grace periods).
    await fleet.eventually('everything is closed', async () => {
      const now = await resources();
      assert.equal(now.flowsStartedListeners, start.flowsStartedListeners);
      for (const kind of ['MessagePort', 'Worker', 'PipeWrap', 'TCPServerWrap']) {
        assert.ok(
          (now.active[kind] ?? 0) <= (start.active[kind] ?? 0),
          `${kind}: ${start.active[kind]} became ${now.active[kind]}`,
        );
      }
      assert.ok((now.active.Timeout ?? 0) <= (start.active.Timeout ?? 0) + 10, 'timers pile up');
      return true;
    });
    assert.doesNotMatch(fleet.nodeRed.log, /MaxListenersExceeded|Close timed out|unhandled/i);
  });
});
