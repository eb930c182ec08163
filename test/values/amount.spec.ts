import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../lib/errors';
import { formatAmount, parseAmount, parsePayable } from '../../lib/values';

const refused = (value: unknown, decimals = 6) =>
  assert.throws(
    () => parseAmount(value, decimals),
    (error) => isCodedError(error, 'AMOUNT_INVALID'),
    String(value),
  );

describe('an amount', () => {
  it('is exact with its unit, and base units without', () => {
    assert.equal(parseAmount('1.5 IOTA', 6), 1_500_000n);
    assert.equal(parseAmount('1.5 IOTA', 9), 1_500_000_000n);
    assert.equal(parseAmount('0.000001 IOTA', 6), 1n);
    assert.equal(parseAmount('150', 6), 150n);
    assert.equal(parseAmount(150, 6), 150n);
  });

  it('is refused when its meaning could be guessed wrongly', () => {
    for (const value of [
      '',
      ' ',
      '1.5',
      '01 IOTA',
      '.5 IOTA',
      '1. IOTA',
      '+1',
      '-1',
      '1e3',
      '0x10',
      '1,5 IOTA',
      '1 iota',
      '1  IOTA',
      '١ IOTA',
      ' 1',
      '1\n',
    ])
      refused(value);
    for (const value of [null, undefined, Number.NaN, 1.5, -1, 2 ** 53, Infinity, {}, [1], true]) refused(value);
    refused('0.0000001 IOTA', 6);
    refused('1'.repeat(65));
  });

  it('cannot be zero as a payment', () => {
    assert.throws(
      () => parsePayable('0 IOTA', 6),
      (error) => isCodedError(error, 'AMOUNT_INVALID'),
    );
    assert.equal(parsePayable('0.000001 IOTA', 6), 1n);
  });

  it('reads back exactly what was written, for every amount and number of decimals', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 18 }), (amount, decimals) => {
        assert.equal(parseAmount(formatAmount(amount, decimals), decimals), amount);
        assert.equal(parseAmount(amount.toString(), decimals), amount);
      }),
    );
  });
});
