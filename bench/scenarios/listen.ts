/** A machine that listens: tells its address, or waits for what was paid while its Node-RED was not running. */
import { EmbeddedNodeRed } from '../embedded-node-red';
import { Fleet } from '../fleet';
import { scenario } from '../scenario';

scenario<{ userDir: string; expect: number }, { address: string; eventsPerSecond: number }>(
  async ({ userDir, expect }) => {
    const events = process as NodeJS.EventEmitter;
    const heard = new Set<unknown>();
    const caughtUp = new Promise<void>((done) => {
      if (expect === 0) done();
      events.on(
        'bench-sink',
        (sinkId: string, { eventId, payload }: { eventId: string; payload: { reference: unknown } }) => {
          if (sinkId !== 'received' || payload.reference === null) return;
          heard.add(eventId);
          if (heard.size === expect) done();
        },
      );
    });
    const started = performance.now();
    const nodeRed = await EmbeddedNodeRed.start(userDir);
    const fleet = new Fleet(nodeRed);
    const address = await fleet.address(0);
    // An account that has never been open takes what it finds for its first holdings.
    if (expect === 0) await fleet.funded(0);
    await caughtUp;
    const eventsPerSecond = (expect * 1000) / (performance.now() - started);
    await nodeRed.stop();
    return { address, eventsPerSecond };
  },
);
