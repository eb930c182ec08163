import assert from 'node:assert/strict';
import { isCodedError } from '../../lib/errors';
import { parsePolicy } from '../../lib/payments/policy';
import { Stage } from './stage';

const HOUR = 3_600_000;

describe('the policy of a machine', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('denies everything until it says otherwise', async () => {
    stage = await Stage.open({ policy: undefined });
    await stage.refuses({}, 'POLICY_PAYEE');
    stage.account.configure({ policy: { budgets: [{ amount: '100', window: 'total' }] }, contacts: {} });
    await stage.refuses({}, 'POLICY_PAYEE');
    stage.account.configure({ policy: { payees: ['*'] }, contacts: {} });
    await stage.refuses({}, 'POLICY_BUDGET', 'none');
    stage.account.configure({ policy: { payees: ['*'], budgets: [{ amount: '100', window: 'total' }] }, contacts: {} });
    assert.deepEqual(await stage.pay(), { paymentId: 'p1' });
  });

  it('allows listed payees only, and every payee of a split must be listed', async () => {
    stage = await Stage.open({ closed: true });
    stage.contacts = { tax: stage.address('tax') };
    stage.policy = { payees: ['tax', stage.address('payee')], budgets: [{ amount: '1000', window: 'total' }] };
    await stage.start();
    await stage.refuses({ to: stage.address('other') }, 'POLICY_PAYEE');
    await stage.refuses({ splits: [{ to: stage.address('other'), amount: '1' }] }, 'POLICY_PAYEE');
    await stage.refuses({ splits: [{ to: 'tax', share: '100%' }], to: stage.address('other') }, 'POLICY_PAYEE');
    assert.deepEqual(await stage.pay({ splits: [{ to: 'tax', amount: '1' }] }), { paymentId: 'p1' });
  });

  it('reserves budgets with the intent: of a hundred orders at once exactly ten pass', async () => {
    stage = await Stage.open({ policy: { payees: ['*'], budgets: [{ amount: '100', window: '1h' }] } });
    const orders = Array.from({ length: 100 }, (_, index) => stage.pay({ paymentId: `p${index}`, amount: '10' }));
    const results = await Promise.allSettled(orders);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 10);
    for (const result of results)
      if (result.status === 'rejected') assert.ok(isCodedError(result.reason, 'POLICY_BUDGET'));
    await stage.pass(1_000);
    await stage.milestone();
    assert.equal(stage.fundsOf(stage.address('payee')), 100n);
    assert.equal(stage.reports('confirmed').at(-1)?.receipt.remaining[0]?.amount, '0');
  });

  it('counts the whole amount once, however it is split', async () => {
    stage = await Stage.open({
      policy: { payees: ['*'], maxPerPayment: '100', budgets: [{ amount: '150', window: '24h' }] },
    });
    await stage.pay({ splits: [{ to: stage.address('tax'), share: '50%' }] });
    await stage.refuses({ paymentId: 'p2', amount: '51' }, 'POLICY_BUDGET');
    await stage.pay({ paymentId: 'p2', amount: '50' });
  });

  it('lets budgets roll with the ledger', async () => {
    stage = await Stage.open({
      policy: {
        payees: ['*'],
        budgets: [
          { amount: '100', window: '1h' },
          { amount: '250', window: '24h' },
        ],
      },
    });
    await stage.pay();
    await stage.pass(HOUR - 60_000);
    await stage.milestone();
    await stage.refuses({ paymentId: 'p2' }, 'POLICY_BUDGET');
    await stage.pass(120_000);
    await stage.milestone();
    await stage.pay({ paymentId: 'p2' });
    await stage.pass(HOUR + 60_000);
    await stage.milestone();
    await assert.rejects(stage.pay({ paymentId: 'p3' }), {
      code: 'POLICY_BUDGET',
      parameters: { window: '24h', amount: '0.0001 IOTA', left: '0.00005 IOTA' },
    });
  });

  it('does not let them roll while the ledger stands still, or is not heard of', async () => {
    stage = await Stage.open({ policy: { payees: ['*'], budgets: [{ amount: '100', window: '1h' }] } });
    await stage.pay();
    await stage.pass(3 * HOUR);
    await stage.refuses({ paymentId: 'p2' }, 'POLICY_BUDGET');
    await stage.crash();
    await stage.refuses({ paymentId: 'p2' }, 'POLICY_BUDGET');
  });

  it('remembers budgets over a restart', async () => {
    stage = await Stage.open({ policy: { payees: ['*'], budgets: [{ amount: '150', window: '30d' }] } });
    await stage.pay();
    await stage.crash();
    await stage.refuses({ paymentId: 'p2' }, 'POLICY_BUDGET');
  });
});

describe('a policy that cannot be meant', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.open({ closed: true });
  });
  after(() => stage.dispose());

  const refused = (policy: unknown, field: string) =>
    assert.throws(
      () => parsePolicy(policy, new Map(), stage.network),
      (error) => isCodedError(error, 'CONFIG_INVALID') && String(error.parameters.field).startsWith(field),
      JSON.stringify(policy),
    );

  it('is refused, naming the field', () => {
    for (const field of ['approvalAbove', 'approvalSeconds', 'maxPerMinute', 'reserve', 'budget', 'MaxPerPayment'])
      refused({ [field]: '1' }, `policy.${field}`);
    for (const amount of ['1,5 IOTA', '0x10', Number.NaN, -1, 1.5, null, '']) {
      refused({ maxPerPayment: amount }, 'policy.maxPerPayment');
      refused({ budgets: [{ amount, window: '1h' }] }, 'policy.budgets[0].amount');
    }
    for (const window of ['1d', '24', 24, '', 'toString', undefined])
      refused({ budgets: [{ amount: '1', window }] }, 'policy.budgets[0].window');
    refused(
      {
        budgets: [
          { amount: '1', window: '1h' },
          { amount: '2', window: '1h' },
        ],
      },
      'policy.budgets[1].window',
    );
    refused({ budgets: [{ amount: '1', window: '1h', per: 'payee' }] }, 'policy.budgets[0].per');
    refused({ budgets: { amount: '1', window: '1h' } }, 'policy.budgets');
    refused({ payees: '*' }, 'policy.payees');
    refused({ payees: ['somebody'] }, 'policy.payees[0]');
    refused({ payees: [stage.address('x'), 7] }, 'policy.payees[1]');
    refused([], 'policy');
    refused('{', 'policy');
    refused(17, 'policy');
  });

  it('is read from text as from an object', () => {
    const policy = { maxPerPayment: '1 IOTA', budgets: [{ amount: '2 IOTA', window: '24h' }], payees: ['*'] };
    assert.deepEqual(
      parsePolicy(JSON.stringify(policy), new Map(), stage.network),
      parsePolicy(policy, new Map(), stage.network),
    );
    assert.equal(parsePolicy(policy, new Map(), stage.network).maxPerPayment, 1_000_000n);
  });
});
