import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Journal, openJournal, verifyJournal } from '../../lib/journal';
import { accounts, balanceOf, pay, temporaryDirectory } from './ledger-book';
import { RecordedDisk } from './recorded-disk';

const ROUNDS = Number(process.env.POWER_CUT_ROUNDS ?? 1);
const SEED = Number(process.env.POWER_CUT_SEED ?? 20_251);

describe('a journal whose power is cut', () => {
  it(`has everything it acknowledged, whatever the disk did with the rest (seed ${SEED})`, async () => {
    const directory = temporaryDirectory();
    const folder = join(directory.path, 'live');
    mkdirSync(folder);
    const disk = new RecordedDisk(folder);
    try {
      await live(join(folder, 'journal.db'), (events) => disk.acknowledged(events));
    } finally {
      disk.stop();
    }
    const random = seeded(SEED);
    const target = join(directory.path, 'cut');
    let cuts = 0;
    let acknowledgedAtMost = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { step, events } of disk.cuts(target, random, 40)) {
        cuts += 1;
        acknowledgedAtMost = Math.max(acknowledgedAtMost, events);
        const file = join(target, 'journal.db');
        const where = `round ${round}, step ${step}`;
        const journal = openOrExplain(file, where);
        assert.equal(journal.damage, undefined, where);
        assert.ok(journal.head.sequence >= events, `${where}: ${journal.head.sequence} of ${events} acknowledged`);
        assert.equal(balanceOf(journal, 'car') ?? '0', String(journal.head.sequence));
        await pay(journal, 'car');
        await journal.close();
        if (cuts % 10 === 0) assert.equal(verifyJournal(file, [accounts]).problem, undefined, where);
        rmSync(target, { recursive: true });
      }
    }
    assert.ok(cuts > 100, `${cuts} cuts`);
    assert.ok(acknowledgedAtMost > 30);
    directory.remove();
  }).timeout(120_000);

  function openOrExplain(file: string, where: string): Journal {
    try {
      return openJournal({ file, projections: [accounts] });
    } catch (error) {
      throw new Error(where, { cause: error });
    }
  }

  async function live(file: string, acknowledged: (events: number) => void): Promise<void> {
    let events = 0;
    for (let start = 0; start < 3; start += 1) {
      const journal = openJournal({ file, projections: [accounts], sealEvery: 8 });
      for (let group = 0; group < 6; group += 1) {
        await Promise.all(Array.from({ length: 1 + (group % 3) }, () => pay(journal, 'car')));
        events = journal.head.sequence;
        acknowledged(events);
      }
      if (start === 1) {
        const text = 'x'.repeat(700_000);
        // More than the log may hold: it goes into the database while the journal is open.
        await Promise.all(
          Array.from({ length: 6 }, () =>
            journal.write((append) => append('paid', { account: 'car', amount: '1', text })),
          ),
        );
        acknowledged(journal.head.sequence);
        await pay(journal, 'car');
        acknowledged(journal.head.sequence);
      }
      await journal.close();
    }
  }
});

/** mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
