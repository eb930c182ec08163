import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs, { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import sinon from 'sinon';
import { acquireProcessLock, type ProcessLock } from '../../lib/journal';
import { temporaryDirectory } from './ledger-book';

const IN_USE = { code: 'CONFIG_INVALID', detail: 'directory-in-use' };

describe('the process lock', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  const held: ProcessLock[] = [];
  const acquire = async (path = directory.path) => {
    const lock = await acquireProcessLock(path);
    held.push(lock);
    return lock;
  };
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(async () => {
    sinon.restore();
    for (const lock of held.splice(0)) await lock.release();
    directory.remove();
  });

  it('lets one holder in, tells the second, and is free again when released', async () => {
    const lock = await acquire();
    await assert.rejects(acquire(), IN_USE);
    await assert.rejects(acquire(), IN_USE);
    await lock.release();
    await acquire();
  });

  it('makes the directory that it locks', async () => {
    await acquire(join(directory.path, 'not', 'there', 'yet'));
  });

  it('goes to one of many that come at the same moment', async () => {
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.allSettled(Array.from({ length: 12 }, () => acquire()));
      const winners = results.filter((result) => result.status === 'fulfilled');
      assert.equal(winners.length, 1);
      for (const result of results)
        if (result.status === 'rejected') assert.equal(result.reason.detail, 'directory-in-use');
      await winners[0]?.value.release();
    }
  });

  it('is free when its holder was killed', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        `const s = require('net').createServer(); s.listen(process.argv[1], () => console.log('listening'))`,
        join(directory.path, 'lock-7.sock'),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await assert.rejects(acquire(), IN_USE);
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await gone;
    await acquire();
    assert.deepEqual(readdirSync(directory.path), ['lock-8.sock'], 'and the dead socket is removed');
    await assert.rejects(acquire(), IN_USE);
  });

  it('is not taken from a holder by a newcomer that slept between looking and linking', async () => {
    const original = fs.linkSync;
    const first = await acquire();
    await first.release();
    // The sleeper has seen the dead socket 1 and is about to become 2; meanwhile others come, become 2 and 3, and the
    // sockets 1 and 2 are removed.
    sinon.stub(fs, 'linkSync').callsFake(((from: string, to: string) => {
      sinon.restore();
      for (const name of ['lock-1.sock', 'lock-2.sock']) fs.rmSync(join(directory.path, name), { force: true });
      original(holderSocket, join(directory.path, 'lock-3.sock'));
      original(from, to);
    }) as never);
    const holderSocket = join(directory.path, 'holder');
    const holder = createServer().listen(holderSocket);
    await new Promise((resolve) => holder.once('listening', resolve));
    await assert.rejects(acquire(), IN_USE);
    holder.close();
  });

  it('works where the path is longer than sockets allow, and keeps others out there too', async () => {
    const long = join(directory.path, ...Array.from({ length: 6 }, (_, n) => `${n}`.repeat(40)));
    mkdirSync(long, { recursive: true });
    const lock = await acquire(long);
    assert.ok(readdirSync(long).some((name) => name === 'lock-1.sock'));
    await assert.rejects(acquire(long), IN_USE);
    await lock.release();
    await acquire(long);
  });

  it('is the same lock by whatever path the directory is named', async () => {
    fs.symlinkSync(directory.path, join(directory.path, 'link'));
    await acquire();
    await assert.rejects(acquire(join(directory.path, 'link')), IN_USE);
  });

  it('falls back to a name without a file where the file system has no sockets', async function () {
    if (process.platform !== 'linux') this.skip();
    sinon.stub(fs, 'linkSync').throws(Object.assign(new Error('not supported'), { code: 'EPERM' }));
    await acquire();
    await assert.rejects(acquire(), IN_USE);
  });

  it('says why when it cannot be made', async () => {
    const file = join(directory.path, 'file');
    writeFileSync(file, '');
    await assert.rejects(acquire(file), { code: 'CONFIG_INVALID', detail: 'directory-lock' });
    writeFileSync(join(directory.path, 'lock-999999999999999.sock'), '');
    await assert.rejects(acquire(), { code: 'CONFIG_INVALID', detail: 'directory-lock' });
  });

  it('leaves one small file behind, however often it is taken', async () => {
    for (let n = 0; n < 5; n += 1) await (await acquire()).release();
    assert.deepEqual(readdirSync(directory.path), ['lock-5.sock']);
  });
});
