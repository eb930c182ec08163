import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Journal, openJournal, type Projection, rebuildProjections } from '../../lib/journal';
import { accounts, balanceOf, meddle, pay, temporaryDirectory } from './ledger-book';

describe('projections', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  let journal: Journal;
  const open = (...projections: Projection[]) => {
    journal = openJournal({ file: join(directory.path, 'journal.db'), projections });
    return journal;
  };
  beforeEach(async () => {
    directory = temporaryDirectory();
    open(accounts);
    await Promise.all([pay(journal, 'car', 3n), pay(journal, 'bus', 4n), pay(journal, 'car', 5n)]);
    await journal.close();
  });
  afterEach(async () => {
    await journal.close();
    directory.remove();
  });

  it('that are new get every event there ever was', async () => {
    const log: Projection = {
      name: 'log',
      schema: 'CREATE TABLE IF NOT EXISTS log (sequence INTEGER PRIMARY KEY, type TEXT NOT NULL) STRICT;',
      apply: (event, sql) => sql.run('INSERT INTO log VALUES (?, ?)', [event.sequence, event.type]),
    };
    open(accounts, log);
    assert.equal(journal.sql.all('SELECT * FROM log').length, 3);
    assert.equal(balanceOf(journal, 'car'), '8', 'the others stay as they are');
  });

  it('whose schema has changed are made anew, and only then', async () => {
    let applied = 0;
    const counted: Projection = {
      ...accounts,
      apply: (event, sql) => {
        applied += 1;
        accounts.apply(event, sql);
      },
    };
    open(counted);
    assert.equal(applied, 0);
    await journal.close();
    open({ ...counted, schema: `${accounts.schema} CREATE TABLE IF NOT EXISTS extra (x INTEGER) STRICT;` });
    assert.equal(applied, 3);
    assert.equal(balanceOf(journal, 'car'), '8');
    await journal.close();
    open({ ...counted, version: 2 });
    assert.equal(applied, 6);
    assert.equal(balanceOf(journal, 'car'), '8');
    assert.throws(() => journal.sql.all('SELECT * FROM extra'), /no such table/, 'tables of the old schema are gone');
  });

  it('that are taken away and come back have missed nothing', async () => {
    open();
    await pay(journal, 'car', 100n);
    await journal.close();
    open(accounts);
    assert.equal(balanceOf(journal, 'car'), '108');
  });

  it('can be made anew on demand', async () => {
    const file = join(directory.path, 'journal.db');
    meddle(file, "UPDATE account SET balance = '7'");
    rebuildProjections({ file, projections: [accounts] });
    open(accounts);
    assert.equal(balanceOf(journal, 'car'), '8');
  });

  it('may keep bytes beside the events, which a rebuild leaves alone and which may go while the chain stays whole', async () => {
    const attempts: Projection = {
      name: 'attempts',
      schema: 'CREATE TABLE IF NOT EXISTS attempt (id TEXT PRIMARY KEY, digest TEXT NOT NULL) STRICT;',
      sideTables: 'CREATE TABLE IF NOT EXISTS signed_bytes (digest TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;',
      apply: (event, sql) => {
        if (event.type === 'signed')
          sql.run('INSERT INTO attempt VALUES (?, ?)', [event.body.id as string, event.body.digest as string]);
      },
    };
    open(accounts, attempts);
    const bytes = new Uint8Array(30_000).fill(7);
    const digest = createHash('sha256').update(bytes).digest('hex');
    await journal.write((append, sql) => {
      append('signed', { id: 'a', digest });
      sql.run('INSERT INTO signed_bytes VALUES (?, ?)', [digest, bytes]);
    });
    await journal.close();

    open(accounts, { ...attempts, version: 1 });
    assert.deepEqual(journal.sql.get('SELECT bytes FROM signed_bytes NATURAL JOIN attempt')?.bytes, bytes);
    await journal.write((_, sql) => sql.run('DELETE FROM signed_bytes'));
    await journal.close();
    open(accounts, attempts);
    assert.equal(journal.damage, undefined);
    assert.equal(journal.sql.all('SELECT * FROM attempt').length, 1);
  });
});
