import assert from 'node:assert/strict';
import fs, { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sinon from 'sinon';
import { type Leaf, Log, log } from '../../../lib/evidence';
import { openJournal, verifyJournal } from '../../../lib/journal';
import { machine } from './machine';
import { ReferenceTree } from './reference-tree';

const own = machine();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const awaited = (count: number, first = 0): Leaf[] =>
  Array.from({ length: count }, (_, n) => ({ text: `{"reading":${first + n}}`, waiting: { nodeId: 'node' } }));

describe('a log on a disk', () => {
  let directory: string;
  let file: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'log-'));
    file = join(directory, 'journal.db');
  });
  afterEach(() => {
    sinon.restore();
    rmSync(directory, { recursive: true, force: true });
  });
  const open = () => openJournal({ file, projections: [log] });

  it('goes on where it was, and is what its events say', async () => {
    const tree = new ReferenceTree();
    for (let start = 0; start < 4; start += 1) {
      const journal = open();
      const machineLog = new Log(journal, own);
      assert.equal(hex(machineLog.rootAt(machineLog.size)), hex(tree.root()));
      const added = awaited(150, tree.size);
      await machineLog.append(added);
      await machineLog.checkpoint();
      tree.add(added.map(({ text }) => Buffer.from(text)));
      await journal.close();
    }
    assert.deepEqual(verifyJournal(file, [log]).problem, undefined);
  });

  it('that fails acknowledges nothing it could lose, wherever it fails', async () => {
    const calls = ['writeSync', 'fsyncSync', 'fdatasyncSync'] as const;
    let failures = 0;
    for (let point = 1; point <= 40; point += 1) {
      const journal = open();
      const machineLog = new Log(journal, own);
      const size = machineLog.size;
      let count = 0;
      for (const call of calls) {
        const original = fs[call] as (...parameters: unknown[]) => unknown;
        sinon.stub(fs, call).callsFake(((...parameters: unknown[]) => {
          count += 1;
          if (count >= point) throw Object.assign(new Error('EIO: simulated'), { code: 'EIO' });
          return original(...parameters);
        }) as never);
      }
      let acknowledged = size;
      try {
        for (let n = 0; n < 3; n += 1) {
          await machineLog.append(awaited(100, machineLog.size));
          acknowledged = machineLog.size;
          await machineLog.checkpoint();
        }
      } catch {
        failures += 1;
        assert.equal(machineLog.size, acknowledged);
        assert.equal(machineLog.backlog().count, acknowledged, 'who waits is counted as it is on the disk');
        await assert.rejects(machineLog.append([{ text: 'more' }]), { code: 'JOURNAL_DAMAGED' });
        assert.equal(machineLog.size, acknowledged);
      }
      await journal.close();
      sinon.restore();
      const healed = open();
      const again = new Log(healed, own);
      assert.ok(again.size === acknowledged || again.size === acknowledged + 100, `point ${point}`);
      const tree = new ReferenceTree(awaited(again.size).map(({ text }) => Buffer.from(text)));
      assert.equal(hex(again.rootAt(again.size)), hex(tree.root()));
      assert.equal(again.backlog().count, again.size);
      await healed.close();
    }
    assert.ok(failures > 10, `${failures} failures`);
  }).timeout(60_000);

  it('put back from an old copy is no log to go on with', async () => {
    let journal = open();
    await new Log(journal, own).append(awaited(10));
    await journal.close();
    copyFileSync(file, `${file}.old`);
    journal = open();
    await new Log(journal, own).append(awaited(10, 10));
    await journal.close();
    copyFileSync(`${file}.old`, file);
    journal = open();
    const machineLog = new Log(journal, own);
    assert.match(journal.damage ?? '', /event 2 was on the disk/);
    await assert.rejects(machineLog.append([{ text: 'another 11th' }]), { code: 'JOURNAL_DAMAGED' });
    await assert.rejects(machineLog.checkpoint(), { code: 'JOURNAL_DAMAGED' });
    assert.equal(machineLog.size, 10);
    await journal.close();
  });
});
