import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { TransactionRequest } from '../../lib/ledger';
import { BookReader } from '../../lib/payments/book-reader';
import { groupOf } from '../../lib/payments/replacement';
import { RULES } from '../../lib/payments/rules';
import { Stage } from './stage';

const UNREACHABLE = new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');
const EXPIRING = { epochLength: 4, network: { protocol: 'iota', addressForm: { kind: 'hex' } } } as const;

const decimal = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);

/** Nothing that is submitted arrives. */
const lost = (method: string) => (method === 'submit' ? UNREACHABLE : undefined);

function inputsOf(stage: Stage, transactionId: string): string[] {
  return new BookReader(stage.journal.sql, 'stage').inputsOf(transactionId);
}

async function untilExpired(stage: Stage): Promise<void> {
  for (let count = 0; count < 10; count += 1) await stage.milestone();
}

describe('a payment whose transaction has expired', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('is signed anew with the same inputs, once the ledger says that the epoch has ended, and not before', async () => {
    stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n, 800n] });
    stage.intercept = lost;
    await stage.pay();
    await stage.pass(90_000);
    assert.equal(new Set(stage.sent).size, 1, 'time alone ends nothing');
    await untilExpired(stage);
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    const [first, second] = [...new Set(stage.sent)];
    assert.ok(first && second);
    assert.deepEqual(inputsOf(stage, second), inputsOf(stage, first));
    assert.equal(stage.reports('confirmed').length, 1);
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
  });

  it('takes every unsettled payment along that it was signed with', async () => {
    stage = await Stage.open(EXPIRING);
    stage.intercept = lost;
    await Promise.all([stage.pay(), stage.pay({ paymentId: 'p2', to: stage.address('other') })]);
    await untilExpired(stage);
    await stage.pay({ paymentId: 'p3', to: stage.address('third') });
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    const signed = stage.journalled('attempt.signed') as { payments: string[] }[];
    assert.deepEqual(
      signed.slice(0, 2).map(({ payments }) => payments.toSorted()),
      [
        ['p1', 'p2'],
        ['p1', 'p2'],
      ],
    );
    await stage.milestone();
    assert.deepEqual(
      stage.reports('confirmed').map(({ paymentId }) => paymentId),
      ['p1', 'p2', 'p3'],
    );
  });

  it('stays unknown and unsigned when nothing is left of an input', async () => {
    stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
    stage.intercept = lost;
    await stage.pay();
    await stage.pass(500);
    stage.intercept = (method) => {
      if (method === 'spends') return [{ state: 'unknown' }];
      return lost(method);
    };
    await untilExpired(stage);
    await stage.pass(600_000);
    assert.equal(stage.journalled('attempt.signed').length, 1);
    assert.equal(stage.stateOf('p1'), 'READY');
    assert.equal(stage.reports('unknown').length, 1);
    assert.deepEqual(stage.reports('failed'), []);
  });

  it('keeps its inputs from others until it is settled', async () => {
    stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
    stage.intercept = lost;
    await stage.pay();
    await stage.pass(500);
    stage.intercept = (method) => (method === 'spends' ? [{ state: 'unknown' }] : lost(method));
    await untilExpired(stage);
    await stage.pay({ paymentId: 'p2' });
    await stage.pass(60_000);
    const [first, second] = stage.journalled('attempt.signed') as { inputs: string[] }[];
    assert.ok(first && second);
    assert.ok(!second.inputs.some((input) => first.inputs.includes(input)));
  });

  for (const error of [new CodedError('PAYMENT_FAILED', 'too-large', 'no'), new Error('nobody foresaw this')]) {
    it(`does not hold up others when it cannot be built any more: ${error.message}`, async () => {
      stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
      stage.intercept = lost;
      await stage.pay();
      await stage.pass(500);
      await untilExpired(stage);
      stage.intercept = (method, [request]) =>
        method === 'prepare' && JSON.stringify((request as TransactionRequest).payments, decimal).includes('"r1"')
          ? error
          : undefined;
      await stage.pay({ paymentId: 'p2', reference: 'r2' });
      await stage.pass(300_000);
      await stage.milestone();
      assert.deepEqual([stage.stateOf('p1'), stage.stateOf('p2')], ['READY', 'CONFIRMED']);
    });
  }

  it('never fails, however long the ledger is away: it was signed once', async () => {
    stage = await Stage.open(EXPIRING);
    stage.intercept = lost;
    await stage.pay();
    await untilExpired(stage);
    stage.intercept = () => UNREACHABLE;
    await stage.pass(600_000);
    assert.deepEqual(stage.reports('failed'), []);
    assert.equal(stage.account.balance().reserved, '100');
  });
});

/** In ten minutes. */
function assertPatient(stage: Stage): void {
  const counts = new Map<string, number>();
  for (const { transactionId } of stage.journalled('attempt.signed') as { transactionId: string }[])
    counts.set(transactionId, (counts.get(transactionId) ?? 0) + 1);
  const most = Math.max(...counts.values());
  assert.ok(most > 1 && most <= 600 / 15, `the same was signed ${most} times`);
}

describe('a node that calls a transaction dead that is not', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('cannot make a machine pay twice: the attempt is still followed, and settles the payment', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    stage.intercept = (method) =>
      method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
    await stage.pay();
    await stage.pass(5_000);
    assert.equal(stage.journalled('attempt.dead').length > 0, true);
    stage.intercept = () => undefined;
    await stage.milestone();
    await stage.pass(60_000);
    assert.equal(stage.reports('confirmed').length, 1);
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
    assert.deepEqual(stage.journalled('account.frozen'), []);
  });

  it('cannot make it fill its journal either', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    stage.intercept = (method) =>
      method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
    await stage.pay();
    await stage.pass(600_000);
    assertPatient(stage);
  });

  it('cannot make it fill its journal by merging, either', async () => {
    stage = await Stage.open({ funds: Array.from({ length: 20 }, () => 10n), network: { maxInputs: 4 } });
    stage.intercept = (method) =>
      method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
    await stage.pay({ amount: '60' });
    await stage.pass(600_000);
    assertPatient(stage);
  });
});

describe('a merge of outputs that a node called dead', () => {
  it('is made again before anything else takes its inputs: it may still be executed', async () => {
    const stage = await Stage.open({ funds: Array.from({ length: 20 }, () => 10n), network: { maxInputs: 4 } });
    stage.intercept = (method) =>
      method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
    await stage.pay({ amount: '60' });
    await stage.pass(1_500);
    const signed = () =>
      stage.journalled('attempt.signed') as { transactionId: string; inputs: string[]; payments: string[] }[];
    assert.deepEqual(signed()[0]?.payments, []);
    assert.ok(stage.journalled('attempt.dead').length > 0);
    // Something larger arrives meanwhile, which a transaction made from scratch would rather spend.
    const { truth, timeline, self } = stage;
    truth.advance(
      timeline.now(),
      () => false,
      () => false,
    );
    truth.mint(self, 15n);
    stage.account.wake(truth.height);
    await stage.pass(1_500);
    stage.intercept = () => undefined;
    for (let count = 0; count < 10; count += 1) await stage.milestone();
    await stage.pass(30_000);
    for (let count = 0; count < 10; count += 1) await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
    const [merge] = signed();
    const others = signed().filter(({ transactionId }) => transactionId !== merge?.transactionId);
    assert.ok(others.every(({ inputs }) => !inputs.some((input) => merge?.inputs.includes(input))));
    stage.dispose();
  });
});

describe('the rule for replacements', () => {
  it('wants an unspent input of every earlier attempt, and takes all there are', () => {
    const earlier = (unspent: string[]) => ({ transactionId: 't', unspent });
    assert.deepEqual(RULES.inputsOfReplacement([earlier(['a', 'b']), earlier(['b', 'c'])]), ['a', 'b', 'c']);
    assert.equal(RULES.inputsOfReplacement([earlier(['a', 'b']), earlier([])]), undefined);
  });

  it('finds the whole group: attempts of a payment, their other payments, and theirs', () => {
    const attempts: Record<string, string[]> = {
      p1: ['a1'],
      p2: ['a1', 'a2'],
      p3: ['a2', 'a3'],
      p4: ['a3'],
      p5: ['a4'],
    };
    const states: Record<string, string> = { p1: 'READY', p2: 'READY', p3: 'IN_FLIGHT', p4: 'REPORTED', p5: 'READY' };
    const book = {
      attemptsOf: (id: string) => (attempts[id] ?? []).map((transactionId) => ({ transactionId, state: 'DEAD' })),
      paymentsOf: (transactionId: string) =>
        Object.keys(attempts).filter((id) => attempts[id]?.includes(transactionId)),
      payment: (id: string) => ({ state: states[id] }),
    } as unknown as BookReader;
    const group = groupOf('p1', book);
    assert.deepEqual(group.paymentIds, ['p1', 'p2', 'p3']);
    assert.deepEqual(
      group.attempts.map(({ transactionId }) => transactionId),
      ['a1', 'a2', 'a3'],
    );
  });
});
