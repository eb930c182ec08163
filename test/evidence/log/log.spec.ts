import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Leaf, Log, log, verifyInclusion } from '../../../lib/evidence';
import { type Journal, openJournal, SimulatedDisk } from '../../../lib/journal';
import { machine } from './machine';
import { damaged, hex, leaves, open, own } from './machine-log';
import { ReferenceTree } from './reference-tree';

const bytesOf = (added: readonly Leaf[]) => added.map(({ text }) => Buffer.from(text));

function assertSameTree(log: Log, tree: ReferenceTree): void {
  assert.equal(log.size, tree.size);
  assert.equal(hex(log.rootAt(log.size)), hex(tree.root()), `${log.size} leaves`);
}

describe('the log of a machine', () => {
  it('is the tree of its leaves, whatever they come in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 8 }), async (groups) => {
        const journal = open();
        let machineLog = new Log(journal, own);
        const tree = new ReferenceTree();
        for (const [number, count] of groups.entries()) {
          const added = leaves(count, tree.size);
          await machineLog.append(added);
          tree.add(bytesOf(added));
          assertSameTree(machineLog, tree);
          if (number % 3 === 2) machineLog = new Log(journal, own);
          assertSameTree(machineLog, tree);
          for (const index of [0, tree.size - 1, Math.floor(tree.size / 3), Math.floor((2 * tree.size) / 3)]) {
            assert.deepEqual(machineLog.proof(index, tree.size).map(hex), tree.path(index, 0, tree.size).map(hex));
            const earlier = Math.max(index, 1);
            assert.deepEqual(
              machineLog.consistency(earlier, tree.size).map(hex),
              tree.proof(earlier, tree.size).map(hex),
            );
            assert.equal(hex(machineLog.rootAt(index)), hex(tree.root(index)));
          }
        }
        await journal.close();
      }),
      { numRuns: 40 },
    );
  }).timeout(60_000);

  it('is the tree of its leaves on both sides of every border of its tiles', async () => {
    const journal = open();
    let machineLog = new Log(journal, own);
    const tree = new ReferenceTree();
    const sizes: number[] = [];
    for (const border of [8, 256, 264, 512, 4096, 65_536, 65_792]) {
      for (const size of [border - 1, border, border + 1]) {
        const added = leaves(size - tree.size, tree.size);
        await machineLog.append(added);
        tree.add(bytesOf(added));
        assertSameTree(machineLog, tree);
        // From the disk it is the same.
        machineLog = new Log(journal, own);
        assertSameTree(machineLog, tree);
        sizes.push(size);
      }
    }
    for (const size of sizes) {
      assert.equal(hex(machineLog.rootAt(size)), hex(tree.root(size)));
      for (const index of [0, 7, 255, 256, 4095, 65_535, 65_536, size - 1].filter((index) => index < size)) {
        const hashes = machineLog.proof(index, size);
        assert.deepEqual(hashes.map(hex), tree.path(index, 0, size).map(hex));
        const hash = tree.mth(index, index + 1);
        assert.ok(verifyInclusion({ leafHash: hash, index, size, hashes, root: tree.root(size) }));
      }
      for (const oldSize of sizes.filter((oldSize) => oldSize <= size)) {
        const hashes = machineLog.consistency(oldSize, size);
        assert.deepEqual(hashes.map(hex), tree.proof(oldSize, size).map(hex));
      }
    }
    await journal.close();
  }).timeout(60_000);

  it('makes a proof for any leaf at any time, with few tiles in memory', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    const tree = new ReferenceTree();
    for (let group = 0; group < 20; group += 1) {
      const added = leaves(5000, tree.size);
      await machineLog.append(added);
      tree.add(bytesOf(added));
    }
    const root = machineLog.rootAt(tree.size);
    for (let index = 0; index < tree.size; index += 577) {
      const hashes = machineLog.proof(index, tree.size);
      assert.ok(verifyInclusion({ leafHash: tree.mth(index, index + 1), index, size: tree.size, hashes, root }));
    }
    await journal.close();
  }).timeout(60_000);

  it('has nothing to prove of leaves and sizes that it does not have', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    assert.equal(machineLog.size, 0);
    assert.equal(hex(machineLog.rootAt(0)), hex(new ReferenceTree().root()));
    await machineLog.append([]);
    assert.equal(journal.head.sequence, 0);
    await machineLog.append(leaves(5));
    for (const [index, size] of [
      [5, 5],
      [0, 6],
      [-1, 5],
      [0.5, 5],
      [0, 0],
      [0, Number.NaN],
    ] as const)
      assert.throws(() => machineLog.proof(index, size), RangeError);
    for (const [oldSize, size] of [
      [6, 5],
      [5, 6],
      [-1, 5],
      [1.5, 5],
    ] as const)
      assert.throws(() => machineLog.consistency(oldSize, size), RangeError);
    for (const size of [6, -1, 0.5]) assert.throws(() => machineLog.rootAt(size), RangeError);
    assert.deepEqual(machineLog.consistency(0, 5), []);
    assert.deepEqual(machineLog.consistency(5, 5), []);
    await journal.close();
  });

  it('belongs to its did', () => {
    const { publicKey } = machine(2);
    assert.throws(() => new Log(open(), { ...own, publicKey }));
  });

  it('gives out copies: nobody changes its tiles by changing a proof', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(leaves(300));
    const before = machineLog.proof(3, 300).map(hex);
    for (const hash of [...machineLog.proof(3, 300), machineLog.rootAt(300), machineLog.rootAt(256)]) hash.fill(0);
    assert.deepEqual(machineLog.proof(3, 300).map(hex), before);
    for (const hash of machineLog.proof(3, 300))
      assert.equal(hash.buffer.byteLength, 32, 'and carries no more than itself');
    await journal.close();
  });
});

describe('an append to the log', () => {
  it('shows only once it is durable, and one comes after the other', async () => {
    const commits: (() => void)[] = [];
    const journal = openJournal({ memory: true, projections: [log], schedule: (commit) => commits.push(commit) });
    const machineLog = new Log(journal, own);
    const first = machineLog.append([{ text: '1', waiting: { nodeId: 'node' } }]);
    assert.equal(machineLog.size, 0);
    assert.equal(machineLog.backlog().count, 0);
    assert.throws(() => machineLog.proof(0, 1), RangeError);
    assert.deepEqual(machineLog.waiting({ nodeId: 'node', after: -1, below: 5, limit: 5 }), []);
    await assert.rejects(machineLog.append([{ text: '2' }]), /not durable/);
    const checkpoint = machineLog.checkpoint();
    commits.shift()?.();
    await first;
    assert.equal(machineLog.size, 1);
    assert.equal((await checkpoint).size, 0, 'a checkpoint signs what is durable');
    const second = machineLog.append([{ text: '2' }]);
    commits.shift()?.();
    await second;
    assert.equal(machineLog.size, 2);
    await journal.close();
  });

  it('of one leaf writes one row of tiles, and one more where it fills one', async () => {
    const journal = open();
    await new Log(journal, own).append(leaves(250));
    const written: unknown[] = [];
    const door: Journal = Object.create(journal, {
      write: {
        value: (change: Parameters<Journal['write']>[0]) =>
          journal.write((append, sql) => {
            const run: typeof sql.run = (text, values) => {
              if (text.includes('log_tiles')) written.push(values?.[0]);
              sql.run(text, values);
            };
            return change(append, { run, get: (...query) => sql.get(...query), all: (...query) => sql.all(...query) });
          }),
      },
      sql: { get: () => journal.sql },
    });
    const machineLog = new Log(door, own);
    for (let n = 250; n < 258; n += 1) await machineLog.append(leaves(1, n));
    assert.deepEqual(written, [...Array(6).fill(248), -(2 ** 50), 256, 256]);
    await journal.close();
  });

  it('that fails has not happened', async () => {
    const journal = open();
    let failing = false;
    const door: Journal = Object.create(journal, {
      write: {
        value: (change: Parameters<Journal['write']>[0]) =>
          journal.write((append, sql) => {
            const result = change(append, sql);
            if (failing) throw new Error('at the last moment');
            return result;
          }),
      },
      sql: { get: () => journal.sql },
    });
    const machineLog = new Log(door, own);
    const tree = new ReferenceTree();
    const grow = async (count: number) => {
      const added = leaves(count, tree.size);
      await machineLog.append(added);
      tree.add(bytesOf(added));
    };
    for (const count of [1, 200, 54, 1, 1, 300]) {
      failing = true;
      const lost = leaves(count + 3, 1_000_000).map((leaf) => ({ ...leaf, waiting: { nodeId: 'node' } }));
      await assert.rejects(machineLog.append(lost), /last moment/);
      assertSameTree(machineLog, tree);
      assert.deepEqual(machineLog.backlog(), { count: 0, bytes: 0, oldestAt: null });
      failing = false;
      await grow(count);
      assertSameTree(machineLog, tree);
      assertSameTree(new Log(journal, own), tree);
    }
    for (let index = 0; index < tree.size; index += 1)
      assert.deepEqual(machineLog.proof(index, tree.size).map(hex), tree.path(index, 0, tree.size).map(hex));
    await journal.close();
  });
});

describe('a log that is closed', () => {
  it('takes no more leaves, and gives everything that it has', async () => {
    const disk = new SimulatedDisk();
    let journal = openJournal({ memory: disk, projections: [log] });
    let machineLog = new Log(journal, own);
    await machineLog.append(leaves(3));
    await machineLog.append([{ text: 'statement', waiting: { nodeId: '' } }], { closing: machine(2).did });
    for (const projection of [log, { ...log, version: 78 }]) {
      await assert.rejects(machineLog.append(leaves(1, 4)), { code: 'KEY_MISSING', detail: 'succeeded' });
      await assert.rejects(machineLog.append([]), { code: 'KEY_MISSING' });
      assert.equal(machineLog.size, 4);
      assert.deepEqual(machineLog.waitingNodes(), ['']);
      assert.equal((await machineLog.checkpoint()).size, 4);
      assert.equal(machineLog.proof(3, 4).length, 2);
      disk.cutPower();
      journal = openJournal({ memory: disk, projections: [projection] });
      machineLog = new Log(journal, own);
    }
    await machineLog.settled([3]);
    assert.deepEqual(machineLog.waitingNodes(), []);
    disk.dispose();
  });

  it('is not closed by an append that fails', async () => {
    const journal = open();
    const machineLog = new Log(journal, own, { backlogLimit: { count: 0, bytes: 0 } });
    const closing = machine(2).did;
    await assert.rejects(machineLog.append([{ text: 'x', waiting: { nodeId: '' } }], { closing }), {
      code: 'BACKLOG_FULL',
    });
    await machineLog.append(leaves(1));
    assert.equal(machineLog.size, 1);
    await journal.close();
  });
});

describe('tiles that are not what was written', () => {
  const change = (journal: Journal, sql: string, values: (number | Uint8Array)[] = []) =>
    journal.write((_append, door) => door.run(sql, values));

  it('are noticed when the log is opened, at its right edge', async () => {
    for (const sql of [
      'UPDATE log_tiles SET hashes = zeroblob(32 * 4) WHERE row = 296',
      'DELETE FROM log_tiles WHERE row = 296',
      'DELETE FROM log_tiles WHERE row = 256',
      'UPDATE log_tiles SET row = 304 WHERE row = 296',
      'INSERT INTO log_tiles VALUES (304, zeroblob(32))',
      `DELETE FROM log_tiles WHERE row = ${-(2 ** 50)}`,
      "UPDATE log_state SET root = 'ab'",
      'UPDATE log_state SET size = size - 1',
      'UPDATE log_state SET size = size + 1',
      'DELETE FROM log_tiles',
      'DELETE FROM log_state',
    ]) {
      const journal = open();
      await new Log(journal, own).append(leaves(300));
      new Log(journal, own);
      await change(journal, sql);
      assert.throws(() => new Log(journal, own), damaged, sql);
      await journal.close();
    }
  });

  it('are noticed as well where a tile has just been filled', async () => {
    for (const size of [256, 512]) {
      const journal = open();
      await new Log(journal, own).append(leaves(size));
      new Log(journal, own);
      await change(journal, 'INSERT INTO log_tiles VALUES (?, zeroblob(32))', [size]);
      assert.throws(() => new Log(journal, own), damaged);
      await journal.close();
    }
  });

  it('never become a proof', async () => {
    for (const sql of [
      'UPDATE log_tiles SET hashes = zeroblob(256) WHERE row = 8',
      'DELETE FROM log_tiles WHERE row = 8',
      'UPDATE log_tiles SET hashes = hashes || zeroblob(32) WHERE row = 248',
      'UPDATE log_tiles SET hashes = hashes || zeroblob(1) WHERE row = 8',
      'DELETE FROM log_tiles WHERE row < 256 AND row >= 0',
    ]) {
      const journal = open();
      await new Log(journal, own).append(leaves(1000));
      await change(journal, sql);
      const machineLog = new Log(journal, own);
      assert.throws(() => machineLog.proof(100, 1000), damaged);
      assert.equal(machineLog.proof(500, 1000).length, 10, 'others are as good as ever');
      await journal.close();
    }
  });
});
