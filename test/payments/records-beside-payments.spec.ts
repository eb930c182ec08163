import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { DEPOSITS, LONGER, lost, recordsOn, SHORTER, UNREACHABLE, withRecords } from './records-on-stage';
import { Stage, type StageOptions } from './stage';

describe('a record beside payments', () => {
  let stage: Stage;
  const { record, told, signed, state, heads, made } = recordsOn(() => stage);
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }

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
