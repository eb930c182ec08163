import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { BookReader } from '../../lib/payments/book-reader';
import {
  DEPOSITS,
  EXPIRING,
  LONGER,
  lost,
  recordsOn,
  SHORTER,
  TEXT,
  UNREACHABLE,
  withRecords,
} from './records-on-stage';
import { Stage, type StageOptions } from './stage';

describe('a record', () => {
  let stage: Stage;
  const { record, told, signed, state, onLedger, heads, made } = recordsOn(() => stage);
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }

  it('is put on the ledger under its tag, and told with where it is', async () => {
    await open();
    await record('c1');
    await stage.pass(500);
    assert.deepEqual(told(), []);
    await stage.milestone();
    const [placed] = onLedger();
    assert.equal(placed?.text, TEXT);
    assert.equal(placed?.record?.tag, Buffer.from('log').toString('hex'));
    assert.equal(placed?.from, stage.self);
    const { transactionId = '', height = 0 } = placed ?? {};
    assert.deepEqual(told(), [
      {
        record: { recordId: 'c1', transactionId, height, confirmedAt: stage.truth.times[height] },
        redelivered: false,
      },
    ]);
  });

  it('is no payment: not in the history, under no policy, in no budget', async () => {
    stage = await Stage.open({ ...DEPOSITS, policy: {} });
    await made('c1');
    assert.equal(told().length, 1);
    assert.deepEqual(stage.account.history({ limit: 10 }), []);
    assert.deepEqual(stage.journal.sql.all('SELECT * FROM budget_rows'), []);
    assert.deepEqual(
      stage.signals.filter((signal) => 'report' in signal),
      [],
    );
  });

  it('has its deposit in the total and among what is reserved, never in what is available', async () => {
    await open();
    await record('c1');
    await stage.pass(500);
    const { total, reserved, available } = stage.account.balance();
    assert.deepEqual([total, reserved, available], ['1000', '20', '980'], 'while it is on its way');
    await stage.milestone();
    const after = stage.account.balance();
    assert.deepEqual([after.total, after.reserved, after.available], ['1000', '20', '980']);
    await made('c2', LONGER);
    const longer = stage.account.balance();
    assert.deepEqual([longer.total, longer.reserved, longer.available], ['1000', '25', '975']);
    await made('c3', SHORTER);
    const shorter = stage.account.balance();
    assert.deepEqual([shorter.total, shorter.reserved, shorter.available], ['1000', '15', '985']);
  });

  it('spends the one before it, so that all of them hold one deposit', async () => {
    await open({ funds: [1_000n, 900n] });
    for (const id of ['c1', 'c2', 'c3']) await made(id, `${id} ${TEXT}`);
    const [first, second, third] = onLedger();
    assert.equal(stage.truth.spent.get(first?.outputId ?? '')?.by, second?.transactionId);
    assert.equal(stage.truth.spent.get(second?.outputId ?? '')?.by, third?.transactionId);
    assert.deepEqual(heads().length, 1);
    assert.deepEqual(signed()[2]?.inputs, [second?.outputId], 'of the same length it needs nothing else');
  });

  it('waits for the one before it, even while that is in doubt', async () => {
    await open({ funds: [1_000n, 900n] });
    stage.intercept = lost;
    await record('c1');
    await record('c2', LONGER);
    await stage.pass(120_000);
    assert.equal(signed().length, 1);
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    await stage.milestone();
    assert.deepEqual(
      onLedger().map(({ text }) => text),
      [TEXT, LONGER],
    );
    assert.equal(heads().length, 1);
  });

  it('waits until the ledger has told what the one before it became, where only the ledger knows', async () => {
    stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
    stage.intercept = (method) => (method === 'read' ? UNREACHABLE : undefined);
    await record('c1');
    await record('c2', LONGER);
    for (let count = 0; count < 3; count += 1) await stage.milestone();
    assert.deepEqual([state('c1'), state('c2')], ['CONFIRMED', 'READY']);
    stage.intercept = () => undefined;
    for (let count = 0; count < 3; count += 1) await stage.milestone();
    await stage.pass(20_000);
    await stage.milestone();
    assert.equal(state('c2'), 'CONFIRMED');
    assert.equal(heads().length, 1);
  });

  it('is the same record under the same id, however often it is asked for', async () => {
    await open();
    await Promise.all([record('c1'), record('c1')]);
    await record('c1');
    await stage.pass(500);
    await stage.milestone();
    await record('c1');
    assert.equal(onLedger().length, 1);
    assert.equal(told().length, 1);
    await assert.rejects(record('c1', 'something else'), TypeError);
    await assert.rejects(record('c1', TEXT, 'another tag'), TypeError);
    await stage.soon(stage.account.recordReported('c1'));
    await record('c1');
    assert.deepEqual(
      told().map(({ redelivered }) => redelivered),
      [false, true],
      'who still asks does not know',
    );
    assert.equal(signed().length, 1);
  });

  it('is told again after a restart until that is acknowledged, and then its bytes are forgotten', async () => {
    await open();
    await record('c1');
    await stage.pass(500);
    await stage.milestone();
    await stage.crash();
    assert.deepEqual(
      told().map(({ redelivered }) => redelivered),
      [false, true],
    );
    assert.deepEqual(told()[1]?.record, told()[0]?.record);
    await stage.soon(stage.account.recordReported('c1'));
    assert.deepEqual(stage.journal.sql.all('SELECT * FROM record_bytes'), []);
    assert.deepEqual(stage.journal.sql.all('SELECT * FROM signed_bytes'), []);
    await stage.crash();
    assert.equal(told().length, 2);
  });

  it('survives a crash at once after it was accepted, and one after it was signed', async () => {
    await open();
    stage.intercept = () => UNREACHABLE;
    await record('c1');
    await stage.crash();
    stage.intercept = lost;
    await stage.pass(20_000);
    assert.equal(state('c1'), 'IN_FLIGHT');
    await stage.crash();
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    assert.equal(onLedger().length, 1);
    assert.equal(new Set(stage.sent).size, 1);
    assert.equal(told().length, 1);
  });

  it('is accepted while the ledger has never been seen', async () => {
    stage = await Stage.open({ ...DEPOSITS, closed: true });
    stage.intercept = () => UNREACHABLE;
    await stage.start();
    await record('c1');
    await stage.pass(600_000);
    assert.equal(state('c1'), 'READY');
    assert.equal(stage.account.unsettled, true);
    stage.intercept = () => undefined;
    await stage.pass(60_000);
    await stage.milestone();
    assert.equal(told().length, 1);
    assert.equal(stage.account.unsettled, false);
  });

  it('is no way round the checks of payment ids', async () => {
    await open();
    await made('c1');
    await stage.refuses({ paymentId: '\u0001c1' }, 'CONFIG_INVALID', 'paymentId');
  });

  it('has an id, a tag and bytes', async () => {
    await open();
    const bytes = Buffer.from('x');
    for (const recordId of ['', 'a\0', '\ud800', 'x'.repeat(300), 5 as unknown as string])
      await assert.rejects(stage.soon(stage.account.record({ recordId, tag: bytes, bytes })), TypeError);
    const text = 'x' as unknown as Uint8Array;
    await assert.rejects(stage.soon(stage.account.record({ recordId: 'c1', tag: text, bytes })), TypeError);
    await assert.rejects(stage.soon(stage.account.record({ recordId: 'c1', tag: bytes, bytes: text })), TypeError);
    assert.deepEqual(stage.journalled('record.intended'), []);
  });

  describe('that the ledger does not take', () => {
    for (const [what, text, tag, code] of [
      ['too large', 'x'.repeat(9_000), 'log', 'too-large'],
      ['without a tag', TEXT, '', 'unbuildable'],
    ] as const) {
      it(`fails aloud, and lets the next one pass: ${what}`, async () => {
        await open();
        await record('c1', text, tag);
        await record('c2');
        await stage.pass(240_000);
        await stage.milestone();
        const failed = stage.events().filter(({ event }) => event === 'record-failed');
        assert.deepEqual(
          failed.map((event) => 'detail' in event && [event.recordId, event.code, event.detail]),
          [['c1', 'PAYMENT_FAILED', code]],
        );
        assert.deepEqual([state('c1'), state('c2')], ['FAILED', 'CONFIRMED']);
        assert.deepEqual(
          stage.journal.sql.all('SELECT payment_id FROM record_bytes').map((row) => row.payment_id),
          ['\u0001c2'],
        );
      });
    }

    it('may be asked for again', async () => {
      await open();
      stage.intercept = (method, parameters) =>
        withRecords(method, parameters) ? new CodedError('PAYMENT_FAILED', 'too-large', 'no') : undefined;
      await record('c1');
      await stage.pass(30_000);
      assert.equal(state('c1'), 'FAILED');
      stage.intercept = () => undefined;
      await record('c1');
      await stage.pass(500);
      await stage.milestone();
      assert.equal(told().length, 1);
    });

    it('is not made of bytes that are not the ones that were accepted', async () => {
      await open();
      stage.intercept = () => UNREACHABLE;
      await record('c1');
      await stage.soon(
        stage.journal.write((_, sql) => sql.run('UPDATE record_bytes SET bytes = ?', [Buffer.from('forged')])),
      );
      stage.intercept = () => undefined;
      await stage.pass(60_000);
      await stage.milestone();
      assert.equal(state('c1'), 'FAILED');
      assert.deepEqual(onLedger(), []);
    });
  });
});

describe('a journal from before there were records', () => {
  it('opens, and goes on with records', async () => {
    const stage = await Stage.open({ ...DEPOSITS, funds: [] });
    const { networkId: network } = stage.network;
    stage.truth.mint(stage.self, 500n);
    const [coin] = stage.truth.unspentOf(stage.self, stage.truth.height);
    // As they were written then: no marks on outputs and change, no deposit.
    const received = { transactionId: coin?.transactionId, outputIndex: 0, amount: '500', from: null, reference: null };
    const output = { outputId: coin?.outputId, ...received, height: 1, confirmedAt: 0, spendable: true, eventId: 'e' };
    const time = { ledger: 0, system: 0, ledgerShown: 0, systemShown: 0 };
    const paid = { to: stage.address('payee'), amount: '100', reference: '', origin: { nodeId: 'n' } };
    const payment = { network, paymentId: 'old', ...paid, parts: [{ address: paid.to, amount: '100' }], time };
    const outputs = [
      { to: paid.to, amount: 100n, reference: '', from: stage.self, spendable: true },
      { to: stage.self, amount: 400n, reference: '', from: stage.self, spendable: true },
    ];
    const inputs = [coin?.outputId ?? ''];
    stage.truth.submit({ id: 'oldtx', inputs, outputs, expiresEpoch: undefined });
    await stage.soon(
      stage.journal.write((append) => {
        append('account.received', { network, known: true, outputs: [output] } as never);
        append('payment.intended', payment);
        append('payment.cleared', { network, paymentId: 'old' });
        append('attempt.signed', {
          network,
          transactionId: 'oldtx',
          sha256: '',
          payments: ['old'],
          inputs,
          change: [{ outputId: 'oldtx.1', amount: '400', index: 1 }],
          fee: '0',
          expiresEpoch: null,
        });
      }),
    );
    await stage.crash();
    await stage.milestone();
    assert.equal(stage.stateOf('old'), 'CONFIRMED');
    assert.equal(stage.account.balance().available, '400');
    await stage.soon(stage.account.record({ recordId: 'c1', tag: Buffer.from('t'), bytes: Buffer.from(TEXT) }));
    await stage.pass(500);
    await stage.milestone();
    assert.equal(new BookReader(stage.journal.sql, network).recordsIn('CONFIRMED').length, 1);
    stage.dispose();
  });
});
