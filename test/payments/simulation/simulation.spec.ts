import assert from 'node:assert/strict';
import { type CampaignResult, MOST_SEEDS, runCampaignOnAllCores } from './campaign';
import { MUTANTS } from './mutants';
import { runWorld } from './world';

/** The short count; the full one is run by `npm run reliability`. */
const CRASHES = Number(process.env.SIMULATED_CRASHES ?? 100_000);
const SEED = 1;

describe('the real engine in simulated worlds', function () {
  this.timeout(900_000);
  let result: CampaignResult;

  before(async () => {
    result = await runCampaignOnAllCores({ crashes: CRASHES, seed: SEED, mutants: MUTANTS.map(({ name }) => name) });
  });

  it(`breaks no rule in ${CRASHES} crashes`, () => {
    assert.ok(result.crashes >= CRASHES);
    assert.deepEqual(result.violations, []);
  });

  it('meets every danger that it is built for', () => {
    const dangers = [
      'dead: conflict',
      'dead: expired',
      'dead: lie',
      'final after it was called dead',
      'replacement',
      'the same transaction revived',
      'signed beside an attempt in doubt',
      'payments coalesced',
      'merge of outputs',
      'payment.failed',
      'account.frozen',
      'receipt reported again',
      'payment received told again',
      'record along with payments',
      'record by itself',
      'record signed anew',
      'record told again',
      'record waits for money',
    ];
    const missed = dangers.filter((danger) => !result.seen[danger]);
    assert.deepEqual(CRASHES < 10_000 ? [] : missed, []);
  });

  for (const { name } of MUTANTS) {
    it(`notices the mutant: ${name}`, () => {
      const caught = result.mutants.find(({ mutant }) => mutant === name);
      assert.notEqual(caught?.seed, undefined, `not caught within ${MOST_SEEDS} seeds`);
    });
  }

  it('lives the same world again for the same seed', async () => {
    for (const seed of [11, 12, 13]) assert.deepEqual(await runWorld(seed), await runWorld(seed));
  });
});
