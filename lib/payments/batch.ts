import type { NetworkInfo, PaymentPart, RecordPart, SpendableOutput } from '../ledger';
import type { BaseUnits } from '../values';
import type { BookReader } from './book-reader';
import type { PaymentRow } from './book-rows';
import { chooseInputs, chooseMerge } from './inputs';

/** One payment and what it becomes in a transaction. */
export interface QueuedPayment {
  readonly payment: PaymentRow;
  readonly parts: readonly PaymentPart[];
}

export function queuedPayment(payment: PaymentRow, book: BookReader): QueuedPayment {
  const { paymentId, reference } = payment;
  return { payment, parts: book.parts(paymentId).map(({ address, amount }) => ({ to: address, amount, reference })) };
}

/** A record and what it becomes in a transaction. */
export interface QueuedRecord {
  readonly payment: PaymentRow;
  readonly part: RecordPart;
  /** Unspent records of ours, which it has to spend. */
  readonly heads: readonly SpendableOutput[];
  /** What its output has to hold. */
  readonly deposit: BaseUnits;
}

/** What one transaction is to carry, and from what. */
export interface Batch {
  readonly payments: readonly QueuedPayment[];
  readonly record?: QueuedRecord;
  readonly inputs: readonly SpendableOutput[];
}

// An output with an address, a sender and an empty reference takes about 120 bytes on a Tangle.
const PART_BYTES = 128;

/**
 * Chooses, first come first served, the payments that fit into one transaction, and its inputs. A payment that does not
 * fit (its money is in another attempt, say) lets others pass. Without any that fits: a transaction that merges outputs,
 * when that is what is missing; else undefined.
 *
 * @param held outputs that other attempts may still spend
 * @param record goes along: it has its place before the payments have theirs
 */
export function composeBatch(
  queue: readonly QueuedPayment[],
  book: BookReader,
  network: NetworkInfo,
  held: ReadonlySet<string>,
  record?: QueuedRecord,
): Batch | undefined {
  const [first] = queue;
  if (!first) return undefined;
  const free = freeOutputs(book, network.maxInputs, held);
  const must = record?.heads ?? [];
  const reach = total([...must, ...free.largest.slice(0, network.maxInputs - must.length)]) - (record?.deposit ?? 0n);
  const chosen = fitting(queue, network, reach, record);
  for (let count = chosen.length; count > 0; count -= 1) {
    const payments = chosen.slice(0, count);
    const inputs = chooseInputs({ ...limits(network), ...free, must, amount: sumOf(payments, record) });
    if (inputs) return { payments, inputs, ...(record && { record }) };
  }
  return record ? undefined : composeMerge(first.payment.amount, free, network);
}

/** The same for a record by itself. */
export function composeRecord(
  record: QueuedRecord,
  book: BookReader,
  network: NetworkInfo,
  held: ReadonlySet<string>,
): Batch | undefined {
  const free = freeOutputs(book, network.maxInputs, held);
  const inputs = chooseInputs({ ...limits(network), ...free, must: record.heads, amount: record.deposit });
  return inputs ? { payments: [], record, inputs } : composeMerge(record.deposit - total(record.heads), free, network);
}

/** The inputs of a transaction that replaces earlier ones: `must`, and whatever it takes beside. */
export function composeReplacement(
  payments: readonly QueuedPayment[],
  record: QueuedRecord | undefined,
  must: readonly SpendableOutput[],
  book: BookReader,
  network: NetworkInfo,
  held: ReadonlySet<string>,
): Batch | undefined {
  const taken = new Set(must.map(({ outputId }) => outputId));
  const heads = (record?.heads ?? []).filter(({ outputId }) => !taken.has(outputId));
  const inputs = chooseInputs({
    ...limits(network),
    ...freeOutputs(book, network.maxInputs, held),
    must: [...must, ...heads],
    amount: sumOf(payments, record),
  });
  return inputs && { payments, inputs, ...(record && { record }) };
}

/** A transaction that merges what is free, when that is more than one transaction takes and at least this amount. */
export function composeMerge(
  amount: BaseUnits,
  free: ReturnType<typeof freeOutputs>,
  network: NetworkInfo,
): Batch | undefined {
  const mergeable = free.freeCount > network.maxInputs && free.freeSum >= amount;
  const inputs = mergeable ? chooseMerge({ ...limits(network), ...free }) : undefined;
  return inputs && { payments: [], inputs };
}

function limits({ minimumChange, maxInputs }: NetworkInfo): Pick<NetworkInfo, 'minimumChange' | 'maxInputs'> {
  return { minimumChange, maxInputs };
}

function sumOf(payments: readonly QueuedPayment[], record: QueuedRecord | undefined): bigint {
  return payments.reduce((sum, { payment }) => sum + payment.amount, record?.deposit ?? 0n);
}

function total(outputs: readonly SpendableOutput[]): bigint {
  return outputs.reduce((sum, { amount }) => sum + amount, 0n);
}

export function freeOutputs(book: BookReader, maxInputs: number, held: ReadonlySet<string>) {
  const pick = (order: 'largest' | 'smallest') =>
    book
      .unspent(order, maxInputs + held.size)
      .filter(({ outputId }) => !held.has(outputId))
      .slice(0, maxInputs);
  const all = book.unspentSum(true);
  let freeSum = all.amount;
  let freeCount = all.count;
  for (const outputId of held) {
    const output = book.output(outputId);
    if (!output?.spendable || output.record || output.spentBy !== null) continue;
    freeSum -= output.amount;
    freeCount -= 1;
  }
  return { largest: pick('largest'), smallest: pick('smallest'), freeSum, freeCount };
}

function fitting(
  queue: readonly QueuedPayment[],
  network: NetworkInfo,
  reach: bigint,
  record: QueuedRecord | undefined,
): QueuedPayment[] {
  const chosen: QueuedPayment[] = [];
  const payees = new Set<string>();
  // One output is our change.
  let outputs = network.maxOutputs - (record ? 2 : 1);
  let bytes =
    network.maxTransactionBytes - (record ? PART_BYTES + record.part.tag.length + record.part.bytes.length : 0);
  let left = reach;
  for (const queued of queue) {
    const { payment, parts } = queued;
    const size = parts.length * (PART_BYTES + Buffer.byteLength(payment.reference));
    if (payment.amount > left || parts.length > outputs || (size > bytes && chosen.length > 0)) continue;
    // Where a reference is filed under its payee, a payee has one payment per transaction.
    if (network.protocol === 'iota' && parts.some(({ to }) => payees.has(to))) continue;
    for (const { to } of parts) payees.add(to);
    chosen.push(queued);
    outputs -= parts.length;
    bytes -= size;
    left -= payment.amount;
    if (outputs <= 0 || bytes <= 0) break;
  }
  return chosen;
}
