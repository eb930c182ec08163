import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

const SCRIPT = join(__dirname, '..', '..', 'scripts', 'start.mjs');

describe('npm start', () => {
  it('-- --once runs until the first car has come, paid, parked and left, and the tax share has arrived', async function () {
    this.timeout(150_000);
    const { code, output } = await start('--once');
    assert.equal(code, 0, output);
    const told = [
      'a car stands before the barrier',
      'the parking space asks 2 IOTA for 2 minutes',
      'the barrier opens for 2 minutes',
      'the car has left',
      'the barrier closes',
    ].map((words) => output.indexOf(words));
    assert.ok(
      told.every((position, index) => position >= 0 && position > (told[index - 1] ?? -1)),
      output,
    );
    assert.match(output, /the car has paid 2 IOTA \(0x[0-9a-f]{64}\)/);
    assert.match(output, /the tax office has received 0\.38 IOTA/);
  });

  it('refuses a ledger that the demo does not run on, and says so', async () => {
    const { code, output } = await start('--once', '--ledger', 'iota-mainnet');
    assert.equal(code, 2);
    assert.equal(output.trim(), '--ledger iota-mainnet: the parking demo runs on sandbox-tangle only so far');
  });

  it('refuses what it does not know', async () => {
    assert.equal((await start('--twice')).code, 2);
    assert.equal((await start('--port', '70000')).code, 2);
  });

  it('says which port is taken instead of waiting', async function () {
    this.timeout(60_000);
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const port = address && typeof address === 'object' ? address.port : 0;
    try {
      const { code, output } = await start('--once', '--port', String(port));
      assert.equal(code, 2, output);
      assert.match(output, new RegExp(`port ${port} is taken`));
    } finally {
      server.close();
    }
  });
});

async function start(...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const code = await new Promise<number | null>((done) => child.once('close', done));
  return { code, output };
}
