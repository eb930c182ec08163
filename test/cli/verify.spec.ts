import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Verification } from '../../lib/evidence';
import { Notary, parsed } from '../evidence/verification/notary';

const COMMAND = join(__dirname, '..', '..', 'dist', 'machine-economy.js');

describe('machine-economy verify', function () {
  this.timeout(60_000);
  let directory: string;
  const machine = new Notary(1);
  const next = new Notary(2);
  for (let n = 0; n < 5; n++) machine.next({ temperature: 20 + n });
  const document = machine.leaves[2] as string;
  const evidence = machine.evidence(2);
  const statement = machine.handOver(next);

  before(async () => {
    assert.ok(existsSync(COMMAND), 'run npm run build first');
    directory = await mkdtemp(join(tmpdir(), 'verify-'));
  });
  after(() => rm(directory, { recursive: true, force: true }));

  async function file(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(directory, name);
    await writeFile(path, content);
    return path;
  }

  async function run(parameters: readonly string[], input = '') {
    const child = spawn(process.execPath, [COMMAND, 'verify', ...parameters]);
    const output = { out: '', err: '' };
    child.stdout.on('data', (data) => {
      output.out += data;
    });
    child.stderr.on('data', (data) => {
      output.err += data;
    });
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
    const [code] = await once(child, 'close');
    return { code: code as number, ...output };
  }

  it('says in one line that a document is valid, by whom, and when it was signed', async () => {
    const { code, out, err } = await run([await file('document.json', document), '--trust', machine.did]);
    assert.deepEqual([code, err], [0, '']);
    assert.equal(out, `VALID  signed by ${machine.did} at 2026-03-01T06:00:02.000Z, document 2 of its log\n`);
  });

  it('says what is wrong, and ends with 1', async () => {
    const path = await file('changed.json', document.replace('"temperature":22', '"temperature":23'));
    const { code, out } = await run([path, '--trust', machine.did]);
    assert.equal(code, 1);
    assert.match(
      out,
      /^INVALID {2}no document with a good signature\n {2}The signature of did:key:\S+ does not fit.*\(PAYLOAD_CHANGED\)\n$/,
    );
  });

  it('names the document of a file that is not valid, counted from 1', async () => {
    const lines = machine.leaves.with(3, document);
    const { code, out } = await run([await file('day.jsonl', lines.join('\n'))]);
    assert.equal(code, 1);
    assert.match(out, /^INVALID {2}6 documents signed by /);
    assert.match(out, /document 4: Document 2 of the log of \S+ is there more than once\. \(SEQUENCE_DUPLICATE\)/);
    assert.match(out, /document 5: In the log of \S+, 1 documents are missing between 2 and 4\. \(SEQUENCE_GAP\)/);
    assert.match(out, /note: .*\(SIGNER_UNCHECKED\)/);
  });

  it('prints the whole verdict as JSON', async () => {
    const { code, out } = await run([await file('one.json', document), '--json']);
    const verdict = JSON.parse(out) as Verification;
    assert.deepEqual([code, verdict.valid, verdict.signer, verdict.sequence], [0, true, machine.did, 2]);
    assert.equal(out.trim().split('\n').length, 1);
  });

  it('takes evidence from a file of its own, and the document from the standard input', async () => {
    const beside = await file('evidence.json', JSON.stringify(evidence));
    const { code, out } = await run(['-', '--evidence', beside, '--trust', machine.did], document);
    assert.equal(code, 0);
    assert.match(out, /note: According to the evidence, .*\(ANCHOR_UNCHECKED\)/);
    const wrong = await file('wrong.json', JSON.stringify(machine.evidence(3)));
    assert.equal((await run(['-', '--evidence', wrong], document)).code, 1);
    assert.equal(
      (await run([await file('both.json', JSON.stringify({ document: parsed(document), evidence }))])).code,
      0,
    );
  });

  it('follows a machine to its next key', async () => {
    const path = await file('next.json', next.next({ temperature: 25 }));
    const statements = await file('statements.json', statement);
    assert.equal((await run([path, '--trust', machine.did])).code, 1);
    assert.equal((await run([path, '--trust', machine.did, '--succession', statements])).code, 0);
  });

  it('believes several machines', async () => {
    const path = await file('other.json', next.leaves[0] as string);
    assert.equal((await run([path, '--trust', machine.did, '--trust', next.did])).code, 0);
  });

  it('prints some of many problems', async () => {
    const { code, out } = await run(['-'], `${document}\n`.repeat(50));
    assert.equal(code, 1);
    assert.match(out, /and 29 more/);
  });

  it('could not tell of an input that goes on and on, and does not wait for its end', async () => {
    const child = spawn(process.execPath, [COMMAND, 'verify', '-']);
    let err = '';
    child.stderr.on('data', (data) => {
      err += data;
    });
    const piece = Buffer.from(`${document}\n`.repeat(1000));
    const long = Readable.from(
      (function* () {
        for (let sent = 0; sent < 2 ** 30; sent += piece.length) yield piece;
      })(),
    );
    long.pipe(child.stdin);
    child.stdin.on('error', () => long.destroy());
    const [code] = await once(child, 'close');
    assert.equal(code, 2);
    assert.match(err, /in parts/);
  });

  for (const [what, parameters, input] of [
    ['a file that is not there', ['nowhere.json'], ''],
    ['a directory', [tmpdir()], ''],
    ['something else', ['-'], 'hello'],
    ['nothing', ['-'], ''],
    ['an unsigned document', ['-'], '{"temperature":20}'],
    ['unsigned documents', ['-'], '{"temperature":20}\n{"temperature":21}\n'],
    ['evidence alone', ['-'], JSON.stringify(evidence)],
    ['what only its readers can read', ['-'], '{"protected":"e30","iv":"a","ciphertext":"b","tag":"c"}'],
    ['a file of evidence that is none', ['-', '--evidence', COMMAND], document],
    ['a ledger that cannot be reached', ['-', '--ledger', 'http://127.0.0.1:9'], document],
    ['a ledger that is no URL', ['-', '--ledger', 'nowhere'], document],
    ['a signer that is no did:key', ['-', '--trust', 'alice'], document],
    ['no file', [], ''],
    ['two files', ['a', 'b'], ''],
    ['an unknown option', ['-', '--offline'], document],
    ['two files from one input', ['-', '--evidence', '-'], document],
  ] as const) {
    it(`ends with 2 for ${what}`, async () => {
      const { code, out, err } = await run(parameters, input);
      assert.equal(code, 2, out + err);
      assert.match(out + err, /\S/);
      assert.doesNotMatch(out, /^(IN)?VALID/);
    });
  }

  it('explains itself', async () => {
    const { code, out } = await run(['--help']);
    assert.equal(code, 0);
    for (const option of ['--trust', '--evidence', '--succession', '--ledger', '--json', 'Exit code']) {
      assert.ok(out.includes(option), option);
    }
  });
});
