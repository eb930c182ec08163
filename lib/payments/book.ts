import type { JournalEvent, Projection, Sql } from '../journal';
import { BOOK_SCHEMA, BOOK_SIDE_TABLES } from './book-schema';
import type { BudgetTime } from './budget-clock';
import type { BookEvents, ReceivedRecord } from './events';
import {
  ATTEMPT_TRANSITIONS,
  type AttemptEvent,
  type AttemptState,
  PAYMENT_TRANSITIONS,
  type PaymentEvent,
  type PaymentState,
  transition,
} from './transitions';

type Handlers = { readonly [T in keyof BookEvents]: (body: BookEvents[T], event: JournalEvent, sql: Sql) => void };

/** The tables of accounts, payments and attempts: derived from the journal's events, by the transition tables. */
export const book: Projection = {
  name: 'payments',
  schema: BOOK_SCHEMA,
  sideTables: BOOK_SIDE_TABLES,
  apply(event, sql) {
    if (!(event.type in HANDLERS)) return;
    // The types of the bodies are those of `BookEvents`: nobody else appends under these names.
    const handle = HANDLERS[event.type as keyof BookEvents] as (body: unknown, event: JournalEvent, sql: Sql) => void;
    handle(event.body, event, sql);
  },
};

const HANDLERS: Handlers = {
  'account.opened'({ network, address, cursor, height, ledgerTime, systemTime }, _event, sql) {
    sql.run(
      `INSERT INTO accounts
       (network, address, cursor, height, ledger_time, budget_ledger, budget_system, ledger_shown, system_shown)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [network, address, cursor, height, ledgerTime, ledgerTime, systemTime, ledgerTime, systemTime],
    );
  },

  'account.received'({ network, known, outputs }, _event, sql) {
    for (const output of outputs) {
      const record = isRecord(sql, network, output);
      if (!insertOutput(sql, network, output, record)) continue;
      if (known || record || !output.spendable || isOwnAttempt(sql, network, output.transactionId)) continue;
      const last = sql.get('SELECT max(position) AS position FROM received_payments WHERE network = ?', [network]);
      sql.run(
        `INSERT INTO received_payments (network, position, event_id, transaction_id, sender, amount, reference, confirmed_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (network, event_id) DO UPDATE SET amount = amount + excluded.amount`,
        [
          network,
          Number(last?.position ?? 0) + 1,
          output.eventId,
          output.transactionId,
          output.from,
          BigInt(output.amount),
          output.reference,
          output.confirmedAt,
        ],
      );
    }
  },

  'account.spent'({ network, spends }, _event, sql) {
    for (const { outputId, by } of spends) {
      sql.run('UPDATE outputs SET spent_by = ? WHERE network = ? AND output_id = ?', [by, network, outputId]);
    }
  },

  'account.read'({ network, cursor, height, ledgerTime }, _event, sql) {
    sql.run('UPDATE accounts SET cursor = ?, height = ?, ledger_time = max(ledger_time, ?) WHERE network = ?', [
      cursor,
      height,
      ledgerTime,
      network,
    ]);
  },

  'account.frozen'({ network, reason }, _event, sql) {
    sql.run('UPDATE accounts SET frozen = ? WHERE network = ?', [reason, network]);
  },

  'payment.intended'(body, event, sql) {
    const { network, paymentId, to, amount, reference, parts, origin, time } = body;
    const before = paymentState(sql, network, paymentId);
    const next = transition(PAYMENT_TRANSITIONS, before, 'intend');
    sql.run(
      `INSERT OR REPLACE INTO payments
       (network, payment_id, kind, state, intent, intended_at, payee, amount, reference, origin)
       VALUES (?, ?, 'payment', ?, ?, ?, ?, ?, ?, ?)`,
      [network, paymentId, next.to, event.sequence, event.at, to, BigInt(amount), reference, JSON.stringify(origin)],
    );
    if (before !== 'NEW')
      sql.run('DELETE FROM payment_parts WHERE network = ? AND payment_id = ?', [network, paymentId]);
    for (const [ordinal, part] of parts.entries()) {
      sql.run('INSERT INTO payment_parts (network, payment_id, ordinal, address, amount) VALUES (?, ?, ?, ?, ?)', [
        network,
        paymentId,
        ordinal,
        part.address,
        BigInt(part.amount),
      ]);
    }
    reserveBudget(sql, network, event.sequence, time, BigInt(amount));
    sql.run(
      `UPDATE accounts SET budget_ledger = ?, budget_system = ?, ledger_shown = ?, system_shown = ? WHERE network = ?`,
      [time.ledger, time.system, time.ledgerShown, time.systemShown, network],
    );
  },

  'record.intended'({ network, paymentId, tag, sha256 }, event, sql) {
    const next = transition(PAYMENT_TRANSITIONS, paymentState(sql, network, paymentId), 'intend');
    sql.run(
      `INSERT OR REPLACE INTO payments
       (network, payment_id, kind, state, intent, intended_at, payee, amount, reference, origin)
       VALUES (?, ?, 'record', ?, ?, ?, '', 0, '', '{"nodeId":""}')`,
      [network, paymentId, next.to, event.sequence, event.at],
    );
    sql.run('INSERT OR REPLACE INTO record_parts (network, payment_id, tag, sha256) VALUES (?, ?, ?, ?)', [
      network,
      paymentId,
      tag,
      sha256,
    ]);
  },

  'payment.cleared'({ network, paymentId }, _event, sql) {
    movePayment(sql, network, paymentId, 'clear');
  },

  'payment.rejected'({ network, paymentId, ...failure }, _event, sql) {
    movePayment(sql, network, paymentId, 'reject');
    rememberFailure(sql, network, paymentId, failure);
  },

  'payment.failed'({ network, paymentId, ...failure }, _event, sql) {
    if (attemptsOf(sql, network, paymentId).length > 0) throw new Error('a payment that was signed once never fails');
    movePayment(sql, network, paymentId, 'fail');
    rememberFailure(sql, network, paymentId, failure);
  },

  'payment.reported'({ network, paymentId }, _event, sql) {
    movePayment(sql, network, paymentId, 'report');
  },

  'attempt.signed'(body, event, sql) {
    const { network, transactionId, sha256, payments, inputs, change, deposit, fee, expiresEpoch } = body;
    const before = attemptState(sql, network, transactionId);
    if (before === 'NEW') {
      const next = transition(ATTEMPT_TRANSITIONS, before, 'sign');
      sql.run(
        `INSERT INTO attempts (network, transaction_id, state, sequence, signed_at, sha256, fee, expires_epoch)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
        [network, transactionId, next.to, event.sequence, event.at, sha256, BigInt(fee), expiresEpoch],
      );
    } else {
      moveAttempt(sql, network, transactionId, 'sign');
    }
    for (const outputId of inputs) {
      sql.run('INSERT OR IGNORE INTO attempt_inputs (network, transaction_id, output_id) VALUES (?, ?, ?)', [
        network,
        transactionId,
        outputId,
      ]);
    }
    for (const { outputId, amount, index, record } of change) {
      sql.run(
        `INSERT OR IGNORE INTO attempt_change (network, transaction_id, output_id, amount, output_index, record)
         VALUES (?, ?, ?, ?, ?, ?)`,
        [network, transactionId, outputId, BigInt(amount), index, record ? 1 : 0],
      );
    }
    for (const paymentId of payments) {
      sql.run('INSERT OR IGNORE INTO attempt_payments (network, transaction_id, payment_id) VALUES (?, ?, ?)', [
        network,
        transactionId,
        paymentId,
      ]);
      movePayment(sql, network, paymentId, 'sign');
      if (deposit === undefined) continue;
      sql.run("UPDATE payments SET amount = ? WHERE network = ? AND payment_id = ? AND kind = 'record'", [
        BigInt(deposit),
        network,
        paymentId,
      ]);
    }
  },

  'attempt.submitted'({ network, transactionId }, event, sql) {
    moveAttempt(sql, network, transactionId, 'submit');
    sql.run('UPDATE attempts SET submitted_at = ? WHERE network = ? AND transaction_id = ?', [
      event.at,
      network,
      transactionId,
    ]);
  },

  'attempt.final'({ network, transactionId, height, confirmedAt, node }, _event, sql) {
    moveAttempt(sql, network, transactionId, 'final');
    sql.run(
      `UPDATE attempts SET height = ?, confirmed_at = ?, node = ?, conflicting_id = NULL, reason = NULL
       WHERE network = ? AND transaction_id = ?`,
      [height, confirmedAt, node, network, transactionId],
    );
    sql.run(
      `UPDATE outputs SET spent_by = ? WHERE network = ? AND output_id IN
       (SELECT output_id FROM attempt_inputs WHERE network = ? AND transaction_id = ?)`,
      [transactionId, network, network, transactionId],
    );
    sql.run(
      `INSERT OR IGNORE INTO outputs (network, output_id, transaction_id, output_index, amount, spendable, record)
       SELECT network, output_id, transaction_id, output_index, amount, 1, record
       FROM attempt_change WHERE network = ? AND transaction_id = ?`,
      [network, transactionId],
    );
    for (const paymentId of paymentsOf(sql, network, transactionId)) {
      if (!isUnsettled(paymentState(sql, network, paymentId))) continue;
      movePayment(sql, network, paymentId, 'settle');
      sql.run('UPDATE payments SET transaction_id = ? WHERE network = ? AND payment_id = ?', [
        transactionId,
        network,
        paymentId,
      ]);
    }
  },

  'attempt.dead'({ network, transactionId, height, conflictingId, reason, node }, _event, sql) {
    moveAttempt(sql, network, transactionId, 'die');
    sql.run(
      'UPDATE attempts SET height = ?, conflicting_id = ?, reason = ?, node = ? WHERE network = ? AND transaction_id = ?',
      [height, conflictingId, reason, node, network, transactionId],
    );
    for (const paymentId of paymentsOf(sql, network, transactionId)) {
      if (paymentState(sql, network, paymentId) !== 'IN_FLIGHT') continue;
      const alive = attemptsOf(sql, network, paymentId).some((id) => attemptState(sql, network, id) !== 'DEAD');
      if (!alive) movePayment(sql, network, paymentId, 'release');
    }
  },

  'listener.moved'({ network, source, listenerId, position }, _event, sql) {
    sql.run(
      `INSERT INTO listeners (network, source, listener_id, position) VALUES (?, ?, ?, ?)
       ON CONFLICT (network, source, listener_id) DO UPDATE SET position = excluded.position`,
      [network, source, listenerId, position],
    );
  },
};

function isUnsettled(state: PaymentState | 'NEW'): boolean {
  return state === 'READY' || state === 'IN_FLIGHT';
}

function paymentState(sql: Sql, network: string, paymentId: string): PaymentState | 'NEW' {
  const row = sql.get('SELECT state FROM payments WHERE network = ? AND payment_id = ?', [network, paymentId]);
  return row ? (row.state as PaymentState) : 'NEW';
}

function attemptState(sql: Sql, network: string, transactionId: string): AttemptState | 'NEW' {
  const row = sql.get('SELECT state FROM attempts WHERE network = ? AND transaction_id = ?', [network, transactionId]);
  return row ? (row.state as AttemptState) : 'NEW';
}

function movePayment(sql: Sql, network: string, paymentId: string, event: PaymentEvent): void {
  const next = transition(PAYMENT_TRANSITIONS, paymentState(sql, network, paymentId), event);
  sql.run('UPDATE payments SET state = ? WHERE network = ? AND payment_id = ?', [next.to, network, paymentId]);
  if (next.effects.includes('release budget')) releaseBudget(sql, network, paymentId);
}

function moveAttempt(sql: Sql, network: string, transactionId: string, event: AttemptEvent): void {
  const next = transition(ATTEMPT_TRANSITIONS, attemptState(sql, network, transactionId), event);
  sql.run('UPDATE attempts SET state = ? WHERE network = ? AND transaction_id = ?', [next.to, network, transactionId]);
}

function attemptsOf(sql: Sql, network: string, paymentId: string): string[] {
  return sql
    .all('SELECT transaction_id FROM attempt_payments WHERE network = ? AND payment_id = ?', [network, paymentId])
    .map((row) => String(row.transaction_id));
}

function paymentsOf(sql: Sql, network: string, transactionId: string): string[] {
  return sql
    .all('SELECT payment_id FROM attempt_payments WHERE network = ? AND transaction_id = ?', [network, transactionId])
    .map((row) => String(row.payment_id));
}

function isOwnAttempt(sql: Sql, network: string, transactionId: string): boolean {
  return (
    sql.get('SELECT 1 FROM attempts WHERE network = ? AND transaction_id = ?', [network, transactionId]) !== undefined
  );
}

/** What we have signed ourselves says more than what a node makes of it. */
function isRecord(sql: Sql, network: string, { outputId, transactionId, record }: ReceivedRecord): boolean {
  const own = sql.get('SELECT record FROM attempt_change WHERE network = ? AND transaction_id = ? AND output_id = ?', [
    network,
    transactionId,
    outputId,
  ]);
  return own ? own.record === 1 : record === true;
}

/** False when the output was known before, whichever way it became known. */
function insertOutput(sql: Sql, network: string, output: ReceivedRecord, record: boolean): boolean {
  const { outputId, transactionId, outputIndex, amount, spendable } = output;
  if (sql.get('SELECT 1 FROM outputs WHERE network = ? AND output_id = ?', [network, outputId])) return false;
  sql.run(
    `INSERT INTO outputs (network, output_id, transaction_id, output_index, amount, spendable, record)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    [network, outputId, transactionId, outputIndex, BigInt(amount), spendable ? 1 : 0, record ? 1 : 0],
  );
  return true;
}

function rememberFailure(
  sql: Sql,
  network: string,
  paymentId: string,
  failure: { code: string; detail: string; message: string },
): void {
  sql.run('UPDATE payments SET failure = ? WHERE network = ? AND payment_id = ?', [
    JSON.stringify(failure),
    network,
    paymentId,
  ]);
}

/**
 * Budgets are sums over a sliding window of budget time. `running` is the sum of everything reserved up to a row, so
 * that a window's sum is the difference of two rows, however many lie between them (`BookReader.reservedSince`).
 */
function reserveBudget(sql: Sql, network: string, sequence: number, time: BudgetTime, amount: bigint): void {
  const last = sql.get('SELECT running FROM budget_rows WHERE network = ? ORDER BY sequence DESC LIMIT 1', [network]);
  const running = BigInt((last?.running as number | bigint | undefined) ?? 0) + amount;
  sql.run(
    'INSERT INTO budget_rows (network, sequence, ledger_time, system_time, amount, running) VALUES (?, ?, ?, ?, ?, ?)',
    [network, sequence, time.ledger, time.system, amount, running],
  );
}

/** The reservation ceases to count where it was made; a negative row of today would reach into windows it is not in. */
function releaseBudget(sql: Sql, network: string, paymentId: string): void {
  const payment = sql.get('SELECT intent, amount FROM payments WHERE network = ? AND payment_id = ?', [
    network,
    paymentId,
  ]);
  if (!payment) return;
  const { intent = 0, amount = 0 } = payment;
  sql.run('UPDATE budget_rows SET amount = 0 WHERE network = ? AND sequence = ?', [network, intent]);
  sql.run('UPDATE budget_rows SET running = running - ? WHERE network = ? AND sequence >= ?', [
    amount,
    network,
    intent,
  ]);
}
