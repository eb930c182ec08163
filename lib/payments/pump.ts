import { CodedError } from '../errors';
import type { PreparedTransaction, SpendableOutput } from '../ledger';
import { type Batch, composeBatch, composeReplacement, type QueuedPayment } from './batch';
import type { PaymentRow } from './book-reader';
import type { Chase } from './chase';
import { type Engine, isLedgerDown } from './engine';
import { Backoff, Loop } from './loop';
import { earlierAttempts, groupOf, type ReplacementGroup } from './replacement';
import { prepare, signAndRecord } from './signing';

/** After this long in doubt an attempt no longer holds up payments that it does not carry. */
const DOUBT_MS = 30_000;
/** How often somebody looks again whether what waits can be signed. */
const RETRY_MS = 15_000;
/** An error that nobody foresaw may pass; after so many in a row the payment is to blame that causes it. */
const MOST_TROUBLES = 6;

export interface PumpDoors {
  readonly chase: Chase;
  /** A payment that was never signed is given up. */
  readonly fail: (paymentId: string, failure: CodedError) => Promise<void>;
}

/** Turns payments that are ready into signed transactions, one at a time; what waits meanwhile goes into the next. */
export class Pump {
  readonly loop: Loop;
  readonly #backoff: Backoff;
  #troubles = 0;
  /** What was signed less than {@link RETRY_MS} ago. */
  readonly #recent = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly doors: PumpDoors,
  ) {
    this.#backoff = new Backoff(engine.ports.random, 1_000, 30_000);
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
    if (ready.length === 0) return undefined;
    const wait = this.#doubtLeft();
    if (wait > 0) return wait;
    const signed = (await this.#replace(ready)) ?? (await this.#signFresh(ready)) ?? (await this.#mergeAgain());
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
      const must = await this.#inputsOfReplacement(group);
      // Unknown it stays: what is signed now could be executed beside what was signed before.
      if (!must) continue;
      const payments = group.paymentIds.flatMap((id) => book.payment(id) ?? []).map((payment) => this.#queued(payment));
      const batch = composeReplacement(payments, must, book, engine.ports.network, book.heldInputs());
      if (!batch) continue;
      const prepared = await this.#prepareAgain(batch);
      if (!prepared) continue;
      const signed = await signAndRecord(batch, prepared, group, engine);
      if (signed !== undefined) return signed;
    }
    return undefined;
  }

  /** A merge that was called dead holds its inputs until they are merged after all. */
  async #mergeAgain(): Promise<string | undefined> {
    const { engine } = this;
    for (const merge of engine.book.doubtedMerges()) {
      const group = { paymentIds: [], attempts: [merge] };
      if (this.#isRecent(group.attempts)) continue;
      const inputs = await this.#inputsOfReplacement(group);
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

  async #inputsOfReplacement(group: ReplacementGroup): Promise<SpendableOutput[] | undefined> {
    const { book, rules } = this.engine;
    const outputIds = rules.inputsOfReplacement(await earlierAttempts(group, this.engine));
    return outputIds?.map((outputId) => ({ outputId, amount: book.output(outputId)?.amount ?? 0n }));
  }

  async #signFresh(ready: readonly PaymentRow[]): Promise<string | undefined> {
    const { engine } = this;
    const { book } = engine;
    let waiting = ready.filter(({ paymentId }) => !book.wasSigned(paymentId)).map((payment) => this.#queued(payment));
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

  #queued(payment: PaymentRow): QueuedPayment {
    const { paymentId, reference } = payment;
    return {
      payment,
      parts: this.engine.book.parts(paymentId).map(({ address, amount }) => ({ to: address, amount, reference })),
    };
  }
}
