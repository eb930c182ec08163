import assert from 'node:assert/strict';
import {
  ATTEMPT_TRANSITIONS,
  PAYMENT_TRANSITIONS,
  type PaymentEvent,
  type PaymentState,
  printTransitions,
  transition,
} from '../../lib/payments/transitions';
import { Stage } from './stage';

const EVENTS: PaymentEvent[] = ['intend', 'clear', 'reject', 'fail', 'sign', 'release', 'settle', 'report'];

describe('the table of payment states', () => {
  const leads = (state: PaymentState | 'NEW') =>
    Object.entries(PAYMENT_TRANSITIONS[state]).map(([event, next]) => `${event} ${next.to}`);

  it('has one way out of everything, and none out of what is settled and reported', () => {
    assert.deepEqual(leads('NEW'), ['intend INTENT']);
    assert.deepEqual(leads('REPORTED'), []);
    assert.deepEqual(leads('CONFIRMED'), ['report REPORTED']);
    assert.deepEqual(leads('FAILED'), ['intend INTENT'], 'asked for again, it begins anew');
  });

  it('releases budgets on the way to REJECTED and FAILED, and nowhere else', () => {
    for (const [state, events] of Object.entries(PAYMENT_TRANSITIONS))
      for (const next of Object.values(events))
        assert.equal(
          next.effects.includes('release budget'),
          next.to === 'REJECTED' || next.to === 'FAILED',
          `${state} to ${next.to}`,
        );
  });

  it('has no way from IN_FLIGHT to FAILED', () => {
    assert.deepEqual(leads('IN_FLIGHT'), ['release READY', 'settle CONFIRMED']);
  });

  it('refuses what it does not list', () => {
    let refused = 0;
    for (const state of [...Object.keys(PAYMENT_TRANSITIONS)] as PaymentState[])
      for (const event of EVENTS)
        if (!PAYMENT_TRANSITIONS[state][event]) {
          refused += 1;
          assert.throws(() => transition(PAYMENT_TRANSITIONS, state, event), /no transition/);
        }
    assert.ok(refused > 40);
  });

  it('can be printed into the docs', () => {
    assert.match(printTransitions(PAYMENT_TRANSITIONS), /^\| INTENT \| clear \| READY \| {2}\|$/m);
    assert.match(
      printTransitions(ATTEMPT_TRANSITIONS),
      /^\| DEAD \| final \| FINAL \| record change, settle payments \|$/m,
    );
  });
});

describe('the journal', () => {
  it('refuses a whole write that contains an event which the tables do not list', async () => {
    const stage = await Stage.open();
    await stage.pay();
    await stage.pass(200);
    const { sequence } = stage.journal.head;
    const body = { network: 'stage', paymentId: 'p1' };
    const bad = (type: string, more = {}) =>
      stage.soon(stage.journal.write((append) => append(type, { ...body, ...more })));
    await assert.rejects(bad('payment.reported'));
    await assert.rejects(bad('payment.cleared'));
    await assert.rejects(bad('payment.failed', { code: 'x', detail: '', message: '' }), /never fails/);
    await assert.rejects(
      bad('attempt.dead', { transactionId: 'nobody', height: 1, conflictingId: null, reason: '', node: '' }),
    );
    assert.equal(stage.journal.head.sequence, sequence);
    stage.dispose();
  });
});
