import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isCodedError } from '../../lib/errors';
import { type Journal, openJournal, verifyJournal } from '../../lib/journal';
import { accounts, balanceOf, pay, temporaryDirectory } from './ledger-book';

const ENDINGS = ['', '-wal', '.witness'] as const;

describe('a journal whose files were damaged', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let count = 0;
  /** Files as a killed process leaves them: the newest 6 events are in the log only. */
  let killed: string;
  const open = (file: string) => openJournal({ file, projections: [accounts] });
  const copy = (from: string): string => {
    count += 1;
    const folder = join(directory.path, String(count));
    mkdirSync(folder);
    const to = join(folder, 'journal.db');
    for (const ending of ENDINGS) if (existsSync(from + ending)) copyFileSync(from + ending, to + ending);
    return to;
  };
  const flip = (file: string, at: number) => {
    const bytes = readFileSync(file);
    bytes[at] = (bytes[at] as number) ^ 0x10;
    writeFileSync(file, bytes);
  };
  /** What opening found, and that a journal with damage refuses to be written. */
  const outcomeOf = async (file: string): Promise<{ damage: string; head: number; balance: string | undefined }> => {
    let journal: Journal;
    try {
      journal = open(file);
    } catch (error) {
      // A flipped byte in the format number makes it look newer.
      assert.ok(isCodedError(error, 'JOURNAL_DAMAGED') || isCodedError(error, 'CONFIG_INVALID'), String(error));
      return { damage: error.detail, head: -1, balance: undefined };
    }
    try {
      const { sequence } = journal.head;
      if (journal.damage !== undefined) {
        const refusal = await pay(journal, 'car').then(
          () => undefined,
          (error: unknown) => error,
        );
        assert.ok(isCodedError(refusal, 'JOURNAL_DAMAGED'));
        return { damage: refusal.detail, head: sequence, balance: balanceOf(journal, 'car') };
      }
      return { damage: 'none', head: sequence, balance: balanceOf(journal, 'car') };
    } finally {
      await journal.close();
    }
  };

  before(async () => {
    directory = temporaryDirectory();
    const file = join(directory.path, 'original.db');
    let journal = open(file);
    for (let n = 0; n < 6; n += 1) await pay(journal, 'car');
    await journal.close();
    journal = open(file);
    for (let n = 0; n < 6; n += 1) await pay(journal, 'car');
    killed = copy(file);
    await journal.close();
  });
  after(() => directory.remove());

  it('is sound when nothing was damaged', async () => {
    assert.deepEqual(await outcomeOf(copy(killed)), { damage: 'none', head: 12, balance: '12' });
  });

  it('never forgets an event because of a flipped byte in the log', async () => {
    const length = readFileSync(`${killed}-wal`).length;
    const seen = new Map<string, number>();
    for (let at = 0; at < length; at += 97) {
      const file = copy(killed);
      flip(`${file}-wal`, at);
      const { damage, head, balance } = await outcomeOf(file);
      if (damage === 'none') assert.deepEqual([head, balance], [12, '12'], `byte ${at}`);
      seen.set(damage, (seen.get(damage) ?? 0) + 1);
      rmSync(join(file, '..'), { recursive: true });
    }
    assert.ok((seen.get('witness-ahead') ?? 0) > 100, JSON.stringify([...seen]));
  }).timeout(60_000);

  it('never takes a changed event, nor loses one, because of a flipped byte in the database', async () => {
    const length = readFileSync(killed).length;
    const whole = JSON.stringify(eventsIn(killed));
    let noticed = 0;
    for (let at = 0; at < length; at += 61) {
      const file = copy(killed);
      flip(file, at);
      const { damage, head } = await outcomeOf(file);
      if (damage === 'none') {
        assert.equal(head, 12, `byte ${at}`);
        assert.equal(JSON.stringify(eventsIn(file)), whole, `byte ${at}`);
      } else noticed += 1;
      rmSync(join(file, '..'), { recursive: true });
    }
    assert.ok(noticed > 5, `${noticed} noticed`);
  }).timeout(60_000);

  it('is known to have lost events when its log was truncated or removed', async () => {
    const length = readFileSync(`${killed}-wal`).length;
    for (const left of [length - 30_000, Math.floor(length / 2), 40, 32, 1, 0]) {
      const file = copy(killed);
      truncateSync(`${file}-wal`, left);
      const { damage, head } = await outcomeOf(file);
      assert.equal(damage, 'witness-ahead', `${left} bytes left`);
      assert.ok(head < 12);
    }
    const file = copy(killed);
    rmSync(`${file}-wal`);
    assert.deepEqual(await outcomeOf(file), { damage: 'witness-ahead', head: 6, balance: '6' });
  });

  it('stays as it was found: nothing of the evidence is written, however often it is opened', async () => {
    const file = copy(killed);
    flip(`${file}-wal`, 5000);
    const before = ENDINGS.map((ending) => readFileSync(file + ending));
    for (let n = 0; n < 2; n += 1) {
      assert.equal((await outcomeOf(file)).damage, 'witness-ahead');
      assert.equal(verifyJournal(file).problem?.kind, 'witness-ahead');
    }
    assert.deepEqual(
      ENDINGS.map((ending) => readFileSync(file + ending)),
      before,
    );
  });

  it('loses no protection by one flipped byte of the witness, and is not fooled by two', async () => {
    const slots = [20, 4096 + 20];
    for (const at of slots) {
      const file = copy(killed);
      flip(`${file}.witness`, at);
      assert.deepEqual(await outcomeOf(file), { damage: 'none', head: 12, balance: '12' });
      const forgetful = copy(killed);
      flip(`${forgetful}.witness`, at);
      rmSync(`${forgetful}-wal`);
      assert.equal((await outcomeOf(forgetful)).damage, 'witness-ahead', 'the other slot remembers');
    }
    const file = copy(killed);
    for (const at of slots) flip(`${file}.witness`, at);
    assert.equal((await outcomeOf(file)).damage, 'witness-unreadable');
  });

  it('is not believed without its witness, with an empty one, or with that of another journal', async () => {
    const without = copy(killed);
    rmSync(`${without}.witness`);
    assert.equal((await outcomeOf(without)).damage, 'witness-missing');
    const empty = copy(killed);
    writeFileSync(`${empty}.witness`, '');
    assert.equal((await outcomeOf(empty)).damage, 'witness-unreadable');

    const other = join(directory.path, 'other.db');
    const journal = open(other);
    for (let n = 0; n < 3; n += 1) await pay(journal, 'bus');
    await journal.close();
    const exchanged = copy(killed);
    copyFileSync(`${other}.witness`, `${exchanged}.witness`);
    assert.equal((await outcomeOf(exchanged)).damage, 'witness-contradicts');
  });

  it('is not believed when an older database was put in its place, or none', async () => {
    const older = join(directory.path, 'older.db');
    const journal = open(older);
    await pay(journal, 'car');
    await journal.close();
    const replaced = copy(killed);
    rmSync(`${replaced}-wal`);
    copyFileSync(older, replaced);
    assert.equal((await outcomeOf(replaced)).damage, 'witness-ahead');
    for (const content of [undefined, '', 'not a database', Buffer.alloc(20_000)]) {
      const file = copy(killed);
      rmSync(`${file}-wal`);
      rmSync(file);
      if (content !== undefined) writeFileSync(file, content);
      assert.match((await outcomeOf(file)).damage, /witness-ahead|unreadable/);
    }
  });

  it('may be ahead of its witness by what was committed when the process was killed', async () => {
    const file = copy(killed);
    const witness = readFileSync(`${file}.witness`);
    const journal = open(file);
    await pay(journal, 'car');
    const ahead = copy(file);
    await journal.close();
    writeFileSync(`${ahead}.witness`, witness);
    assert.deepEqual(await outcomeOf(ahead), { damage: 'none', head: 13, balance: '13' });
  });

  it('written by a later version is left alone', async () => {
    const file = join(directory.path, 'later.db');
    const journal = open(file);
    await journal.write((_, sql) => sql.all('PRAGMA user_version = 99'));
    await journal.close();
    assert.throws(() => open(file), { code: 'CONFIG_INVALID', detail: 'journal-newer' });
  });

  function eventsIn(file: string): unknown {
    const journal = open(copy(file));
    try {
      return journal.sql.all('SELECT sequence, at, type, body FROM journal_event ORDER BY sequence');
    } finally {
      void journal.close();
    }
  }
});
