import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BudgetClock } from '../../lib/payments/budget-clock';

const HOUR = 3_600_000;
const NOON = Date.UTC(2026, 5, 1, 12);
const AT_NOON = { ledger: NOON, system: NOON, ledgerShown: NOON, systemShown: NOON };

/** How long ago something was, as budgets see it. */
function age(then: { ledger: number; system: number }, now: { ledger: number; system: number }): number {
  return Math.min(now.ledger - then.ledger, now.system - then.system);
}

describe('the clock that budgets roll by', () => {
  it('shows the ledger and the system time while both go right', () => {
    const clock = new BudgetClock(AT_NOON);
    const { ledger, system } = clock.now(NOON + 10_000, NOON + 12_000);
    assert.deepEqual([ledger, system], [NOON + 10_000, NOON + 12_000]);
    assert.equal(age(AT_NOON, clock.now(NOON + 20_000, NOON + 23_000)), 20_000, 'the slower one counts');
  });

  it('knows how old a payment is that was made before a clock of 1970 was put right', () => {
    const clock = new BudgetClock(AT_NOON);
    const payment = clock.now(NOON + HOUR, 0);
    assert.equal(age(AT_NOON, payment), 0, 'what passed while nobody counted is lost: late is safe');
    assert.equal(age(payment, clock.now(NOON + HOUR + 60_000, NOON + HOUR + 60_000)), 60_000);
  });

  it('knows how old a payment is that was made with the time of the last shutdown', () => {
    const clock = new BudgetClock(AT_NOON);
    // Switched off for eight hours; the clock goes on from where it was.
    const payment = clock.now(NOON + 8 * HOUR, NOON + 1_000);
    const corrected = clock.now(NOON + 8 * HOUR + 60_000, NOON + 8 * HOUR + 60_000);
    assert.equal(age(payment, corrected), 60_000);
    assert.equal(age(AT_NOON, corrected), 8 * HOUR + 60_000, 'and the time it was off counts in the end');
  });

  it('is not impressed by a node that claims to be in the future, nor by its return', () => {
    const clock = new BudgetClock(AT_NOON);
    const payment = clock.now(NOON + 1_000 * HOUR, NOON + 5_000);
    assert.equal(age(AT_NOON, payment), 5_000);
    clock.now(NOON + 10_000, NOON + 10_000);
    assert.equal(age(payment, clock.now(NOON + HOUR, NOON + HOUR)), HOUR - 10_000);
  });

  it('never makes a payment older than it is while one of the two clocks is right', () => {
    const step = fc.record({
      passes: fc.integer({ min: 0, max: 2 * HOUR }),
      error: fc.integer({ min: -(10 ** 12), max: 10 ** 12 }),
      restart: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 30 }), fc.boolean(), (steps, ledgerIsRight) => {
        let truth = NOON;
        let last = AT_NOON;
        let clock = new BudgetClock(last);
        const moments = [{ truth, time: last }];
        for (const { passes, error, restart } of steps) {
          truth += passes;
          if (restart) clock = new BudgetClock(last);
          last = ledgerIsRight ? clock.now(truth, truth + error) : clock.now(truth + error, truth);
          for (const before of moments) assert.ok(age(before.time, last) <= truth - before.truth);
          moments.push({ truth, time: last });
        }
      }),
    );
  });
});
