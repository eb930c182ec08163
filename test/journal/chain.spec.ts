import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Database } from 'node-sqlite3-wasm';
import { openJournal, SimulatedDisk, verifyJournal } from '../../lib/journal';
import { eventHash } from '../../lib/journal/chain';
import { Damage, verifyAll, verifyTail } from '../../lib/journal/verification';
import { accounts, meddle, pay, temporaryDirectory } from './ledger-book';

const u64 = (n: number | bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(n));
  return bytes;
};
const withLength = (text: string) => {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const sha256 = (...parts: Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();

describe('the hash chain', () => {
  it('is what its definition says: an independent verifier gets the same hashes and seals', async () => {
    const disk = new SimulatedDisk();
    const journal = openJournal({ memory: disk, projections: [accounts], sealEvery: 4, now: () => -1 });
    for (let n = 0; n < 10; n += 1) await pay(journal, `Brücke ${n}`);

    let previous: Uint8Array = Buffer.alloc(32);
    const heads: Uint8Array[] = [];
    for (const row of journal.sql.all('SELECT * FROM journal_event ORDER BY sequence')) {
      previous = sha256(
        Buffer.from('machine-economy/journal/event/1\0'),
        previous,
        u64(row.sequence as number),
        u64(row.at as number),
        withLength(row.type as string),
        withLength(row.body as string),
      );
      assert.deepEqual(Buffer.from(row.hash as Uint8Array), previous);
      heads.push(previous);
    }
    assert.equal(journal.head.hash, Buffer.from(previous).toString('hex'));

    let seal: Uint8Array = Buffer.alloc(32);
    const seals = journal.sql.all('SELECT * FROM journal_seal ORDER BY segment');
    assert.deepEqual(
      seals.map(({ segment, first, last }) => [segment, first, last]),
      [
        [1, 1, 4],
        [2, 5, 8],
      ],
    );
    for (const row of seals) {
      const head = heads[(row.last as number) - 1] as Uint8Array;
      seal = sha256(
        Buffer.from('machine-economy/journal/seal/1\0'),
        seal,
        u64(row.segment as number),
        u64(row.first as number),
        u64(row.last as number),
        head,
      );
      assert.deepEqual(Buffer.from(row.hash as Uint8Array), seal);
    }
    await journal.close();
    disk.dispose();
  });

  it('gives different hashes to different events: nothing can move between type and body', () => {
    const text = fc.string({ unit: 'binary' });
    const event = fc.record({ sequence: fc.nat(), at: fc.maxSafeInteger(), type: text, body: text });
    fc.assert(
      fc.property(event, event, (a, b) => {
        const zero = new Uint8Array(32);
        const same = JSON.stringify(a) === JSON.stringify(b);
        const sameHash = Buffer.compare(eventHash(zero, a), eventHash(zero, b)) === 0;
        // Text that is not Unicode cannot be stored and may collide.
        if ([a.type, a.body, b.type, b.body].every((value) => Buffer.from(value).toString() === value))
          assert.equal(sameHash, same);
      }),
    );
    const moved = { sequence: 1, at: 0, type: 'ab', body: 'c' };
    assert.notDeepEqual(
      eventHash(new Uint8Array(32), moved),
      eventHash(new Uint8Array(32), { ...moved, type: 'a', body: 'bc' }),
    );
  });

  describe('against somebody with write access to the database', () => {
    const tamperings: [string, (db: Database, n: number, m: number) => void][] = [
      [
        'changes a body',
        (db, n) =>
          db.run(
            'UPDATE journal_event SET body = replace(body, \'"amount":"1"\', \'"amount":"9"\') WHERE sequence = ?',
            n,
          ),
      ],
      ['changes a type', (db, n) => db.run("UPDATE journal_event SET type = 'paid2' WHERE sequence = ?", n)],
      ['changes a time', (db, n) => db.run('UPDATE journal_event SET at = at + 1 WHERE sequence = ?', n)],
      ['changes a hash', (db, n) => db.run('UPDATE journal_event SET hash = zeroblob(32) WHERE sequence = ?', n)],
      ['removes a hash', (db, n) => db.run("UPDATE journal_event SET hash = x'' WHERE sequence = ?", n)],
      ['removes an event', (db, n) => db.run('DELETE FROM journal_event WHERE sequence = ?', n)],
      [
        'swaps two events',
        (db, n, m) => {
          db.run('UPDATE journal_event SET sequence = -1 WHERE sequence = ?', n);
          db.run('UPDATE journal_event SET sequence = ? WHERE sequence = ?', [n, m]);
          db.run('UPDATE journal_event SET sequence = ? WHERE sequence = -1', [m]);
        },
      ],
      [
        'inserts an event before the first',
        (db) => db.run("INSERT INTO journal_event VALUES (0, 0, 'x', '{}', zeroblob(32))"),
      ],
      [
        'changes the last seal',
        (db) =>
          db.run('UPDATE journal_seal SET last = last - 1 WHERE segment = (SELECT max(segment) FROM journal_seal)'),
      ],
      ['removes the first seal', (db) => db.run('DELETE FROM journal_seal WHERE segment = 1')],
    ];

    for (const [what, tamper] of tamperings) {
      it(`notices who ${what}, wherever`, async () => {
        const disk = new SimulatedDisk();
        const journal = openJournal({ memory: disk, projections: [accounts], sealEvery: 7 });
        for (let n = 0; n < 20; n += 1) await pay(journal, 'car');
        await journal.close();
        const { connection } = disk;
        for (const { name } of connection.all("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
          connection.execute(`DROP TRIGGER ${name}`);
        verifyAll(connection);
        fc.assert(
          fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }), (n, m) => {
            fc.pre(n !== m);
            // The end alone is not in the chain: that is what the witness is for.
            fc.pre(!(what === 'removes an event' && n === 20));
            connection.run('BEGIN');
            try {
              tamper(connection.database, n, m);
              assert.throws(() => verifyAll(connection), Damage);
              if (n > 14 && m > 14) assert.throws(() => verifyTail(connection), Damage);
            } finally {
              connection.run('ROLLBACK');
            }
          }),
          { numRuns: 60 },
        );
        disk.dispose();
      });
    }
  });

  describe('seals', () => {
    it('let opening look at the newest events only, however long the journal is', async () => {
      const directory = temporaryDirectory();
      const file = join(directory.path, 'journal.db');
      const options = { file, projections: [accounts], sealEvery: 10 };
      let journal = openJournal(options);
      await Promise.all(Array.from({ length: 35 }, () => pay(journal, 'car')));
      await journal.close();

      meddle(file, "UPDATE journal_event SET type = 'changed' WHERE sequence = 3");
      journal = openJournal(options);
      assert.equal(journal.damage, undefined);
      assert.equal(await pay(journal, 'car'), 36);
      await journal.close();
      const verified = verifyJournal(file);
      assert.equal(verified.valid, false);
      assert.equal(verified.problem?.kind, 'chain');
      directory.remove();
    });
  });
});

describe('verifying a whole journal', () => {
  it('changes nothing on the disk and tells what it found', async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, 'journal.db');
    const journal = openJournal({ file, projections: [accounts], sealEvery: 10 });
    await Promise.all(Array.from({ length: 25 }, () => pay(journal, 'car')));
    const { head } = journal;
    await journal.close();
    assert.deepEqual(verifyJournal(file, [accounts]), { valid: true, events: 25, seals: 2, head: head.hash });
    directory.remove();
  });

  it('finds a derived table that is not what the events make of it', async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, 'journal.db');
    const journal = openJournal({ file, projections: [accounts] });
    await pay(journal, 'car');
    await journal.close();
    meddle(file, "UPDATE account SET balance = '1000000'");
    assert.equal(verifyJournal(file).valid, true);
    assert.equal(verifyJournal(file, [accounts]).problem?.kind, 'projection');
    directory.remove();
  });
});
