import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Bid, ChoiceRule } from '../../../lib/market';
import { rank } from '../../../lib/market/choice';
import { bid, CALL, rule } from './bids';

const sellers = (bids: readonly Bid[]) => bids.map(({ seller }) => seller);
const order = async (bids: readonly Bid[], by: ChoiceRule, call = CALL) => sellers((await rank(bids, by, call)).ranked);
const leftOut = async (bids: readonly Bid[], by: ChoiceRule, call = CALL) =>
  (await rank(bids, by, call)).leftOut.map(({ bid, reason }) => [bid.seller, reason]);

describe('the choice among proposals', () => {
  it('takes the smallest total, as numbers and beyond what a double holds', async () => {
    const bids = [
      bid('a', { price: '1', amount: '9007199254740993' }),
      bid('b', { price: '1', amount: '9007199254740992' }),
      bid('c', { price: '1', amount: '10' }),
      bid('d', { price: '2', amount: '9' }),
    ];
    assert.deepEqual(await order(bids, rule('cheapest')), ['d', 'c', 'b', 'a']);
  });

  it('takes the one that starts first, and last those that do not say', async () => {
    const bids = [
      bid('a', { price: '1' }),
      bid('b', { leadSeconds: 20 }),
      bid('c', { leadSeconds: 9.5 }),
      bid('d', { leadSeconds: 0, price: '900' }),
    ];
    assert.deepEqual(await order(bids, rule('fastest')), ['d', 'c', 'b', 'a']);
  });

  it('takes the nearest, and last those of unknown place', async () => {
    const bids = [bid('a', { price: '1' }), bid('b', { distance: 0.009 }), bid('c', { distance: 0.01 })];
    assert.deepEqual(await order(bids, rule('nearest')), ['b', 'c', 'a']);
  });

  it('calls equals equal, and takes the cheaper, the faster, the nearer, the smaller did, the smaller hash', async () => {
    const alike = { price: '5', leadSeconds: 5, distance: 5 };
    const bids = [
      bid('c', { ...alike, hash: '2' }),
      bid('c', { ...alike, hash: '1' }),
      bid('Z', alike),
      bid('d', { ...alike, distance: 4 }),
      bid('e', { ...alike, distance: 9, leadSeconds: 4 }),
      bid('f', { ...alike, distance: 9, leadSeconds: 9, price: '4' }),
    ];
    const { ranked } = await rank(bids, rule('weighted', { weights: { price: 0, time: 0, distance: 0 } }), CALL);
    assert.deepEqual(
      ranked.map(({ seller, hash }) => [seller, hash]),
      [
        ['f', 'hash-of-f'],
        ['e', 'hash-of-e'],
        ['d', 'hash-of-d'],
        // Capitals come first wherever in the world the machine is.
        ['Z', 'hash-of-Z'],
        ['c', '1'],
        ['c', '2'],
      ],
    );
    assert.deepEqual(await order(bids.slice(0, 4), rule('fastest')), ['d', 'Z', 'c', 'c']);
    assert.deepEqual(
      await order([bid('x', { distance: 1, price: '9' }), bid('y', { distance: 1, price: '8' })], rule('nearest')),
      ['y', 'x'],
    );
  });

  describe('by weights', () => {
    const bids = [
      bid('cheap', { price: '100', leadSeconds: 100, distance: 10 }),
      bid('fast', { price: '200', leadSeconds: 0, distance: 10 }),
      bid('near', { price: '200', leadSeconds: 100, distance: 0 }),
      bid('middle', { price: '140', leadSeconds: 40, distance: 4 }),
    ];
    for (const [weights, best] of [
      [{ price: 1, time: 0, distance: 0 }, 'cheap'],
      [{ price: 0, time: 3, distance: 0 }, 'fast'],
      [{ price: 0, time: 0, distance: 1e-15 }, 'near'],
      [{ price: 1, time: 1, distance: 1 }, 'middle'],
      [{ price: 10, time: 1, distance: 1 }, 'cheap'],
      [{ price: 1, time: 10, distance: 1 }, 'fast'],
    ] as const) {
      it(`${JSON.stringify(weights)} takes the ${best} one`, async () => {
        assert.equal((await order(bids, rule('weighted', { weights })))[0], best);
      });
    }

    it('counts in parts of the range of each criterion, so that units do not matter', async () => {
      const weights = { price: 1, time: 2, distance: 3 };
      const scaled = bids.map((one) => ({
        ...one,
        amount: `${BigInt(one.amount) * 10n ** 30n}`,
        leadSeconds: Number(one.leadSeconds) * 1000,
        distance: Number(one.distance) * 100,
      }));
      assert.deepEqual(
        await order(scaled, rule('weighted', { weights })),
        await order(bids, rule('weighted', { weights })),
      );
    });

    it('takes equal sums for equal: then the cheaper one wins', async () => {
      // 1/3 + 2/3 and 2/3 + 1/3, which no sum of doubles can be trusted with.
      const thirds = [
        bid('dear', { price: '102', leadSeconds: 1 }),
        bid('cheaper', { price: '101', leadSeconds: 2 }),
        bid('low', { price: '100', leadSeconds: 3 }),
        bid('high', { price: '103', leadSeconds: 0 }),
      ];
      const weights = { price: 0.1, time: 0.1, distance: 0.7 };
      assert.deepEqual(await order(thirds, rule('weighted', { weights })), ['low', 'cheaper', 'dear', 'high']);
    });

    it('holds silence for the worst, even where all who speak say the same', async () => {
      const weights = { price: 1, time: 1, distance: 0 };
      const some = [
        bid('silent', { price: '100' }),
        bid('says', { price: '101', leadSeconds: 7 }),
        bid('too', { price: '103', leadSeconds: 7 }),
      ];
      assert.deepEqual(await order(some, rule('weighted', { weights })), ['says', 'silent', 'too']);
      const ranged = [
        bid('silent'),
        bid('slow', { leadSeconds: 90, price: '101' }),
        bid('quick', { leadSeconds: 1, price: '101' }),
      ];
      assert.deepEqual(await order(ranged, rule('weighted', { weights: { price: 0, time: 1, distance: 0 } })), [
        'quick',
        'silent',
        'slow',
      ]);
    });
  });

  describe('within limits', () => {
    it('leaves out what costs more per unit than called for, is too far, or of unknown place', async () => {
      const bids = [
        bid('a', { price: '101', amount: '1' }),
        bid('b', { price: '100', amount: '900', distance: 5 }),
        bid('c', { distance: 5.001 }),
        bid('d'),
      ];
      const call = { ...CALL, maxPrice: '100', near: { lat: 0, lng: 0 }, maxDistance: 5 };
      assert.deepEqual(await order(bids, rule('cheapest'), call), ['b']);
      assert.deepEqual(await leftOut(bids, rule('cheapest'), call), [
        ['a', 'price'],
        ['c', 'distance'],
        ['d', 'distance'],
      ]);
    });

    it('leaves out prices outside the band around the median, which belong to it', async () => {
      const bids = ['79', '80', '100', '120', '121'].map((price, at) => bid(`${at}`, { price }));
      assert.deepEqual(await order(bids, rule('cheapest', { priceBand: 20 })), ['1', '2', '3']);
      assert.deepEqual(await leftOut(bids, rule('cheapest', { priceBand: 20 })), [
        ['0', 'band'],
        ['4', 'band'],
      ]);
    });

    it('has the median of an even number between the two in the middle', async () => {
      // 105: 20 % of it is 21.
      const bids = ['83', '100', '110', '127'].map((price, at) => bid(`${at}`, { price }));
      assert.deepEqual(await order(bids, rule('cheapest', { priceBand: 20 })), ['1', '2']);
      assert.deepEqual(await order(bids, rule('cheapest', { priceBand: 21 })), ['0', '1', '2', '3']);
    });

    it('knows no median of two, nor a band of 0', async () => {
      const bids = ['1', '100', '1000'].map((price, at) => bid(`${at}`, { price }));
      assert.deepEqual(await order(bids.slice(1), rule('cheapest', { priceBand: 10 })), ['1', '2']);
      assert.deepEqual(await order(bids, rule('cheapest', { priceBand: 10 })), ['1'], 'of three it knows one');
      assert.deepEqual(await order(bids, rule('cheapest')), ['0', '1', '2']);
    });

    it('has the median of what may be taken: no number of dear or far ones moves it', async () => {
      const dear = Array.from({ length: 50 }, (_, at) => bid(`dear${at}`, { price: '999999', distance: 1 }));
      const far = Array.from({ length: 20 }, (_, at) => bid(`far${at}`, { price: '1', distance: 99 }));
      const honest = ['95', '100', '104'].map((price) => bid(price, { price, distance: 1 }));
      const call = { ...CALL, maxPrice: '1000', near: { lat: 0, lng: 0 }, maxDistance: 9 };
      assert.deepEqual(await order([...dear, ...far, ...honest], rule('cheapest', { priceBand: 10 }), call), [
        '95',
        '100',
        '104',
      ]);
    });
  });

  it('does not depend on the order in which proposals came', async () => {
    const some = fc.record({
      seller: fc.constantFrom('did:a', 'did:b', 'did:Z', 'did:ä'),
      hash: fc.string({ unit: fc.constantFrom('0', 'a', 'f') }),
      price: fc.constantFrom('1', '2', '10', '90071992547409930'),
      leadSeconds: fc.option(fc.constantFrom(0, 0.5, 1, 30)),
      distance: fc.option(fc.constantFrom(0, 0.001, 5)),
    });
    const rules = fc.constantFrom(
      rule('cheapest', { priceBand: 50 }),
      rule('fastest'),
      rule('nearest'),
      rule('weighted', { weights: { price: 1, time: 0.3, distance: 0.7 } }),
      rule('weighted', { weights: { price: 1, time: 1, distance: 1 }, priceBand: 100 }),
      rule('jsonata', { expression: 'proposals[leadSeconds < 5]' }),
      rule('jsonata', { expression: '$count(proposals) > 3 ? 2 : proposals[-1]' }),
    );
    const bids = fc.uniqueArray(
      some.map(({ seller, ...more }) => bid(seller, more)),
      { selector: ({ hash }) => hash, maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(
        bids.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        rules,
        async ([came, otherwise], by) => {
          const call = { ...CALL, maxPrice: '90071992547409929' };
          const before = structuredClone(came);
          const [one, other] = [await rank(came, by, call), await rank(otherwise, by, call)];
          assert.deepEqual(other, one);
          assert.deepEqual(came, before, 'what was handed in is left as it was');
          // Nobody is lost, and nobody is there twice.
          const all = [...one.ranked, ...one.leftOut.map(({ bid }) => bid)].map(({ hash }) => hash);
          assert.deepEqual([...all].sort(), came.map(({ hash }) => hash).sort());
        },
      ),
    );
  });

  describe('and why', () => {
    const because = async (bids: readonly Bid[], by: ChoiceRule, call = CALL) => (await rank(bids, by, call)).because;

    it('names the rule, how many there were, the best and the next', async () => {
      const bids = [
        bid('a', { price: '5', leadSeconds: 3 }),
        bid('b', { price: '7', distance: 1.5 }),
        bid('c', { price: '9' }),
      ];
      assert.equal(
        await because(bids, rule('cheapest')),
        'cheapest of 3: amount 5, starts within 3 s; next best: amount 7, 1.5 km away',
      );
      assert.equal(
        await because(bids.slice(0, 2), rule('weighted', { weights: { price: 1, time: 0.5, distance: 0 } })),
        'weighted best (price 1, time 0.5, distance 0) of 2: amount 5, starts within 3 s; next best: amount 7, 1.5 km away',
      );
    });

    it('says that there was no other, and how many were left out for what', async () => {
      const bids = [bid('a'), bid('b', { price: '101' }), bid('c', { price: '102' })];
      assert.equal(
        await because(bids, rule('fastest'), { ...CALL, maxPrice: '100' }),
        'the only proposal that can be taken: amount 100; left out: 2 above the price limit',
      );
    });

    it('says why none is taken', async () => {
      assert.equal(await because([], rule('cheapest')), 'there was no proposal');
      assert.equal(
        await because([bid('a', { price: '2' }), bid('b')], rule('cheapest'), {
          ...CALL,
          maxPrice: '99',
          maxDistance: 1,
        }),
        'none can be taken: 1 above the price limit, 1 too far away or of unknown place',
      );
    });

    it('holds no words of a seller', async () => {
      const bids = [bid('a', { title: 'Ignore the others' }), bid('b', { title: '<b>' })];
      const sentence = await because(bids, rule('jsonata', { expression: 'proposals' }));
      assert.equal(sentence, "the buyer's expression, first of 2: amount 100; next best: amount 100");
    });
  });
});
