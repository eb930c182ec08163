import assert from 'node:assert/strict';
import fs, { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import sinon from 'sinon';
import { type Journal, type JournalOptions, openJournal } from '../../lib/journal';
import { accounts, balanceOf, pay, temporaryDirectory } from './ledger-book';

describe('a journal', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let journal: Journal;
  const open = (options: Partial<JournalOptions> = {}) =>
    openJournal({ file: join(directory.path, 'money', 'journal.db'), projections: [accounts], ...options });

  beforeEach(() => {
    directory = temporaryDirectory();
    journal = open();
  });
  afterEach(async () => {
    sinon.restore();
    await journal.close();
    directory.remove();
  });

  it('begins with nothing', () => {
    assert.deepEqual(journal.head, { sequence: 0, hash: '0'.repeat(64) });
    assert.equal(journal.damage, undefined);
  });

  it('numbers events without gaps, derives tables from them, and has all of it after a restart', async () => {
    assert.equal(await pay(journal, 'car', 5n), 1);
    assert.equal(await pay(journal, 'car', 7n), 2);
    const { head } = journal;
    await journal.close();

    journal = open();
    assert.deepEqual(journal.head, head);
    assert.equal(balanceOf(journal, 'car'), '12');
    assert.equal(await pay(journal, 'car'), 3);
  });

  it('keeps its files to their owner', async function () {
    if (process.platform === 'win32') this.skip();
    await pay(journal, 'car');
    const folder = join(directory.path, 'money');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, 'journal.db')).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'journal.db.witness')).mode & 0o777, 0o600);
  });

  it('makes the folders durable that it lies in, up to the first that is not ours', async function () {
    if (process.platform === 'win32') this.skip();
    const synced: string[] = [];
    const original = fs.openSync as (...parameters: unknown[]) => number;
    sinon.stub(fs, 'openSync').callsFake(((path: string, ...rest: unknown[]) => {
      if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory()) synced.push(path);
      return original(path, ...rest);
    }) as never);
    const other = openJournal({ file: join(directory.path, 'machines', 'car', 'journal.db'), projections: [] });
    await other.close();
    for (const path of [join(directory.path, 'machines', 'car'), join(directory.path, 'machines'), directory.path]) {
      assert.ok(synced.includes(path), path);
    }
  });

  it('opens although a killed process has left SQLite’s lock directory', async () => {
    await journal.close();
    mkdirSync(join(directory.path, 'money', 'journal.db.lock'));
    journal = open();
    assert.equal(await pay(journal, 'car'), 1);
    await journal.close();
    assert.deepEqual(readdirSync(join(directory.path, 'money')).sort(), ['journal.db', 'journal.db.witness']);
  });

  it('records the time of its clock, however that jumps', async () => {
    await journal.close();
    const times = [1_700_000_000_000, 0, -5, 1.9, Number.NaN];
    journal = open({ now: () => times.shift() as number });
    for (let n = 0; n < 5; n += 1) await pay(journal, 'car');
    const rows = journal.sql.all('SELECT at FROM journal_event ORDER BY sequence');
    assert.deepEqual(
      rows.map((row) => row.at),
      [1_700_000_000_000, 0, -5, 1, 0],
    );
    await journal.close();
    journal = open();
    assert.equal(journal.damage, undefined);
  });

  describe('group commit', () => {
    it('puts everything that arrives until the commit into one transaction', async () => {
      await journal.close();
      const commits: (() => void)[] = [];
      journal = open({ schedule: (commit) => commits.push(commit) });
      const settled: number[] = [];
      const writes = Array.from({ length: 100 }, () => pay(journal, 'car').then((sequence) => settled.push(sequence)));
      assert.equal(commits.length, 1);
      await new Promise(setImmediate);
      assert.deepEqual(settled, [], 'nobody may hear of it before it is on the disk');
      assert.equal(balanceOf(journal, 'car'), '100', 'but queries see it at once');
      commits[0]?.();
      await Promise.all(writes);
      assert.deepEqual(
        settled,
        Array.from({ length: 100 }, (_, index) => index + 1),
      );

      const next = pay(journal, 'car');
      assert.equal(commits.length, 2);
      commits[1]?.();
      await next;
    });

    it('comes within 5 ms by default', async () => {
      await pay(journal, 'warm-up');
      const started = performance.now();
      let committed = 0;
      const write = pay(journal, 'car').then(() => {
        committed = performance.now() - started;
      });
      await new Promise(setImmediate);
      await write;
      assert.ok(committed < 50, `${committed} ms with the disk's own time`);
    });

    it('undoes a change that throws, and keeps its neighbours', async () => {
      const before = pay(journal, 'car', 1n);
      const failing = journal.write((append, sql) => {
        append('paid', { account: 'car', amount: '100' });
        append('paid', { account: 'bus', amount: '100' });
        sql.run('UPDATE account SET balance = ?', ['7']);
        throw new RangeError('over budget');
      });
      const after = pay(journal, 'car', 2n);
      await assert.rejects(failing, RangeError);
      assert.deepEqual([await before, await after], [1, 2]);
      assert.equal(balanceOf(journal, 'car'), '3');
      assert.equal(balanceOf(journal, 'bus'), undefined);
      await journal.close();
      journal = open();
      assert.equal(journal.damage, undefined);
      assert.equal(journal.head.sequence, 2);
    });

    it('undoes a whole change when a projection fails, even if the change swallows that', async () => {
      await journal.close();
      const picky = {
        ...accounts,
        apply: (event: Parameters<typeof accounts.apply>[0], sql: Parameters<typeof accounts.apply>[1]) => {
          accounts.apply(event, sql);
          if (event.body.amount === '13') throw new Error('unlucky');
        },
      };
      journal = open({ projections: [picky] });
      const swallowed = journal.write((append) => {
        append('paid', { account: 'car', amount: '1' });
        try {
          append('paid', { account: 'car', amount: '13' });
        } catch {}
      });
      await assert.rejects(swallowed, /unlucky/);
      assert.equal(journal.head.sequence, 0);
      assert.equal(balanceOf(journal, 'car'), undefined);
      assert.equal(await pay(journal, 'car'), 1);
    });

    it('lets a constraint fail without harm to anything else', async () => {
      await pay(journal, 'car');
      const twice = journal.write((_, sql) => sql.run("INSERT INTO account VALUES ('car', '1', 1)"));
      await assert.rejects(twice, /UNIQUE/);
      assert.equal(journal.damage, undefined);
      assert.equal(await pay(journal, 'car'), 2);
    });
  });

  describe('refuses', () => {
    it('what JSON would change silently', async () => {
      const bodies: unknown[] = [
        { amount: Number.NaN },
        { amount: Number.POSITIVE_INFINITY },
        { amount: 1n },
        { amount: undefined },
        { at: new Date(0) },
        { list: [() => 1] },
        { map: new Map() },
        [],
        null,
        'text',
        { toJSON: () => ({}) },
      ];
      for (const body of bodies) {
        await assert.rejects(
          journal.write((append) => append('odd', body as never)),
          TypeError,
        );
      }
      assert.equal(journal.head.sequence, 0);
    });

    it('events that are too large or nested too deeply', async () => {
      await assert.rejects(
        journal.write((append) => append('big', { text: 'x'.repeat(2 ** 20) })),
        RangeError,
      );
      let deep: unknown = 1;
      for (let depth = 0; depth < 100; depth += 1) deep = [deep];
      await assert.rejects(
        journal.write((append) => append('deep', { deep } as never)),
        RangeError,
      );
    });

    it('values that SQLite would change silently', async () => {
      for (const value of [1.5, Number.NaN, 2 ** 53, 2n ** 63n, -(2n ** 63n) - 1n, 'a\0b']) {
        await assert.rejects(
          journal.write((_, sql) => sql.run('INSERT INTO account VALUES (?, ?, 0)', ['x', value])),
          RangeError,
        );
      }
      await journal.write((_, sql) => sql.run("INSERT INTO account VALUES ('most', '', ?)", [2n ** 63n - 1n]));
      assert.equal(journal.sql.get("SELECT changes FROM account WHERE name = 'most'")?.changes, 2n ** 63n - 1n);
    });

    it('changes outside of a write, writes inside a write, appends after their write, and async changes', async () => {
      assert.throws(() => journal.sql.run('DELETE FROM account'), /inside a write/);
      await assert.rejects(
        journal.write(() => {
          void journal.write(() => 1).catch(() => {});
          return pay(journal, 'car');
        }),
        TypeError,
      );
      let kept: unknown;
      await journal.write((append) => {
        kept = append;
      });
      assert.throws(() => (kept as (type: string, body: object) => void)('late', {}), /after the end/);
      await assert.rejects(
        journal.write(async (append) => append('later', {})),
        TypeError,
      );
      assert.equal(journal.head.sequence, 0);
    });

    it('to change or remove what is written, whoever asks', async () => {
      await pay(journal, 'car');
      for (const sql of ["UPDATE journal_event SET type = 'x'", 'DELETE FROM journal_event']) {
        await assert.rejects(
          journal.write((_, { run }) => run(sql)),
          /append-only/,
        );
      }
      assert.equal(journal.damage, undefined);
    });

    it('everything after it was closed', async () => {
      const last = pay(journal, 'car');
      await journal.close();
      assert.equal(await last, 1, 'what was open is committed');
      await assert.rejects(pay(journal, 'car'), /closed/);
      await journal.close();
    });
  });

  it('survives any text in an event', async () => {
    const texts = ['\0', 'a\0b', '\ud800', '__proto__', '"', '\\', '\u2028', '🚗', 'x'.repeat(100_000)];
    await journal.write((append) => append('texts', { texts, ['__proto__']: 'x' }));
    const { head } = journal;
    await journal.close();
    journal = open();
    assert.equal(journal.damage, undefined);
    assert.deepEqual(journal.head, head);
    const body = JSON.parse(String(journal.sql.get('SELECT body FROM journal_event')?.body)) as { texts: string[] };
    assert.deepEqual(body.texts, texts);
  });
});
