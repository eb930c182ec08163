import { MUTANTS } from './mutants';
import { runWorld } from './world';

async function main() {
  const [from, to, name] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
  const mutant = MUTANTS.find((m) => m.name === name);
  const t = Date.now();
  let crashes = 0,
    payments = 0,
    bad = 0;
  for (let seed = from; seed <= to; seed++) {
    const r = await runWorld(seed, mutant);
    crashes += r.crashes;
    payments += r.payments;
    if (r.violations.length) {
      bad++;
      if (bad < 6)
        console.log(
          seed,
          JSON.stringify({ ...r.flavour, deposit: String(r.flavour.deposit) }),
          r.crashes,
          r.violations.slice(0, 6),
        );
    }
  }
  console.log({ crashes, payments, bad, ms: Date.now() - t });
}
void main();
