import { CodedError, isCodedError } from '../errors';
import {
  type Batch,
  composeBatch,
  composeMerge,
  composeRecord,
  freeOutputs,
  type QueuedPayment,
  queuedPayment,
} from './batch';
import type { PaymentRow } from './book-rows';
import type { Chase } from './chase';
import { type Engine, isLedgerDown } from './engine';
import { Backoff, Loop } from './loop';
import { RecordDesk } from './record-desk';
import { nextRecord } from './records';
import { type BuiltBatch, buildAgain, Replacements } from './replacements';
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
  readonly #replacements: Replacements;

  constructor(
    private readonly engine: Engine,
    private readonly doors: PumpDoors,
  ) {
    this.#backoff = new Backoff(engine.ports.random, 1_000, 30_000);
    this.#desk = new RecordDesk(engine);
    this.#replacements = new Replacements(engine, this.#desk, RETRY_MS);
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
      (await this.#replacements.sign(ready)) ??
      (await this.#signFresh(ready)) ??
      (await this.#replacements.sign(records)) ??
      (await this.#signRecord()) ??
      (await this.#replacements.mergeAgain());
    this.#backoff.reset();
    if (signed === undefined) return RETRY_MS;
    this.#replacements.signed(signed);
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

  async #signFresh(ready: readonly PaymentRow[]): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    let waiting = ready
      .filter(({ paymentId }) => !book.wasSigned(paymentId))
      .map((payment) => queuedPayment(payment, book));
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
    if (waiting.length === 0 || !nextRecord(engine)) return undefined;
    let built: BuiltBatch | undefined;
    try {
      built = await this.#buildWithRecord(waiting);
    } catch {
      // Whose fault it is shows when each is tried by itself.
      this.#desk.forget();
    }
    return built && this.#signed(await signAndRecord(built.batch, built.prepared, undefined, engine));
  }

  async #buildWithRecord(waiting: readonly QueuedPayment[]): Promise<BuiltBatch | undefined> {
    const { engine } = this;
    const { book } = engine;
    const { network } = engine.ports;
    const record = await this.#desk.next(false);
    if (!record || record === 'scattered' || record.heads.length === 0) return undefined;
    const held = book.heldInputs();
    const [first] = composeBatch(waiting, book, network, held)?.payments ?? [];
    const batch = composeBatch(waiting, book, network, held, record);
    if (!first || !batch?.payments.includes(first)) return undefined;
    const prepared = await prepare(batch, engine, false);
    if (prepared instanceof CodedError) throw prepared;
    return { batch, prepared };
  }

  /** The next record by itself. */
  async #signRecord(): Promise<string | undefined> {
    const { engine } = this;
    const payment = nextRecord(engine);
    if (!payment) return undefined;
    let built: BuiltBatch | undefined;
    try {
      built = await this.#buildRecord();
    } catch (error) {
      await this.#refused(payment, error);
    }
    return built && this.#signed(await signAndRecord(built.batch, built.prepared, undefined, engine));
  }

  async #buildRecord(): Promise<BuiltBatch | undefined> {
    const { engine } = this;
    const { book } = engine;
    const lastTry = this.#recordTroubles >= MOST_TROUBLES;
    const record = await this.#desk.next(lastTry);
    const { network } = engine.ports;
    const held = book.heldInputs();
    const batch =
      record === 'scattered'
        ? composeMerge(0n, freeOutputs(book, network.maxInputs, held), network)
        : record && composeRecord(record, book, network, held);
    if (!batch) return undefined;
    // What only merges is not the record's fault when it fails.
    if (!batch.record) return buildAgain(batch, engine);
    const prepared = await prepare(batch, engine, lastTry);
    if (prepared instanceof CodedError) throw prepared;
    return { batch, prepared };
  }

  #signed(transactionId: string | undefined): string | undefined {
    if (transactionId === undefined) return undefined;
    this.#recordTroubles = 0;
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
}
