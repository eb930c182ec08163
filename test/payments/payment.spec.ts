import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { Stage } from './stage';

const UNREACHABLE = new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');

describe('a payment', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('is accepted once its intent is on disk, submitted, confirmed by the ledger, and reported with a receipt', async () => {
    stage = await Stage.open();
    const accepted = await stage.pay();
    assert.deepEqual(accepted, { paymentId: 'p1' });
    await stage.pass(200);
    const [submitted] = stage.reports('submitted');
    assert.equal(submitted?.transactionId, stage.sent[0]);
    assert.deepEqual(stage.reports('confirmed'), [], 'not confirmed before the ledger has it');
    assert.deepEqual(stage.account.balance(), {
      address: stage.self,
      did: 'did:key:self',
      token: 'STG',
      decimals: 6,
      total: '1000',
      reserved: '100',
      available: '900',
      pending: '0',
    });

    await stage.milestone();
    const [confirmed] = stage.reports('confirmed');
    assert.ok(confirmed);
    const { submittedAt, confirmedAt, ...receipt } = confirmed.receipt;
    assert.deepEqual(receipt, {
      paymentId: 'p1',
      status: 'confirmed',
      network: 'stage',
      transactionId: stage.sent[0],
      from: stage.self,
      to: [{ address: stage.address('payee'), amount: '100' }],
      amount: '100',
      token: 'STG',
      decimals: 6,
      reference: 'r1',
      remaining: [{ window: 'total', amount: '999900' }],
    });
    assert.ok(Date.parse(submittedAt) < Date.parse(confirmedAt));
    assert.equal(confirmed.redelivered, false);
    assert.deepEqual(confirmed.origin, { nodeId: 'n1', topic: 't1' });
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
    assert.equal(stage.account.balance().available, '900');
  });

  it('keeps its signed bytes until it is reported, and not longer', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    await stage.milestone();
    const kept = () => stage.journal.sql.all('SELECT * FROM signed_bytes').length;
    assert.equal(kept(), 1);
    await stage.soon(stage.account.reported('p1'));
    assert.equal(stage.stateOf('p1'), 'REPORTED');
    assert.equal(kept(), 0);
  });

  it('is on disk, bytes and inputs, before the first byte leaves', async () => {
    stage = await Stage.open();
    let durable: unknown;
    stage.intercept = (method) => {
      if (method === 'submit') durable ??= stage.disk.witnessed;
      return undefined;
    };
    await stage.pay();
    await stage.pass(200);
    const signed = stage.journal.sql.get("SELECT sequence FROM journal_event WHERE type = 'attempt.signed'");
    assert.equal((durable as { sequence: number }).sequence, signed?.sequence);
  });

  it('gets an id of its own when the flow has none: later ones sort later', async () => {
    stage = await Stage.open();
    const first = await stage.pay({ paymentId: undefined });
    await stage.pass(10);
    const second = await stage.pay({ paymentId: '' });
    assert.match(first.paymentId, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.ok(first.paymentId < second.paymentId);
  });

  it('waits for the first look at the ledger instead of failing for lack of funds', async () => {
    stage = await Stage.open({ closed: true });
    await stage.start();
    assert.deepEqual(await stage.pay(), { paymentId: 'p1' });
  });

  it('can use money that arrived a moment ago', async () => {
    stage = await Stage.open({ funds: [] });
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    stage.truth.mint(stage.self, 500n);
    assert.deepEqual(await stage.pay(), { paymentId: 'p1' });
  });

  it('does not count as reserved any more once its change is there', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    stage.intercept = (method) => (method === 'outcome' ? UNREACHABLE : undefined);
    await stage.milestone();
    assert.equal(stage.stateOf('p1'), 'IN_FLIGHT');
    const { total, reserved, available } = stage.account.balance();
    assert.deepEqual([total, reserved, available], ['900', '0', '900']);
  });

  it('is not signed when the ledger adapter has built something else', async () => {
    stage = await Stage.open();
    const wrong = {
      essence: Buffer.from('{"inputs":[],"outputs":[]}'),
      signingHash: Buffer.alloc(32),
      inputs: [],
      change: [],
      fee: 0n,
    };
    stage.intercept = (method) => (method === 'prepare' ? wrong : undefined);
    await stage.pay();
    await stage.pass(10_000);
    assert.deepEqual(stage.journalled('attempt.signed'), []);
    assert.deepEqual(new Set(stage.events().map(({ event }) => event)), new Set(['trouble']));
  });

  it('is not signed by an account that was closed, or that froze, in the middle of it', async () => {
    stage = await Stage.open();
    stage.intercept = (method) => {
      if (method === 'seal') void stage.account.close();
      return undefined;
    };
    await stage.pay();
    await stage.pass(10_000);
    assert.deepEqual(stage.journalled('attempt.signed'), []);
    stage.intercept = () => undefined;
    await stage.crash();
    await stage.pass(1_000);
    await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1, 'and is resumed at the next start');
  });

  it('shows in the history, newest first', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    await stage.milestone();
    await stage.pay({ paymentId: 'p2', reference: '' });
    await stage.pass(200);
    const [second, first] = stage.account.history({ limit: 10 });
    assert.deepEqual([second?.id, second?.status, second?.reference], ['p2', 'in_flight', null]);
    assert.deepEqual(
      [first?.id, first?.status, first?.counterparty, first?.transactionId],
      ['p1', 'confirmed', stage.address('payee'), stage.sent[0]],
    );
    assert.equal(stage.account.history({ limit: 1 }).length, 1);
  });
});

describe('a payment whose submission timed out', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  const failSubmit = (method: string) => (method === 'submit' ? UNREACHABLE : undefined);

  it('is asked for and sent again, the same bytes each time', async () => {
    stage = await Stage.open();
    stage.intercept = failSubmit;
    await stage.pay();
    await stage.pass(60_000);
    assert.ok(stage.sent.length > 3, 'sent again and again');
    assert.equal(new Set(stage.sent).size, 1, 'and always the same');
    assert.ok(stage.calls.filter((call) => call === 'outcome').length > 3);
    stage.intercept = () => undefined;
    await stage.pass(30_000);
    await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
  });

  it('is sent again, and unknown in time, even when the clock is set back by years meanwhile', async () => {
    stage = await Stage.open({ funds: [1_000n, 900n] });
    stage.intercept = failSubmit;
    await stage.pay();
    await stage.pass(200);
    const { length } = stage.sent;
    stage.clockError = -10 * 365 * 86_400_000;
    await stage.pay({ paymentId: 'p2' });
    await stage.pass(60_000);
    assert.ok(stage.sent.length > length);
    assert.equal(stage.reports('unknown')[0]?.paymentId, 'p1');
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    await stage.milestone();
    assert.deepEqual(
      stage.reports('confirmed').map(({ paymentId }) => paymentId),
      ['p1', 'p2'],
    );
  });

  it('is unknown to the flow after 60 seconds, which is no error', async () => {
    stage = await Stage.open();
    stage.intercept = failSubmit;
    await stage.pay();
    await stage.pass(59_000);
    assert.deepEqual(stage.reports('unknown'), []);
    await stage.pass(3_000);
    assert.deepEqual(
      stage.reports('unknown').map(({ transactionId }) => transactionId),
      [stage.sent[0]],
    );
    await stage.pass(600_000);
    assert.equal(stage.reports('unknown').length, 1, 'said once');
    assert.deepEqual(stage.reports('failed'), []);
    assert.equal(stage.account.balance().reserved, '100', 'its budget and its money stay reserved');
  });

  it('re-sends the same bytes after a restart', async () => {
    stage = await Stage.open();
    stage.intercept = failSubmit;
    await stage.pay();
    await stage.pass(500);
    await stage.crash();
    stage.intercept = () => undefined;
    await stage.pass(30_000);
    assert.equal(new Set(stage.sent).size, 1);
    await stage.milestone();
    assert.deepEqual(
      stage.reports('confirmed').map(({ redelivered }) => redelivered),
      [false],
    );
  });

  it('is found confirmed after a restart without being sent again', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    await stage.crash();
    assert.equal(stage.reports('confirmed').length, 1);
    assert.equal(stage.sent.length, 1);
  });

  it('lets payments that it does not carry go ahead on other money after 30 seconds, and not before', async () => {
    stage = await Stage.open({ funds: [1_000n, 500n] });
    stage.intercept = (method, [sealed]) =>
      method === 'submit' &&
      (stage.sent[0] === (sealed as { transactionId: string }).transactionId || stage.sent.length === 1)
        ? UNREACHABLE
        : undefined;
    await stage.pay();
    await stage.pass(1_000);
    await stage.pay({ paymentId: 'p2' });
    await stage.pass(20_000);
    assert.equal(stage.stateOf('p2'), 'READY');
    await stage.pass(20_000);
    await stage.milestone();
    assert.equal(stage.stateOf('p2'), 'CONFIRMED');
    assert.equal(stage.stateOf('p1'), 'IN_FLIGHT');
    const inputs = stage.journal.sql.all('SELECT output_id FROM attempt_inputs').map((row) => row.output_id);
    assert.equal(new Set(inputs).size, 2, 'no input twice');
  });
});

describe('a payment while the ledger is out of reach', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('fails after 60 seconds, because it was never signed: asking again is safe', async () => {
    stage = await Stage.open();
    stage.account.ledgerDown(UNREACHABLE);
    stage.intercept = (method) =>
      method === 'minimumAmounts' || method === 'prepare' || method === 'seal' ? undefined : UNREACHABLE;
    await stage.pay();
    await stage.pass(59_000);
    assert.deepEqual(stage.reports('failed'), []);
    await stage.pass(3_000);
    assert.deepEqual(
      stage.reports('failed').map(({ paymentId, code, detail }) => [paymentId, code, detail]),
      [['p1', 'LEDGER_UNREACHABLE', 'timeout']],
    );
    assert.equal(stage.account.balance().available, '1000', 'nothing stays reserved');

    stage.intercept = () => undefined;
    stage.account.ledgerUp();
    assert.deepEqual(await stage.pay(), { paymentId: 'p1' }, 'the same id again');
    await stage.pass(500);
    await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
  });

  it('gives back the budget that it had reserved, and only that', async () => {
    stage = await Stage.open({ policy: { payees: ['*'], budgets: [{ amount: '250', window: '24h' }] } });
    stage.intercept = (method) => (method === 'minimumAmounts' ? undefined : UNREACHABLE);
    stage.account.ledgerDown(UNREACHABLE);
    await stage.pay();
    await stage.pass(30_000);
    await stage.pay({ paymentId: 'p2' });
    await stage.refuses({ paymentId: 'p3' }, 'POLICY_BUDGET');
    await stage.pass(31_000);
    assert.deepEqual([stage.stateOf('p1'), stage.stateOf('p2')], ['FAILED', 'READY']);
    await stage.pay({ paymentId: 'p3' });
    await stage.refuses({ paymentId: 'p4' }, 'POLICY_BUDGET');
  });

  it('has as long again when it is asked for again', async () => {
    stage = await Stage.open();
    stage.intercept = (method) => (method === 'minimumAmounts' ? undefined : UNREACHABLE);
    stage.account.ledgerDown(UNREACHABLE);
    await stage.pay();
    await stage.pass(61_000);
    await stage.pay();
    await stage.pass(55_000);
    assert.equal(stage.reports('failed').length, 1);
    await stage.pass(10_000);
    assert.equal(stage.reports('failed').length, 2);
  });

  it('goes out as soon as the ledger is back', async () => {
    stage = await Stage.open();
    stage.account.ledgerDown(UNREACHABLE);
    stage.intercept = (method) => (method === 'read' || method === 'outcome' ? UNREACHABLE : undefined);
    await stage.pay();
    await stage.pass(30_000);
    assert.deepEqual(stage.sent, []);
    stage.intercept = () => undefined;
    stage.account.ledgerUp();
    await stage.pass(500);
    assert.equal(stage.sent.length, 1);
  });
});

describe('a receipt', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('comes again after a restart, marked as redelivered, until somebody has it', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    await stage.milestone();
    await stage.crash();
    await stage.crash();
    assert.deepEqual(
      stage.reports('confirmed').map(({ redelivered }) => redelivered),
      [false, true, true],
    );
    const [first, second] = stage.reports('confirmed');
    assert.deepEqual(second?.receipt, first?.receipt);
    await stage.soon(stage.account.reported('p1'));
    await stage.crash();
    assert.equal(stage.reports('confirmed').length, 3);
  });
});

describe('an order with the id of an earlier one', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('joins a payment that is not finished, and replays the receipt of one that is', async () => {
    stage = await Stage.open();
    const [first, second] = await Promise.all([stage.pay(), stage.pay()]);
    assert.deepEqual([first, second], [{ paymentId: 'p1' }, { paymentId: 'p1' }]);
    await stage.pass(200);
    await stage.milestone();
    const replayed = await stage.pay({ origin: { nodeId: 'another' } });
    assert.deepEqual(replayed.receipt, stage.reports('confirmed')[0]?.receipt);
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
    assert.equal(stage.journalled('payment.intended').length, 1);
  });

  it('is not told that it joins a payment before that is on disk: a crash could still undo it', async () => {
    stage = await Stage.open();
    stage.commitDelay = 5_000;
    let answered = 0;
    for (let count = 0; count < 2; count += 1) {
      void stage.account.pay(stage.order()).then(() => {
        answered += 1;
      });
      await new Promise((resolve) => setImmediate(resolve));
      await stage.pass(100);
    }
    assert.equal(stage.stateOf('p1'), 'READY', 'written, not yet on disk');
    assert.equal(answered, 0);
    await stage.pass(5_000);
    assert.equal(answered, 2);
  });

  it('is a mismatch when anything about it is different', async () => {
    stage = await Stage.open();
    await stage.pay();
    const others = [
      { to: stage.address('other') },
      { amount: '101' },
      { reference: 'r2' },
      { splits: [{ to: stage.address('tax'), amount: '1' }] },
    ];
    for (const other of others) await stage.refuses(other, 'PAYMENT_MISMATCH');
    await stage.crash();
    for (const other of others) await stage.refuses(other, 'PAYMENT_MISMATCH');
  });
});
