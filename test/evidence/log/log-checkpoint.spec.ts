import assert from 'node:assert/strict';
import { Log, log, readCheckpoint, verifyConsistency, writeCheckpoint } from '../../../lib/evidence';
import { openJournal, SimulatedDisk } from '../../../lib/journal';
import { machine } from './machine';
import { damaged, hex, leaves, open, own } from './machine-log';

describe('a checkpoint of the log', () => {
  it('is one text for one size, whoever asks and when', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    assert.equal(machineLog.lastCheckpoint(), undefined);
    await machineLog.append(leaves(3));
    const [one, two] = await Promise.all([machineLog.checkpoint(), machineLog.checkpoint()]);
    assert.equal(one.text, two.text);
    assert.equal((await machineLog.checkpoint()).text, one.text);
    const { head } = journal;
    assert.deepEqual(await machineLog.checkpoint(), one);
    assert.deepEqual(journal.head, head, 'the second time nothing is written');
    await machineLog.append(leaves(300, 3));
    assert.deepEqual(machineLog.lastCheckpoint(), one);
    const next = await machineLog.checkpoint();
    assert.equal(next.size, 303);
    assert.equal(machineLog.checkpointOf(3), one.text);
    assert.equal(machineLog.checkpointOf(303), next.text);
    assert.throws(() => machineLog.checkpointOf(304), RangeError);
    const again = new Log(journal, own);
    assert.deepEqual(again.lastCheckpoint(), next);
    assert.deepEqual(await again.checkpoint(), next);
    const [before, after] = [readCheckpoint(one.text), readCheckpoint(next.text)];
    const hashes = machineLog.consistency(3, 303);
    assert.ok(verifyConsistency({ oldSize: 3, size: 303, oldRoot: before.root, root: after.root, hashes }));
    await journal.close();
  });

  it('is not signed when it would not continue the last one', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(leaves(3));
    const other = { origin: own.did, size: 3, root: Buffer.alloc(32, 7) };
    const text = writeCheckpoint(other, own.sign);
    await journal.write((append) => append('log.checkpointed', { size: 3, text }));
    const again = new Log(journal, own);
    await again.append(leaves(1, 3));
    await assert.rejects(again.checkpoint(), damaged);
    await journal.close();
  });
});

describe('the anchors of the log', () => {
  const fact = { tag: 'plant\0', transactionId: '0xab', height: 12, confirmedAt: 1_750_000_000_000 };

  it('are remembered for each network, the largest', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(leaves(10));
    const ten = await machineLog.checkpoint();
    await machineLog.append(leaves(10, 10));
    const twenty = await machineLog.checkpoint();
    assert.equal(machineLog.lastAnchor('one'), undefined);
    await machineLog.anchored('one', { ...ten, ...fact });
    await machineLog.anchored('one', { ...twenty, ...fact, height: 13 });
    await machineLog.anchored('two', { ...ten, ...fact });
    const { head } = journal;
    // Told again, or late.
    await machineLog.anchored('one', { ...twenty, ...fact, height: 99 });
    await machineLog.anchored('one', { ...ten, ...fact });
    assert.deepEqual(journal.head, head);
    for (const view of [machineLog, new Log(journal, own)]) {
      assert.deepEqual(view.lastAnchor('one'), { ...twenty, ...fact, height: 13 });
      assert.deepEqual(view.lastAnchor('two'), { ...ten, ...fact });
      assert.equal(view.lastAnchor('three'), undefined);
    }
    await journal.close();
  });

  it('show a log that was put back from an old copy', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(leaves(10));
    const { head } = journal;
    const later = { origin: own.did, size: 11, root: Buffer.alloc(32, 1) };
    await assert.rejects(machineLog.anchored('one', { size: 11, text: writeCheckpoint(later, own.sign), ...fact }), {
      code: 'JOURNAL_DAMAGED',
      detail: 'log-behind',
    });
    const other = { ...later, size: 10 };
    await assert.rejects(machineLog.anchored('one', { size: 10, text: writeCheckpoint(other, own.sign), ...fact }), {
      code: 'JOURNAL_DAMAGED',
      detail: 'log-differs',
    });
    const stranger = machine(2);
    const strange = writeCheckpoint({ ...other, origin: stranger.did }, stranger.sign);
    await assert.rejects(
      machineLog.anchored('one', { size: 10, text: strange, ...fact }),
      /not a checkpoint of this log/,
    );
    const { text } = await machineLog.checkpoint();
    await assert.rejects(machineLog.anchored('one', { size: 9, text, ...fact }), /not a checkpoint of this log/);
    assert.equal(machineLog.lastAnchor('one'), undefined);
    assert.equal(journal.head.sequence, head.sequence + 1);
    await journal.close();
  });

  it('and everything else that events tell are the same after a rebuild', async () => {
    const disk = new SimulatedDisk();
    let journal = openJournal({ memory: disk, projections: [log] });
    let machineLog = new Log(journal, own);
    await machineLog.append(leaves(300));
    const checkpoint = await machineLog.checkpoint();
    await machineLog.anchored('one', { ...checkpoint, ...fact });
    await machineLog.append([{ text: 'last', waiting: { nodeId: 'node' } }]);
    const seen = () => [
      machineLog.size,
      hex(machineLog.rootAt(301)),
      machineLog.lastCheckpoint(),
      machineLog.lastAnchor('one'),
      machineLog.backlog(),
    ];
    const before = seen();
    disk.cutPower();
    journal = openJournal({ memory: disk, projections: [{ ...log, version: 77 }] });
    machineLog = new Log(journal, own);
    assert.deepEqual(seen(), before);
    disk.dispose();
  });
});
