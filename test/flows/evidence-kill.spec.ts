import assert from 'node:assert/strict';
import { readCheckpoint, readProof } from '../../lib/evidence';
import { Load } from './evidence-load';

const KILLS = Number(process.env['EVIDENCE_KILLS'] ?? 3);

describe('thousands of readings, signed and anchored by a Node-RED that is killed again and again', function () {
  this.timeout(KILLS * 80_000);
  let load: Load;

  before(async () => {
    load = await Load.start();
  });
  after(() => load.stop());

  it('keep one history: no number twice, and evidence for everything that ever left', async () => {
    for (let kill = 0; kill < KILLS; kill += 1) {
      const [signed, evidence] = [load.signed.length, load.evidence.length];
      await load.post(1500);
      // In the middle of signing; in the middle of anchoring and handing over.
      if (kill % 3 === 0) await load.until('a document', () => load.signed.length >= signed + 100);
      else await load.until('evidence', () => load.evidence.length >= evidence + 50);
      await Promise.all([load.post(1500), load.nodeRed.kill()]);
      load.nodeRed = await load.directory.start();
    }
    await load.post(100);
    await load.finish();

    const { signed, evidence, errors } = load;
    assert.deepEqual(errors, []);
    const bySequence = new Map<number, string>();
    for (const { document } of [...signed, ...evidence]) {
      const text = JSON.stringify(document);
      const { sequence } = document.proof;
      assert.equal(bySequence.get(sequence) ?? text, text, `two documents say that they are number ${sequence}`);
      bySequence.set(sequence, text);
    }
    const handed = new Set<number>();
    for (const { document, redelivered } of evidence) {
      const { sequence } = document.proof;
      assert.ok(redelivered || !handed.has(sequence), `evidence for number ${sequence} came again and does not say so`);
      handed.add(sequence);
    }
    assert.equal(handed.size, bySequence.size);
    assert.equal(Math.max(...handed) + 1, handed.size, 'what was signed and did not leave has evidence, too');

    const roots = new Map<number, string>();
    for (const line of evidence) {
      const { size, root } = readCheckpoint(readProof(line.evidence?.proof ?? '').checkpoint);
      const text = Buffer.from(root).toString('hex');
      assert.equal(roots.get(size) ?? text, text, `two roots of size ${size}`);
      roots.set(size, text);
    }
    const verdict = await load.verdict();
    assert.deepEqual([verdict.valid, verdict.anchored, verdict.problems], [true, true, []]);
    assert.equal(verdict.documents?.count, handed.size);
  });
});
