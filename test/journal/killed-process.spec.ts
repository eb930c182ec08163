import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { openJournal, verifyJournal } from '../../lib/journal';
import { accounts, balanceOf, temporaryDirectory } from './ledger-book';

const KILLS = Number(process.env.JOURNAL_KILLS ?? 60);

describe('a process that writes a journal and is killed', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let program: string;
  const children = new Set<ChildProcess>();

  before(async function () {
    this.timeout(30_000);
    directory = temporaryDirectory();
    program = join(__dirname, `../../node_modules/.cache/journal-child-${process.pid}.cjs`);
    await build({
      entryPoints: [join(__dirname, 'journal-child.ts')],
      outfile: program,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['node-sqlite3-wasm'],
      logLevel: 'silent',
    });
  });
  after(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(program, { force: true });
    directory.remove();
  });

  /** Runs until it is killed: by itself, or by us, moments after it has acknowledged so many writes. */
  async function run(
    file: string,
    killAt: number,
    killAfter?: number,
  ): Promise<{ acknowledged: number; changes: number }> {
    const child = spawn(process.execPath, [program, file], {
      env: { ...process.env, KILL_AT: String(killAt) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.add(child);
    let output = '';
    let complaint = '';
    child.stderr.on('data', (data) => {
      complaint += data;
    });
    child.stdout.on('data', (data) => {
      output += data;
      if (killAfter === undefined || output.split('\n').length - 1 < killAfter) return;
      // Not at the same point of its loop each time.
      setTimeout(() => child.kill('SIGKILL'), Math.random() * 5);
    });
    await new Promise((resolve) => child.once('close', resolve));
    children.delete(child);
    assert.equal(complaint, '');
    const lines = output.split('\n').slice(0, -1);
    return {
      acknowledged: Math.max(0, ...lines.filter((line) => /^\d+$/.test(line)).map(Number)),
      changes: Number(lines.find((line) => line.startsWith('changes'))?.slice(8) ?? 0),
    };
  }

  it(`has lost nothing that it acknowledged, ${KILLS} times in a row on the same journal`, async () => {
    const file = join(directory.path, 'kills.db');
    let acknowledged = 0;
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = acknowledged;
      acknowledged = Math.max(acknowledged, (await run(file, 0, 1 + Math.floor(Math.random() * 20))).acknowledged);
      // Every tenth time a look from outside; the next child verifies the others, and would complain.
      if (kill % 10 !== 9) continue;
      const journal = openJournal({ file, projections: [accounts], sealEvery: 50 });
      assert.equal(journal.damage, undefined);
      assert.ok(
        journal.head.sequence >= acknowledged,
        `${journal.head.sequence} of ${acknowledged} (${before} before)`,
      );
      assert.equal(balanceOf(journal, 'car'), String(journal.head.sequence));
      await journal.close();
    }
    assert.equal(verifyJournal(file, [accounts]).problem, undefined);
    assert.ok(acknowledged > KILLS, `${acknowledged} acknowledged`);
  }).timeout(120_000 + KILLS * 500);

  it('can begin again wherever it was killed while it made its first journal', async () => {
    const { changes } = await run(join(directory.path, 'whole.db'), 1_000_000);
    assert.ok(changes > 50, `${changes} changes`);
    const moments = Array.from({ length: changes }, (_, index) => index + 1).filter((n) => n < 45 || n % 7 === 0);
    const begin = async (killAt: number) => {
      const file = join(directory.path, `first-${killAt}.db`);
      const { acknowledged } = await run(file, killAt);
      const journal = openJournal({ file, projections: [accounts], sealEvery: 50 });
      assert.equal(journal.damage, undefined, `killed before change ${killAt}`);
      assert.ok(journal.head.sequence >= acknowledged, `killed before change ${killAt}`);
      await journal.close();
    };
    while (moments.length > 0) await Promise.all(moments.splice(0, 4).map(begin));
  }).timeout(120_000);
});
