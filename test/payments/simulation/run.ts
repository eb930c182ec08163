import { parseArgs } from 'node:util';
import { runCampaignOnAllCores } from './campaign';
import { MUTANTS } from './mutants';
import { runWorld } from './world';

/**
 * `run.ts [--crashes N] [--seed S] [--json]`: the campaign. `run.ts --world SEED [--mutant NAME]`: one world again.
 * Exit code 1 when a rule was broken or a mutant got away.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      crashes: { type: 'string', default: '100000' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
      world: { type: 'string' },
      mutant: { type: 'string' },
    },
  });
  if (values.world !== undefined) {
    const mutant = MUTANTS.find(({ name }) => name === values.mutant);
    const result = await runWorld(Number(values.world), mutant);
    console.log(JSON.stringify(result, (_, value) => (typeof value === 'bigint' ? value.toString() : value), 2));
    return result.violations.length === 0 ? 0 : 1;
  }
  const campaign = {
    crashes: Number(values.crashes),
    seed: Number(values.seed),
    mutants: MUTANTS.map(({ name }) => name),
  };
  const started = Date.now();
  const result = await runCampaignOnAllCores(campaign);
  const seconds = Math.round((Date.now() - started) / 1000);
  const escaped = result.mutants.filter(({ seed }) => seed === undefined);
  if (values.json) console.log(JSON.stringify({ ...result, firstSeed: campaign.seed, seconds }));
  else {
    console.log(
      `${result.worlds} worlds, ${result.payments} payments, ${result.records} records, ${result.crashes} crashes in ${seconds} s`,
    );
    for (const [what, count] of Object.entries(result.seen).sort()) console.log(`  ${count} x ${what}`);
    for (const { mutant, seed, seeds, by } of result.mutants)
      console.log(
        `mutant "${mutant}": ${seed === undefined ? 'ESCAPED' : `caught by seed ${seed}, the ${seeds}. one: ${by}`}`,
      );
    for (const { seed, violations } of result.violations) console.log(`seed ${seed}: ${violations.join('\n    ')}`);
  }
  return result.violations.length === 0 && escaped.length === 0 ? 0 : 1;
}

void main().then((code) => {
  process.exitCode = code;
});
