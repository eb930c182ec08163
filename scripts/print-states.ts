/** Prints the state machines of the code into the docs: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUYER_TRANSITIONS, SELLER_TRANSITIONS } from '../lib/market/negotiation/transitions';
import { ATTEMPT_TRANSITIONS, PAYMENT_TRANSITIONS, printTransitions } from '../lib/payments/transitions';

const DOCS = join(__dirname, '..', 'docs');

export const ARCHITECTURE = join(DOCS, 'architecture.md');
export const MARKETPLACE = join(DOCS, 'marketplace.md');

/** What is printed on which page. */
export const PAGES: readonly { readonly path: string; readonly tables: readonly string[] }[] = [
  {
    path: ARCHITECTURE,
    tables: [
      '',
      'A payment, what the user asked for:',
      '',
      printTransitions(PAYMENT_TRANSITIONS),
      'An attempt, one signed transaction, which may carry several payments:',
      '',
      printTransitions(ATTEMPT_TRANSITIONS),
    ],
  },
  {
    path: MARKETPLACE,
    tables: [
      '',
      'A contract as its buyer has it:',
      '',
      printTransitions(BUYER_TRANSITIONS),
      'A contract as its seller has it:',
      '',
      printTransitions(SELLER_TRANSITIONS),
    ],
  },
];

const START = '<!-- states: printed by npm run docs -->\n';
const END = '<!-- /states -->\n';

/** The page with the tables as the code has them now. */
export function withStates(page: string, tables: readonly string[]): string {
  const start = page.indexOf(START);
  const end = page.indexOf(END);
  if (start < 0 || end < start) throw new Error('the page has no place for the states');
  return page.slice(0, start + START.length) + tables.join('\n') + page.slice(end);
}

if (require.main === module) {
  for (const { path, tables } of PAGES) writeFileSync(path, withStates(readFileSync(path, 'utf8'), tables));
}
