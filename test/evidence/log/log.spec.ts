import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import {
  type Leaf,
  Log,
  leafHash,
  log,
  readCheckpoint,
  verifyConsistency,
  verifyInclusion,
  writeCheckpoint,
} from '../../../lib/evidence';
import { type Journal, openJournal, SimulatedDisk } from '../../../lib/journal';
import { machine } from './machine';
import { ReferenceTree } from './reference-tree';

const own = machine();
const open = () => openJournal({ memory: true, projections: [log] });
const leaves = (count: number, first = 0): Leaf[] =>
  Array.from({ length: count }, (_, n) => ({ text: `{"reading":${first + n}}` }));
const bytesOf = (added: readonly Leaf[]) => added.map(({ text }) => Buffer.from(text));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function assertSameTree(log: Log, tree: ReferenceTree): void {
  assert.equal(log.size, tree.size);
  assert.equal(hex(log.rootAt(log.size)), hex(tree.root()), `${log.size} leaves`);
}

const damaged = (error: unknown) => isCodedError(error, 'JOURNAL_DAMAGED') && error.detail === 'log';

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

/** Documents that node `nodeId` waits for. */
const awaited = (count: number, nodeId: string, first = 0): Leaf[] =>
  leaves(count, first).map((leaf) => ({ ...leaf, waiting: { nodeId } }));

describe('the backlog of the log', () => {
  const everything = { after: -1, below: Number.MAX_SAFE_INTEGER, limit: 100_000 };
  const sequences = (machineLog: Log, nodeId: string, query = {}) =>
    machineLog.waiting({ nodeId, ...everything, ...query }).map(({ sequence }) => sequence);

  it('gives each node its documents, in their order, as they left', async () => {
    let now = 1000;
    const journal = openJournal({ memory: true, projections: [log], now: () => now });
    const machineLog = new Log(journal, own);
    await machineLog.append([
      { text: '{"a":1}', waiting: { nodeId: 'a', topic: 'line/1', messageId: 'm1' } },
      { text: '{"a":2}' },
      { text: 'eyJ.b.c', waiting: { nodeId: 'b', payload: '{"ciphertext":"ü"}' } },
    ]);
    now = 2000;
    await machineLog.append([{ text: '{"a":4}', waiting: { nodeId: 'a' } }]);
    for (const view of [machineLog, new Log(journal, own)]) {
      assert.deepEqual(view.waitingNodes(), ['a', 'b']);
      assert.deepEqual(view.waiting({ nodeId: 'a', ...everything }), [
        {
          sequence: 0,
          payload: '{"a":1}',
          leaf: '{"a":1}',
          origin: { nodeId: 'a', topic: 'line/1', messageId: 'm1' },
          at: 1000,
        },
        { sequence: 3, payload: '{"a":4}', leaf: '{"a":4}', origin: { nodeId: 'a' }, at: 2000 },
      ]);
      assert.deepEqual(view.waiting({ nodeId: 'b', ...everything }), [
        {
          sequence: 2,
          payload: '{"ciphertext":"ü"}',
          leaf: 'eyJ.b.c',
          origin: { nodeId: 'b', payload: '{"ciphertext":"ü"}' },
          at: 1000,
        },
      ]);
      assert.deepEqual(sequences(view, 'a', { after: 0 }), [3]);
      assert.deepEqual(sequences(view, 'a', { below: 3 }), [0]);
      assert.deepEqual(sequences(view, 'a', { below: 4 }), [0, 3]);
      assert.deepEqual(sequences(view, 'a', { limit: 1 }), [0]);
      assert.deepEqual(sequences(view, 'c'), []);
      assert.equal(view.backlog().oldestAt, 1000);
      assert.deepEqual(view.backlogFrom(0), { count: 3, oldestAt: 1000 });
      assert.deepEqual(view.backlogFrom(3), { count: 1, oldestAt: 2000 });
      assert.deepEqual(view.backlogFrom(4), { count: 0, oldestAt: null });
    }
    await journal.close();
  });

  it('keeps what a flow calls its topics, even what no database takes', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary' }),
        fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('\0', '\ud800', 'a\0b"\\')),
        async (nodeId, odd) => {
          const sequence = machineLog.size;
          const origin = { nodeId: `${nodeId}${odd}`, topic: odd, messageId: odd };
          await machineLog.append([{ text: '{}', waiting: origin }]);
          assert.ok(machineLog.waitingNodes().includes(origin.nodeId));
          const found = machineLog.waiting({ ...everything, nodeId: origin.nodeId, after: sequence - 1 });
          assert.deepEqual(
            found.map(({ origin }) => origin),
            [origin],
          );
        },
      ),
      { numRuns: 200 },
    );
    await journal.close();
  });

  it('counts what is there, whatever comes and goes', async () => {
    const nodes = ['a', 'b', 'c'] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.oneof(
            fc.record({ grow: fc.integer({ min: 1, max: 1500 }), node: fc.constantFrom(...nodes, undefined) }),
            fc.record({ settle: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 60 }) }),
          ),
          { maxLength: 12 },
        ),
        async (steps) => {
          const journal = open();
          const machineLog = new Log(journal, own);
          const waiting = new Map<number, { node: string; bytes: number }>();
          for (const step of steps) {
            if ('grow' in step) {
              const first = machineLog.size;
              const added = step.node === undefined ? leaves(step.grow, first) : awaited(step.grow, step.node, first);
              await machineLog.append(added);
              if (step.node !== undefined)
                for (const [n, { text }] of added.entries())
                  waiting.set(first + n, { node: step.node, bytes: text.length + '{}'.length });
            } else {
              const settled = step.settle.map((part) => Math.floor(part * (machineLog.size + 1)));
              await machineLog.settled(settled);
              for (const sequence of settled) waiting.delete(sequence);
            }
            for (const view of [machineLog, new Log(journal, own)]) {
              const { count, bytes } = view.backlog();
              assert.equal(count, waiting.size);
              assert.equal(
                bytes,
                [...waiting.values()].reduce((sum, { bytes }) => sum + bytes, 0),
              );
              for (const from of [0, 1, 1023, 1024, 1025, Math.floor(view.size / 2), view.size])
                assert.equal(view.backlogFrom(from).count, [...waiting.keys()].filter((n) => n >= from).length);
              assert.deepEqual(view.waitingNodes(), [...new Set([...waiting.values()].map(({ node }) => node))].sort());
              for (const node of nodes) {
                const expected = [...waiting].filter(([, entry]) => entry.node === node).map(([n]) => n);
                assert.deepEqual(sequences(view, node), expected);
              }
            }
          }
          await journal.close();
        },
      ),
      { numRuns: 40 },
    );
  }).timeout(60_000);

  it('refuses what it has no room for, before anything is written', async () => {
    const journal = open();
    const backlogLimit = { count: 5, bytes: 1000 };
    const machineLog = new Log(journal, own, { backlogLimit });
    await machineLog.append(awaited(3, 'a'));
    const { head } = journal;
    const refused = { code: 'BACKLOG_FULL', parameters: { count: 3, bytes: machineLog.backlog().bytes } };
    await assert.rejects(machineLog.append(awaited(3, 'a', 3)), refused);
    await assert.rejects(machineLog.append([{ text: 'x'.repeat(960), waiting: { nodeId: 'a' } }]), refused);
    await assert.rejects(
      machineLog.append([{ text: 'x', waiting: { nodeId: 'a', payload: 'ü'.repeat(480) } }]),
      refused,
    );
    await assert.rejects(machineLog.append([{ text: 'x', waiting: { nodeId: 'a', topic: 'x'.repeat(950) } }]), refused);
    assert.deepEqual(journal.head, head);
    assert.equal(machineLog.size, 3);
    // Up to the limit, and without anybody waiting always.
    await machineLog.append(awaited(2, 'a', 3));
    await assert.rejects(machineLog.append(awaited(1, 'a', 5)), { code: 'BACKLOG_FULL' });
    await machineLog.append(leaves(10, 5));
    await machineLog.append([{ text: 'x'.repeat(2000) }]);
    await machineLog.settled([0]);
    await machineLog.append(awaited(1, 'a', 16));
    await assert.rejects(machineLog.append(awaited(1, 'a', 17)), { code: 'BACKLOG_FULL' });
    assert.equal(new Log(journal, own, { backlogLimit }).backlog().count, 5);
    await journal.close();
  });

  it('forgets a settled document once, however often it is told', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(awaited(10, 'a'));
    await Promise.all([machineLog.settled([1, 2, 2]), machineLog.settled([2, 3]), machineLog.settled([77, 3])]);
    assert.deepEqual(sequences(machineLog, 'a'), [0, 4, 5, 6, 7, 8, 9]);
    assert.equal(machineLog.backlog().count, 7);
    await machineLog.settled([]);
    await machineLog.settled(Array.from({ length: 10 }, (_, n) => n));
    assert.deepEqual(machineLog.backlog(), { count: 0, bytes: 0, oldestAt: null });
    assert.deepEqual(machineLog.waitingNodes(), []);
    await journal.close();
  });

  it('hands large documents out in small pages', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    const text = 'x'.repeat(200 * 1024);
    for (let n = 0; n < 4; n += 1) await machineLog.append([{ text, waiting: { nodeId: 'a' } }]);
    await machineLog.append([{ text: 'x'.repeat(1024 * 1024), waiting: { nodeId: 'a' } }]);
    assert.deepEqual(sequences(machineLog, 'a'), [0, 1]);
    assert.deepEqual(sequences(machineLog, 'a', { after: 1 }), [2, 3]);
    assert.deepEqual(sequences(machineLog, 'a', { after: 3 }), [4]);
    assert.deepEqual(sequences(machineLog, 'a', { after: 4 }), []);
    await journal.close();
  });

  it('proves with what it keeps: the leaf of a waiting document is the one in the tree', async () => {
    const journal = open();
    const machineLog = new Log(journal, own);
    await machineLog.append(leaves(500).map(({ text }) => ({ text: `${text}äöü€😀`, waiting: { nodeId: 'a' } })));
    const { root, size } = readCheckpoint((await machineLog.checkpoint()).text);
    for (const { leaf, sequence } of machineLog.waiting({ nodeId: 'a', ...everything })) {
      const hashes = machineLog.proof(sequence, size);
      assert.ok(verifyInclusion({ leafHash: leafHash(Buffer.from(leaf)), index: sequence, size, hashes, root }));
    }
    await journal.close();
  });
});
