import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { MUTANTS } from './mutants';
import { runWorld } from './world';

export interface Campaign {
  /** Crashes to live through, in all. */
  readonly crashes: number;
  readonly seed: number;
  /** Names of mutants to be caught, within {@link MOST_SEEDS} each. */
  readonly mutants: readonly string[];
}

export interface CaughtMutant {
  readonly mutant: string;
  /** The seed that caught it, undefined when none did. */
  readonly seed: number | undefined;
  readonly seeds: number;
  readonly by: string | undefined;
}

export interface CampaignResult {
  readonly crashes: number;
  readonly worlds: number;
  readonly payments: number;
  readonly records: number;
  readonly violations: readonly { readonly seed: number; readonly violations: readonly string[] }[];
  readonly seen: Readonly<Record<string, number>>;
  readonly mutants: readonly CaughtMutant[];
}

export const MOST_SEEDS = 200;
const ENOUGH_VIOLATIONS = 20;

/** Runs worlds with the seeds `seed`, `seed + step`, … until they have had their crashes; then hunts mutants. */
export async function runCampaign({ crashes, seed, mutants }: Campaign, step = 1): Promise<CampaignResult> {
  let result: CampaignResult = {
    crashes: 0,
    worlds: 0,
    payments: 0,
    records: 0,
    violations: [],
    seen: {},
    mutants: [],
  };
  for (let next = seed; result.crashes < crashes && result.violations.length < ENOUGH_VIOLATIONS; next += step) {
    const world = await runWorld(next);
    result = merge(result, {
      crashes: world.crashes,
      worlds: 1,
      payments: world.payments,
      records: world.records,
      violations: world.violations.length > 0 ? [{ seed: next, violations: world.violations }] : [],
      seen: world.seen,
      mutants: [],
    });
  }
  const caught: CaughtMutant[] = [];
  for (const name of mutants) caught.push(await hunt(name, seed));
  return { ...result, mutants: caught };
}

async function hunt(name: string, first: number): Promise<CaughtMutant> {
  const mutant = MUTANTS.find((candidate) => candidate.name === name);
  if (!mutant) throw new Error(`no such mutant: ${name}`);
  for (let seeds = 1; seeds <= MOST_SEEDS; seeds += 1) {
    const seed = first + seeds - 1;
    const { violations } = await runWorld(seed, mutant);
    if (violations.length > 0) return { mutant: name, seed, seeds, by: violations[0] };
  }
  return { mutant: name, seed: undefined, seeds: MOST_SEEDS, by: undefined };
}

/** The same, spread over processes. */
export async function runCampaignOnAllCores(campaign: Campaign): Promise<CampaignResult> {
  const jobs = Math.max(1, Math.min(4, availableParallelism()));
  const shares = Array.from({ length: jobs }, (_, job) => ({
    crashes: Math.ceil(campaign.crashes / jobs),
    seed: campaign.seed + job,
    mutants: campaign.mutants.filter((_name, index) => index % jobs === job),
  }));
  const results = await Promise.all(shares.map((share) => runInProcess(share, jobs)));
  return results.reduce(merge);
}

function runInProcess(share: Campaign, step: number): Promise<CampaignResult> {
  return new Promise((resolve, reject) => {
    const child = fork(require.resolve('./campaign-process'), {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.once('message', (result) => resolve(result as CampaignResult));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`a simulation process ended with code ${code}`)));
    child.send({ ...share, step });
  });
}

function merge(a: CampaignResult, b: CampaignResult): CampaignResult {
  const seen: Record<string, number> = { ...a.seen };
  for (const [what, count] of Object.entries(b.seen)) seen[what] = (seen[what] ?? 0) + count;
  return {
    crashes: a.crashes + b.crashes,
    worlds: a.worlds + b.worlds,
    payments: a.payments + b.payments,
    records: a.records + b.records,
    violations: [...a.violations, ...b.violations],
    seen,
    mutants: [...a.mutants, ...b.mutants],
  };
}
