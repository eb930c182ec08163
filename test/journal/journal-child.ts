import fs from 'node:fs';
import { openJournal } from '../../lib/journal';
import { accounts, pay } from './ledger-book';

/**
 * A process to be killed: writes payments as fast as it can and prints the number of each acknowledged event. With
 * `KILL_AT=n` it kills itself right before the n-th change of the disk, counted from the opening on, and prints
 * `changes n` when it got past its tenth payment alive.
 */
const file = process.argv[2] as string;
const killAt = Number(process.env.KILL_AT ?? 0);
let changes = 0;

if (killAt > 0) {
  for (const call of [
    'openSync',
    'writeSync',
    'fsyncSync',
    'fdatasyncSync',
    'ftruncateSync',
    'linkSync',
    'renameSync',
    'unlinkSync',
    'mkdirSync',
    'rmdirSync',
  ] as const) {
    const original = fs[call] as (...parameters: unknown[]) => unknown;
    (fs as unknown as Record<string, unknown>)[call] = (...parameters: unknown[]) => {
      if (parameters[0] !== 1) {
        changes += 1;
        if (changes === killAt) process.kill(process.pid, 'SIGKILL');
      }
      return original(...parameters);
    };
  }
}

const journal = openJournal({ file, projections: [accounts], sealEvery: 50 });
if (journal.damage !== undefined) throw new Error(journal.damage);
fs.writeSync(1, 'open\n');

void (async () => {
  for (let n = 0; ; n += 1) {
    const writes = Array.from({ length: 1 + (n % 4) }, () =>
      pay(journal, 'car').then((sequence) => fs.writeSync(1, `${sequence}\n`)),
    );
    await Promise.all(writes);
    if (killAt > 0 && n === 10) {
      fs.writeSync(1, `changes ${changes}\n`);
      process.exit(0);
    }
  }
})();
