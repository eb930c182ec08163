import type { LedgerRecord } from '../../ledger';
import type { RecordLedger } from './record-chain';

/** A record has about half a kilobyte. */
const MOST_KNOWN = 50_000;

/**
 * A ledger whose records are asked for once: what is confirmed never changes, nor does what was there before it. Which
 * records are the newest is asked every time, so a ledger that cannot be reached is noticed.
 */
export function rememberingRecords(ledger: RecordLedger, most = MOST_KNOWN): RecordLedger {
  const previous = new Known<LedgerRecord | null>(most);
  const inTransactions = new Known<LedgerRecord[]>(most);
  return {
    network: () => ledger.network(),
    latestRecords: (author) => ledger.latestRecords(author),
    previousRecord: (record) => previous.get(record.outputId, () => ledger.previousRecord(record)),
    // A transaction that is not known may become so.
    recordsOf: (id) =>
      inTransactions.get(
        id,
        () => ledger.recordsOf(id),
        (records) => records.length > 0,
      ),
  };
}

/** Answers by key, the oldest forgotten first; failures are not remembered. */
class Known<T> {
  readonly #answers = new Map<string, T>();

  constructor(private readonly most: number) {}

  async get(key: string, ask: () => Promise<T>, isFinal: (answer: T) => boolean = () => true): Promise<T> {
    const known = this.#answers.get(key);
    if (known !== undefined) return known;
    const answer = await ask();
    if (isFinal(answer)) {
      if (this.#answers.size >= this.most) this.#answers.delete(this.#answers.keys().next().value as string);
      this.#answers.set(key, answer);
    }
    return answer;
  }
}
