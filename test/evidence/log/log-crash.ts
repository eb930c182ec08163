import assert from 'node:assert/strict';
import { type Leaf, Log, log, readCheckpoint } from '../../../lib/evidence';
import { type CommitMoment, type Journal, openJournal, SimulatedDisk, type Sql } from '../../../lib/journal';
import { machine } from './machine';
import { ReferenceTree, rootByPath, rootsByProof } from './reference-tree';

/** What a wrong log or a wrong journal would do; each must be noticed. */
export type Mutant =
  | 'acknowledges without committing'
  | 'acknowledges before the commit'
  | 'tiles outside the transaction'
  | 'tiles before the transaction'
  | 'event outside the transaction'
  | 'backlog outside the transaction';

export interface WorldResult {
  readonly crashes: number;
  readonly checkpoints: number;
  readonly leaves: number;
}

const own = machine();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const MOMENTS: readonly CommitMoment[] = ['before-commit', 'after-commit', 'before-acknowledge'];

/** An operation that has begun and is not acknowledged. */
interface Pending {
  readonly leaves?: readonly Leaf[];
  readonly settled?: readonly number[];
  readonly done: Promise<unknown>;
}

/**
 * A log that lives through crashes, and somebody outside who remembers everything that was ever acknowledged or handed
 * out: no size has two roots, nothing acknowledged is missing, every checkpoint continues every earlier one.
 */
export async function liveThroughCrashes(seed: number, lives: number, mutant?: Mutant): Promise<WorldResult> {
  const random = seeded(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  let cutAt: CommitMoment | undefined;
  const disk = new SimulatedDisk({
    cutsPowerAt: (moment) => moment === cutAt,
    ...(mutant === 'acknowledges without committing' && { acknowledgesWithoutCommit: { everyGroups: 3 } }),
  });
  // What the world outside knows.
  const tree = new ReferenceTree();
  const texts: string[] = [];
  const roots = new Map<number, string>();
  const checkpoints: { size: number; text: string; root: Uint8Array }[] = [];
  const waiting = new Set<number>();
  let pending: Pending | undefined;
  let failure: unknown;
  const failed = (error: unknown) => {
    failure = error;
  };
  let result: WorldResult = { crashes: 0, checkpoints: 0, leaves: 0 };

  const learn = (size: number, root: Uint8Array): void => {
    const before = roots.get(size);
    if (before !== undefined) assert.equal(hex(root), before, `two histories of size ${size}`);
    roots.set(size, hex(root));
  };
  const acknowledged = (leaves: readonly Leaf[]): void => {
    for (const leaf of leaves) {
      if (leaf.waiting) waiting.add(texts.length);
      texts.push(leaf.text);
    }
    tree.add(leaves.map(({ text }) => Buffer.from(text)));
    learn(tree.size, tree.root());
  };

  for (let life = 0; life < lives; life += 1) {
    const commits: (() => void)[] = [];
    const journal = openJournal({
      memory: disk,
      projections: [log],
      schedule: (commit) => commits.push(commit),
      sealEvery: 16,
    });
    const { damage } = journal;
    assert.equal(damage, undefined);
    const machineLog = new Log(mutated(journal, mutant), own);

    // What was on its way when the power went has happened or has not.
    if (pending?.leaves && machineLog.size === texts.length + pending.leaves.length) acknowledged(pending.leaves);
    assert.equal(machineLog.size, texts.length, 'acknowledged leaves are missing, or others are there');
    assert.equal(hex(machineLog.rootAt(machineLog.size)), hex(tree.root()));
    for (const sequence of pending?.settled ?? []) if (!isWaiting(machineLog, sequence)) waiting.delete(sequence);
    pending = undefined;
    assertBacklog(machineLog, waiting, texts);
    const last = checkpoints.at(-1);
    assert.ok((machineLog.lastCheckpoint()?.size ?? -1) >= (last?.size ?? -1), 'a checkpoint is forgotten');

    const steps = 1 + below(12);
    for (let step = 0; step < steps; step += 1) {
      const lastStep = step === steps - 1;
      // The power goes at any moment of a commit of the last step, before it, or after the step.
      const crash = lastStep ? below(MOMENTS.length + 2) : -1;
      const crashingCommit = below(2);
      pending = begin(machineLog, checkpoints[below(checkpoints.length)]);
      let acknowledges = false;
      pending.done.then(() => {
        acknowledges = true;
      }, failed);
      await nextTurn();
      for (let commit = 0; !acknowledges && disk.cuts === life; commit += 1) {
        assert.equal(failure, undefined);
        if (commit === crashingCommit && crash === MOMENTS.length) disk.cutPower();
        if (commit === crashingCommit) cutAt = MOMENTS[crash];
        for (const run of commits.splice(0)) run();
        cutAt = undefined;
        await nextTurn();
      }
      if (!acknowledges) break;
      const done = await pending.done;
      const { leaves, settled } = pending;
      pending = undefined;
      if (leaves) acknowledged(leaves);
      for (const sequence of settled ?? []) waiting.delete(sequence);
      if (isCheckpoint(done)) handedOut(machineLog, done);
      if (lastStep) disk.cutPower();
    }
    if (disk.cuts === life) disk.cutPower();
    result = { crashes: disk.cuts, checkpoints: checkpoints.length, leaves: texts.length };
  }
  disk.dispose();
  return result;

  function begin(machineLog: Log, checkpoint: { size: number; text: string } | undefined): Pending {
    const choice = random();
    if (choice < 0.25) return { done: machineLog.checkpoint() };
    if (choice < 0.35 && checkpoint) {
      const { size, text } = checkpoint;
      return {
        done: machineLog.anchored('net', { size, text, tag: 't', transactionId: 'x', height: 1, confirmedAt: 1 }),
      };
    }
    if (choice < 0.5 && waiting.size > 0) {
      const settled = [...waiting].filter(() => random() < 0.3);
      return { settled, done: machineLog.settled(settled) };
    }
    const count = random() < 0.05 ? 200 + below(200) : 1 + below(9);
    // Another life would sign something else in the same place.
    const leaves = Array.from({ length: count }, () => {
      const text = `{"v":${below(1e9)}}`;
      return random() < 0.3 ? { text, waiting: { nodeId: 'node' } } : { text };
    });
    return { leaves, done: machineLog.append(leaves) };
  }

  function handedOut(machineLog: Log, { size, text }: { size: number; text: string }): void {
    const { root } = readCheckpoint(text);
    learn(size, root);
    assert.equal(hex(root), hex(tree.root(size)), 'a checkpoint of something else');
    for (const earlier of checkpoints) {
      if (earlier.size === size) assert.equal(text, earlier.text, `two texts of size ${size}`);
    }
    for (let n = 0; n < 3 && checkpoints.length > 0; n += 1) {
      const earlier = checkpoints[below(checkpoints.length)];
      if (!earlier || earlier.size === 0 || earlier.size > size) continue;
      const proof = rootsByProof(earlier.root, earlier.size, size, machineLog.consistency(earlier.size, size));
      assert.equal(hex(proof?.before ?? new Uint8Array()), hex(earlier.root));
      assert.equal(hex(proof?.after ?? new Uint8Array()), hex(root), `${size} does not continue ${earlier.size}`);
      assert.equal(machineLog.checkpointOf(earlier.size), earlier.text);
    }
    for (let n = 0; n < 3 && size > 0; n += 1) {
      const index = below(size);
      const leaf = tree.mth(index, index + 1);
      assert.equal(hex(rootByPath(leaf, index, size, machineLog.proof(index, size)) ?? new Uint8Array()), hex(root));
    }
    checkpoints.push({ size, text, root });
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isCheckpoint(value: unknown): value is { size: number; text: string } {
  return typeof value === 'object' && value !== null && 'text' in value;
}

function isWaiting(machineLog: Log, sequence: number): boolean {
  const query = { nodeId: 'node', after: sequence - 1, below: sequence + 1, limit: 1 };
  return machineLog.waiting(query).length === 1;
}

function assertBacklog(machineLog: Log, waiting: ReadonlySet<number>, texts: readonly string[]): void {
  const found = machineLog.waiting({ nodeId: 'node', after: -1, below: texts.length, limit: 100_000 });
  assert.deepEqual(
    found.map(({ sequence }) => sequence),
    [...waiting].sort((a, b) => a - b),
    'who waits for evidence',
  );
  for (const { sequence, leaf } of found) assert.equal(leaf, texts[sequence]);
  assert.equal(machineLog.backlog().count, waiting.size);
}

/** The journal as a wrong log would use it. */
function mutated(journal: Journal, mutant: Mutant | undefined): Journal {
  if (mutant === undefined || mutant === 'acknowledges without committing') return journal;
  const write: Journal['write'] = (change) => {
    if (mutant === 'acknowledges before the commit') {
      let result: unknown;
      void journal.write((append, sql) => {
        result = change(append, sql);
      });
      return Promise.resolve(result) as Promise<never>;
    }
    // What goes into a transaction of its own, and when.
    const apart: [string, Parameters<Sql['run']>[1]][] = [];
    const table = mutant === 'backlog outside the transaction' ? 'log_backlog' : 'log_tiles';
    const door = (sql: Sql): Sql => ({
      ...sql,
      get: (text, values) => sql.get(text, values),
      all: (text, values) => sql.all(text, values),
      run: (text, values) => {
        if (mutant !== 'event outside the transaction' && text.includes(table)) apart.push([text, values]);
        else sql.run(text, values);
      },
    });
    const runApart = (): Promise<void> =>
      journal.write((_append, sql) => {
        for (const [text, values] of apart) sql.run(text, values);
      });
    if (mutant === 'event outside the transaction') {
      const events: Parameters<Parameters<typeof change>[0]>[] = [];
      return journal
        .write((_append, sql) =>
          change((type, body) => {
            events.push([type, body]);
            return { sequence: 0, at: 1, type, body };
          }, sql),
        )
        .then(async (result) => {
          await journal.write((append) => {
            for (const [type, body] of events) append(type, body);
          });
          return result;
        });
    }
    if (mutant === 'tiles before the transaction') {
      // Looks what it would write, and writes that first.
      const trial = journal.write((append, sql) => {
        change(append, door(sql));
        throw new Error('trial');
      });
      return trial.catch(() => runApart()).then(() => journal.write((append, sql) => change(append, door(sql))));
    }
    return journal
      .write((append, sql) => change(append, door(sql)))
      .then(async (result) => {
        if (apart.length > 0) await runApart();
        return result;
      });
  };
  return Object.create(journal, { write: { value: write }, sql: { get: () => journal.sql } }) as Journal;
}

/** mulberry32 */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
