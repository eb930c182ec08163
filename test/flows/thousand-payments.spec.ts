import assert from 'node:assert/strict';
import { Fleet } from './fleet';

describe('ten machines that pay each other in a real Node-RED', function () {
  this.timeout(240_000);
  let fleet: Fleet;

  beforeEach(async () => {
    fleet = await Fleet.start(10);
  });
  afterEach(() => fleet.stop());

  it('1,000 payments, 60 at once: sums exact, none lost, none doubled', async () => {
    const before = await fleet.funded();
    const orders = fleet.orders(1_000, 1);
    const receipts = await fleet.payAll(orders, before);
    await fleet.settle(orders, receipts, before);
    await fleet.eventually('every payee heard of every payment', async () =>
      new Set(fleet.heardOf(orders).map(({ reference }) => reference)).size === orders.length ? true : undefined,
    );
    const heard = fleet.heardOf(orders);
    assert.equal(heard.length, orders.length, 'each payment is heard of once');
    assert.equal(new Set(heard.map(({ eventId }) => eventId)).size, orders.length, 'under an id of its own');
  });

  it('the same while Node-RED is killed and started again in the middle', async () => {
    const before = await fleet.funded();
    const orders = fleet.orders(1_000, 2);
    const kills = [200, 500, 800];
    let restarted = Promise.resolve();
    const receipts = await fleet.payAll(orders, before, (done) => {
      if (done !== kills[0]) return;
      kills.shift();
      restarted = restarted.then(() => fleet.killAndRestart());
    });
    await restarted;
    assert.equal(kills.length, 0, 'Node-RED was killed three times');
    await fleet.settle(orders, receipts, before);
    const eventIds = new Map<string, Set<string>>();
    for (const { eventId, reference } of fleet.heardOf(orders)) {
      eventIds.set(String(reference), (eventIds.get(String(reference)) ?? new Set()).add(eventId));
    }
    for (const [reference, ids] of eventIds) assert.equal(ids.size, 1, `${reference} has one event id`);
  });
});
