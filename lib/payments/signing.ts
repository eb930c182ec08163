import { createHash } from 'node:crypto';
import { CodedError, isCodedError } from '../errors';
import type { PreparedTransaction, SpendableOutput } from '../ledger';
import type { BaseUnits } from '../values';
import type { Batch, QueuedRecord } from './batch';
import type { BookReader } from './book-reader';
import { type Engine, isLedgerDown } from './engine';
import { record as recordEvent } from './events';
import { addedDeposit, hasRoomFor, headsOf, nextRecord } from './records';
import { groupOf, type ReplacementGroup } from './replacement';

/**
 * Has the ledger build the transaction, and checks that it is the one that was asked for. Returns the error when the
 * ledger says that it cannot be built.
 *
 * @param lastTry an error that nobody foresaw counts as such an answer, too
 */
export async function prepare(
  batch: Batch,
  engine: Engine,
  lastTry: boolean,
): Promise<PreparedTransaction | CodedError> {
  const { payments, record, inputs } = batch;
  const request = {
    from: engine.ports.identity.address,
    payments: payments.flatMap(({ parts }) => parts),
    records: record ? [record.part] : [],
    claims: [],
  };
  try {
    const prepared = await engine.compute((ledger) => ledger.prepare(request, inputs));
    assertBalanced(prepared, batch);
    return prepared;
  } catch (error) {
    if (isLedgerDown(error)) throw error;
    if (isCodedError(error)) return error;
    if (!lastTry) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    return new CodedError('PAYMENT_FAILED', 'unbuildable', `the payment cannot be made: ${reason}`);
  }
}

/** Exactly our inputs, and every base unit of them accounted for. */
function assertBalanced(prepared: PreparedTransaction, { payments, record, inputs }: Batch): void {
  const chosen = new Set(inputs.map(({ outputId }) => outputId));
  const sameInputs =
    prepared.inputs.length === chosen.size && prepared.inputs.every((outputId) => chosen.has(outputId));
  const sum = (amounts: readonly { readonly amount: bigint }[]) =>
    amounts.reduce((total, { amount }) => total + amount, 0n);
  const out = sum(payments.map(({ payment }) => payment)) + sum(prepared.change) + prepared.fee;
  if (!sameInputs || sum(inputs) !== out || (record && prepared.change.length === 0))
    throw new Error('the ledger adapter built another transaction than it was asked for');
}

/**
 * Signs and journals: bytes, id and inputs are on disk when this resolves, and nothing of it has left yet. Undefined when
 * the account has changed meanwhile; the signature is thrown away then.
 *
 * @param replaced the group that this transaction replaces the attempts of
 */
export async function signAndRecord(
  batch: Batch,
  prepared: PreparedTransaction,
  replaced: ReplacementGroup | undefined,
  engine: Engine,
): Promise<string | undefined> {
  const { networkId: network } = engine;
  const { identity, sign } = engine.ports;
  const signature = await sign(prepared.signingHash);
  const sealed = await engine.compute((ledger) =>
    ledger.seal(prepared.essence, { publicKey: identity.publicKey, signature }),
  );
  const { transactionId, bytes } = sealed;
  const ids = batch.payments.map(({ payment }) => payment.paymentId);
  // Records come first of what comes back to us.
  const own = batch.record && prepared.change[0];
  const added = addedDeposit(own?.amount ?? 0n, batch.inputs, engine);
  const signed = await engine.write((append, sql) => {
    if (!isStillRight(batch, added, transactionId, replaced, engine)) return false;
    sql.run('INSERT OR REPLACE INTO signed_bytes (network, transaction_id, bytes) VALUES (?, ?, ?)', [
      network,
      transactionId,
      bytes,
    ]);
    recordEvent(append, 'attempt.signed', {
      network,
      transactionId,
      sha256: createHash('sha256').update(bytes).digest('hex'),
      payments: batch.record ? [...ids, batch.record.payment.paymentId] : ids,
      inputs: [...prepared.inputs],
      change: (sealed.change ?? []).map(({ outputId, index, amount }) => ({
        outputId,
        index,
        amount: amount.toString(),
        ...(index === own?.index ? { record: true as const } : {}),
      })),
      ...(own ? { deposit: (added > 0n ? added : 0n).toString() } : {}),
      fee: prepared.fee.toString(),
      expiresEpoch: prepared.expiresEpoch ?? null,
    });
    return true;
  });
  return signed ? transactionId : undefined;
}

/** Judged in the very write that makes it an attempt: much may have happened since the inputs were chosen. */
function isStillRight(
  { payments, record, inputs }: Batch,
  added: BaseUnits,
  transactionId: string,
  replaced: ReplacementGroup | undefined,
  engine: Engine,
): boolean {
  const { book } = engine;
  if (engine.frozen !== undefined || engine.closed) return false;
  if (!payments.every(({ payment }) => book.payment(payment.paymentId)?.state === 'READY')) return false;
  const same = book.attempt(transactionId);
  if (same && same.state !== 'DEAD') return false;
  const unspent = inputs.every(({ outputId }) => {
    const output = book.output(outputId);
    return output?.spendable && output.spentBy === null;
  });
  if (!unspent) return false;
  if (record ? !isRecordStillRight(record, added, inputs, replaced, engine) : inputs.some(isRecordIn(book)))
    return false;
  if (!replaced) return payments.every(({ payment }) => !book.wasSigned(payment.paymentId));
  const [first] = replaced.paymentIds;
  if (first === undefined) return replaced.attempts.every((one) => book.attempt(one.transactionId)?.state === 'DEAD');
  const group = groupOf(first, book);
  return (
    group.attempts.length === replaced.attempts.length &&
    group.attempts.every(({ state }) => state === 'DEAD') &&
    sameMembers(group.paymentIds, replaced.paymentIds)
  );
}

/** It spends all records before it, and takes nothing that a payment has claimed since. */
function isRecordStillRight(
  { payment: { paymentId } }: QueuedRecord,
  added: BaseUnits,
  inputs: readonly SpendableOutput[],
  replaced: ReplacementGroup | undefined,
  engine: Engine,
): boolean {
  const chosen = new Set(inputs.map(({ outputId }) => outputId));
  if (!headsOf(engine).every(({ outputId }) => chosen.has(outputId))) return false;
  // What is signed anew has its deposit reserved.
  if (replaced) return engine.book.payment(paymentId)?.state === 'READY';
  return nextRecord(engine)?.paymentId === paymentId && hasRoomFor(added, engine);
}

function isRecordIn(book: BookReader): (output: SpendableOutput) => boolean {
  return ({ outputId }) => book.output(outputId)?.record === true;
}

function sameMembers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((member) => b.includes(member));
}
