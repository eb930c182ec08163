import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { openJournal } from '../../lib/journal';
import { book } from '../../lib/payments';
import { Stage } from './stage';

describe('an account whose money was spent by somebody else', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  function steal(outputId?: string): string {
    const unspent = stage.truth.unspentOf(stage.self, stage.truth.height);
    const output = unspent.find((one) => outputId === undefined || one.outputId === outputId);
    const outputs = [
      { to: stage.address('thief'), amount: output?.amount ?? 0n, reference: null, from: stage.self, spendable: true },
    ];
    stage.truth.submit({ id: 'theft', inputs: [output?.outputId ?? ''], outputs, expiresEpoch: undefined });
    return output?.outputId ?? '';
  }

  /** The answer comes late. */
  function pause(milliseconds: number): Promise<undefined> {
    return new Promise((resolve) => stage.timeline.after(milliseconds, () => resolve(undefined)));
  }

  it('freezes, and signs nothing any more', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    const outputId = steal();
    await stage.milestone();
    assert.deepEqual(stage.events(), [
      { event: 'frozen', code: 'JOURNAL_DAMAGED', reason: 'foreign-spend', outputId, by: 'theft' },
    ]);
    await stage.refuses({}, 'JOURNAL_DAMAGED');
    await stage.crash();
    await stage.refuses({}, 'JOURNAL_DAMAGED');
    assert.equal(stage.account.frozen, 'foreign-spend');
    assert.deepEqual(stage.sent, []);
  });

  it('freezes at start, before it signs what was accepted: its journal may be an old copy', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    stage.account.ledgerDown(new CodedError('LEDGER_UNREACHABLE', 'default', 'away'));
    stage.intercept = (method) =>
      method === 'minimumAmounts' ? undefined : new CodedError('LEDGER_UNREACHABLE', 'default', 'away');
    await stage.pay();
    steal();
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    stage.intercept = () => undefined;
    await stage.crash();
    assert.equal(stage.account.frozen, 'foreign-spend');
    await stage.pass(300_000);
    assert.deepEqual(stage.sent, []);
    assert.equal(stage.reports('unknown').length, 1, 'what was accepted is in doubt, and no error');
    assert.deepEqual(stage.reports('failed'), []);
  });

  it('freezes in the same write that learns of it: a crash between the two would forget the reason', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    dieAfterWriting(stage, 'account.spent');
    steal();
    await stage.milestone();
    await stage.crash();
    assert.equal(stage.account.frozen, 'foreign-spend');
  });

  it('throws away what it was about to sign in that moment', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    let sealed = false;
    stage.intercept = (method) => {
      if (method !== 'seal' || sealed) return undefined;
      sealed = true;
      return pause(5_000);
    };
    const spare = stage.truth.unspentOf(stage.self, stage.truth.height).find(({ amount }) => amount === 900n);
    await stage.pay();
    await stage.pass(500);
    steal(spare?.outputId);
    await stage.milestone();
    assert.equal(stage.account.frozen, 'foreign-spend');
    await stage.pass(60_000);
    assert.ok(sealed);
    assert.deepEqual(stage.journalled('attempt.signed'), []);
  });

  it('signs nothing after a start until it has looked', async () => {
    stage = await Stage.open();
    stage.intercept = (method) => (method === 'prepare' ? pause(10_000) : undefined);
    await stage.pay();
    stage.intercept = (method) => (method === 'spends' ? pause(10_000) : undefined);
    await stage.crash();
    await stage.pay({ paymentId: 'p2' });
    await stage.pass(3_000);
    assert.deepEqual(stage.journalled('attempt.signed'), []);
    await stage.pass(10_000);
    assert.equal(stage.journalled('attempt.signed').length, 1);
  });

  it('still follows and reports what it had signed', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    await stage.pay();
    await stage.pass(500);
    const outputId =
      stage.truth.unspentOf(stage.self, stage.truth.height).find(({ amount }) => amount === 900n)?.outputId ?? '';
    stage.truth.submit({
      id: 'theft',
      inputs: [outputId],
      outputs: [{ to: stage.address('thief'), amount: 900n, reference: null, from: null, spendable: true }],
      expiresEpoch: undefined,
    });
    await stage.milestone();
    assert.equal(stage.account.frozen, 'foreign-spend');
    assert.equal(stage.reports('confirmed').length, 1);
  });
});

describe('an account that finds a payment made twice', () => {
  it('freezes in the same write that learns of it', async () => {
    const stage = await Stage.open({ epochLength: 4, network: { protocol: 'iota', addressForm: { kind: 'hex' } } });
    const signed = () =>
      (stage.journalled('attempt.signed') as { transactionId: string }[]).map(({ transactionId }) => transactionId);
    const answer = (state: 'final' | 'dead' | 'pending') => ({
      ...{ state, height: 2, confirmedAt: 1_000 },
      ...{ conflictingId: null, reason: 'lie', node: 'liar' },
    });
    /** What the node says of the first attempt, and of its replacement. */
    const say = (first: 'final' | 'dead' | 'pending', second: 'final' | 'pending') => {
      stage.intercept = (method, [asked]) => {
        if (method === 'submit') return null;
        if (method !== 'outcome') return undefined;
        return answer((asked as { transactionId: string }).transactionId === signed()[0] ? first : second);
      };
    };
    say('pending', 'pending');
    await stage.pay();
    await stage.pass(500);
    // The replacement expires later, and so is another transaction.
    for (let count = 0; count < 8; count += 1) stage.truth.advance(stage.timeline.now(), ...NOTHING);
    say('dead', 'pending');
    await stage.pass(60_000);
    assert.equal(new Set(signed()).size, 2);
    say('final', 'pending');
    await stage.pass(60_000);
    assert.equal(stage.stateOf('p1'), 'CONFIRMED');
    dieAfterWriting(stage, 'attempt.final', 2);
    say('final', 'final');
    await stage.pass(60_000);
    await stage.crash();
    assert.equal(stage.journalled('attempt.final').length, 2);
    assert.equal(stage.account.frozen, 'paid-twice');
    stage.dispose();
  });
});

/** A milestone that takes nothing in, and forgets nothing. */
const NOTHING = [() => false, () => false] as const;

/** Nothing more reaches the disk once it has so many events of a type. */
function dieAfterWriting(stage: Stage, type: string, count = 1): void {
  const { connection } = stage.disk;
  const run = connection.run.bind(connection);
  connection.run = (sql, values) => {
    run(sql, values);
    if (sql === 'COMMIT' && stage.journalled(type).length >= count) stage.commitDelay = 10 ** 9;
  };
}

describe('an account whose journal cannot be written', () => {
  it('freezes: nothing is signed without a journal', async () => {
    const stage = await Stage.open();
    const write = stage.disk.connection.run.bind(stage.disk.connection);
    stage.disk.connection.run = (sql, values) => {
      if (sql === 'COMMIT') throw new Error('disk full');
      write(sql, values);
    };
    await stage.refuses({}, 'JOURNAL_DAMAGED');
    assert.deepEqual(
      stage.events().map((event) => [event.event, 'reason' in event && event.reason]),
      [['frozen', 'journal']],
    );
    await stage.refuses({ paymentId: 'p2' }, 'JOURNAL_DAMAGED');
    await stage.pass(120_000);
    assert.deepEqual(stage.sent, []);
    stage.disk.connection.run = write;
    stage.dispose();
  });
});

describe('one journal', () => {
  it('keeps accounts on several networks apart', async () => {
    const stage = await Stage.open({ closed: true });
    const journal = openJournal({
      memory: true,
      projections: [book],
      schedule: (commit) => void stage.timeline.after(1, commit),
    });
    const write = (network: string, amount: string) =>
      stage.soon(
        journal.write((append) => {
          append('account.opened', {
            network,
            address: stage.self,
            cursor: '1',
            height: 1,
            ledgerTime: 1,
            systemTime: 1,
          });
          append('payment.intended', {
            network,
            paymentId: 'p1',
            to: 'x',
            amount,
            reference: '',
            parts: [{ address: 'x', amount }],
            origin: { nodeId: 'n' },
            time: { ledger: 1, system: 1, ledgerShown: 1, systemShown: 1 },
          });
        }),
      );
    await write('a', '5');
    await write('b', '7');
    assert.deepEqual(journal.sql.all('SELECT network, amount FROM payments'), [
      { network: 'a', amount: 5 },
      { network: 'b', amount: 7 },
    ]);
    assert.deepEqual(journal.sql.all('SELECT running FROM budget_rows'), [{ running: 5 }, { running: 7 }]);
    await journal.close();
    stage.dispose();
  });
});
