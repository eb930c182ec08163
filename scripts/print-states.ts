/** Prints the state machines of the code into docs/architecture.md: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ATTEMPT_TRANSITIONS, PAYMENT_TRANSITIONS, printTransitions } from '../lib/payments/transitions';

export const ARCHITECTURE = join(__dirname, '..', 'docs', 'architecture.md');

const START = '<!-- states: printed by npm run docs -->\n';
const END = '<!-- /states -->\n';

/** The page with the tables as the code has them now. */
export function withStates(page: string): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) throw new Error('docs/architecture.md has no place for the states');
  const tables = [
    '',
    'A payment, what the user asked for:',
    '',
    printTransitions(PAYMENT_TRANSITIONS),
    'An attempt, one signed transaction, which may carry several payments:',
    '',
    printTransitions(ATTEMPT_TRANSITIONS),
  ];
  return page.slice(0, start + START.length) + tables.join('\n') + page.slice(end);
}

if (require.main === module) writeFileSync(ARCHITECTURE, withStates(readFileSync(ARCHITECTURE, 'utf8')));
