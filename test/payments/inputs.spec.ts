import assert from 'node:assert/strict';
import fc from 'fast-check';
import { chooseInputs } from '../../lib/payments/inputs';
import { Stage } from './stage';

const output = (amount: bigint, index: number) => ({ outputId: `o${index}`, amount });
const largestFirst = (outputs: { amount: bigint }[]) => outputs.toSorted((a, b) => Number(b.amount - a.amount));

describe('the inputs of a transaction', () => {
  it('always pay exactly, or leave a change that the ledger allows, within the limit, and no input twice', () => {
    const amounts = fc.array(fc.bigInt({ min: 1n, max: 500n }), { maxLength: 60 });
    fc.assert(
      fc.property(
        amounts,
        fc.bigInt({ min: 1n, max: 3_000n }),
        fc.constantFrom(0n, 40n),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 3 }),
        (values, amount, minimumChange, maxInputs, mustCount) => {
          const outputs = values.map(output);
          const must = outputs.slice(0, mustCount);
          const largest = largestFirst(outputs.slice(mustCount)) as typeof outputs;
          const chosen = chooseInputs({
            amount,
            minimumChange,
            maxInputs,
            must,
            largest: largest.slice(0, maxInputs),
            smallest: largest.toReversed().slice(0, maxInputs),
            freeCount: largest.length,
          });
          const best = must
            .concat(largest)
            .slice(0, maxInputs)
            .reduce((sum, one) => sum + one.amount, 0n);
          if (!chosen) {
            // Whatever is refused could not have been paid by taking everything either.
            if (must.length <= maxInputs && best > 0n)
              assert.ok(best < amount || (best !== amount && best < amount + minimumChange));
            return;
          }
          const change = chosen.reduce((sum, one) => sum + one.amount, 0n) - amount;
          assert.ok(change === 0n || (change > 0n && change >= minimumChange), `change ${change}`);
          assert.ok(chosen.length <= maxInputs);
          assert.equal(new Set(chosen.map(({ outputId }) => outputId)).size, chosen.length);
          for (const one of must) assert.ok(chosen.includes(one));
        },
      ),
    );
  });

  it('tidy up along the way when there are very many', async () => {
    const stage = await Stage.open({ funds: Array.from({ length: 100 }, () => 10n) });
    await stage.pay({ amount: '15' });
    await stage.pass(500);
    await stage.milestone();
    assert.equal(stage.truth.unspentOf(stage.self, stage.truth.height).length, 33);
    assert.equal(stage.account.balance().total, '985');
    stage.dispose();
  });

  it('are merged first when a payment needs more of them than fit', async () => {
    const stage = await Stage.open({ funds: Array.from({ length: 50 }, () => 10n), network: { maxInputs: 8 } });
    await stage.pay({ amount: '300' });
    for (let count = 0; count < 10; count += 1) await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
    assert.equal(stage.fundsOf(stage.address('payee')), 300n);
    stage.dispose();
  });
});

describe('payments that wait for the same attempt', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());
  const payMany = (count: number, order: (index: number) => object) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => stage.pay({ paymentId: `p${index}`, amount: '1', ...order(index) })),
    );

  it('go into the next one together', async () => {
    stage = await Stage.open();
    await stage.pay({ paymentId: 'first' });
    await stage.pass(100);
    await payMany(60, () => ({}));
    await stage.milestone();
    await stage.milestone();
    assert.deepEqual(
      stage.journalled('attempt.signed').map((attempt) => (attempt as { payments: string[] }).payments.length),
      [1, 60],
    );
    assert.equal(stage.reports('confirmed').length, 61);
  });

  it('are as many as the ledger takes outputs and bytes', async () => {
    stage = await Stage.open({ network: { maxOutputs: 11, maxTransactionBytes: 5_000 } });
    await payMany(25, (index) => ({ reference: index < 10 ? 'x'.repeat(1_000) : '' }));
    for (let count = 0; count < 8; count += 1) await stage.milestone();
    const sizes = stage
      .journalled('attempt.signed')
      .map((attempt) => (attempt as { payments: string[] }).payments.length);
    assert.equal(
      sizes.reduce((sum, size) => sum + size, 0),
      25,
    );
    assert.ok(Math.max(...sizes) <= 10);
    assert.equal(stage.reports('confirmed').length, 25);
  });

  it('go to different payees where a transaction has one payment per payee', async () => {
    stage = await Stage.open({ network: { protocol: 'iota' } });
    await payMany(4, (index) => ({ to: stage.address(index % 2 === 0 ? 'even' : 'odd') }));
    await stage.milestone();
    await stage.milestone();
    assert.deepEqual(
      stage.journalled('attempt.signed').map((attempt) => (attempt as { payments: string[] }).payments),
      [
        ['p0', 'p1'],
        ['p2', 'p3'],
      ],
    );
  });

  it('do not suffer from one that cannot be built', async () => {
    stage = await Stage.open();
    stage.intercept = (method, [request]) => {
      const poisoned =
        method === 'prepare' &&
        (request as { payments: { reference: string }[] }).payments.some(({ reference }) => reference === 'poison');
      return poisoned ? new RangeError('cannot build that') : undefined;
    };
    await payMany(5, (index) => ({ reference: index === 2 ? 'poison' : 'fine' }));
    await stage.pass(240_000);
    for (let count = 0; count < 5; count += 1) await stage.milestone();
    assert.deepEqual(
      stage.reports('failed').map(({ paymentId, code }) => [paymentId, code]),
      [['p2', 'PAYMENT_FAILED']],
    );
    assert.equal(stage.reports('confirmed').length, 4);
  });
});
