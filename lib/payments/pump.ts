import { CodedError, isCodedError } from '../errors';
import type { PreparedTransaction, SpendableOutput } from '../ledger';
import {
  type Batch,
  composeBatch,
  composeRecord,
  composeReplacement,
  type QueuedPayment,
  type QueuedRecord,
} from './batch';
import type { PaymentRow } from './book-reader';
import type { Chase } from './chase';
import { type Engine, isLedgerDown } from './engine';
import { Backoff, Loop } from './loop';
import { RecordDesk } from './record-desk';
import { headsOf, nextRecord } from './records';
import { earlierAttempts, groupOf, type ReplacementGroup } from './replacement';
import type { EarlierAttempt } from './rules';
import { prepare, signAndRecord } from './signing';

/** After this long in doubt an attempt no longer holds up payments that it does not carry. */
const DOUBT_MS = 30_000;
/** How often somebody looks again whether what waits can be signed. */
const RETRY_MS = 15_000;
/** An error that nobody foresaw may pass; after so many in a row the payment is to blame that causes it. */
const MOST_TROUBLES = 6;

export interface PumpDoors {
  readonly chase: Chase;
  /** A payment or a record that was never signed is given up. */
  readonly fail: (paymentId: string, failure: CodedError) => Promise<void>;
}

/**
 * Turns payments and records that are ready into signed transactions, one at a time; what waits meanwhile goes into the
 * next. A record goes along with payments and never in their way: whatever is wrong with it, they go without it.
 */
export class Pump {
  readonly loop: Loop;
  readonly #backoff: Backoff;
  #troubles = 0;
  #recordTroubles = 0;
  readonly #desk: RecordDesk;
  /** What was signed less than {@link RETRY_MS} ago. */
  readonly #recent = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly doors: PumpDoors,
  ) {
    this.#backoff = new Backoff(engine.ports.random, 1_000, 30_000);
    this.#desk = new RecordDesk(engine);
    this.loop = new Loop(
      engine.ports.clock,
      () => this.#step(),
      (error) => {
        engine.trouble(error);
        if (!isLedgerDown(error)) this.#troubles += 1;
        return engine.ports.journal.damage === undefined ? this.#backoff.next() : undefined;
      },
    );
  }

  async #step(): Promise<number | undefined> {
    const { engine, doors } = this;
    if (!this.#maySign()) return undefined;
    const ready = engine.book.paymentsIn('READY');
    const records = engine.book.recordsIn('READY');
    if (ready.length + records.length === 0) return undefined;
    const wait = this.#doubtLeft();
    if (wait > 0) return wait;
    const signed =
      (await this.#replace([...ready, ...records])) ??
      (await this.#signFresh(ready)) ??
      (await this.#signRecord()) ??
      (await this.#mergeAgain());
    this.#backoff.reset();
    if (signed === undefined) return RETRY_MS;
    this.#recent.set(signed, engine.elapsed());
    doors.chase.follow(signed, true);
    return DOUBT_MS;
  }

  #maySign(): boolean {
    const { engine } = this;
    return engine.frozen === undefined && engine.checked && !engine.closed && engine.down === undefined;
  }

  /** Milliseconds until the youngest open attempt is old enough to be passed. */
  #doubtLeft(): number {
    const open = this.engine.book.openAttempts();
    return Math.max(0, ...open.map(({ transactionId }) => DOUBT_MS - this.doors.chase.doubtOf(transactionId)));
  }

  /** Signs payments anew whose attempts are all dead. */
  async #replace(ready: readonly PaymentRow[]): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    const tried = new Set<string>();
    for (const { paymentId } of ready) {
      if (tried.has(paymentId) || !book.wasSigned(paymentId)) continue;
      const group = groupOf(paymentId, book);
      for (const id of group.paymentIds) tried.add(id);
      if (!group.attempts.every(({ state }) => state === 'DEAD') || this.#isRecent(group.attempts)) continue;
      const signed = await this.#replaceGroup(group);
      if (signed !== undefined) return signed;
    }
    return undefined;
  }

  async #replaceGroup(group: ReplacementGroup): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    const rows = group.paymentIds.flatMap((id) => book.payment(id) ?? []);
    const payments = rows.filter(({ kind }) => kind === 'payment').map((payment) => this.#queued(payment));
    const record = rows.find(({ kind }) => kind === 'record');
    const earlier = await earlierAttempts(group, engine);
    let built = record && (await this.#buildReplacement(payments, record, earlier));
    // The record stays behind, bound to all its attempts by the record before it, which these payments leave alone.
    if (!built && payments.length > 0 && (!record || this.#keepsARecord(record, earlier)))
      built = await this.#buildReplacement(payments, undefined, this.#withoutRecords(earlier));
    return built && signAndRecord(built.batch, built.prepared, group, engine);
  }

  async #buildReplacement(
    payments: readonly QueuedPayment[],
    record: PaymentRow | undefined,
    earlier: readonly EarlierAttempt[],
  ): Promise<{ readonly batch: Batch; readonly prepared: PreparedTransaction } | undefined> {
    const { engine } = this;
    const { book } = engine;
    const must = this.#inputsOfReplacement(earlier);
    // Unknown it stays: what is signed now could be executed beside what was signed before.
    if (!must) return undefined;
    const queued = record && (await this.#recordAgain(record, must));
    if (record && !queued) return undefined;
    const batch = composeReplacement(payments, queued, must, book, engine.ports.network, book.heldInputs());
    const prepared = batch && (await this.#prepareAgain(batch));
    return batch && prepared && { batch, prepared };
  }

  /** Undefined when it cannot be had now: it stays unknown. */
  async #recordAgain(payment: PaymentRow, must: readonly SpendableOutput[]): Promise<QueuedRecord | undefined> {
    const { engine } = this;
    const heads = headsOf(engine);
    const taken = new Set(must.map(({ outputId }) => outputId));
    try {
      const part = this.#desk.partOf(payment);
      const base = [...must, ...heads.filter(({ outputId }) => !taken.has(outputId))];
      const deposit = await this.#desk.depositOf(payment, part, base, false);
      return deposit === undefined ? undefined : { payment, part, heads, deposit };
    } catch (error) {
      engine.trouble(error);
      return undefined;
    }
  }

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

  /** A merge that was called dead holds its inputs until they are merged after all. */
  async #mergeAgain(): Promise<string | undefined> {
    const { engine } = this;
    for (const merge of engine.book.doubtedMerges()) {
      const group = { paymentIds: [], attempts: [merge] };
      if (this.#isRecent(group.attempts)) continue;
      const inputs = this.#inputsOfReplacement(await earlierAttempts(group, engine));
      const batch = inputs && { payments: [], inputs };
      if (!batch) continue;
      const prepared = await this.#prepareAgain(batch);
      if (!prepared) continue;
      return signAndRecord(batch, prepared, group, engine);
    }
    return undefined;
  }

  /** Undefined, and told, when this cannot be built: it stays unknown, and nobody else has to wait for it. */
  async #prepareAgain(batch: Batch): Promise<PreparedTransaction | undefined> {
    const { engine } = this;
    try {
      const prepared = await prepare(batch, engine, false);
      if (!(prepared instanceof CodedError)) return prepared;
      throw prepared;
    } catch (error) {
      if (isLedgerDown(error)) throw error;
      engine.trouble(error);
      return undefined;
    }
  }

  /** A node that calls everything dead would have us sign the same again and again, as fast as it answers. */
  #isRecent(attempts: ReplacementGroup['attempts']): boolean {
    const now = this.engine.elapsed();
    for (const [transactionId, at] of this.#recent) if (now - at >= RETRY_MS) this.#recent.delete(transactionId);
    return attempts.some(({ transactionId }) => this.#recent.has(transactionId));
  }

  #inputsOfReplacement(earlier: readonly EarlierAttempt[]): SpendableOutput[] | undefined {
    const { book, rules } = this.engine;
    const outputIds = rules.inputsOfReplacement(earlier);
    return outputIds?.map((outputId) => ({ outputId, amount: book.output(outputId)?.amount ?? 0n }));
  }

  async #signFresh(ready: readonly PaymentRow[]): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    let waiting = ready.filter(({ paymentId }) => !book.wasSigned(paymentId)).map((payment) => this.#queued(payment));
    const together = await this.#signWithRecord(waiting);
    if (together !== undefined) return together;
    let queue = waiting;
    let refused = false;
    for (;;) {
      const batch: Batch | undefined = composeBatch(queue, book, engine.ports.network, book.heldInputs());
      if (!batch) return undefined;
      const prepared = await prepare(batch, engine, this.#troubles >= MOST_TROUBLES);
      if (!(prepared instanceof CodedError)) {
        // While the one to blame is still among those that wait, it is not to try everybody's patience anew.
        if (!refused) this.#troubles = 0;
        return signAndRecord(batch, prepared, undefined, engine);
      }
      refused = true;
      const [first] = batch.payments;
      if (!first) throw prepared;
      // The ledger cannot build this: half of it, and in the end the one payment that is to blame.
      if (batch.payments.length === 1) {
        await this.doors.fail(first.payment.paymentId, prepared);
        waiting = waiting.filter((queued) => queued !== first);
        queue = waiting;
      } else {
        queue = batch.payments.slice(0, Math.ceil(batch.payments.length / 2));
      }
    }
  }

  /**
   * Payments with the next record. The first record of all goes alone: nothing but the payments' own inputs would bind its
   * attempt, and they could not be signed anew without it.
   */
  async #signWithRecord(waiting: readonly QueuedPayment[]): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    const { network } = engine.ports;
    if (waiting.length === 0 || !nextRecord(engine)) return undefined;
    let built: { readonly batch: Batch; readonly prepared: PreparedTransaction } | undefined;
    try {
      const record = await this.#desk.next(false);
      if (!record || record.heads.length === 0) return undefined;
      const held = book.heldInputs();
      const [first] = composeBatch(waiting, book, network, held)?.payments ?? [];
      const batch = composeBatch(waiting, book, network, held, record);
      if (!first || !batch?.payments.includes(first)) return undefined;
      const prepared = await prepare(batch, engine, false);
      if (prepared instanceof CodedError) return undefined;
      built = { batch, prepared };
    } catch {
      // Whose fault it is shows when each is tried by itself.
      return undefined;
    }
    return this.#signed(await signAndRecord(built.batch, built.prepared, undefined, engine));
  }

  /** The next record by itself. */
  async #signRecord(): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    const lastTry = this.#recordTroubles >= MOST_TROUBLES;
    const payment = nextRecord(engine);
    if (!payment) return undefined;
    let built: { readonly batch: Batch; readonly prepared: PreparedTransaction };
    try {
      const record = await this.#desk.next(lastTry);
      const batch = record && composeRecord(record, book, engine.ports.network, book.heldInputs());
      if (!batch) return undefined;
      const prepared = await prepare(batch, engine, lastTry);
      if (prepared instanceof CodedError) throw prepared;
      built = { batch, prepared };
    } catch (error) {
      await this.#refused(payment, error);
      return undefined;
    }
    return this.#signed(await signAndRecord(built.batch, built.prepared, undefined, engine));
  }

  #signed(transactionId: string | undefined): string | undefined {
    if (transactionId === undefined) return undefined;
    this.#recordTroubles = 0;
    this.#desk.signed();
    return transactionId;
  }

  /** Nobody waits behind a record that cannot be made; one that is only too expensive waits itself. */
  async #refused({ paymentId }: PaymentRow, error: unknown): Promise<void> {
    if (isLedgerDown(error)) throw error;
    this.#desk.forget();
    if (isCodedError(error, 'FUNDS_INSUFFICIENT')) return;
    if (isCodedError(error)) {
      this.#recordTroubles = 0;
      await this.doors.fail(paymentId, error);
      this.loop.kick();
      return;
    }
    this.#recordTroubles += 1;
    this.engine.trouble(error);
  }

  #queued(payment: PaymentRow): QueuedPayment {
    const { paymentId, reference } = payment;
    return {
      payment,
      parts: this.engine.book.parts(paymentId).map(({ address, amount }) => ({ to: address, amount, reference })),
    };
  }
}
