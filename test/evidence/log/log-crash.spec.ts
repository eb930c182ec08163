import assert from 'node:assert/strict';
import { liveThroughCrashes, type Mutant } from './log-crash';

/** The short count. */
const CRASHES = Number(process.env.LOG_CRASHES ?? 1000);
const LIVES = 30;

describe('a log that crashes', () => {
  it(`keeps everything it has acknowledged, and has one history, in ${CRASHES} crashes`, async () => {
    let [crashes, checkpoints] = [0, 0];
    for (let seed = 1; crashes < CRASHES; seed += 1) {
      const result = await liveThroughCrashes(seed, LIVES);
      crashes += result.crashes;
      checkpoints += result.checkpoints;
    }
    assert.ok(checkpoints > crashes / 2, `${checkpoints} checkpoints`);
  }).timeout(300_000);

  const mutants: readonly Mutant[] = [
    'acknowledges without committing',
    'acknowledges before the commit',
    'tiles outside the transaction',
    'tiles before the transaction',
    'event outside the transaction',
    'backlog outside the transaction',
  ];
  for (const mutant of mutants) {
    it(`would be found out if it did: ${mutant}`, async () => {
      for (let seed = 1; seed <= 40; seed += 1) {
        try {
          await liveThroughCrashes(seed, LIVES, mutant);
        } catch {
          return;
        }
      }
      assert.fail('nothing noticed');
    }).timeout(60_000);
  }
});
