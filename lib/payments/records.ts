import { createHash } from 'node:crypto';
import type { Sql } from '../journal';
import type { SpendableOutput } from '../ledger';
import type { BaseUnits } from '../values';
import type { PaymentRow } from './book-rows';
import type { Engine } from './engine';
import type { RecordOrder, RecordReport } from './order';
import { recordIdOf } from './payment-id';

/**
 * Records: bytes that the machine keeps on the ledger, each in an output to itself that holds a deposit and spends the
 * output of the record before. So one deposit carries a chain, and the ledger does not admit two of them.
 *
 * In the journal a record is a payment of another kind, and not a thing of its own beside payments: everything that keeps
 * a payment from being lost or made twice (states, attempts, replacement of a whole group, chase, resumption) asks "which
 * attempts carry it" and "what else is in them", and with two tables each of these would have to ask twice and could
 * forget to. What differs is little: nobody is paid, no budget and no approval is needed, its amount is only the deposit
 * that it adds, and when money is missing it waits and never fails.
 */

const LONGEST_ID = 256;

/** @throws TypeError: a mistake of the caller, which is no flow */
export function assertRecordOrder({ recordId, tag, bytes }: RecordOrder): void {
  const isId = typeof recordId === 'string' && recordId.length > 0 && recordId.length <= LONGEST_ID;
  if (!isId || recordId.includes('\0') || /\p{Surrogate}/u.test(recordId))
    throw new TypeError('not the id of a record');
  if (!(tag instanceof Uint8Array) || !(bytes instanceof Uint8Array)) throw new TypeError('a record consists of bytes');
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What is on the ledger and reported, or will never be there, is kept no longer. */
export function forgetRecordBytes(sql: Sql, network: string, paymentId: string): void {
  sql.run('DELETE FROM record_bytes WHERE network = ? AND payment_id = ?', [network, paymentId]);
}

/** Undefined while the record is not confirmed. */
export function recordReportOf(payment: PaymentRow, engine: Engine): RecordReport | undefined {
  const attempt = payment.transactionId === null ? undefined : engine.book.attempt(payment.transactionId);
  if (!attempt) return undefined;
  const { transactionId, height, confirmedAt } = attempt;
  return { recordId: recordIdOf(payment.paymentId), transactionId, height: height ?? 0, confirmedAt: confirmedAt ?? 0 };
}

/** What the next record has to spend, as far as one transaction takes it; the rest waits for the one after. */
export function headsOf({ book, rules, ports }: Engine): readonly SpendableOutput[] {
  return rules.inputsOfRecord(book).slice(0, Math.max(1, ports.network.maxInputs - 1));
}

/** The record that may be signed for the first time now: one after the other, since each spends the one before. */
export function nextRecord({ book }: Engine): PaymentRow | undefined {
  const ready = book.recordsIn('READY');
  if (ready.length === 0 || book.recordsIn('IN_FLIGHT').length > 0) return undefined;
  if (ready.some(({ paymentId }) => book.wasSigned(paymentId))) return undefined;
  // Where only the ledger's history tells what an output's id is, it has to be read first.
  const last = book.latestRecord()?.transactionId ?? null;
  return last === null || book.hasRecordOf(last) ? ready[0] : undefined;
}

/**
 * Whether a record may take so much out of what no payment was promised. What is left for payments is nothing at all, or
 * enough for change, as it was when they were accepted.
 */
export function hasRoomFor(deposit: BaseUnits, { book, ports }: Engine): boolean {
  const left = book.unspentSum(true).amount - book.reserved() - deposit;
  return deposit === 0n || left === 0n || (left > 0n && left >= ports.network.minimumChange);
}

/** What a record adds to the deposits that it finds in its inputs; less than nothing when it is shorter. */
export function addedDeposit(deposit: BaseUnits, inputs: readonly SpendableOutput[], { book }: Engine): BaseUnits {
  return inputs.reduce((left, { outputId, amount }) => (book.output(outputId)?.record ? left - amount : left), deposit);
}
