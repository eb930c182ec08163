import assert from 'node:assert/strict';
import { MUTANTS } from './mutants';
import { runWorld, type WorldResult } from './world';

/** The short count; more by the environment, as for the payments. */
const WORLDS = Number(process.env.SIMULATED_MARKETS ?? 60);
const FIRST_SEED = Number(process.env.SIMULATED_MARKET_SEED ?? 1);
const MOST_SEEDS = 200;

/** What a world has to meet for its silence to say something. */
const DANGERS = [
  'buyer: choose',
  'buyer: pay',
  'buyer: deliver',
  'buyer: lateness',
  'buyer: refund',
  'buyer: give up',
  'buyer: refuse',
  'seller: inquire',
  'seller: end',
  'seller: cover',
  'seller: fail',
  'seller: owe',
  'seller: refund',
  'refused: signature',
  'refused: late',
  'refused: not-for-us',
  'seller hears: overpaid',
  'told again',
  'paid by hand',
];

describe('machines that deal with each other in simulated worlds', function () {
  this.timeout(900_000);
  const results: WorldResult[] = [];

  it(`break no rule in ${WORLDS} worlds`, async () => {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + WORLDS; seed += 1) results.push(await runWorld(seed));
    const broken = results.filter(({ violations }) => violations.length > 0);
    assert.deepEqual(
      broken.map(({ seed, violations }) => ({ seed, violations })),
      [],
    );
  });

  it('meet every danger that the worlds are built for', () => {
    const seen = new Set(results.flatMap((result) => Object.keys(result.seen)));
    assert.deepEqual(WORLDS < 50 ? [] : DANGERS.filter((danger) => !seen.has(danger)), []);
    assert.ok(results.reduce((sum, { crashes }) => sum + crashes, 0) >= WORLDS);
  });

  it('live the same world again for the same seed', async () => {
    for (const seed of [11, 12, 13]) assert.deepEqual(await runWorld(seed), await runWorld(seed));
  });

  for (const mutant of MUTANTS) {
    it(`would be noticed: ${mutant.name}`, async () => {
      let caught = false;
      for (let seed = 1; seed <= MOST_SEEDS && !caught; seed += 1)
        caught = (await runWorld(seed, mutant)).violations.length > 0;
      assert.ok(caught, `not within ${MOST_SEEDS} seeds`);
    });
  }
});
