import { createHash } from 'node:crypto';
import { CodedError } from '../../../lib/errors';
import type {
  Holdings,
  Ledger,
  LedgerPage,
  LedgerRecord,
  NetworkInfo,
  Outcome,
  PaymentPart,
  PreparedTransaction,
  ReceivedOutput,
  RecordFilter,
  RecordPage,
  RecordPart,
  SealedTransaction,
  SpendableOutput,
  SpendState,
  SubmittedTransaction,
  TransactionRequest,
  TransactionSignature,
} from '../../../lib/ledger';
import type { Address } from '../../../lib/values';
import { hashOf, type LedgerTruth, type PlacedOutput, type TruthRecord, type TruthTransaction } from './ledger-truth';
import type { Chance } from './random';

/** How often a node lets its clients down. */
export interface NodeFaults {
  /** The connection breaks, before or after the node has understood. */
  readonly reset: number;
  readonly serverError: number;
  /** No answer for a long time; the node may have understood. */
  readonly timeout: number;
  /** The node answers from a past height. */
  readonly stale: number;
  /** The node calls a transaction dead that is not. */
  readonly lies: number;
}

/** Nobody can be reached. */
export const OUTAGE: NodeFaults = { reset: 1, serverError: 0, timeout: 0, stale: 0, lies: 0 };
export const HONEST: NodeFaults = { reset: 0, serverError: 0, timeout: 0, stale: 0, lies: 0 };

export interface NodeSettings {
  readonly truth: LedgerTruth;
  readonly network: NetworkInfo;
  readonly deposit: bigint;
  readonly chance: Chance;
  readonly faults: () => NodeFaults;
  /** Takes a while, like a network; the caller may be dead when it is over. */
  readonly pass: (milliseconds: number) => Promise<void>;
  /** What happens out there later, whether the caller lives or not. */
  readonly later: (milliseconds: number, run: () => void) => void;
}

const HEIGHTS_PER_PAGE = 4;

/** One machine's connection to a node of the simulated ledger: honest about what it knows, unless told otherwise. */
export class SimulatedNode implements Ledger {
  constructor(private readonly settings: NodeSettings) {}

  async network(): Promise<NetworkInfo> {
    return this.settings.network;
  }

  holdings(address: Address): Promise<Holdings> {
    return this.#call((height) => ({
      outputs: this.settings.truth.unspentOf(address, height).map((output) => this.#received(output)),
      cursor: String(height),
      height,
      ledgerTime: this.#timeAt(height),
    }));
  }

  async minimumAmounts(parts: readonly PaymentPart[]): Promise<bigint[]> {
    return parts.map(() => (this.settings.deposit > 0n ? this.settings.deposit : 1n));
  }

  async prepare(request: TransactionRequest, inputs: readonly SpendableOutput[]): Promise<PreparedTransaction> {
    const { truth, chance, pass } = this.settings;
    await pass(chance.between(0, 5));
    const total = inputs.reduce((sum, { amount }) => sum + amount, 0n);
    const outputs: WrittenOutput[] = request.payments.map(({ to, amount, reference }) => ({
      to,
      amount: amount.toString(),
      reference,
      from: request.from,
    }));
    const change: { index: number; amount: bigint }[] = [];
    for (const part of request.records) {
      const amount = recordDeposit(part, this.settings.deposit);
      change.push({ index: outputs.length, amount });
      const record = { tag: Buffer.from(part.tag).toString('hex'), bytes: Buffer.from(part.bytes).toString('hex') };
      outputs.push({ to: request.from, amount: amount.toString(), reference: '', from: request.from, record });
    }
    const rest = outputs.reduce((left, { amount }) => left - BigInt(amount), total);
    if (rest < 0n || (rest > 0n && rest < this.settings.deposit))
      throw new CodedError('FUNDS_INSUFFICIENT', 'default', 'inputs do not suffice');
    if (rest > 0n) change.push({ index: outputs.length, amount: rest });
    const { maxInputs, maxOutputs } = this.settings.network;
    if (inputs.length > maxInputs || outputs.length + (rest > 0n ? 1 : 0) > maxOutputs)
      throw new CodedError('PAYMENT_FAILED', 'too-large', 'more inputs or outputs than a transaction has');
    if (rest > 0n) outputs.push({ to: request.from, amount: rest.toString(), reference: '', from: request.from });
    const expiresEpoch = truth.epochLength === undefined ? undefined : truth.epochAt(this.#height()) + 1;
    const expires = expiresEpoch === undefined ? {} : { expiresEpoch };
    const essence = Buffer.from(
      JSON.stringify({ inputs: inputs.map(({ outputId }) => outputId), outputs, ...expires }),
    );
    return {
      essence,
      signingHash: createHash('sha256').update(essence).digest(),
      inputs: inputs.map(({ outputId }) => outputId),
      change,
      fee: 0n,
      ...expires,
    };
  }

  async seal(essence: Uint8Array, { signature }: TransactionSignature): Promise<SealedTransaction> {
    const text = Buffer.from(essence).toString();
    const bytes = Buffer.from(JSON.stringify({ essence: text, signature: Buffer.from(signature).toString('hex') }));
    const transaction = transactionOf(bytes);
    const change = transaction.outputs.flatMap(({ to, amount, from }, index) =>
      to === from && this.settings.network.protocol === 'tangle'
        ? [{ outputId: `${transaction.id}.${index}`, amount, index }]
        : [],
    );
    return { transactionId: transaction.id, bytes, change };
  }

  async submit(sealed: SealedTransaction): Promise<void> {
    const { truth, chance, faults, pass, later } = this.settings;
    await pass(chance.between(1, 40));
    const { reset, serverError, timeout } = faults();
    if (chance.happens(reset)) throw unreachable('reset before');
    if (chance.happens(serverError)) throw unreachable('503');
    const transaction = transactionOf(sealed.bytes);
    if (transaction.id !== sealed.transactionId) throw new Error('submitted other bytes than were sealed');
    if (chance.happens(timeout)) {
      if (chance.happens(0.7)) later(chance.between(100, 60_000), () => truth.submit(transaction));
      await pass(15_000);
      throw unreachable('timeout');
    }
    truth.submit(transaction);
    await pass(chance.between(1, 40));
    if (chance.happens(reset)) throw unreachable('reset after');
  }

  outcome({ transactionId, inputs, expiresEpoch }: SubmittedTransaction): Promise<Outcome> {
    const { truth, chance, faults } = this.settings;
    return this.#call((height): Outcome => {
      const node = 'simulated';
      const executed = truth.executed.get(transactionId);
      if (executed && executed.height <= height)
        return { state: 'final', height: executed.height, confirmedAt: this.#timeAt(executed.height), node };
      if (truth.isDead({ id: transactionId, inputs, expiresEpoch }, height)) {
        const conflictingId = truth.conflictOf(inputs, transactionId, height) ?? null;
        return { state: 'dead', height, conflictingId, reason: conflictingId === null ? 'expired' : 'conflict', node };
      }
      if (chance.happens(faults().lies)) return { state: 'dead', height, conflictingId: null, reason: 'lie', node };
      return { state: truth.isPooled(transactionId) ? 'pending' : 'unknown', height, node };
    });
  }

  spends(outputIds: readonly string[]): Promise<SpendState[]> {
    const { truth } = this.settings;
    return this.#call((height) =>
      outputIds.map((outputId): SpendState => {
        const output = truth.outputs.get(outputId);
        if (!output || output.height > height) return { state: 'unknown' };
        return truth.isSpentAt(outputId, height)
          ? { state: 'spent', by: truth.spent.get(outputId)?.by ?? '' }
          : { state: 'unspent' };
      }),
    );
  }

  read(address: Address, cursor: string): Promise<LedgerPage> {
    const { truth } = this.settings;
    return this.#call((height) => {
      const from = Number(cursor);
      if (from > height) throw new CodedError('LEDGER_OUT_OF_SYNC', 'behind', 'the node is behind our cursor');
      const to = Math.min(height, from + HEIGHTS_PER_PAGE);
      const within = (at: number) => at > from && at <= to;
      return {
        received: [...truth.outputs.values()]
          .filter((output) => output.to === address && within(output.height))
          .map((output) => this.#received(output)),
        spent: [...truth.spent]
          .filter(([outputId, spent]) => truth.outputs.get(outputId)?.to === address && within(spent.height))
          .map(([outputId, { by }]) => ({ outputId, by })),
        cursor: String(to),
        height: to,
        ledgerTime: this.#timeAt(to),
        reached: to === height,
      };
    });
  }

  // Nobody in the simulation reads what was recorded.
  async recordsOf(): Promise<LedgerRecord[]> {
    return [];
  }

  async latestRecords(): Promise<LedgerRecord[]> {
    return [];
  }

  async previousRecord(): Promise<LedgerRecord | null> {
    return null;
  }

  async recordsCursor(): Promise<string> {
    return String(this.#height());
  }

  async readRecords(_: RecordFilter, cursor: string): Promise<RecordPage> {
    const { cursor: next, height, ledgerTime, reached } = await this.read('' as Address, cursor);
    return { records: [], cursor: next, height, ledgerTime, reached };
  }

  async requestFunds(): Promise<void> {
    throw new CodedError('CONFIG_INVALID', 'faucet', 'no faucet here');
  }

  async #call<T>(answer: (height: number) => T): Promise<T> {
    const { chance, faults, pass } = this.settings;
    await pass(chance.between(1, 60));
    const { reset, serverError, timeout } = faults();
    if (chance.happens(timeout)) {
      await pass(15_000);
      throw unreachable('timeout');
    }
    if (chance.happens(reset)) throw unreachable('reset');
    if (chance.happens(serverError)) throw unreachable('503');
    const result = answer(this.#height());
    // An answer may be overtaken by what happens while it travels.
    await pass(chance.between(1, 200));
    return result;
  }

  #height(): number {
    const { truth, chance, faults } = this.settings;
    return chance.happens(faults().stale) ? Math.max(1, truth.height - chance.between(1, 8)) : truth.height;
  }

  #timeAt(height: number): number {
    return this.settings.truth.times[height] ?? 0;
  }

  #received({
    outputId,
    transactionId,
    index,
    amount,
    from,
    reference,
    height,
    spendable,
    record,
  }: PlacedOutput): ReceivedOutput {
    return {
      outputId,
      transactionId,
      outputIndex: index,
      amount,
      from,
      reference,
      tag: record ? Buffer.from(record.tag, 'hex') : null,
      height,
      confirmedAt: this.#timeAt(height),
      spendable,
    };
  }
}

interface WrittenOutput {
  readonly to: Address;
  readonly amount: string;
  readonly reference: string;
  readonly from: Address;
  readonly record?: TruthRecord;
}

/** What a record's output holds: more for longer ones, where the ledger wants deposits. */
export function recordDeposit({ tag, bytes }: RecordPart, deposit: bigint): bigint {
  if (tag.length === 0 || tag.length > 64) throw new RangeError('a tag has 1 to 64 bytes');
  if (bytes.length > 8_192) throw new CodedError('PAYMENT_FAILED', 'too-large', 'a record has at most 8192 bytes');
  return deposit === 0n ? 1n : deposit + BigInt(tag.length + bytes.length) / 8n;
}

/** What signed bytes mean. */
export function transactionOf(bytes: Uint8Array): TruthTransaction {
  const text = Buffer.from(bytes).toString();
  const { essence } = JSON.parse(text) as { essence: string };
  const { inputs, outputs, expiresEpoch } = JSON.parse(essence) as {
    inputs: string[];
    outputs: WrittenOutput[];
    expiresEpoch?: number;
  };
  return {
    id: hashOf(text),
    inputs,
    outputs: outputs.map((output) => ({ ...output, amount: BigInt(output.amount), spendable: true })),
    expiresEpoch,
  };
}

function unreachable(reason: string): CodedError {
  return new CodedError('LEDGER_UNREACHABLE', 'default', `simulated: ${reason}`);
}
