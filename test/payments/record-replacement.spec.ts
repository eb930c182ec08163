import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { DEPOSITS, EXPIRING, LONGER, liar, lost, recordsOn, TEXT, UNREACHABLE, withRecords } from './records-on-stage';
import { Stage, type StageOptions } from './stage';

describe('a record whose transaction is dead', () => {
  let stage: Stage;
  const { record, signed, state, onLedger, heads, made } = recordsOn(() => stage);
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }

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
