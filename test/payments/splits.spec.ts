import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../lib/errors';
import { divide, parseShare } from '../../lib/payments/splits';
import type { Address } from '../../lib/values';
import { Stage } from './stage';

const [OWNER, TAX, OPERATOR] = ['owner', 'tax', 'operator'] as Address[] as [Address, Address, Address];
const share = (text: string) => parseShare(text, 'share');

describe('a split payment', () => {
  it('gives each share rounded down to a base unit, and the rest to the payee', () => {
    assert.deepEqual(
      divide(OWNER, 1_001n, [
        { address: TAX, share: share('12.5%') },
        { address: OPERATOR, share: { amount: 100n } },
      ]),
      [
        { address: OWNER, amount: 776n },
        { address: TAX, amount: 125n },
        { address: OPERATOR, amount: 100n },
      ],
    );
  });

  it('gives the payee nothing when the shares are everything', () => {
    assert.deepEqual(divide(OWNER, 100n, [{ address: TAX, share: share('100%') }]), [{ address: TAX, amount: 100n }]);
  });

  it('always adds up, and no share gets more than its part', () => {
    const percent = fc
      .tuple(fc.integer({ min: 0, max: 33 }), fc.integer({ min: 1, max: 999_999 }))
      .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(6, '0')}%`);
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 18n }), percent, percent, (amount, first, second) => {
        const parts = divide(OWNER, amount, [
          { address: TAX, share: share(first) },
          { address: OPERATOR, share: share(second) },
        ]);
        assert.equal(
          parts.reduce((sum, part) => sum + part.amount, 0n),
          amount,
        );
        const millionths = BigInt(first.replace(/[.%]/g, ''));
        const tax = parts.find(({ address }) => address === TAX)?.amount ?? 0n;
        assert.ok(tax * 100_000_000n <= amount * millionths && (tax + 1n) * 100_000_000n > amount * millionths);
      }),
    );
  });

  it('is refused beyond 100 %, with a payee twice, or with a share that is not exact', () => {
    const invalid = (run: () => unknown) => assert.throws(run, (error) => isCodedError(error, 'CONFIG_INVALID'));
    for (const text of ['12,5%', '12.5', '101%', '0%', '-1%', '1e1%', ' 5%', '100.0000001%', '.5%', '05%', 12.5, null])
      invalid(() => parseShare(text, 'share'));
    invalid(() =>
      divide(OWNER, 100n, [
        { address: TAX, share: share('50.1%') },
        { address: OPERATOR, share: share('49.90001%') },
      ]),
    );
    invalid(() => divide(OWNER, 100n, [{ address: OWNER, share: share('1%') }]));
    invalid(() =>
      divide(OWNER, 100n, [
        { address: TAX, share: share('1%') },
        { address: TAX, share: { amount: 1n } },
      ]),
    );
    assert.throws(
      () => divide(OWNER, 100n, [{ address: TAX, share: { amount: 101n } }]),
      (error) => isCodedError(error, 'AMOUNT_INVALID'),
    );
  });

  it('reaches everybody in one transaction', async () => {
    const stage = await Stage.open({ contacts: {} });
    await stage.pay({
      amount: '200',
      splits: [
        { to: stage.address('tax'), share: '12.5%' },
        { to: stage.address('owner'), amount: '75' },
      ],
    });
    await stage.pass(500);
    await stage.milestone();
    assert.equal(stage.sent.length, 1);
    assert.deepEqual(
      ['payee', 'tax', 'owner'].map((name) => stage.fundsOf(stage.address(name))),
      [100n, 25n, 75n],
    );
    assert.deepEqual(
      stage.reports('confirmed')[0]?.receipt.to.map(({ amount }) => amount),
      ['100', '25', '75'],
    );
    for (const splits of [
      [{ to: stage.address('tax') }],
      [{ to: stage.address('tax'), share: '1%', amount: '1' }],
      [{ to: stage.address('tax'), part: '1%' }],
      {},
      ['tax'],
      [{ to: stage.address('payee'), share: '1%' }],
    ])
      await stage.refuses({ paymentId: 'p2', splits }, 'CONFIG_INVALID', 'splits');
    await stage.refuses({ paymentId: 'p2', splits: [{ to: stage.self, share: '1%' }] }, 'ADDRESS_INVALID');
    stage.dispose();
  });
});
