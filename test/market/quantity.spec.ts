import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  addQuantities,
  amountFor,
  canDeliver,
  compareQuantities,
  durationOf,
  LONGEST_SERVICE,
  parseOrderedQuantity,
  parseQuantity,
  UNITS,
} from '../../lib/market';
import { refused } from '../evidence/formats/signers';

const ONE = 10n ** 9n;
const MOST = 10n ** 18n - 1n;

/** Any spelling of a quantity, with the number of billionths that it is. */
const quantities = (most = MOST) =>
  fc
    .tuple(fc.bigInt({ min: 0n, max: most }), fc.nat({ max: 9 }))
    .map(([billionths, zeros]) => ({ billionths, text: spelled(billionths, zeros) }));

function spelled(billionths: bigint, zeros: number): string {
  const shortest = (billionths % ONE).toString().padStart(9, '0').replace(/0+$/, '');
  const fraction = shortest.padEnd(zeros, '0');
  return `${billionths / ONE}${fraction === '' ? '' : `.${fraction}`}`;
}

describe('a quantity', () => {
  it('is an exact decimal, as text or number', () => {
    assert.equal(parseQuantity('2.50'), '2.5');
    assert.equal(parseQuantity('0.000000001'), '0.000000001');
    assert.equal(parseQuantity('999999999.999999999'), '999999999.999999999');
    assert.equal(parseQuantity(0.1), '0.1');
    assert.equal(parseQuantity(12), '12');
    assert.equal(parseQuantity('0.0'), '0');
  });

  it('is refused when it could be read in two ways, or has more digits than are kept', () => {
    const bad = [
      '',
      ' 1',
      '1 ',
      '01',
      '1.',
      '.5',
      '+1',
      '-1',
      '1e3',
      '0x1',
      '1,5',
      '1.0000000001',
      '1000000000',
      '١',
      '1\n',
      'NaN',
    ];
    for (const value of [
      ...bad,
      -1,
      1e-7,
      1e21,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      null,
      undefined,
      true,
      {},
      [1],
      1n,
    ])
      refused('CONFIG_INVALID', 'quantity', () => parseQuantity(value), String(value));
  });

  it('is not bought when it is nothing', () => {
    assert.equal(parseOrderedQuantity('0.5'), '0.5');
    for (const value of [0, '0', '0.000']) refused('CONFIG_INVALID', 'quantity', () => parseOrderedQuantity(value));
  });

  it('has one spelling, which is read as itself', () => {
    fc.assert(
      fc.property(quantities(), ({ billionths, text }) => {
        const parsed = parseQuantity(text);
        assert.equal(parsed, spelled(billionths, 0));
        assert.equal(parseQuantity(parsed), parsed);
      }),
    );
  });

  it('is more, less or as much as another, whatever their spelling', () => {
    fc.assert(
      fc.property(quantities(), quantities(), (a, b) => {
        const sign = a.billionths < b.billionths ? -1 : a.billionths > b.billionths ? 1 : 0;
        assert.equal(compareQuantities(a.text, b.text), sign);
        assert.equal(compareQuantities(a.text, a.text), 0);
      }),
    );
    assert.equal(compareQuantities('10', '9'), 1);
    assert.equal(compareQuantities('1.5', '1.50'), 0);
  });

  it('is added exactly', () => {
    assert.equal(addQuantities('0.1', '0.2'), '0.3');
    refused('CONFIG_INVALID', 'quantity', () => addQuantities('999999999', '1'));
    const half = quantities(MOST / 2n);
    fc.assert(
      fc.property(half, half, (a, b) => {
        assert.equal(addQuantities(a.text, b.text), spelled(a.billionths + b.billionths, 0));
      }),
    );
  });
});

describe('what a quantity costs', () => {
  it('is price x quantity, rounded up to a base unit', () => {
    assert.equal(amountFor(300_001n, '2.5'), 750_003n);
    assert.equal(amountFor(1n, '0.000000001'), 1n);
    assert.equal(amountFor(3n, '1'), 3n);
    assert.equal(amountFor(10n ** 20n - 1n, '999999999'), (10n ** 20n - 1n) * 999_999_999n);
  });

  it('is never less than the exact product, and less than one base unit more', () => {
    const prices = fc.bigInt({ min: 1n, max: 10n ** 20n - 1n });
    fc.assert(
      fc.property(prices, quantities(), (price, { billionths, text }) => {
        const over = amountFor(price, text) * ONE - price * billionths;
        assert.ok(over >= 0n && over < ONE);
      }),
    );
  });

  it('is never less for more', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 12n }), quantities(), quantities(), (price, a, b) => {
        const [less, more] = a.billionths < b.billionths ? [a, b] : [b, a];
        assert.ok(amountFor(price, less.text) <= amountFor(price, more.text));
      }),
    );
  });
});

describe('how long a service runs', () => {
  it('is the quantity of a timed unit, in milliseconds rounded up', () => {
    assert.equal(durationOf('second', '90'), 90_000);
    assert.equal(durationOf('minute', '1.5'), 90_000);
    assert.equal(durationOf('hour', '2.5'), 9_000_000);
    assert.equal(durationOf('second', '0.0001'), 1);
    for (const unit of ['once', 'kWh', 'piece', 'record'] as const) assert.equal(durationOf(unit, '3'), null);
  });

  it('is as exact as a millisecond', () => {
    fc.assert(
      fc.property(quantities(), ({ billionths, text }) => {
        const milliseconds = durationOf('hour', text);
        assert.equal(milliseconds, Number((billionths * 3_600_000n + ONE - 1n) / ONE));
        assert.ok(Number.isSafeInteger(milliseconds));
      }),
    );
  });
});

describe('what can be delivered', () => {
  it('is something', () => {
    for (const unit of UNITS) {
      assert.ok(canDeliver(unit, '1'), unit);
      assert.ok(!canDeliver(unit, '0'), unit);
    }
  });

  it('is whole where there are no halves', () => {
    for (const unit of ['once', 'piece', 'record'] as const) {
      assert.ok(canDeliver(unit, '3'));
      assert.ok(!canDeliver(unit, '1.5'));
      assert.ok(canDeliver(unit, '999999999'));
    }
    for (const unit of ['second', 'minute', 'hour', 'kWh'] as const) assert.ok(canDeliver(unit, '1.5'));
  });

  it('ends within years that can be written', () => {
    const hours = LONGEST_SERVICE / 3_600_000;
    assert.ok(canDeliver('hour', String(hours)));
    assert.ok(!canDeliver('hour', `${hours}.000001`));
    assert.ok(canDeliver('kWh', '999999999'));
    assert.match(new Date(Date.parse('2100-01-01') + LONGEST_SERVICE).toISOString(), /^\d{4}-/);
  });
});
