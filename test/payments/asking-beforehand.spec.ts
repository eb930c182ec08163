import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { PaymentOrder } from '../../lib/payments';
import { Stage } from './stage';

describe('asking whether an order would be taken', () => {
  it('is answered as paying would be, and reserves nothing', async () => {
    const stage = await Stage.open({ policy: { payees: ['*'], budgets: [{ amount: '300', window: 'total' }] } });
    const asked = (order: Partial<PaymentOrder>) => stage.soon(stage.account.assertPayable(stage.order(order)));
    await asked({ amount: '300' });
    await asked({ amount: '300' });
    assert.equal(stage.account.balance().reserved, '0');
    assert.deepEqual(stage.journalled('payment.intended'), []);
    await assert.rejects(asked({ amount: '301' }), { code: 'POLICY_BUDGET' });
    await assert.rejects(asked({ amount: '-1' }), { code: 'AMOUNT_INVALID' });
    await stage.pay({ amount: '200' });
    await assert.rejects(asked({ amount: '200', paymentId: 'p2' }), { code: 'POLICY_BUDGET' });
    stage.account.configure({
      policy: { payees: ['*'], budgets: [{ amount: '9999', window: 'total' }] },
      contacts: null,
    });
    await assert.rejects(asked({ amount: '5000', paymentId: 'p2' }), { code: 'FUNDS_INSUFFICIENT' });
    stage.dispose();
  });

  it('knows what is intended, under way or made, and not what failed before anything was signed', async () => {
    const stage = await Stage.open();
    assert.equal(stage.account.knows('p1'), false);
    await stage.pay({ paymentId: 'p1' });
    assert.equal(stage.account.knows('p1'), true);
    await stage.pass(200);
    await stage.milestone();
    assert.equal(stage.account.knows('p1'), true);
    const unreachable = new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');
    const answered = ['minimumAmounts', 'prepare', 'seal'];
    stage.account.ledgerDown(unreachable);
    stage.intercept = (method) => (answered.includes(method) ? undefined : unreachable);
    await stage.pay({ paymentId: 'p2' });
    assert.equal(stage.account.knows('p2'), true);
    await stage.pass(120_000);
    assert.equal(stage.stateOf('p2'), 'FAILED');
    assert.equal(stage.account.knows('p2'), false);
    stage.dispose();
  });
});
