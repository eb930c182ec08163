import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence } from '../../lib/evidence';
import { readCheckpoint, readProof, readSigned, verify } from '../../lib/evidence';
import { freePorts, type NodeRedProcess, UserDirectory } from './node-red-process';

const KILLS = Number(process.env['EVIDENCE_KILLS'] ?? 3);
const LIMIT_MS = 60_000;

/** What a sign node has let out, as it stands in the files of those who took it. */
interface Line {
  readonly document: { readonly n: number; readonly proof: { readonly sequence: number } };
  readonly evidence?: Evidence;
  readonly redelivered: boolean;
}

/** One after the other into a file, synced: what is there was let out, whatever happens to the process after. */
const keeper = (id: string, file: string) => ({
  id,
  type: 'function',
  z: 'tab',
  func: `const { appendFileSync } = global.get('process').mainModule.require('fs');
const { payload: document, evidence, redelivered } = msg;
appendFileSync(${JSON.stringify(file)}, JSON.stringify({ document, evidence, redelivered: redelivered === true }) + '\\n');`,
  outputs: 0,
  libs: [],
  wires: [],
});

function flow(ledgerPort: number, files: { signed: string; evidence: string; errors: string }): object[] {
  const nodes = [
    { id: 'tab', type: 'tab', label: 'Evidence' },
    { id: 'ledger', type: 'iota-ledger', name: '', network: 'sandbox-tangle', port: ledgerPort, deviceBrokerPort: 0 },
    {
      id: 'sensor',
      type: 'iota-machine',
      name: 'Sensor',
      ledger: 'ledger',
      key: 'press',
      accountIndex: 0,
      policy: null,
      contacts: {},
      tag: 'test:kill',
      batchCount: 200,
      batchSeconds: 1,
    },
    { id: 'in', type: 'http in', z: 'tab', url: '/readings', method: 'post', wires: [['burst', 'thanks']] },
    { id: 'thanks', type: 'http response', z: 'tab', statusCode: '', wires: [] },
    {
      id: 'burst',
      type: 'function',
      z: 'tab',
      func: `const { first, count } = msg.payload;
for (let n = first; n < first + count; n += 1) node.send({ topic: 'press', payload: { n, bar: n % 7 } });`,
      outputs: 1,
      libs: [],
      wires: [['sign']],
    },
    {
      id: 'sign',
      type: 'iota-sign-data',
      z: 'tab',
      machine: 'sensor',
      format: 'data-integrity',
      anchor: true,
      schema: '',
      readers: [],
      wires: [['keep-signed'], ['keep-evidence']],
    },
    keeper('keep-signed', files.signed),
    keeper('keep-evidence', files.evidence),
    { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['keep-error']] },
    {
      id: 'keep-error',
      type: 'function',
      z: 'tab',
      func: `const { appendFileSync } = global.get('process').mainModule.require('fs');
appendFileSync(${JSON.stringify(files.errors)}, JSON.stringify(msg.error) + '\\n');`,
      outputs: 0,
      libs: [],
      wires: [],
    },
  ];
  // What has no place in the editor is taken for a config node.
  return nodes.map((node) => ('z' in node ? { ...node, x: 0, y: 0 } : node));
}

describe('thousands of readings, signed and anchored by a Node-RED that is killed again and again', function () {
  this.timeout(240_000);
  let directory: UserDirectory;
  let nodeRed: NodeRedProcess;

  afterEach(async () => {
    await nodeRed.stop();
    await directory.remove();
  });

  it('keep one history: no number twice, and evidence for everything that ever left', async () => {
    directory = await UserDirectory.create();
    const [ledgerPort] = (await freePorts(1)) as [number];
    const files = {
      signed: join(directory.path, 'signed.jsonl'),
      evidence: join(directory.path, 'evidence.jsonl'),
      errors: join(directory.path, 'errors.jsonl'),
    };
    await directory.writeFlows(flow(ledgerPort, files));
    nodeRed = await directory.start();

    let asked = 0;
    const post = async (count: number) => {
      const first = asked;
      asked += count;
      // The process may be killed before it answers.
      await fetch(`${directory.url}/readings`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ first, count }),
      }).catch(() => {});
    };
    const until = async (what: string, holds: () => boolean) => {
      const deadline = Date.now() + LIMIT_MS;
      while (!holds()) {
        if (Date.now() > deadline) {
          const counts = `${linesIn(files.signed).length} signed, ${linesIn(files.evidence).length} with evidence`;
          throw new Error(`${what} has not come: ${counts}\n${nodeRed.log.slice(-3000)}`);
        }
        await new Promise((again) => setTimeout(again, 100));
      }
    };

    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = { signed: linesIn(files.signed).length, evidence: linesIn(files.evidence).length };
      const [signed, evidence] = [before.signed + 100 + 700 * kill, before.evidence + 50];
      await post(1500);
      // In the middle of signing; in the middle of anchoring and handing over.
      if (kill % 3 === 0) await until('the first documents', () => linesIn(files.signed).length >= signed);
      else await until('evidence', () => linesIn(files.evidence).length >= evidence);
      await Promise.all([post(1500), nodeRed.kill()]);
      nodeRed = await directory.start();
    }
    await post(100);
    const last = asked - 1;
    await until('the last reading', () => linesIn(files.signed).some(({ document }) => document.n === last));
    const all = () => new Set(linesIn(files.evidence).map(({ document }) => document.proof.sequence));
    await until('all evidence', () => {
      const have = all();
      return linesIn(files.signed).every(({ document }) => have.has(document.proof.sequence));
    });

    const [signed, evidence] = [linesIn(files.signed), linesIn(files.evidence)];
    assert.ok(signed.length > KILLS * 100, `${signed.length} documents`);
    const bySequence = new Map<number, string>();
    for (const { document } of [...signed, ...evidence]) {
      const text = JSON.stringify(document);
      const { sequence } = document.proof;
      assert.equal(bySequence.get(sequence) ?? text, text, `two documents say that they are number ${sequence}`);
      bySequence.set(sequence, text);
    }
    // One process hands over each once; what an earlier one may have handed over is marked.
    const handed = new Map<number, number>();
    for (const { document, redelivered } of evidence) {
      const { sequence } = document.proof;
      const times = handed.get(sequence) ?? 0;
      if (times > 0) assert.ok(redelivered, `evidence for number ${sequence} came again and does not say so`);
      handed.set(sequence, times + 1);
      assert.ok(times < KILLS + 1);
    }
    assert.equal(Math.max(...bySequence.keys()) + 1, bySequence.size, 'with anchor on there is no gap');
    assert.equal(handed.size, bySequence.size);

    // Checkpoints of all lives are the beginning of one another.
    const roots = new Map<number, string>();
    for (const { evidence: e } of evidence) {
      const { size, root } = readCheckpoint(readProof(e?.proof ?? '').checkpoint);
      const hex = Buffer.from(root).toString('hex');
      assert.equal(roots.get(size) ?? hex, hex, `two roots of size ${size}`);
      roots.set(size, hex);
    }
    const signer = readSigned(signed[0]?.document).signatures[0]?.signer ?? '';
    const once = [...new Map(evidence.map((line) => [line.document.proof.sequence, line])).values()];
    once.sort((a, b) => a.document.proof.sequence - b.document.proof.sequence);
    const payload = once.map(({ document, evidence: e }) => ({ document, evidence: e }));
    const verdict = await verify({ payload, trusted: [signer], requireAnchor: false }, {});
    assert.deepEqual([verdict.valid, verdict.problems], [true, []]);
    assert.deepEqual(linesIn(files.errors), []);
  });
});

/** Whole lines: the last one may have been cut off by the kill. */
function linesIn(file: string): Line[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => parsed(line));
}

function parsed(line: string): Line[] {
  try {
    return [JSON.parse(line) as Line];
  } catch {
    return [];
  }
}
