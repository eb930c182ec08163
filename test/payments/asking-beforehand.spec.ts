import assert from 'node:assert/strict';
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
});
