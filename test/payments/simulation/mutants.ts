import type { Journal } from '../../../lib/journal';
import type { Ledger } from '../../../lib/ledger';
import type { Rules } from '../../../lib/payments/rules';
import type { MachineWorld } from './machine';

/** The engine with one thing wrong that must never be wrong. */
export interface Mutant {
  readonly name: string;
  readonly rules?: (world: MachineWorld) => Partial<Rules>;
  readonly journal?: (journal: Journal) => Journal;
  readonly ledger?: (ledger: Ledger) => Ledger;
  /** Milliseconds that a commit may take. */
  readonly slowDisk?: number;
  readonly noFsync?: true;
  readonly forgetsPaymentIds?: true;
  readonly marksBeforeReporting?: true;
}

export const MUTANTS: readonly Mutant[] = [
  { name: 'submit before journal', journal: acknowledgeSignedAtOnce, slowDisk: 2_000 },
  { name: 're-sign on time-out', rules: () => ({ verdictOfFailedSubmission: () => 'dead' }) },
  {
    name: 'trust a stale "not found"',
    rules: () => ({ verdict: ({ state }) => (state === 'final' ? 'final' : state === 'pending' ? 'doubt' : 'dead') }),
  },
  {
    name: 'clock ahead',
    rules: ({ timeline, truth }) => ({
      // Reckons by its own clock, which is two epochs fast, instead of waiting for the ledger's word.
      verdict: ({ state }, { expiresEpoch }) => {
        const reckoned = truth.epochAt(truth.height) + 2 + 0 * timeline.now();
        if (state !== 'final' && expiresEpoch !== null && reckoned > expiresEpoch) return 'dead';
        return state === 'final' || state === 'dead' ? state : 'doubt';
      },
    }),
  },
  { name: 'no fsync', noFsync: true },
  { name: 'no de-duplication', forgetsPaymentIds: true },
  { name: 'reported before reporting', marksBeforeReporting: true },
  {
    name: 'budget counted at confirmation',
    rules: () => ({
      reservedSince: (book) => () => {
        const paid = book.latestPayments(1_000).filter(({ state }) => state === 'CONFIRMED' || state === 'REPORTED');
        return paid.reduce((sum, { amount }) => sum + amount, 0n);
      },
    }),
  },
  { name: 'replacement with fresh inputs', rules: () => ({ inputsOfReplacement: () => [] }) },
  { name: 'record beside the one before it', rules: () => ({ inputsOfRecord: () => [] }) },
  { name: 'record output taken for money', journal: forgetRecords },
];

/** The signature is acknowledged before it is on the disk. */
function acknowledgeSignedAtOnce(journal: Journal): Journal {
  return withWrite(journal, (change) => {
    let signed = false;
    let result: ReturnType<typeof change> | undefined;
    const durable = journal.write((append, sql) => {
      result = change((type, body) => {
        signed ||= type === 'attempt.signed';
        return append(type, body);
      }, sql);
      return result;
    });
    return signed ? Promise.resolve(result as ReturnType<typeof change>) : durable;
  });
}

/** What came back from a record is not told apart from change. */
function forgetRecords(journal: Journal): Journal {
  return withWrite(journal, (change) =>
    journal.write((append, sql) =>
      change((type, body) => {
        const text = JSON.stringify(body).replaceAll(',"record":true', '');
        return append(type, JSON.parse(text) as typeof body);
      }, sql),
    ),
  );
}

function withWrite(journal: Journal, write: Journal['write']): Journal {
  return {
    write,
    get sql() {
      return journal.sql;
    },
    get head() {
      return journal.head;
    },
    get damage() {
      return journal.damage;
    },
    close: () => journal.close(),
  };
}
