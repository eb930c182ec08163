import assert from 'node:assert/strict';
import { didKeyOf } from '../../lib/values';
import { Stage } from './stage';

describe('an order', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  it('names its payee by contact, by did:key or by address', async () => {
    const publicKey = new Uint8Array(32).fill(9);
    const did = didKeyOf(publicKey);
    stage = await Stage.open({ contacts: { tax: did } });
    await stage.pay({ paymentId: 'by name', to: 'tax' });
    await stage.pay({ paymentId: 'by did', to: did });
    const rows = stage.journal.sql.all('SELECT DISTINCT payee FROM payments');
    assert.equal(rows.length, 1);
    await stage.pay({ paymentId: 'by address', to: String(rows[0]?.payee) });
    await stage.refuses({ to: 'nobody' }, 'ADDRESS_INVALID');
  });

  it('is judged in one order: address, amount, payment id, policy, deposit, funds', async () => {
    stage = await Stage.open({
      deposit: 10n,
      policy: { payees: ['*'], maxPerPayment: '5000', budgets: [{ amount: '4000', window: '24h' }] },
    });
    // Everything is wrong with the first, and each next one has one fault less.
    const order: Record<string, unknown> = { to: stage.self, amount: '1.5', paymentId: 'p1', reference: 'r1' };
    await stage.pay({ paymentId: 'p1' });
    await stage.refuses(order, 'ADDRESS_INVALID', 'self');
    order.to = stage.address('other');
    await stage.refuses(order, 'AMOUNT_INVALID');
    order.amount = '6000';
    await stage.refuses(order, 'PAYMENT_MISMATCH');
    order.paymentId = 'p2';
    await stage.refuses(order, 'POLICY_PAYMENT_LIMIT');
    order.amount = '4500';
    await stage.refuses(order, 'POLICY_BUDGET');
    order.amount = '3000';
    order.splits = [{ to: stage.address('tax'), amount: '9' }];
    await stage.refuses(order, 'DEPOSIT_TOO_SMALL');
    order.splits = undefined;
    await stage.refuses(order, 'FUNDS_INSUFFICIENT');
    order.amount = '895';
    await stage.refuses(order, 'FUNDS_INSUFFICIENT', 'change');
    order.amount = '900';
    assert.deepEqual(await stage.pay(order), { paymentId: 'p2' });
    await stage.milestone();
    await stage.milestone();
    assert.equal(stage.account.balance().total, '0', 'nothing left is a change that is always allowed');
  });

  it('leaves no trace in the journal when it is refused', async () => {
    stage = await Stage.open();
    const before = stage.journal.head.sequence;
    await stage.refuses({ amount: '99999999' }, 'POLICY_BUDGET');
    await stage.refuses({ amount: '2000' }, 'FUNDS_INSUFFICIENT');
    assert.equal(stage.journal.head.sequence, before);
    assert.deepEqual(await stage.pay({ amount: '7' }), { paymentId: 'p1' }, 'so its id is still free');
  });

  it('is refused when it asks for something that is not understood', async () => {
    stage = await Stage.open();
    for (const field of ['expiresIn', 'approval', 'To', 'amout'])
      await stage.refuses({ [field]: 60 }, 'CONFIG_INVALID', field);
    assert.deepEqual(
      await stage.pay({ ...stage.order(), expiresIn: undefined } as never),
      { paymentId: 'p1' },
      'an empty property asks for nothing',
    );
  });

  it('has a reference and an id of reasonable length, and of text', async () => {
    stage = await Stage.open();
    await stage.refuses({ reference: 'x'.repeat(1025) }, 'CONFIG_INVALID', 'reference');
    await stage.refuses({ reference: 'ü'.repeat(513) }, 'CONFIG_INVALID', 'reference');
    await stage.refuses({ reference: { a: 1 } }, 'CONFIG_INVALID', 'reference');
    await stage.refuses({ reference: 'a\0b' }, 'CONFIG_INVALID', 'reference');
    await stage.refuses({ reference: 'a\ud800b' }, 'CONFIG_INVALID', 'reference');
    await stage.refuses({ paymentId: 'x'.repeat(129) }, 'CONFIG_INVALID', 'paymentId');
    await stage.refuses({ paymentId: 1.5 }, 'CONFIG_INVALID', 'paymentId');
    await stage.pay({ paymentId: 17 as unknown as string, reference: 'ü'.repeat(512) });
    await stage.pay({ paymentId: 'without', reference: undefined });
    assert.equal(stage.stateOf('17'), 'IN_FLIGHT');
  });

  it('names the payee and the smallest amount when a part is below the deposit', async () => {
    stage = await Stage.open({ deposit: 50n });
    const tax = stage.address('tax');
    await assert.rejects(stage.pay({ splits: [{ to: tax, share: '10%' }] }), {
      code: 'DEPOSIT_TOO_SMALL',
      parameters: { payee: tax, amount: '10', minimum: '50' },
    });
  });

  it('leaves a topic of absurd length out of the journal', async () => {
    stage = await Stage.open();
    await stage.pay({ origin: { nodeId: 'n1', topic: 'x'.repeat(5_000_000), messageId: 'm1' } });
    const [intent] = stage.journalled('payment.intended') as { origin: unknown }[];
    assert.deepEqual(intent?.origin, { nodeId: 'n1', messageId: 'm1' });
  });

  it('is refused after the account was closed', async () => {
    stage = await Stage.open();
    await stage.soon(stage.account.close());
    await stage.refuses({}, 'PAYMENT_FAILED', 'closed');
  });
});

describe('contacts', () => {
  it('cannot take the place of an address', async () => {
    const stage = await Stage.open();
    const address = stage.address('victim');
    for (const name of [address, `0x${'ab'.repeat(32)}`, 'did:key:z6Mk', '*', ''])
      assert.throws(
        () => stage.account.configure({ policy: {}, contacts: { [name]: stage.address('thief') } }),
        { code: 'CONFIG_INVALID' },
        name,
      );
    assert.throws(() => stage.account.configure({ policy: {}, contacts: { mallory: 'iota1qqqq' } }), {
      code: 'ADDRESS_INVALID',
    });
    assert.throws(() => stage.account.configure({ policy: {}, contacts: 'not JSON' }), { code: 'CONFIG_INVALID' });
    stage.account.configure({ policy: '', contacts: `{"victim": "${address}"}` });
    stage.dispose();
  });
});
