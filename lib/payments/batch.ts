import type { NetworkInfo, PaymentPart, SpendableOutput } from '../ledger';
import type { BookReader, PaymentRow } from './book-reader';
import { chooseInputs, chooseMerge } from './inputs';

/** One payment and what it becomes in a transaction. */
export interface QueuedPayment {
  readonly payment: PaymentRow;
  readonly parts: readonly PaymentPart[];
}

/** What one transaction is to carry, and from what. */
export interface Batch {
  readonly payments: readonly QueuedPayment[];
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
 */
export function composeBatch(
  queue: readonly QueuedPayment[],
  book: BookReader,
  network: NetworkInfo,
  held: ReadonlySet<string>,
): Batch | undefined {
  if (queue.length === 0) return undefined;
  const free = freeOutputs(book, network.maxInputs, held);
  const reach = free.largest.reduce((sum, { amount }) => sum + amount, 0n);
  const chosen = fitting(queue, network, reach);
  for (let count = chosen.length; count > 0; count -= 1) {
    const payments = chosen.slice(0, count);
    const inputs = chooseInputs({ ...limits(network), ...free, must: [], amount: sumOf(payments) });
    if (inputs) return { payments, inputs };
  }
  const waiting = queue[0];
  const mergeable =
    free.freeCount > network.maxInputs && waiting !== undefined && free.freeSum >= waiting.payment.amount;
  const inputs = mergeable ? chooseMerge({ ...limits(network), ...free }) : undefined;
  return inputs && { payments: [], inputs };
}

/** The inputs of a transaction that replaces earlier ones: `must`, and whatever it takes beside. */
export function composeReplacement(
  payments: readonly QueuedPayment[],
  must: readonly SpendableOutput[],
  book: BookReader,
  network: NetworkInfo,
  held: ReadonlySet<string>,
): Batch | undefined {
  const inputs = chooseInputs({
    ...limits(network),
    ...freeOutputs(book, network.maxInputs, held),
    must,
    amount: sumOf(payments),
  });
  return inputs && { payments, inputs };
}

function limits({ minimumChange, maxInputs }: NetworkInfo): Pick<NetworkInfo, 'minimumChange' | 'maxInputs'> {
  return { minimumChange, maxInputs };
}

function sumOf(payments: readonly QueuedPayment[]): bigint {
  return payments.reduce((sum, { payment }) => sum + payment.amount, 0n);
}

function freeOutputs(book: BookReader, maxInputs: number, held: ReadonlySet<string>) {
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
    if (!output?.spendable || output.spentBy !== null) continue;
    freeSum -= output.amount;
    freeCount -= 1;
  }
  return { largest: pick('largest'), smallest: pick('smallest'), freeSum, freeCount };
}

function fitting(queue: readonly QueuedPayment[], network: NetworkInfo, reach: bigint): QueuedPayment[] {
  const chosen: QueuedPayment[] = [];
  const payees = new Set<string>();
  // One output is our change.
  let outputs = network.maxOutputs - 1;
  let bytes = network.maxTransactionBytes;
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
