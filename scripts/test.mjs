/**
 * `npm test`: build, lint, type check, then every suite in a process of its own, and one line that adds them up.
 * Further arguments go to mocha: `npm test -- --grep contract`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium } from './browser.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (name) => join(root, 'node_modules', '.bin', name);
const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js');

/** The first suite whose pattern fits a spec file runs it. A suite that outlives its minutes has failed. */
const SUITES = [
  { name: 'package', files: /^package\//, minutes: 10 },
  { name: 'demo', files: /^demo\//, minutes: 5, beside: true },
  { name: 'browser', files: /^browser\//, minutes: 8 },
  { name: 'reliability', files: /(^|\/)(simulation|reliability)\//, minutes: 10 },
  { name: 'contract', files: /^ledger\/contract\//, minutes: 10, beside: true },
  // Those beside the others, one after the other: machines that wait for each other and for a ledger leave time for them.
  { name: 'market', files: /^flows\/market-/, minutes: 20, beside: true },
  { name: 'flow', files: /^(nodes|flows)\//, minutes: 10 },
  { name: 'unit', files: /./, minutes: 15 },
];
const ORDER = ['unit', 'flow', 'market', 'contract', 'reliability', 'demo', 'browser', 'package'];

const totals = { passed: 0, failed: 0, pending: 0 };
const rows = [];

function count(name, passed, failed, pending, seconds) {
  totals.passed += passed;
  totals.failed += failed;
  totals.pending += pending;
  rows.push({ name, passed, failed, pending, seconds });
}

/** Runs a command in its own process group, so that a time-out ends everything it started. */
function run(command, args, { minutes = 5, env = {}, held } = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: held ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
      detached: true,
      env: { ...process.env, ...env },
    });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => held.push(bytes));
    const timer = setTimeout(() => {
      console.error(`still running after ${minutes} minutes: stopped`);
      endGroup(child.pid);
    }, minutes * 60_000);
    const interrupted = () => {
      endGroup(child.pid);
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    child.on('error', (error) => console.error(error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      done(code === 0);
    });
  });
}

function endGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Ended in the meantime.
  }
}

async function step(name, command, args) {
  heading(name);
  const started = performance.now();
  const ok = await run(command, args);
  count(name, ok ? 1 : 0, ok ? 0 : 1, 0, seconds(started));
  return ok;
}

/** @param held where the output goes that is not to be shown yet */
async function suite({ name, minutes }, files, extra, held) {
  if (!held) heading(name);
  const started = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'machine-economy-totals-'));
  const report = join(folder, 'totals.json');
  const reporter = join(root, 'scripts', 'mocha-reporter.cjs');
  const ok = await run(process.execPath, [mocha, '--reporter', reporter, ...extra, ...files], {
    minutes,
    held,
    env: { MOCHA_TOTALS: report, CHROMIUM_PATH: findChromium() ?? '' },
  });
  let stats = { passes: 0, failures: 0, pending: 0 };
  try {
    stats = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.error(`${name}: ended without a report`);
  }
  rmSync(folder, { recursive: true, force: true });
  // A process that failed without a failed test (crash, time-out) counts as one.
  count(name, stats.passes, ok ? stats.failures : Math.max(1, stats.failures), stats.pending, seconds(started));
}

function specFiles() {
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.spec.ts'))
    .sort();
}

const seconds = (since) => Math.round((performance.now() - since) / 1000);
const heading = (name) => console.log(`\n=== ${name} ===`);

async function main(extra) {
  if (!(await step('build', process.execPath, ['scripts/build.mjs']))) return;
  await step('lint', bin('biome'), ['check']);
  await step('type check', bin('tsc'), ['-p', '.']);

  const browser = findChromium();
  const files = new Map(ORDER.map((name) => [name, []]));
  for (const file of specFiles()) {
    files.get(SUITES.find((candidate) => candidate.files.test(file)).name).push(`test/${file}`);
  }
  const beside = new Map();
  let before = Promise.resolve();
  for (const name of ORDER) {
    const one = SUITES.find((candidate) => candidate.name === name);
    const own = files.get(name);
    if (!one.beside || own.length === 0) continue;
    const output = [];
    before = before.then(() => suite(one, own, extra, output));
    beside.set(name, { output, done: before });
  }
  for (const name of ORDER) {
    const own = files.get(name);
    if (own.length === 0) continue;
    const running = beside.get(name);
    if (running) {
      await running.done;
      heading(name);
      process.stdout.write(Buffer.concat(running.output));
      continue;
    }
    if (name === 'browser' && !browser) {
      const required = process.env.REQUIRE_BROWSER === '1';
      console.error(
        '\n!!! NO CHROMIUM FOUND: the browser tests did not run. Install chromium or set CHROMIUM_PATH. !!!',
      );
      count('browser', 0, required ? 1 : 0, own.length, 0);
      continue;
    }
    await suite(
      SUITES.find((candidate) => candidate.name === name),
      own,
      extra,
    );
  }
}

await main(process.argv.slice(2));
heading('totals');
for (const { name, passed, failed, pending, seconds: took } of rows) {
  const skipped = pending > 0 ? `, ${pending} not run` : '';
  console.log(`${name.padEnd(12)} ${String(passed).padStart(5)} passed, ${failed} failed${skipped} (${took} s)`);
}
console.log(`\n${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed > 0 ? 1 : 0;
