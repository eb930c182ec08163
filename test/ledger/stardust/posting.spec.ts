import assert from 'node:assert/strict';
import { type BlockMetadata, type OutputMetadata, outputIdAt } from '../../../lib/ledger/stardust/node-api';
import { Posting } from '../../../lib/ledger/stardust/posting';
import { PaperLedger } from './paper-ledger';

const id = (byte: string) => `0x${byte.repeat(32)}`;
const ours = id('aa');
const theirs = id('bb');
const inputs = [outputIdAt(id('01'), 0), outputIdAt(id('02'), 0)] as const;
const sealed = { transactionId: ours, bytes: Buffer.from('{}') };
const mark = (index: number) => ({ index, time: index * 1000 });
const unspent: OutputMetadata = { booked: mark(1) };
const spent = (by: string): OutputMetadata => ({ booked: mark(1), spent: { by, at: mark(9) } });
const block = (more: Partial<BlockMetadata> = {}): BlockMetadata => ({
  referencedBy: undefined,
  inclusion: undefined,
  conflict: undefined,
  lost: false,
  ...more,
});

/** A node as a table: what it says of outputs and of blocks. */
function node(outputs: Record<string, OutputMetadata> = {}) {
  const paper = new PaperLedger();
  for (let i = 0; i < 10; i += 1) paper.issue({ creates: [], consumes: [] });
  const blocks = new Map<string, BlockMetadata>();
  let posted = 0;
  const api = {
    outputMetadata: async (outputId: string) => outputs[outputId],
    blockMetadata: async (blockId: string) => blocks.get(blockId),
  };
  const sdk = {
    transactionId: () => ours,
    post: async () => {
      posted += 1;
      blocks.set(`block ${posted}`, block());
      return `block ${posted}`;
    },
  };
  return { paper, blocks, outputs, posting: new Posting(api, paper, sdk, 'node'), posts: () => posted };
}

describe('the outcome of a transaction', () => {
  const ask = (outputs: Record<string, OutputMetadata>) =>
    node(outputs).posting.outcome({ transactionId: ours, inputs });

  it('is final where the node has its first output', async () => {
    const outcome = await ask({ [outputIdAt(ours, 0)]: { booked: mark(4) }, [inputs[0]]: spent(ours) });
    assert.deepEqual(outcome, { state: 'final', height: 4, confirmedAt: 4000, node: 'node' });
  });

  it('is final where its input was spent by itself, even if its outputs are gone', async () => {
    assert.deepEqual(await ask({ [inputs[1]]: spent(ours) }), {
      state: 'final',
      height: 9,
      confirmedAt: 9000,
      node: 'node',
    });
  });

  it('is dead where any input was spent by another, which is named', async () => {
    assert.deepEqual(await ask({ [inputs[0]]: unspent, [inputs[1]]: spent(theirs) }), {
      state: 'dead',
      height: 9,
      conflictingId: theirs,
      reason: 'input already spent',
      node: 'node',
    });
  });

  it('is unknown where the node knows nothing: absence proves nothing', async () => {
    assert.deepEqual(await ask({}), { state: 'unknown', height: 10, node: 'node' });
    assert.deepEqual(await ask({ [inputs[0]]: unspent, [inputs[1]]: unspent }), {
      state: 'unknown',
      height: 10,
      node: 'node',
    });
  });

  it('is pending while a block of ours waits for its milestone, and unknown once that is lost', async () => {
    const { posting, blocks } = node();
    await posting.submit(sealed);
    const state = async () => (await posting.outcome({ transactionId: ours, inputs })).state;
    assert.equal(await state(), 'pending');
    blocks.set('block 1', block({ lost: true }));
    assert.equal(await state(), 'unknown');
    blocks.delete('block 1');
    assert.equal(await state(), 'unknown');
  });

  // HORNET's numbers. Dead are only those that follow from the transaction alone.
  const conflicts: readonly [number, string, 'dead' | 'open'][] = [
    [1, 'input already spent', 'open'],
    [2, 'input spent in the same milestone', 'open'],
    [3, 'input not found', 'open'],
    [4, 'inputs and outputs are not equal', 'dead'],
    [5, 'invalid signature', 'dead'],
    [6, 'time lock not over', 'open'],
    [7, 'invalid native tokens', 'dead'],
    [8, 'storage deposit not returned', 'open'],
    [9, 'invalid unlock', 'open'],
    [10, 'inputs commitment does not match', 'dead'],
    [11, 'sender not unlocked', 'open'],
    [12, 'invalid chain transition', 'open'],
    [255, 'invalid', 'open'],
    [99, 'a reason that nobody knows', 'open'],
  ];
  for (const [conflict, reason, verdict] of conflicts) {
    const forEver = verdict === 'dead';
    it(`of a block refused for "${reason}" is ${forEver ? 'dead' : 'open: a later block may succeed'}`, async () => {
      const { posting, blocks } = node({ [inputs[0]]: unspent });
      await posting.submit(sealed);
      blocks.set('block 1', block({ inclusion: 'conflicting', conflict, referencedBy: 8 }));
      const outcome = await posting.outcome({ transactionId: ours, inputs });
      assert.deepEqual(
        outcome,
        forEver
          ? { state: 'dead', height: 8, conflictingId: null, reason, node: 'node' }
          : { state: 'unknown', height: 10, node: 'node' },
      );
    });
  }

  it('is final although a later block of the same transaction was refused', async () => {
    const { posting, blocks, outputs } = node();
    await posting.submit(sealed);
    blocks.set('block 1', block({ inclusion: 'conflicting', conflict: 1, referencedBy: 9 }));
    outputs[outputIdAt(ours, 0)] = { booked: mark(7) };
    assert.equal((await posting.outcome({ transactionId: ours, inputs })).state, 'final');
  });
});

describe('a transaction that is submitted again', () => {
  it('waits for the block that is on its way', async () => {
    const { posting, posts } = node();
    for (let i = 0; i < 3; i += 1) await posting.submit(sealed);
    assert.equal(posts(), 1);
  });

  it('gets a new block when the node has lost the one before, or will not reference it, or refused it', async () => {
    for (const fate of [undefined, block({ lost: true }), block({ inclusion: 'conflicting', conflict: 3 })]) {
      const { posting, blocks, posts } = node();
      await posting.submit(sealed);
      if (fate) blocks.set('block 1', fate);
      else blocks.delete('block 1');
      await posting.submit(sealed);
      assert.equal(posts(), 2);
    }
  });

  it('gets a new block when milestone after milestone passes the old one by', async () => {
    const { posting, paper, posts } = node();
    await posting.submit(sealed);
    for (let i = 0; i < 5; i += 1) {
      await posting.submit(sealed);
      assert.equal(posts(), 1, `after ${i} milestones`);
      paper.issue({ creates: [], consumes: [] });
    }
    await posting.submit(sealed);
    assert.equal(posts(), 2);
  });

  it('gets none when one of its blocks is in the ledger', async () => {
    const { posting, blocks, posts } = node();
    await posting.submit(sealed);
    blocks.set('block 1', block({ inclusion: 'included', referencedBy: 10 }));
    await posting.submit(sealed);
    assert.equal(posts(), 1);
  });
});
