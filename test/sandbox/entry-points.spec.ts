import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import { startTangle } from '../../lib/sandbox/tangle';

const ROOT = join(__dirname, '..', '..');

describe('machine-economy sandbox', function () {
  this.timeout(60_000);
  let child: ChildProcess | undefined;

  afterEach(async () => {
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  });

  function run(...parameters: string[]) {
    child = spawn(
      process.execPath,
      ['--import', 'tsx', join(ROOT, 'lib/cli/machine-economy.ts'), 'sandbox', ...parameters],
      { cwd: ROOT },
    );
    const output = { out: '', err: '' };
    child.stdout?.on('data', (data) => {
      output.out += data;
    });
    child.stderr?.on('data', (data) => {
      output.err += data;
    });
    const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }));
    return {
      process: child,
      ended,
      line: () => once(createInterface({ input: child!.stdout! }), 'line').then(([line]) => line as string),
    };
  }

  it('prints one line of JSON when it is ready, and ends cleanly on Ctrl-C', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sandbox-cli-'));
    try {
      const sandbox = run('--port', '0', '--data', dataDir);
      const ready = JSON.parse(await sandbox.line());
      assert.deepEqual(Object.keys(ready), ['url', 'faucetUrl', 'mqttUrl', 'network']);
      assert.match(ready.network, /^sandbox-tangle-[0-9a-f]{8}$/);
      assert.equal(ready.faucetUrl, `${ready.url}/api/enqueue`);
      const info = await (await fetch(`${ready.url}/api/core/v2/info`)).json();
      assert.equal(info.protocol.networkName, ready.network);
      sandbox.process.kill('SIGINT');
      const { code, out, err } = await sandbox.ended;
      assert.deepEqual([code, out.trim().split('\n').length, err], [0, 1, '']);
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  for (const [parameters, expected, message] of [
    [['--protocol', 'iota'], 2, /not available yet/],
    [['--protocol', 'bitcoin'], 2, /tangle or iota/],
    [['--port', 'http'], 2, /--port is a number/],
    [['--prot', 'tangle'], 2, /Unknown option/],
  ] as const) {
    it(`refuses ${parameters.join(' ')}`, async () => {
      const { code, out, err } = await run(...parameters).ended;
      assert.deepEqual([code, out], [expected, '']);
      assert.match(err, message);
    });
  }

  it('says that a port is taken', async () => {
    const other = await startTangle({ port: 0, milestoneInterval: 0 });
    try {
      const { port } = new URL(other.url);
      const { code, err } = await run('--port', port).ended;
      assert.equal(code, 1);
      assert.match(err, new RegExp(`port ${port} is in use`));
    } finally {
      await other.close();
    }
  });

  it('explains itself', async () => {
    const { code, out } = await run('--help').ended;
    assert.equal(code, 0);
    for (const option of ['--protocol', '--port', '--data', '--host']) assert.ok(out.includes(option));
  });
});

describe('the sandbox worker', function () {
  this.timeout(30_000);
  const file = join(ROOT, 'dist', 'sandbox-worker.js');

  before(() => assert.ok(existsSync(file), 'run npm run build first'));

  async function answer(worker: Worker) {
    const [message] = await once(worker, 'message');
    return message;
  }

  it('starts ledger and device broker, and closes with its port free', async () => {
    const worker = new Worker(file, { workerData: { port: 0, host: '127.0.0.1', deviceBrokerPort: 0 } });
    const { ready } = await answer(worker);
    assert.equal((await fetch(`${ready.url}/health`)).status, 200);
    assert.equal(ready.deviceBrokerUrl, undefined);
    const exited = once(worker, 'exit');
    worker.postMessage('close');
    assert.deepEqual(await exited, [0]);
    await assert.rejects(fetch(`${ready.url}/health`));
  });

  it('says why it could not start', async () => {
    const other = await startTangle({ port: 0, milestoneInterval: 0 });
    try {
      const worker = new Worker(file, { workerData: { port: Number(new URL(other.url).port), host: '127.0.0.1' } });
      const exited = once(worker, 'exit');
      const { error } = await answer(worker);
      assert.equal(error.code, 'EADDRINUSE');
      await exited;
    } finally {
      await other.close();
    }
  });
});
