import { CodedError } from '../errors';
import type { PreparedTransaction, SpendableOutput } from '../ledger';
import { type Batch, composeReplacement, type QueuedPayment, type QueuedRecord, queuedPayment } from './batch';
import type { PaymentRow } from './book-rows';
import { type Engine, isLedgerDown } from './engine';
import type { RecordDesk } from './record-desk';
import { headsOf } from './records';
import { earlierAttempts, groupOf, type ReplacementGroup } from './replacement';
import type { EarlierAttempt } from './rules';
import { prepare, signAndRecord } from './signing';

export interface BuiltBatch {
  readonly batch: Batch;
  readonly prepared: PreparedTransaction;
}

/** Signs anew what was called dead: always so that the ledger admits only one of all attempts. */
export class Replacements {
  /** What was signed less than {@link pauseMs} ago. */
  readonly #recent = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly desk: RecordDesk,
    private readonly pauseMs: number,
  ) {}

  /** Payments and records whose attempts are all dead: one group of them. */
  async sign(ready: readonly PaymentRow[]): Promise<string | undefined> {
    const { book } = this.engine;
    const tried = new Set<string>();
    for (const { paymentId } of ready) {
      if (tried.has(paymentId) || !book.wasSigned(paymentId)) continue;
      const group = groupOf(paymentId, book);
      for (const id of group.paymentIds) tried.add(id);
      if (!group.attempts.every(({ state }) => state === 'DEAD') || this.#isRecent(group.attempts)) continue;
      const built = await this.#build(group);
      const signed = built && (await signAndRecord(built.batch, built.prepared, group, this.engine));
      if (signed !== undefined) return signed;
    }
    return undefined;
  }

  /** A merge that was called dead holds its inputs until they are merged after all. */
  async mergeAgain(): Promise<string | undefined> {
    const { engine } = this;
    for (const merge of engine.book.doubtedMerges()) {
      const group = { paymentIds: [], attempts: [merge] };
      if (this.#isRecent(group.attempts)) continue;
      const inputs = this.#inputs(await earlierAttempts(group, engine));
      const built = inputs && (await buildAgain({ payments: [], inputs }, engine));
      if (built) return signAndRecord(built.batch, built.prepared, group, engine);
    }
    return undefined;
  }

  signed(transactionId: string): void {
    this.#recent.set(transactionId, this.engine.elapsed());
  }

  /** A node that calls everything dead would have us sign the same again and again, as fast as it answers. */
  #isRecent(attempts: ReplacementGroup['attempts']): boolean {
    const now = this.engine.elapsed();
    for (const [transactionId, at] of this.#recent) if (now - at >= this.pauseMs) this.#recent.delete(transactionId);
    return attempts.some(({ transactionId }) => this.#recent.has(transactionId));
  }

  async #build(group: ReplacementGroup): Promise<BuiltBatch | undefined> {
    const { engine } = this;
    const { book } = engine;
    const rows = group.paymentIds.flatMap((id) => book.payment(id) ?? []);
    const payments = rows.filter(({ kind }) => kind === 'payment').map((payment) => queuedPayment(payment, book));
    const record = rows.find(({ kind }) => kind === 'record');
    const earlier = await earlierAttempts(group, engine);
    if (record) {
      const built = await this.#buildWithRecord(payments, record, earlier);
      if (built || payments.length === 0 || !this.#keepsARecord(record, earlier)) return built;
    }
    // A record stays behind, bound to all its attempts by the record before it, which these payments leave alone.
    return this.#compose(payments, undefined, this.#withoutRecords(earlier));
  }

  /** Whatever is wrong with the record, or with the ledger because of it: its payments may go on without it. */
  async #buildWithRecord(
    payments: readonly QueuedPayment[],
    record: PaymentRow,
    earlier: readonly EarlierAttempt[],
  ): Promise<BuiltBatch | undefined> {
    try {
      return await this.#compose(payments, record, earlier);
    } catch (error) {
      if (payments.length === 0 && isLedgerDown(error)) throw error;
      this.engine.trouble(error);
      return undefined;
    }
  }

  async #compose(
    payments: readonly QueuedPayment[],
    record: PaymentRow | undefined,
    earlier: readonly EarlierAttempt[],
  ): Promise<BuiltBatch | undefined> {
    const { engine } = this;
    const { book } = engine;
    const must = this.#inputs(earlier);
    // Unknown it stays: what is signed now could be executed beside what was signed before.
    if (!must) return undefined;
    const queued = record && (await this.#queuedAgain(record, must));
    if (record && !queued) return undefined;
    const batch = composeReplacement(payments, queued, must, book, engine.ports.network, book.heldInputs());
    return batch && buildAgain(batch, engine);
  }

  /** Undefined when it cannot be had now: it stays unknown. */
  async #queuedAgain(payment: PaymentRow, must: readonly SpendableOutput[]): Promise<QueuedRecord | undefined> {
    const part = this.desk.partOf(payment);
    const heads = headsOf(this.engine);
    const taken = new Set(must.map(({ outputId }) => outputId));
    const base = [...must, ...heads.filter(({ outputId }) => !taken.has(outputId))];
    const deposit = await this.desk.depositOf(payment, part, base, false);
    return deposit === undefined ? undefined : { payment, part, heads, deposit };
  }

  #inputs(earlier: readonly EarlierAttempt[]): SpendableOutput[] | undefined {
    const { book, rules } = this.engine;
    const outputIds = rules.inputsOfReplacement(earlier);
    return outputIds?.map((outputId) => ({ outputId, amount: book.output(outputId)?.amount ?? 0n }));
  }

  /** Whether the record could still be signed anew when others have taken everything else that its attempts spend. */
  #keepsARecord({ paymentId }: PaymentRow, earlier: readonly EarlierAttempt[]): boolean {
    const { book } = this.engine;
    const own = new Set(book.attemptsOf(paymentId).map(({ transactionId }) => transactionId));
    return earlier
      .filter(({ transactionId }) => own.has(transactionId))
      .every(({ unspent }) => unspent.some((outputId) => book.output(outputId)?.record));
  }

  #withoutRecords(earlier: readonly EarlierAttempt[]): EarlierAttempt[] {
    const { book } = this.engine;
    return earlier.map(({ transactionId, unspent }) => ({
      transactionId,
      unspent: unspent.filter((outputId) => !book.output(outputId)?.record),
    }));
  }
}

/** Undefined, and told, when this cannot be built: it stays unknown, and nobody else has to wait for it. */
export async function buildAgain(batch: Batch, engine: Engine): Promise<BuiltBatch | undefined> {
  try {
    const prepared = await prepare(batch, engine, false);
    if (!(prepared instanceof CodedError)) return { batch, prepared };
    throw prepared;
  } catch (error) {
    if (isLedgerDown(error)) throw error;
    engine.trouble(error);
    return undefined;
  }
}
