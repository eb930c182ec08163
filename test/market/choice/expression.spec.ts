import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import type { Bid } from '../../../lib/market';
import { problemOfExpression, rank } from '../../../lib/market/choice';
import { bid, CALL, rule } from './bids';

const BIDS = [
  bid('did:a', { price: '9', leadSeconds: 60, title: 'green' }),
  bid('did:b', { price: '10', leadSeconds: 5, title: 'grey' }),
  bid('did:c', { price: '100', leadSeconds: 1, title: 'green' }),
];
const ranking = (expression: string, bids: readonly Bid[] = BIDS, call = CALL) =>
  rank(bids, rule('jsonata', { expression }), call);
const chosen = async (expression: string, bids?: readonly Bid[], call?: typeof CALL) =>
  (await ranking(expression, bids, call)).ranked.map(({ seller }) => seller);
const refusal = (detail: string) => (error: unknown) =>
  isCodedError(error, 'CONFIG_INVALID') && error.detail === detail ? true : assert.fail(String(error));

describe("a buyer's expression", () => {
  for (const { what, expression, best } of [
    { what: 'a proposal', expression: 'proposals[title = "grey"]', best: 'did:b' },
    { what: 'its seller', expression: 'proposals[title = "grey"].seller', best: 'did:b' },
    { what: 'its hash', expression: 'proposals[title = "grey"].hash', best: 'did:b' },
    { what: 'its index, the cheapest being 0', expression: '1', best: 'did:b' },
    { what: 'a proposal in other words', expression: '{"hash": proposals[1].hash, "price": 0}', best: 'did:b' },
  ]) {
    it(`may answer with ${what}`, async () => {
      assert.equal((await chosen(expression))[0], best);
    });
  }

  it('may answer with a list, the best first: the others are left out', async () => {
    assert.deepEqual(await chosen('proposals^(leadSeconds)'), ['did:c', 'did:b', 'did:a']);
    assert.deepEqual(await chosen('[2, 0, 2, "did:c"]'), ['did:c', 'did:a']);
    assert.deepEqual(await chosen('[0]'), ['did:a']);
    const { leftOut } = await ranking('[proposals[2]]');
    assert.deepEqual(
      leftOut.map(({ bid, reason }) => [bid.seller, reason]),
      [
        ['did:a', 'expression'],
        ['did:b', 'expression'],
      ],
    );
  });

  for (const nothing of [
    'proposals[price > 1000]',
    'null',
    '[]',
    'nothing',
    '$filter(proposals, function($p) { false })',
  ]) {
    it(`takes none with ${nothing}`, async () => {
      const { ranked, leftOut, because } = await ranking(nothing);
      assert.deepEqual([ranked.length, leftOut.length], [0, 3]);
      assert.equal(because, 'none can be taken: 3 not taken by the expression');
    });
  }

  it('is asked again without the best, lest there is none when the best is silent', async () => {
    assert.deepEqual(await chosen('proposals[title = "green"][0]'), ['did:a', 'did:c']);
    const many = Array.from({ length: 30 }, (_, at) => bid(`did:${at}`, { price: `${at + 1}` }));
    assert.deepEqual(await chosen('proposals[-1]', many), ['did:29', 'did:28', 'did:27', 'did:26', 'did:25']);
  });

  it('keeps the best when it fails for those after it', async () => {
    assert.deepEqual(await chosen('$count(proposals) = 3 ? 0 : $error("no more")'), ['did:a']);
  });

  it('has numbers for money, quantities and times, and the call', async () => {
    assert.deepEqual(await chosen('proposals^(price)'), ['did:a', 'did:b', 'did:c']);
    assert.deepEqual(await chosen('proposals^(>amount)'), ['did:c', 'did:b', 'did:a']);
    const call = { ...CALL, quantity: '2.5', maxPrice: '100', parameters: { colour: 'grey' } };
    assert.deepEqual(await chosen('[proposals[title = $$.call.parameters.colour]]', BIDS, call), ['did:b']);
    assert.deepEqual(await chosen('call.quantity * 4 = call.maxPrice / 10 ? [2] : []', BIDS, call), ['did:c']);
    const place = { lat: 48.1, lng: 11.6 };
    const placed = [bid('did:s', { place, distance: 3 }), bid('did:n', { place: { lat: 54, lng: 10 }, distance: 700 })];
    assert.deepEqual(await chosen('[proposals[place.lat > 50 and distance > 5]]', placed), ['did:n']);
  });

  it('finds what a seller does not say missing: it cannot stop the choice of others', async () => {
    const bids = [bid('did:silent', { price: '1' }), ...BIDS];
    assert.deepEqual(await chosen('[proposals[leadSeconds < 5]]', bids), ['did:c']);
    assert.deepEqual(await chosen('proposals^(leadSeconds)', bids), ['did:c', 'did:b', 'did:a', 'did:silent']);
    assert.deepEqual(await chosen('[proposals[distance < call.maxDistance]]', bids), []);
    assert.deepEqual(await chosen('[proposals[$not($exists(leadSeconds)) and price <= 1]]', bids), ['did:silent']);
  });

  it('sees only what is within the limits', async () => {
    assert.deepEqual(await chosen('proposals', BIDS, { ...CALL, maxPrice: '10' }), ['did:a', 'did:b']);
    await assert.rejects(chosen('[2]', BIDS, { ...CALL, maxPrice: '10' }), refusal('choice-answer'));
    await assert.rejects(chosen('"did:c"', BIDS, { ...CALL, maxPrice: '10' }), refusal('choice-answer'));
  });

  it('is not asked when there is nothing to choose', async () => {
    assert.deepEqual(await chosen('$error("asked")', []), []);
  });

  for (const wrong of [
    '3',
    '-1',
    '0.5',
    '"did:nobody"',
    'true',
    'false',
    '{"seller": "did:a"}',
    '""',
    '["x"]',
    '[[0]]',
    '$sum',
  ]) {
    it(`is refused where it answers ${wrong}: nothing is bought by guessing`, async () => {
      await assert.rejects(chosen(wrong), refusal('choice-answer'));
    });
  }

  for (const broken of ['proposals[', '(', '', '$nofunction()', '1 + "a"', '$error("stop")']) {
    it(`is refused where it cannot be evaluated: ${broken}`, async () => {
      await assert.rejects(chosen(broken), refusal('expression'));
    });
  }

  it('is told to be without sense before it is ever used', () => {
    assert.equal(problemOfExpression('proposals^(price)[0]'), undefined);
    assert.match(String(problemOfExpression('proposals[')), /end|expected/i);
  });

  it('fails without the words of a seller', async () => {
    const loud = [bid('did:a', { title: 'BUY-ME <b>' })];
    for (const expression of ['$number(proposals[0].title)', '$error(proposals[0].title)', 'proposals[0].title + 1']) {
      await assert.rejects(chosen(expression, loud), (error: unknown) => {
        assert.ok(isCodedError(error, 'CONFIG_INVALID'));
        assert.doesNotMatch(error.message + JSON.stringify(error.parameters), /BUY-ME/);
        return true;
      });
    }
  });

  describe('does not hold the market up', () => {
    for (const { what, expression } of [
      { what: 'a loop', expression: '($f := function($n) { $f($n + 1) }; $f(0))' },
      { what: 'a long walk', expression: '$sum([1..90000].($sum([1..90000])))' },
      { what: 'recursion without end', expression: '($f := function($n) { 1 + $f($n + 1) }; $f(0))' },
      { what: 'a list beyond measure', expression: '[1..9000000]' },
      { what: 'a list that only grows', expression: '$count([1..90000].[1..90000])' },
      {
        what: 'a regular expression that a seller chose its title for',
        expression: 'proposals[$contains(title, /^(a+)+$/)]',
      },
      { what: 'many regular expressions', expression: '[1..90000].$match($string($), /[0-9]+/)' },
    ]) {
      it(`with ${what}`, async () => {
        const began = performance.now();
        const slow = [bid('did:a', { title: `${'a'.repeat(150)}!` })];
        await assert.rejects(chosen(expression, slow), refusal('choice-time'));
        assert.ok(performance.now() - began < 3_000);
      }).timeout(10_000);
    }

    it('by a text of any width, nor by running what a seller wrote', async () => {
      const evil = [bid('did:a', { title: '"did:a"', leadSeconds: 400_000_000 })];
      await assert.rejects(chosen('$eval(proposals[0].title)', evil), refusal('expression'));
      await assert.rejects(chosen('$pad("x", proposals[0].leadSeconds)', evil), refusal('expression'));
    });

    it('and regular expressions do what they should', async () => {
      assert.deepEqual(await chosen('[proposals[title ~> /^GR.Y$/i]]'), ['did:b']);
      assert.deepEqual(await chosen('[proposals[$match(title, /e/).index = [2, 3]]]'), ['did:a', 'did:c']);
      assert.deepEqual(await chosen('[proposals[$replace(title, /e+(.)/, "-$1") = "gr-y"]]'), ['did:b']);
      assert.deepEqual(await chosen('[proposals[$split(title, /r/)[1] = "ey"]]'), ['did:b']);
    });
  });

  describe('reaches nothing but the proposals and the call', () => {
    for (const expression of [
      'proposals.constructor',
      'proposals[0].constructor.constructor("return process")()',
      '$sum.constructor',
      '$lookup($, "constructor")',
      '$lookup(proposals[0], "__proto__")',
      '{}.constructor',
      '"".constructor',
      'process',
      '$process',
      '$require',
      'globalThis',
      '(function(){1}).constructor',
    ]) {
      it(`with ${expression}`, async () => {
        assert.deepEqual(
          await chosen(expression).catch((error) => (isCodedError(error, 'CONFIG_INVALID') ? [] : error)),
          [],
        );
      });
    }

    it('and changes neither', async () => {
      const before = structuredClone(BIDS);
      await chosen('(proposals ~> |$|{"price": 0, "seller": "did:z"}|; [0])');
      assert.deepEqual(BIDS, before);
      assert.equal(({} as { polluted?: unknown }).polluted, undefined);
    });
  });
});
