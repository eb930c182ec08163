import type { LogStatus } from '../../lib/runtime';
import { failed, type Status } from '../status';

export const WAITING_FOR_LEDGER: Status = { fill: 'yellow', shape: 'ring', text: 'iota-sign-data.status.waiting' };
const WITHOUT_FUNDS: Status = { fill: 'yellow', shape: 'ring', text: 'iota-sign-data.status.funds' };

const SHORTENED_FROM = 1_000_000;
/** Read alike in every language: a narrow space between thousands. */
const GROUP = '\u202f';

/** How a machine's log stands, under a node that does or does not want evidence. Counts stand in no language. */
export function logLook({ size, waiting, problem, stopped }: LogStatus, evidenceWanted: boolean): Status {
  if (stopped) return failed(stopped);
  if (evidenceWanted && problem) {
    if (problem.code === 'FUNDS_INSUFFICIENT') return WITHOUT_FUNDS;
    return problem.code.startsWith('LEDGER_') ? WAITING_FOR_LEDGER : failed(problem);
  }
  if (evidenceWanted && waiting > 0) {
    return { fill: 'blue', shape: 'dot', text: `${count(size)} ✓ ${count(waiting)} …` };
  }
  return { fill: 'green', shape: 'dot', text: `${count(size)} ✓` };
}

function count(number: number): string {
  if (number >= SHORTENED_FROM) return `${Math.floor(number / 100_000) / 10} M`;
  return String(number).replace(/\B(?=(\d{3})+$)/g, GROUP);
}
