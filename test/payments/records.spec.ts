import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { TransactionRequest } from '../../lib/ledger';
import { BookReader } from '../../lib/payments/book-reader';
import { Stage, type StageOptions } from './stage';

const UNREACHABLE = new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');
const EXPIRING = { epochLength: 4, network: { protocol: 'iota', addressForm: { kind: 'hex' } } } as const;
/** Record outputs hold 10 and one more for every 8 bytes; change is at least 10. */
const DEPOSITS = { deposit: 10n };
/** Bytes whose record, tagged `log`, needs a deposit of 20. */
const TEXT = 'checkpoint'.padEnd(77, '.');
const LONGER = 'checkpoint'.padEnd(117, '.'); // 25
const SHORTER = 'checkpoint'.padEnd(37, '.'); // 15

interface Signed {
  readonly transactionId: string;
  readonly payments: string[];
  readonly inputs: string[];
}

const lost = (method: string) => (method === 'submit' ? UNREACHABLE : undefined);
const liar = (method: string) =>
  method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
const withRecords = (method: string, [request]: readonly unknown[]) =>
  method === 'prepare' && (request as TransactionRequest).records.length > 0;

describe('a record', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }
  const record = (recordId: string, text = TEXT, tag = 'log') =>
    stage.soon(stage.account.record({ recordId, tag: Buffer.from(tag), bytes: Buffer.from(text) }));
  const told = () => stage.signals.flatMap((signal) => ('record' in signal ? [signal] : []));
  const signed = () => stage.journalled('attempt.signed') as Signed[];
  const state = (recordId: string) => stage.stateOf(`\u0001${recordId}`);
  /** What the ledger holds of records, spent or not, in the order in which it came there. */
  const onLedger = () =>
    [...stage.truth.outputs.values()].flatMap((output) =>
      output.record && output.to === stage.self
        ? [{ ...output, text: Buffer.from(output.record.bytes, 'hex').toString() }]
        : [],
    );
  const heads = () => onLedger().filter(({ outputId }) => !stage.truth.spent.has(outputId));
  /** The record is made, on the ledger, and whoever wanted it knows. */
  async function made(recordId: string, text = TEXT): Promise<void> {
    await record(recordId, text);
    await stage.pass(500);
    await stage.milestone();
    await stage.soon(stage.account.recordReported(recordId));
  }
  /** Somebody pays the machine. */
  function arrives(amount: bigint): void {
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    stage.truth.mint(stage.self, amount);
    stage.account.wake(stage.truth.height);
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

  describe('beside payments', () => {
    it('goes along with them in one transaction', async () => {
      await open();
      await made('c1');
      await stage.pay({ paymentId: 'p0' });
      await stage.pass(200);
      await Promise.all([stage.pay(), record('c2', LONGER), stage.pay({ paymentId: 'p2' })]);
      await stage.milestone();
      await stage.milestone();
      assert.deepEqual(signed().at(-1)?.payments.toSorted(), ['\u0001c2', 'p1', 'p2']);
      assert.equal(stage.reports('confirmed').length, 3);
      assert.equal(told().length, 2);
      assert.equal(heads().length, 1);
      assert.deepEqual(stage.account.balance().reserved, '25');
    });

    it('goes alone when it is the first: nothing but their inputs would bind it', async () => {
      await open({ funds: [1_000n, 900n] });
      await stage.pay({ paymentId: 'p0' });
      await stage.pass(200);
      await Promise.all([stage.pay(), record('c1')]);
      for (let count = 0; count < 3; count += 1) await stage.milestone();
      assert.deepEqual(
        signed().map(({ payments }) => payments),
        [['p0'], ['p1'], ['\u0001c1']],
      );
    });

    it('is never money for them, nor merged with it', async () => {
      await open({ funds: [100n] });
      await made('c1');
      await stage.refuses({ amount: '81' }, 'FUNDS_INSUFFICIENT');
      await stage.pay({ amount: '80' });
      await stage.pass(500);
      await stage.milestone();
      assert.equal(stage.reports('confirmed').length, 1);
      assert.deepEqual(
        heads().map(({ amount }) => amount),
        [20n],
      );
      const { total, reserved, available } = stage.account.balance();
      assert.deepEqual([total, reserved, available], ['20', '20', '0']);
    });

    it('takes nothing that they were promised', async () => {
      await open({ funds: [70n, 40n] });
      // 60 and 35 leave 15 of them, in whatever order: less than a deposit of 20. An output of 40 looks free meanwhile.
      stage.intercept = lost;
      await stage.pay({ amount: '60' });
      await stage.pass(200);
      await stage.pay({ paymentId: 'p2', amount: '35' });
      await record('c1');
      await stage.pass(45_000);
      assert.deepEqual([state('c1'), stage.events().map(({ event }) => event)], ['READY', ['record-waiting']]);
      stage.intercept = () => undefined;
      await stage.pass(40_000);
      for (let count = 0; count < 4; count += 1) await stage.milestone();
      assert.deepEqual([stage.stateOf('p1'), stage.stateOf('p2')], ['CONFIRMED', 'CONFIRMED']);
    });

    it('takes nothing that would leave them with less than an output holds', async () => {
      await open({ funds: [50n, 40n] });
      // 90 less 30 and 42 are 18; a record of 15 would leave 3, and the second payment could never be made.
      stage.intercept = lost;
      await stage.pay({ amount: '30' });
      await stage.pass(200);
      await stage.pay({ paymentId: 'p2', amount: '42' });
      await record('c1', SHORTER);
      await stage.pass(45_000);
      assert.equal(state('c1'), 'READY');
      stage.intercept = () => undefined;
      await stage.pass(40_000);
      for (let count = 0; count < 4; count += 1) await stage.milestone();
      assert.deepEqual([stage.stateOf('p1'), stage.stateOf('p2')], ['CONFIRMED', 'CONFIRMED']);
    });

    it('leaves a payment what it was promised while the record was being signed', async () => {
      await open({ funds: [100n] });
      let paying: Promise<unknown> | undefined;
      stage.intercept = (method) => {
        if (method !== 'seal' || paying) return undefined;
        // 100 are there for 85.
        paying = stage.account.pay(stage.order({ amount: '85' }));
        return paying.then(() => undefined);
      };
      await record('c1');
      await stage.pass(500);
      assert.ok(paying);
      for (let count = 0; count < 3; count += 1) await stage.milestone();
      assert.equal(stage.reports('confirmed').length, 1);
      assert.equal(state('c1'), 'READY');
    });

    for (const error of [new CodedError('PAYMENT_FAILED', 'too-large', 'no'), new RangeError('no'), UNREACHABLE]) {
      it(`does not hold them up when it cannot be built: ${error.constructor.name} ${error.message}`, async () => {
        await open({ funds: [1_000n, 900n] });
        await made('c1');
        stage.intercept = (method, parameters) => (withRecords(method, parameters) ? error : undefined);
        await record('c2', LONGER);
        for (const paymentId of ['p1', 'p2', 'p3']) {
          await stage.pay({ paymentId });
          await stage.pass(2_500);
          await stage.milestone();
        }
        await stage.pass(5_000);
        await stage.milestone();
        assert.equal(stage.reports('confirmed').length, 3);
        assert.deepEqual(stage.reports('failed'), []);
      });
    }

    it('has its place among the outputs', async () => {
      await open({ network: { maxOutputs: 4 } });
      await made('c1');
      await stage.pay({ paymentId: 'p0' });
      await stage.pass(200);
      await Promise.all(['p1', 'p2', 'p3'].map((paymentId) => stage.pay({ paymentId })));
      await record('c2', LONGER);
      for (let count = 0; count < 3; count += 1) await stage.milestone();
      assert.deepEqual(
        signed().map(({ payments }) => payments),
        [['\u0001c1'], ['p0'], ['p1', 'p2', '\u0001c2'], ['p3']],
      );
    });

    it('does not take a place from the first of them', async () => {
      await open({ funds: [60n, 60n, 60n], network: { maxInputs: 3 } });
      await made('c1');
      stage.intercept = (method) => (method === 'minimumAmounts' ? undefined : UNREACHABLE);
      stage.account.wake(0);
      await stage.pass(1_500);
      await record('c2', LONGER);
      // The first needs three inputs, as many as a transaction has: none is left for the record.
      await Promise.all([stage.pay({ amount: '130' }), stage.pay({ paymentId: 'p2', amount: '10' })]);
      stage.intercept = () => undefined;
      await stage.pass(3_000);
      await stage.milestone();
      await stage.milestone();
      assert.deepEqual(
        signed().map(({ payments }) => payments),
        [['\u0001c1'], ['p1', 'p2'], ['\u0001c2']],
      );
      assert.equal(heads().length, 1);
    });
  });

  describe('whose deposit is not there', () => {
    it('says so once, and is made when money arrives', async () => {
      await open({ funds: [] });
      await record('c1');
      await stage.pass(600_000);
      const waiting = stage.events();
      assert.deepEqual(
        waiting.map((event) => 'recordId' in event && [event.event, event.recordId]),
        [['record-waiting', 'c1']],
      );
      assert.equal(state('c1'), 'READY');
      assert.equal(stage.account.unsettled, true);
      arrives(15n);
      await stage.pass(60_000);
      assert.equal(stage.events().length, 1);
      arrives(15n);
      await stage.pass(3_000);
      await stage.milestone();
      assert.equal(told().length, 1);
      assert.deepEqual(stage.account.balance().available, '10');
    });

    it('does not say so while others may bring back what they hold', async () => {
      await open({ funds: [100n] });
      stage.intercept = lost;
      await stage.pay({ amount: '50' });
      await record('c1');
      await stage.pass(120_000);
      assert.deepEqual(stage.events(), []);
      stage.intercept = () => undefined;
      await stage.pass(40_000);
      for (let count = 0; count < 3; count += 1) await stage.milestone();
      assert.equal(state('c1'), 'CONFIRMED');
    });

    it('needs nothing where it takes over the deposit of the one before it', async () => {
      await open({ funds: [20n] });
      await made('c1');
      arrives(5n);
      await stage.pass(3_000);
      assert.equal(stage.account.balance().available, '5', 'too little for change');
      await made('c2');
      assert.equal(state('c2'), 'REPORTED');
    });

    it('does not fail when the ledger has come to want more for it than it said', async () => {
      await open();
      let asked = 0;
      stage.intercept = (method, parameters) => {
        if (!withRecords(method, parameters)) return undefined;
        asked += 1;
        return asked === 2 ? new CodedError('FUNDS_INSUFFICIENT', 'inputs', 'more') : undefined;
      };
      await record('c1');
      await stage.pass(20_000);
      await stage.milestone();
      assert.equal(state('c1'), 'CONFIRMED');
      assert.deepEqual(stage.events(), []);
    });

    it('says so again for the next one', async () => {
      await open({ funds: [20n] });
      await made('c1');
      await record('c2', LONGER);
      await stage.pass(60_000);
      assert.equal(stage.events().length, 1);
      arrives(15n);
      await stage.pass(3_000);
      await stage.milestone();
      assert.deepEqual([state('c2'), stage.account.balance().reserved], ['CONFIRMED', '25']);
      await record('c3', `${LONGER}${LONGER}`);
      await stage.pass(60_000);
      assert.equal(stage.events().length, 2);
    });

    it('does not split off change that the ledger would not keep', async () => {
      await open({ funds: [20n] });
      await made('c1');
      // 15 would do, but 5 are no output.
      await record('c2', SHORTER);
      await stage.pass(60_000);
      assert.equal(state('c2'), 'READY');
      arrives(10n);
      await stage.pass(3_000);
      await stage.milestone();
      assert.deepEqual([state('c2'), stage.account.balance().available], ['CONFIRMED', '15']);
    });

    it('merges small outputs first when it needs more of them than fit', async () => {
      await open({ funds: Array.from({ length: 9 }, () => 4n), network: { maxInputs: 3, minimumChange: 4n } });
      await record('c1', `${LONGER}`);
      for (let count = 0; count < 8; count += 1) await stage.milestone();
      await stage.pass(20_000);
      await stage.milestone();
      assert.equal(state('c1'), 'CONFIRMED');
    });
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

  describe('whose transaction is dead', () => {
    const untilExpired = async () => {
      for (let count = 0; count < 10; count += 1) await stage.milestone();
    };

    it('is signed anew with an input of every attempt before', async () => {
      stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
      stage.intercept = lost;
      await record('c1');
      await untilExpired();
      stage.intercept = () => undefined;
      await stage.pass(60_000);
      await stage.milestone();
      const [first, second] = signed();
      assert.deepEqual(second?.inputs, first?.inputs);
      await stage.milestone();
      assert.equal(onLedger().length, 1);
    });

    it('is signed anew with the payments that it shared a transaction with', async () => {
      stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
      await made('c1');
      await stage.milestone();
      stage.intercept = lost;
      await Promise.all([stage.pay(), record('c2', LONGER)]);
      await untilExpired();
      stage.intercept = () => undefined;
      await stage.pass(60_000);
      await stage.milestone();
      await stage.milestone();
      const together = signed().filter(({ payments }) => payments.includes('\u0001c2'));
      assert.ok(together.length > 1);
      for (const { payments, inputs } of together) {
        assert.deepEqual(payments.toSorted(), ['\u0001c2', 'p1']);
        assert.deepEqual(inputs.toSorted(), together[0]?.inputs.toSorted());
      }
      assert.deepEqual([stage.stateOf('p1'), state('c2')], ['CONFIRMED', 'CONFIRMED']);
      assert.equal(heads().length, 1);
    });

    for (const error of [new CodedError('PAYMENT_FAILED', 'too-large', 'no'), new RangeError('no'), UNREACHABLE]) {
      it(`stays behind when it cannot be built any more, and is made later: ${error.message}`, async () => {
        stage = await Stage.open({ ...EXPIRING, funds: [1_000n, 900n] });
        await made('c1');
        await stage.milestone();
        stage.intercept = lost;
        await Promise.all([stage.pay(), record('c2', LONGER)]);
        await stage.pass(500);
        const [shared] = signed().slice(-1);
        assert.equal(shared?.payments.length, 2);
        await untilExpired();
        stage.intercept = (method, parameters) => (withRecords(method, parameters) ? error : undefined);
        await stage.pass(60_000);
        await stage.milestone();
        await stage.milestone();
        assert.deepEqual([stage.stateOf('p1'), state('c2')], ['CONFIRMED', 'READY']);
        const alone = signed().find(({ payments }) => payments.length === 1 && payments[0] === 'p1');
        const [head] = heads();
        assert.ok(alone && !alone.inputs.includes(head?.outputId ?? ''), 'payments leave the record alone');
        assert.ok(alone.inputs.some((input) => shared?.inputs.includes(input)));
        stage.intercept = () => undefined;
        await stage.pass(30_000);
        await stage.milestone();
        await stage.milestone();
        assert.equal(state('c2'), 'CONFIRMED');
        const again = signed().at(-1);
        assert.deepEqual(again?.payments, ['\u0001c2']);
        assert.ok(again.inputs.includes(head?.outputId ?? ''), 'bound to its first attempt by the record before');
        assert.equal(heads().length, 1);
      });
    }

    it('lets nobody else be signed in its place: a node may have lied', async () => {
      await open({ funds: [1_000n, 900n] });
      stage.intercept = (method) => (method === 'spends' ? [{ state: 'unknown' }] : (lost(method) ?? liar(method)));
      await record('c1');
      await record('c2', LONGER);
      await stage.pass(120_000);
      assert.deepEqual(new Set(signed().flatMap(({ payments }) => payments)), new Set(['\u0001c1']));
      assert.equal(stage.account.balance().reserved, '20');
      stage.intercept = () => undefined;
      await stage.pass(60_000);
      for (let count = 0; count < 4; count += 1) await stage.milestone();
      await stage.pass(30_000);
      await stage.milestone();
      assert.deepEqual(
        onLedger().map(({ text }) => text),
        [TEXT, LONGER],
      );
      assert.equal(heads().length, 1);
    });
  });

  describe('that is found on the ledger', () => {
    /** Another journal of the same machine has put it there. */
    function putOnLedger(text: string, amount = 20n): void {
      const { truth, self } = stage;
      truth.mint(self, amount);
      const coin = truth.unspentOf(self, truth.height).at(-1);
      const hex = (value: string) => Buffer.from(value).toString('hex');
      const record = { tag: hex('log'), bytes: hex(text) };
      truth.submit({
        id: `earlier ${text}`,
        inputs: [coin?.outputId ?? ''],
        outputs: [{ to: self, amount, reference: '', from: self, spendable: true, record }],
        expiresEpoch: undefined,
      });
    }
    /** The same, paid for by somebody whose outputs we do not know. */
    function appears(id: string, spendable = true): void {
      const { truth, self } = stage;
      const other = stage.address(`other ${id}`);
      truth.mint(other, 20n);
      const coin = truth.unspentOf(other, truth.height).at(-1);
      const record = { tag: '6c6f67', bytes: '00' };
      const outputs = [{ to: self, amount: 20n, reference: '', from: self, spendable, record }];
      truth.submit({ id, inputs: [coin?.outputId ?? ''], outputs, expiresEpoch: undefined });
    }
    const advance = () =>
      stage.truth.advance(
        stage.timeline.now(),
        () => true,
        () => false,
      );

    it('is where the chain goes on, when the account is opened for the first time', async () => {
      stage = await Stage.open({ ...DEPOSITS, closed: true });
      putOnLedger('earlier');
      advance();
      await stage.start();
      await stage.pass(1_000);
      const { total, reserved, available } = stage.account.balance();
      assert.deepEqual([total, reserved, available], ['1020', '20', '1000']);
      await made('c1');
      assert.equal(heads().length, 1);
      assert.equal(stage.truth.spent.get('earlier earlier.0')?.by, signed()[0]?.transactionId);
    });

    it('is one chain again when there were several', async () => {
      stage = await Stage.open({ ...DEPOSITS, closed: true });
      for (const text of ['one', 'two', 'three']) putOnLedger(text);
      advance();
      await stage.start();
      await stage.pass(1_000);
      assert.equal(heads().length, 3);
      await made('c1');
      assert.equal(heads().length, 1);
      assert.deepEqual(stage.account.balance().reserved, '20');
    });

    it('becomes one chain step by step when there are more than one transaction takes', async () => {
      stage = await Stage.open({ ...DEPOSITS, closed: true, network: { maxInputs: 3 } });
      for (const text of ['one', 'two', 'three', 'four']) putOnLedger(text);
      advance();
      await stage.start();
      await stage.pass(1_000);
      for (const id of ['c1', 'c2', 'c3']) await made(id);
      assert.equal(told().length, 3);
      assert.equal(heads().length, 1);
    });

    it('is spent by the next one even when it is found while that is being signed', async () => {
      await open();
      let found = false;
      stage.intercept = (method) => {
        if (method !== 'seal' || found) return undefined;
        found = true;
        appears('late');
        advance();
        stage.account.wake(stage.truth.height);
        return new Promise((resolve) => stage.timeline.after(1_000, () => resolve(undefined)));
      };
      await record('c1');
      await stage.pass(20_000);
      await stage.milestone();
      assert.equal(state('c1'), 'CONFIRMED');
      assert.equal(stage.truth.spent.get('late.0')?.by, onLedger().at(-1)?.transactionId);
      assert.equal(heads().length, 1);
    });

    it('is no payment received when it comes later, and no deposit of ours when we may not spend it', async () => {
      await open();
      await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
      appears('late');
      appears('locked', false);
      await stage.milestone();
      assert.deepEqual(stage.heard(), []);
      const { total, reserved, pending } = stage.account.balance();
      assert.deepEqual([total, reserved, pending], ['1020', '20', '20']);
    });

    it('is no payment received, whatever a node makes of it', async () => {
      await open();
      await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
      // The history comes before the outcome, and the node keeps the tag to itself.
      stage.intercept = liarAboutTags(stage);
      await record('c1');
      await stage.pass(500);
      await stage.milestone();
      await stage.pass(30_000);
      stage.intercept = () => undefined;
      await stage.pass(30_000);
      assert.deepEqual(stage.heard(), []);
      assert.equal(stage.account.balance().reserved, '20');
    });

    it('is ordinary money when somebody else sent it', async () => {
      await open();
      await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
      const buyer = stage.address('buyer');
      stage.truth.mint(buyer, 50n);
      const coin = stage.truth.unspentOf(buyer, stage.truth.height).at(-1);
      const record = { tag: '6c6f67', bytes: '00' };
      stage.truth.submit({
        id: 'tagged',
        inputs: [coin?.outputId ?? ''],
        outputs: [{ to: stage.self, amount: 50n, reference: null, from: buyer, spendable: true, record }],
        expiresEpoch: undefined,
      });
      await stage.milestone();
      assert.deepEqual(
        stage.heard().map(({ payment }) => payment.amount),
        ['50'],
      );
      assert.deepEqual(stage.account.balance().available, '1050');
    });

    it('freezes the account when somebody else spends it, and a frozen account signs no record', async () => {
      await open();
      await made('c1');
      const [head] = heads();
      stage.truth.submit({
        id: 'thief',
        inputs: [head?.outputId ?? ''],
        outputs: [{ to: stage.address('thief'), amount: 20n, reference: null, from: stage.self, spendable: true }],
        expiresEpoch: undefined,
      });
      stage.intercept = (method) => (method === 'read' ? UNREACHABLE : undefined);
      await record('c2');
      stage.intercept = () => undefined;
      await stage.milestone();
      assert.equal(stage.account.frozen, 'foreign-spend');
      const before = signed().length;
      await assert.rejects(record('c3'), { code: 'JOURNAL_DAMAGED' });
      await stage.crash();
      await stage.pass(60_000);
      assert.equal(signed().length, before);
    });

    it('is noticed at the start, too, when somebody else has spent it', async () => {
      await open();
      await made('c1');
      const [head] = heads();
      stage.truth.submit({
        id: 'thief',
        inputs: [head?.outputId ?? ''],
        outputs: [{ to: stage.address('thief'), amount: 20n, reference: null, from: stage.self, spendable: true }],
        expiresEpoch: undefined,
      });
      advance();
      stage.intercept = (method) => (method === 'read' ? UNREACHABLE : undefined);
      await stage.crash();
      assert.equal(stage.account.frozen, 'foreign-spend');
    });
  });
});

/** Outcomes are late, and what is read has no tag. */
function liarAboutTags(stage: Stage): Stage['intercept'] {
  const { truth } = stage;
  return (method) => {
    if (method === 'outcome') return UNREACHABLE;
    if (method !== 'read') return undefined;
    const { height } = truth;
    const received = [...truth.outputs.values()]
      .filter(({ to, height: at, record }) => to === stage.self && at > 1 && record)
      .map((output) => ({ ...output, outputIndex: output.index, tag: null, confirmedAt: 0 }));
    return { received, spent: [], cursor: '1', height, ledgerTime: truth.times[height], reached: true };
  };
}

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
