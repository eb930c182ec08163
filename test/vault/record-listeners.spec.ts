import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCodedError } from '../../lib/errors';
import { type ListenerPosition, RecordListeners } from '../../lib/vault/record-listeners';

const at = (cursor: string, more: Partial<ListenerPosition> = {}): ListenerPosition => ({
  tag: '0x61',
  cursor,
  handed: 0,
  offered: 0,
  ...more,
});

describe('where listeners of records are', () => {
  let directory: string;
  let listeners: RecordListeners;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'listeners-'));
    listeners = new RecordListeners(directory);
  });
  afterEach(async () => {
    await listeners.close();
    rmSync(directory, { recursive: true });
  });
  const reopen = async () => {
    await listeners.close();
    listeners = new RecordListeners(directory);
  };
  const damaged = (error: unknown) => isCodedError(error, 'JOURNAL_DAMAGED') && error.detail === 'listeners';

  it('is remembered across restarts, for each network and each listener', async () => {
    assert.equal(listeners.position('net', 'one'), undefined);
    await listeners.move('net', 'one', at('5:0', { handed: 3, offered: 32 }));
    await listeners.move('net', 'two', at('6:0', { tag: '' }));
    await listeners.move('other net', 'one', at('7:0'));
    await listeners.move('net', 'one', at('8:1'));
    await reopen();
    assert.deepEqual(listeners.position('net', 'one'), at('8:1'));
    assert.deepEqual(listeners.position('net', 'two'), at('6:0', { tag: '' }));
    assert.deepEqual(listeners.position('other net', 'one'), at('7:0'));
    assert.equal(listeners.position('other net', 'two'), undefined);
  });

  it('is kept inside its folder, whatever a network calls itself', async () => {
    const names = ['../../etc', 'a/b', 'a-b', 'A-B', '..', '', 'CON', 'x'.repeat(100), `${'x'.repeat(99)}y`, '\u202e'];
    for (const [i, name] of names.entries()) await listeners.move(name, 'node', at(`${i}:0`));
    await reopen();
    for (const [i, name] of names.entries()) assert.deepEqual(listeners.position(name, 'node'), at(`${i}:0`));
    assert.deepEqual(readdirSync(directory), ['listeners']);
    assert.equal(readdirSync(join(directory, 'listeners')).length, names.length);
  });

  it('does not grow with every move', async () => {
    for (let i = 0; i < 500; i += 1) await listeners.move('net', 'node', at(`${i}:0`));
    await reopen();
    assert.deepEqual(listeners.position('net', 'node'), at('499:0'));
    const [folder = ''] = readdirSync(join(directory, 'listeners'));
    assert.ok(statSync(join(directory, 'listeners', folder, 'journal.db')).size < 100_000);
  });

  it('is not taken for a new beginning when its file was lost or is damaged', async () => {
    await listeners.move('net', 'node', at('5:0'));
    await listeners.close();
    const [folder = ''] = readdirSync(join(directory, 'listeners'));
    const file = join(directory, 'listeners', folder, 'journal.db');
    const witness = readFileSync(`${file}.witness`);
    rmSync(`${file}.witness`);
    listeners = new RecordListeners(directory);
    assert.throws(() => listeners.position('net', 'node'), damaged);
    await listeners.close();
    writeFileSync(`${file}.witness`, witness);
    truncateSync(file, 0);
    rmSync(`${file}-wal`, { force: true });
    listeners = new RecordListeners(directory);
    assert.throws(() => listeners.position('net', 'node'), damaged);
    await assert.rejects(listeners.move('net', 'node', at('6:0')), damaged);
    await listeners.close();
    writeFileSync(file, 'this is no database');
    listeners = new RecordListeners(directory);
    assert.throws(() => listeners.position('net', 'node'), damaged);
    // Another network is not concerned.
    await listeners.move('other', 'node', at('1:0'));
  });
});
