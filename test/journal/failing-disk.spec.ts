import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import sinon from 'sinon';
import { isCodedError } from '../../lib/errors';
import { type Journal, openJournal, verifyJournal } from '../../lib/journal';
import { accounts, balanceOf, temporaryDirectory } from './ledger-book';

/** Everything by which SQLite and we change what is on the disk. */
const CHANGING_CALLS = [
  'openSync',
  'writeSync',
  'fsyncSync',
  'fdatasyncSync',
  'ftruncateSync',
  'linkSync',
  'unlinkSync',
  'mkdirSync',
] as const;

type Failure = { readonly code: string; readonly lasting: boolean };

describe('a journal on a disk that fails', () => {
  let directory: ReturnType<typeof temporaryDirectory>;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(() => {
    sinon.restore();
    directory.remove();
  });

  /** Counts changing calls and makes the n-th one (and, when lasting, every later one) fail. */
  function failAt(n: number, { code, lasting }: Failure): () => number {
    let calls = 0;
    for (const call of CHANGING_CALLS) {
      const original = fs[call] as (...parameters: unknown[]) => unknown;
      sinon.stub(fs, call).callsFake(((...parameters: unknown[]) => {
        calls += 1;
        if (calls === n || (lasting && calls > n)) {
          if (code === 'SHORT' && call === 'writeSync') return 0;
          throw Object.assign(new Error(`${code}: simulated`), { code: code === 'SHORT' ? 'ENOSPC' : code });
        }
        return original(...parameters);
      }) as never);
    }
    return () => calls;
  }

  /** A day in the life of a journal; returns the sequences of acknowledged events. */
  async function live(
    file: string,
    groups: string[][],
  ): Promise<{ acknowledged: number[]; refused: number; journal: Journal | undefined; threw: unknown }> {
    const acknowledged: number[] = [];
    let refused = 0;
    let journal: Journal | undefined;
    try {
      journal = openJournal({ file, projections: [accounts], sealEvery: 4 });
    } catch (threw) {
      return { acknowledged, refused, journal, threw };
    }
    const write = async (text: string) => {
      try {
        const sequence = await (journal as Journal).write(
          (append) => append('paid', { account: 'car', amount: '1', text }).sequence,
        );
        assert.equal(refused, 0, 'nothing may be acknowledged after a failure');
        acknowledged.push(sequence);
      } catch (error) {
        assert.ok(isCodedError(error, 'JOURNAL_DAMAGED'), String(error));
        assert.notEqual((journal as Journal).damage, undefined);
        refused += 1;
      }
    };
    for (const group of groups) await Promise.all(group.map(write));
    await journal.close();
    return { acknowledged, refused, journal, threw: undefined };
  }

  const countPoints = async (groups: string[][]) => {
    const calls = failAt(Number.POSITIVE_INFINITY, { code: 'EIO', lasting: true });
    await live(join(directory.path, 'calm.db'), groups);
    sinon.restore();
    return calls();
  };

  const beginning = [['a', 'b'], ['c', 'd'], ['e']];
  // More than the log may hold: a checkpoint in the middle.
  const checkpoint = [['a'], Array.from({ length: 5 }, () => 'x'.repeat(900_000)), ['b']];
  const failures: Failure[] = [
    { code: 'EIO', lasting: true },
    { code: 'EIO', lasting: false },
    { code: 'ENOSPC', lasting: true },
    { code: 'SHORT', lasting: false },
  ];
  for (const failure of failures) {
    const name = `${failure.code === 'SHORT' ? 'writes less than it was told' : failure.code} ${failure.lasting ? 'from then on' : 'once'}`;
    it(`acknowledges nothing it could lose, wherever it fails: ${name}`, async () => {
      const points = await countPoints(beginning);
      assert.ok(points > 30, `${points} points`);
      let harmful = 0;
      for (let point = 1; point <= points; point += 1)
        if (await failsWithoutLoss(point, failure, beginning)) harmful += 1;
      assert.ok(harmful > 20, `${harmful} of ${points} points did harm`);
    }).timeout(60_000);

    it(`acknowledges nothing it could lose when it fails while the log goes into the database: ${name}`, async () => {
      const points = await countPoints(checkpoint);
      let harmful = 0;
      for (let point = 60; point <= points + 1; point += Math.ceil(points / 16)) {
        if (await failsWithoutLoss(point, failure, checkpoint)) harmful += 1;
      }
      assert.ok(harmful > 4, `${harmful} points did harm`);
    }).timeout(60_000);
  }

  /** True when the failure was noticed. */
  async function failsWithoutLoss(point: number, failure: Failure, groups: string[][]): Promise<boolean> {
    const file = join(directory.path, `${point}.db`);
    failAt(point, failure);
    const { acknowledged, refused, journal, threw } = await live(file, groups);
    sinon.restore();
    if (threw) assert.ok(isCodedError(threw, 'JOURNAL_DAMAGED'), String(threw));

    const healed = openJournal({ file, projections: [accounts], sealEvery: 4 });
    assert.equal(healed.damage, undefined, `point ${point}`);
    assert.ok(
      healed.head.sequence >= acknowledged.length,
      `point ${point}: ${healed.head.sequence} of ${acknowledged.length}`,
    );
    assert.equal(balanceOf(healed, 'car') ?? '0', String(healed.head.sequence));
    await healed.close();
    assert.equal(verifyJournal(file, [accounts]).valid, true);
    for (const ending of ['', '.witness']) fs.rmSync(file + ending);
    return threw !== undefined || refused > 0 || journal?.damage !== undefined;
  }

  it('is over as well when only the log cannot go into the database, which SQLite by itself keeps quiet about', async function () {
    if (process.platform !== 'linux') this.skip();
    const file = join(directory.path, 'journal.db');
    const journal = openJournal({ file, projections: [accounts] });
    const original = fs.writeSync as (...parameters: unknown[]) => number;
    sinon.stub(fs, 'writeSync').callsFake(((...parameters: unknown[]) => {
      if (fs.readlinkSync(`/proc/self/fd/${parameters[0]}`) === file)
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      return original(...parameters);
    }) as never);
    const text = 'x'.repeat(900_000);
    const writes = Array.from({ length: 6 }, () => journal.write((append) => append('note', { text })));
    for (const result of await Promise.allSettled(writes)) {
      assert.ok(result.status === 'rejected' && isCodedError(result.reason, 'JOURNAL_DAMAGED'));
    }
    assert.notEqual(journal.damage, undefined);
    await journal.close();
  });

  it('refuses a change that looked away when the disk failed, and everybody who waited with it', async () => {
    const journal = openJournal({ file: join(directory.path, 'journal.db'), projections: [accounts] });
    const text = 'x'.repeat(900_000);
    for (let n = 0; n < 8; n += 1) await journal.write((append) => append('note', { text }));
    const waiting = journal.write((append) => append('note', {}));
    const looksAway = journal.write((append, sql) => {
      append('note', {});
      sinon.stub(fs, 'readSync').throws(Object.assign(new Error('EIO'), { code: 'EIO' }));
      try {
        sql.all('SELECT sum(length(body)) FROM journal_event');
      } catch {}
      sinon.restore();
    });
    for (const result of await Promise.allSettled([waiting, looksAway])) {
      assert.ok(result.status === 'rejected' && isCodedError(result.reason, 'JOURNAL_DAMAGED'));
    }
    await journal.close();
  });

  it('is over for its process after one failed read too', async () => {
    const journal = openJournal({ file: join(directory.path, 'journal.db'), projections: [accounts] });
    await Promise.all(
      Array.from({ length: 3000 }, () => journal.write((append) => append('note', { text: 'x'.repeat(900) }))),
    );
    await journal.write((append) => append('note', { text: 'x'.repeat(900_000) }));
    sinon.stub(fs, 'readSync').throws(Object.assign(new Error('EIO'), { code: 'EIO' }));
    assert.throws(() => journal.sql.all('SELECT sum(length(body)) FROM journal_event'), /I\/O/);
    sinon.restore();
    assert.match(journal.damage ?? '', /I\/O/);
    await assert.rejects(
      journal.write((append) => append('note', {})),
      { code: 'JOURNAL_DAMAGED', detail: 'disk' },
    );
    await journal.close();
  }).timeout(20_000);
});
