import assert from 'node:assert/strict';
import { Load } from './evidence-load';

const REDEPLOYS = 9;

describe('redeploys while readings are signed and anchored', function () {
  this.timeout(180_000);
  let load: Load;

  before(async () => {
    load = await Load.start();
  });
  after(() => load.stop());

  it('lose and double no evidence, and leave no listener, timer or thread behind', async () => {
    const deploys: number[] = [];
    const deploy = async (round: number) => {
      const type = (['full', 'flows', 'nodes'] as const)[round % 3] ?? 'full';
      const changed = ['sign', round % 2 === 0 ? 'sensor' : 'keep-signed'];
      const nodes = load.flow.map((node) => (changed.includes(node.id) ? { ...node, name: `deploy ${round}` } : node));
      const startedAt = Date.now();
      await load.deploy(type, nodes);
      deploys.push(Date.now() - startedAt);
    };
    await load.post(50);
    await load.finish();
    for (const round of [0, 1, 2]) await deploy(round);
    const start = await load.resources();
    for (let round = 0; round < REDEPLOYS; round += 1) {
      const { length } = load.signed;
      await load.post(400);
      await load.until('a document', () => load.signed.length > length);
      await deploy(round);
    }
    await load.post(50);
    await load.finish();

    const sequences = load.evidence.map(({ document }) => document.proof.sequence);
    assert.deepEqual(
      sequences.filter((sequence, index) => sequences.indexOf(sequence) !== index),
      [],
      'in one process each comes once',
    );
    assert.equal(Math.max(...sequences) + 1, sequences.length, 'and none is missing');
    const verdict = await load.verdict();
    assert.deepEqual([verdict.valid, verdict.problems], [true, []]);
    assert.ok(Math.max(...deploys) < 15_000, `${Math.max(...deploys)} ms`);
    assert.doesNotMatch(load.nodeRed.log, /MaxListenersExceeded|Close timed out|unhandled/i);
    const { active, flowsStartedListeners } = await load.resources();
    assert.equal(flowsStartedListeners, start.flowsStartedListeners);
    for (const kind of ['MessagePort', 'Worker', 'TCPServerWrap']) {
      // The verifier has a thread, and a port to the ledger.
      assert.ok(
        (active[kind] ?? 0) <= (start.active[kind] ?? 0) + 2,
        `${kind}: ${start.active[kind]} became ${active[kind]}`,
      );
    }
    assert.ok((active['Timeout'] ?? 0) <= (start.active['Timeout'] ?? 0) + 10, 'timers pile up');
  });
});
