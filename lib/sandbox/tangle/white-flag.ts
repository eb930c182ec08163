import type { BlockId, DecodedBlock, DecodedTransaction, OutputId } from './codec';
import { CONFLICT, type Conflict, type ConsumedOutput, conflictOf } from './semantics';

export interface LedgerOutput extends ConsumedOutput {
  readonly outputId: OutputId;
  readonly blockId: BlockId;
}

/** What one milestone does to the ledger. */
export interface Mutations {
  /** Every block that becomes referenced, in white-flag order. */
  readonly referenced: readonly ReferencedBlock[];
  readonly created: ReadonlyMap<OutputId, LedgerOutput>;
  /** Output id → the transaction that consumed it; also what was created in this milestone. */
  readonly consumed: ReadonlyMap<OutputId, DecodedTransaction>;
}

export interface ReferencedBlock {
  readonly decoded: DecodedBlock;
  readonly conflict?: Conflict;
}

export interface LedgerView {
  /** An output of the ledger before this milestone. */
  output(id: OutputId): (LedgerOutput & { readonly isSpent: boolean }) | undefined;
}

/**
 * TIP-2 §White-flag ordering: post-order depth-first from the milestone's parents, each parent in the order in which its
 * block lists it; blocks that `pending` does not know are referenced already.
 */
export function whiteFlagOrder(
  parents: readonly BlockId[],
  pending: (id: BlockId) => DecodedBlock | undefined,
): DecodedBlock[] {
  const order: DecodedBlock[] = [];
  const seen = new Set<BlockId>();
  // A chain of blocks can be longer than the call stack.
  const stack: { decoded: DecodedBlock; next: number }[] = [];
  const visit = (id: BlockId) => {
    const decoded = seen.has(id) ? undefined : pending(id);
    if (!decoded) return;
    seen.add(id);
    stack.push({ decoded, next: 0 });
  };
  for (const parent of parents) {
    visit(parent);
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const child = top.decoded.block.parents[top.next];
      top.next += 1;
      if (child !== undefined) visit(child);
      else {
        order.push(top.decoded);
        stack.pop();
      }
    }
  }
  return order;
}

/** TIP-2: applies the blocks in order; a transaction that conflicts with the ledger so far is ignored. */
export function applyWhiteFlag(order: readonly DecodedBlock[], ledger: LedgerView, time: number): Mutations {
  const referenced: ReferencedBlock[] = [];
  const created = new Map<OutputId, LedgerOutput>();
  const consumed = new Map<OutputId, DecodedTransaction>();
  for (const decoded of order) {
    const { transaction } = decoded;
    if (!transaction) {
      referenced.push({ decoded });
      continue;
    }
    const inputs = consumable(transaction, ledger, created, consumed);
    const conflict = Array.isArray(inputs) ? conflictOf(transaction, inputs, time) : inputs;
    if (conflict) {
      referenced.push({ decoded, conflict });
      continue;
    }
    referenced.push({ decoded });
    for (const input of transaction.transaction.inputs) consumed.set(input, transaction);
    for (const output of outputsOf(decoded.id, transaction)) created.set(output.outputId, output);
  }
  return { referenced, created, consumed };
}

function consumable(
  { transaction }: DecodedTransaction,
  ledger: LedgerView,
  created: ReadonlyMap<OutputId, LedgerOutput>,
  consumed: ReadonlyMap<OutputId, unknown>,
): ConsumedOutput[] | Conflict {
  const inputs: ConsumedOutput[] = [];
  for (const id of transaction.inputs) {
    if (consumed.has(id)) return CONFLICT.inputAlreadySpentInThisMilestone;
    const fresh = created.get(id);
    if (fresh) {
      inputs.push(fresh);
      continue;
    }
    const booked = ledger.output(id);
    if (!booked) return CONFLICT.inputNotFound;
    if (booked.isSpent) return CONFLICT.inputAlreadySpent;
    inputs.push(booked);
  }
  return inputs;
}

function outputsOf(blockId: BlockId, { id, transaction, parts }: DecodedTransaction): LedgerOutput[] {
  return transaction.outputs.map((output, index) => ({
    outputId: outputIdOf(id, index),
    output,
    bytes: parts.outputs[index]!,
    blockId,
  }));
}

/** TIP-20: transaction id and two bytes of index, little-endian. */
export function outputIdOf(transactionId: `0x${string}`, index: number): OutputId {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(index);
  return `${transactionId}${bytes.toString('hex')}`;
}
