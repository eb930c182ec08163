import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Leaf, Log, leafHash, log, readCheckpoint, verifyInclusion } from '../../../lib/evidence';
import { openJournal } from '../../../lib/journal';
import { leaves, open, own } from './machine-log';

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
