import type { PaymentRow, ReceivedRow } from './book-rows';
import type { Engine } from './engine';
import type { Balance, HistoryEntry, Receipt, ReceivedPayment } from './order';
import { remaining } from './policy';

/** contract.md "Receipt". Undefined while the payment is not confirmed. */
export function receiptOf(payment: PaymentRow, engine: Engine): Receipt | undefined {
  const { book, rules, policy, networkId } = engine;
  const { network, identity } = engine.ports;
  if (payment.state !== 'CONFIRMED' && payment.state !== 'REPORTED') return undefined;
  const attempt = payment.transactionId === null ? undefined : book.attempt(payment.transactionId);
  if (!attempt) return undefined;
  return {
    paymentId: payment.paymentId,
    status: 'confirmed',
    network: networkId,
    transactionId: attempt.transactionId,
    from: identity.address,
    to: book.parts(payment.paymentId).map(({ address, amount }) => ({ address, amount: amount.toString() })),
    amount: payment.amount.toString(),
    token: network.token,
    decimals: network.decimals,
    reference: payment.reference,
    submittedAt: isoTime(attempt.submittedAt ?? attempt.signedAt),
    confirmedAt: isoTime(attempt.confirmedAt ?? 0),
    remaining: remaining(policy, engine.budgetMoment(), rules.reservedSince(book)).map(({ budget, left }) => ({
      window: budget.window,
      amount: left.toString(),
    })),
  };
}

/** contract.md "Payment event". */
export function receivedPayment(row: ReceivedRow, engine: Engine): ReceivedPayment {
  const { network, identity } = engine.ports;
  return {
    eventId: row.eventId,
    transactionId: row.transactionId,
    from: row.sender,
    to: identity.address,
    amount: row.amount.toString(),
    token: network.token,
    decimals: network.decimals,
    reference: row.reference,
    confirmedAt: isoTime(row.confirmedAt),
    status: 'confirmed',
  };
}

/**
 * contract.md "`iota-wallet`": `total` is what only we can unlock now, `pending` what is still under a condition. The
 * deposits of records are ours, but no payment gets them.
 */
export function balanceOf(engine: Engine): Balance {
  const { book } = engine;
  const { network, identity } = engine.ports;
  const deposits = book.unspentRecords().reduce((sum, { amount }) => sum + amount, 0n);
  const total = book.unspentSum(true).amount + deposits;
  const reserved = book.reserved() + deposits;
  return {
    address: identity.address,
    did: identity.did,
    token: network.token,
    decimals: network.decimals,
    total: total.toString(),
    reserved: reserved.toString(),
    available: (total > reserved ? total - reserved : 0n).toString(),
    pending: book.unspentSum(false).amount.toString(),
  };
}

/** What was paid and received, newest first. */
export function historyOf(engine: Engine, limit: number): HistoryEntry[] {
  const { book } = engine;
  const paid = book.latestPayments(limit).map((payment): HistoryEntry & { time: number } => {
    const attempt = payment.transactionId === null ? undefined : book.attempt(payment.transactionId);
    const time = attempt?.confirmedAt ?? payment.intendedAt;
    return {
      kind: 'paid',
      id: payment.paymentId,
      status: payment.state.toLowerCase(),
      at: isoTime(time),
      amount: payment.amount.toString(),
      counterparty: payment.payee,
      reference: payment.reference === '' ? null : payment.reference,
      transactionId: payment.transactionId ?? book.attemptsOf(payment.paymentId).at(-1)?.transactionId ?? null,
      time,
    };
  });
  const received = book.latestReceived(limit).map((row): HistoryEntry & { time: number } => ({
    kind: 'received',
    id: row.eventId,
    status: 'confirmed',
    at: isoTime(row.confirmedAt),
    amount: row.amount.toString(),
    counterparty: row.sender,
    reference: row.reference,
    transactionId: row.transactionId,
    time: row.confirmedAt,
  }));
  return [...paid, ...received]
    .sort((a, b) => b.time - a.time)
    .slice(0, limit)
    .map(({ time: _, ...entry }) => entry);
}

const LATEST_DATE = 8.64e15;

/** A ledger that says something absurd must not break a receipt. */
function isoTime(milliseconds: number): string {
  return new Date(Math.abs(milliseconds) <= LATEST_DATE ? milliseconds : 0).toISOString();
}
