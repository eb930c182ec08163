import type { Sql, SqlRow, SqlValue } from '../journal';
import type { SpendableOutput } from '../ledger';
import type { Address, BaseUnits } from '../values';
import {
  type AccountRow,
  type AttemptRow,
  attemptOf,
  type OutputRow,
  type PartRow,
  type PaymentRow,
  paymentOf,
  type ReceivedRow,
  receivedOf,
  text,
  textOrNull,
  units,
} from './book-rows';
import type { BudgetTime } from './budget-clock';
import type { PaymentState } from './transitions';

const PAYMENT_COLUMNS =
  'payment_id, kind, state, intent, intended_at, payee, amount, reference, origin, transaction_id, failure';
const ATTEMPT_COLUMNS =
  'a.transaction_id, a.state, a.signed_at, a.submitted_at, a.expires_epoch, a.height, a.confirmed_at';
// As the partial index `payments_unfinished` has it.
const UNFINISHED = "state IN ('INTENT', 'READY', 'IN_FLIGHT', 'CONFIRMED')";

/** What the journal knows of one account. Reads only; see {@link book} for how the tables come to be. */
export class BookReader {
  constructor(
    private readonly sql: Sql,
    private readonly network: string,
  ) {}

  account(): AccountRow | undefined {
    const row = this.#get('SELECT * FROM accounts WHERE network = ?');
    return (
      row && {
        address: text(row.address),
        cursor: text(row.cursor),
        height: Number(row.height),
        ledgerTime: Number(row.ledger_time),
        frozen: textOrNull(row.frozen),
        budget: {
          ledger: Number(row.budget_ledger),
          system: Number(row.budget_system),
          ledgerShown: Number(row.ledger_shown),
          systemShown: Number(row.system_shown),
        },
      }
    );
  }

  payment(paymentId: string): PaymentRow | undefined {
    const row = this.#get(`SELECT ${PAYMENT_COLUMNS} FROM payments WHERE network = ? AND payment_id = ?`, paymentId);
    return row && paymentOf(row);
  }

  paymentsIn(state: PaymentState): PaymentRow[] {
    return this.#in(state, 'payment');
  }

  recordsIn(state: PaymentState): PaymentRow[] {
    return this.#in(state, 'record');
  }

  #in(state: PaymentState, kind: PaymentRow['kind']): PaymentRow[] {
    return this.#all(
      `SELECT ${PAYMENT_COLUMNS} FROM payments INDEXED BY payments_unfinished
       WHERE network = ? AND ${UNFINISHED} AND state = ? AND kind = ? ORDER BY intent`,
      state,
      kind,
    ).map(paymentOf);
  }

  /** The youngest record that is on the ledger. */
  latestRecord(): PaymentRow | undefined {
    const row = this.#get(
      `SELECT ${PAYMENT_COLUMNS} FROM payments WHERE network = ? AND kind = 'record' AND transaction_id IS NOT NULL
       ORDER BY intent DESC LIMIT 1`,
    );
    return row && paymentOf(row);
  }

  /** What a record consists of; its bytes as long as it is not reported. */
  recordPart(
    paymentId: string,
  ): { readonly tag: Uint8Array; readonly sha256: string; readonly bytes: Uint8Array | undefined } | undefined {
    const row = this.#get(
      `SELECT r.tag, r.sha256, b.bytes FROM record_parts r
       LEFT JOIN record_bytes b ON b.network = r.network AND b.payment_id = r.payment_id
       WHERE r.network = ? AND r.payment_id = ?`,
      paymentId,
    );
    if (!row) return undefined;
    const bytes = row.bytes instanceof Uint8Array ? row.bytes : undefined;
    return { tag: Buffer.from(text(row.tag), 'hex'), sha256: text(row.sha256), bytes };
  }

  /** Newest first. */
  latestPayments(limit: number): PaymentRow[] {
    return this.#all(
      `SELECT ${PAYMENT_COLUMNS} FROM payments WHERE network = ? AND kind = 'payment' ORDER BY intent DESC LIMIT ?`,
      limit,
    ).map(paymentOf);
  }

  parts(paymentId: string): PartRow[] {
    return this.#all(
      'SELECT address, amount FROM payment_parts WHERE network = ? AND payment_id = ? ORDER BY ordinal',
      paymentId,
    ).map((row) => ({ address: text(row.address) as Address, amount: units(row.amount) }));
  }

  attempt(transactionId: string): AttemptRow | undefined {
    const row = this.#get(
      `SELECT ${ATTEMPT_COLUMNS} FROM attempts a WHERE network = ? AND transaction_id = ?`,
      transactionId,
    );
    return row && attemptOf(row);
  }

  /** SIGNED or SUBMITTED, oldest first. */
  openAttempts(): AttemptRow[] {
    return this.#all(
      `SELECT ${ATTEMPT_COLUMNS} FROM attempts a WHERE network = ? AND state IN ('SIGNED', 'SUBMITTED') ORDER BY sequence`,
    ).map(attemptOf);
  }

  /** Called dead, but a payment of it is not settled: a node may have been wrong. */
  doubtedAttempts(): AttemptRow[] {
    return this.#all(
      `SELECT DISTINCT ${ATTEMPT_COLUMNS} FROM payments p
       JOIN attempt_payments ap ON ap.network = p.network AND ap.payment_id = p.payment_id
       JOIN attempts a ON a.network = ap.network AND a.transaction_id = ap.transaction_id
       WHERE p.network = ? AND p.${UNFINISHED} AND p.state IN ('READY', 'IN_FLIGHT') AND a.state = 'DEAD' ORDER BY a.sequence`,
    ).map(attemptOf);
  }

  attemptsOf(paymentId: string): AttemptRow[] {
    return this.#all(
      `SELECT ${ATTEMPT_COLUMNS} FROM attempt_payments ap
       JOIN attempts a ON a.network = ap.network AND a.transaction_id = ap.transaction_id
       WHERE ap.network = ? AND ap.payment_id = ? ORDER BY a.sequence`,
      paymentId,
    ).map(attemptOf);
  }

  wasSigned(paymentId: string): boolean {
    return (
      this.#get('SELECT 1 FROM attempt_payments WHERE network = ? AND payment_id = ? LIMIT 1', paymentId) !== undefined
    );
  }

  paymentsOf(transactionId: string): string[] {
    return this.#all(
      'SELECT payment_id FROM attempt_payments WHERE network = ? AND transaction_id = ?',
      transactionId,
    ).map((row) => text(row.payment_id));
  }

  inputsOf(transactionId: string): string[] {
    return this.#all(
      'SELECT output_id FROM attempt_inputs WHERE network = ? AND transaction_id = ?',
      transactionId,
    ).map((row) => text(row.output_id));
  }

  signedBytes(transactionId: string): Uint8Array | undefined {
    const row = this.#get('SELECT bytes FROM signed_bytes WHERE network = ? AND transaction_id = ?', transactionId);
    return row?.bytes instanceof Uint8Array ? row.bytes : undefined;
  }

  /**
   * Attempts without a payment that were called dead, while something is left of what they merge. What takes their inputs
   * could fall with them, if a node was wrong: the same is merged again instead.
   */
  doubtedMerges(): AttemptRow[] {
    return this.#all(
      `SELECT ${ATTEMPT_COLUMNS} FROM attempts a WHERE a.network = ? AND a.state = 'DEAD'
       AND NOT EXISTS (
         SELECT 1 FROM attempt_payments ap WHERE ap.network = a.network AND ap.transaction_id = a.transaction_id)
       AND EXISTS (
         SELECT 1 FROM attempt_inputs i JOIN outputs o ON o.network = i.network AND o.output_id = i.output_id
         WHERE i.network = a.network AND i.transaction_id = a.transaction_id AND o.spent_by IS NULL)
       ORDER BY a.sequence`,
    ).map(attemptOf);
  }

  /** Inputs of attempts that are open, or whose death is not beyond doubt: nobody else may use them. */
  heldInputs(): Set<string> {
    const open = this.#all(
      `SELECT i.output_id FROM attempts a
       JOIN attempt_inputs i ON i.network = a.network AND i.transaction_id = a.transaction_id
       WHERE a.network = ? AND a.state IN ('SIGNED', 'SUBMITTED')`,
    );
    const doubted = [...this.doubtedAttempts(), ...this.doubtedMerges()].flatMap(({ transactionId }) =>
      this.inputsOf(transactionId),
    );
    return new Set([...open.map((row) => text(row.output_id)), ...doubted]);
  }

  output(outputId: string): OutputRow | undefined {
    const row = this.#get(
      'SELECT amount, spendable, record, spent_by FROM outputs WHERE network = ? AND output_id = ?',
      outputId,
    );
    return (
      row && {
        amount: units(row.amount),
        spentBy: textOrNull(row.spent_by),
        spendable: row.spendable === 1,
        record: row.record === 1,
      }
    );
  }

  /** The unspent outputs of our records: deposits, never money for a payment. More than one only by accident. */
  unspentRecords(): SpendableOutput[] {
    return this.#all(
      `SELECT output_id, amount FROM outputs WHERE network = ? AND spent_by IS NULL AND record = 1
       ORDER BY amount DESC, output_id`,
    ).map((row) => ({ outputId: text(row.output_id), amount: units(row.amount) }));
  }

  /** Whether the output is known, spent or not, that a record became. */
  hasRecordOf(transactionId: string): boolean {
    return (
      this.#get('SELECT 1 FROM outputs WHERE network = ? AND transaction_id = ? AND record = 1', transactionId) !==
      undefined
    );
  }

  /** Unspent outputs that only we can unlock and that are no records, by amount. */
  unspent(order: 'largest' | 'smallest', limit: number): SpendableOutput[] {
    const direction = order === 'largest' ? 'DESC' : 'ASC';
    return this.#all(
      `SELECT output_id, amount FROM outputs WHERE network = ? AND spent_by IS NULL AND record = 0 AND spendable = 1
       ORDER BY amount ${direction}, output_id LIMIT ?`,
      limit,
    ).map((row) => ({ outputId: text(row.output_id), amount: units(row.amount) }));
  }

  /** Without records. */
  unspentSum(spendable: boolean): { readonly amount: BaseUnits; readonly count: number } {
    const row = this.#get(
      `SELECT coalesce(sum(amount), 0) AS amount, count(*) AS count FROM outputs INDEXED BY outputs_unspent
       WHERE network = ? AND spent_by IS NULL AND record = 0 AND spendable = ?`,
      spendable ? 1 : 0,
    );
    return { amount: units(row?.amount ?? 0), count: Number(row?.count ?? 0) };
  }

  /**
   * What unsettled payments, and records that were signed, will still take out of the unspent outputs: an attempt that the ledger has executed, while
   * its outcome is not in the journal yet, has taken it already.
   */
  reserved(): BaseUnits {
    const row = this.#get(
      `SELECT coalesce(sum(p.amount), 0) AS amount FROM payments p INDEXED BY payments_unfinished
       WHERE p.network = ? AND p.${UNFINISHED} AND p.state IN ('INTENT', 'READY', 'IN_FLIGHT') AND NOT EXISTS (
         SELECT 1 FROM attempt_payments ap
         JOIN attempt_inputs i ON i.network = ap.network AND i.transaction_id = ap.transaction_id
         JOIN outputs o ON o.network = i.network AND o.output_id = i.output_id
         WHERE ap.network = p.network AND ap.payment_id = p.payment_id AND o.spent_by = ap.transaction_id)`,
    );
    return units(row?.amount ?? 0);
  }

  /** Sum of all reservations that either clock places after a time (of all there are when it is undefined). */
  reservedSince(after: BudgetTime | undefined): BaseUnits {
    const last = this.#get('SELECT running FROM budget_rows WHERE network = ? ORDER BY sequence DESC LIMIT 1');
    if (!last) return 0n;
    const past =
      after === undefined
        ? 0
        : Math.min(this.#past('ledger_time', after.ledger), this.#past('system_time', after.system));
    const before = this.#get('SELECT running FROM budget_rows WHERE network = ? AND sequence = ?', past);
    return units(last.running) - units(before?.running ?? 0);
  }

  /** Sequence of the last reservation up to a time; neither time ever goes back from one row to the next. */
  #past(column: 'ledger_time' | 'system_time', until: number): number {
    const row = this.#get(
      `SELECT sequence FROM budget_rows WHERE network = ? AND ${column} <= ? ORDER BY ${column} DESC, sequence DESC LIMIT 1`,
      until,
    );
    return Number(row?.sequence ?? 0);
  }

  lastPosition(): number {
    return Number(
      this.#get('SELECT max(position) AS position FROM received_payments WHERE network = ?')?.position ?? 0,
    );
  }

  receivedAfter(position: number, limit: number): ReceivedRow[] {
    return this.#all(
      'SELECT * FROM received_payments WHERE network = ? AND position > ? ORDER BY position LIMIT ?',
      position,
      limit,
    ).map(receivedOf);
  }

  latestReceived(limit: number): ReceivedRow[] {
    return this.#all('SELECT * FROM received_payments WHERE network = ? ORDER BY position DESC LIMIT ?', limit).map(
      receivedOf,
    );
  }

  listenerPosition(source: string, listenerId: string): number | undefined {
    const row = this.#get(
      'SELECT position FROM listeners WHERE network = ? AND source = ? AND listener_id = ?',
      source,
      listenerId,
    );
    return row && Number(row.position);
  }

  #get(sql: string, ...values: SqlValue[]): SqlRow | undefined {
    return this.sql.get(sql, [this.network, ...values]);
  }

  #all(sql: string, ...values: SqlValue[]): SqlRow[] {
    return this.sql.all(sql, [this.network, ...values]);
  }
}
