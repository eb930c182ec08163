import assert from 'node:assert/strict';
import {
  type CommitMoment,
  type Journal,
  openJournal,
  PowerCut,
  SimulatedDisk,
  type SimulatedDiskOptions,
} from '../../lib/journal';
import { accounts, balanceOf, pay } from './ledger-book';

describe('a simulated disk', () => {
  let disk: SimulatedDisk;
  const start = (options: SimulatedDiskOptions = {}) => {
    disk = new SimulatedDisk(options);
    return open();
  };
  const open = (): Journal =>
    openJournal({ memory: disk, projections: [accounts], schedule: queueMicrotask, sealEvery: 16 });
  const settled = async (promise: Promise<unknown>) => {
    let state = 'pending';
    promise.then(
      () => {
        state = 'acknowledged';
      },
      () => {
        state = 'refused';
      },
    );
    for (let turn = 0; turn < 10; turn += 1) await new Promise(setImmediate);
    return state;
  };
  afterEach(() => disk.dispose());

  it('keeps what was acknowledged and loses what was not', async () => {
    let journal = start();
    await pay(journal, 'car', 3n);
    const lost = pay(journal, 'car', 100n);
    disk.cutPower();
    assert.equal(await settled(lost), 'pending', 'a dead process tells nobody');
    journal = open();
    assert.equal(balanceOf(journal, 'car'), '3');
    assert.equal(journal.head.sequence, 1);
  });

  it('leaves a dead journal that can do no harm to the next one', async () => {
    const dead = start();
    await pay(dead, 'car', 3n);
    disk.cutPower();
    const journal = open();
    assert.equal(await settled(pay(dead, 'car', 100n)), 'pending');
    assert.throws(() => dead.sql.all('SELECT 1'), PowerCut);
    await dead.close();
    await pay(journal, 'car', 1n);
    assert.equal(balanceOf(journal, 'car'), '4');
  });

  const outcomes: [CommitMoment, string | undefined][] = [
    ['before-commit', undefined],
    ['after-commit', '7'],
    ['before-acknowledge', '7'],
  ];
  for (const [moment, balance] of outcomes) {
    it(`can lose its power ${moment.replace('-', ' ')}`, async () => {
      let cut = true;
      const asked: CommitMoment[] = [];
      let journal = start({
        cutsPowerAt: (now) => {
          asked.push(now);
          return cut && now === moment;
        },
      });
      assert.equal(await settled(pay(journal, 'car', 7n)), 'pending');
      assert.equal(disk.cuts, 1);
      cut = false;
      journal = open();
      assert.equal(journal.damage, undefined);
      assert.equal(balanceOf(journal, 'car'), balance);
      asked.length = 0;
      await pay(journal, 'car', 1n);
      assert.deepEqual(asked, ['before-commit', 'after-commit', 'before-acknowledge']);
    });
  }

  it('as a mutant acknowledges what it has not got, and loses it in the next crash', async () => {
    let journal = start({ acknowledgesWithoutCommit: { everyGroups: 3 } });
    for (let n = 0; n < 5; n += 1) await pay(journal, 'car');
    assert.equal(balanceOf(journal, 'car'), '5');
    disk.cutPower();
    journal = open();
    assert.equal(journal.damage, undefined);
    assert.equal(balanceOf(journal, 'car'), '3');
  });

  it('crashes and opens again fast enough for simulations', async () => {
    let journal = start();
    for (let n = 0; n < 100; n += 1) await pay(journal, 'car');
    const started = performance.now();
    for (let crash = 0; crash < 200; crash += 1) {
      disk.cutPower();
      journal = open();
    }
    const each = (performance.now() - started) / 200;
    assert.ok(each < 5, `${each} ms each`);
    assert.equal(journal.head.sequence, 100);
  });

  it('does not let two journals share it', () => {
    start();
    assert.throws(open, /neither closed nor crashed/);
  });
});
