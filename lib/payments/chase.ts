import type { Sql } from '../journal';
import type { Outcome, SealedTransaction } from '../ledger';
import type { Engine } from './engine';
import { record } from './events';
import { Backoff, Loop } from './loop';
import { recordReportOf } from './records';
import { receiptOf } from './statements';

/** A transaction that the network has and does not decide may have been lost on its way to others. */
const PENDING_RESEND_MS = 30_000;
/** How often somebody asks again for what was called dead while its payments are open. */
const DEAD_ASK_MS = 30_000;

export interface ChaseDoors {
  /** An attempt is final or dead: inputs, change or payments are free again. */
  readonly changed: () => void;
}

/** Follows attempts until the ledger has settled their payments: asks, and sends the same bytes again. */
export class Chase {
  readonly #chases = new Map<string, AttemptChase>();
  /** When this process signed an attempt, or found it in the journal. */
  readonly #since = new Map<string, number>();

  constructor(
    private readonly engine: Engine,
    private readonly doors: ChaseDoors,
  ) {}

  /** Takes up everything that an earlier process left open. */
  resume(): void {
    const { book } = this.engine;
    for (const { transactionId } of [...book.openAttempts(), ...book.doubtedAttempts()])
      this.follow(transactionId, false);
  }

  /** @param fresh signed just now: nobody else can have seen it, so it is sent before anybody is asked */
  follow(transactionId: string, fresh: boolean): void {
    if (this.engine.closed) return;
    this.#since.set(transactionId, this.engine.elapsed());
    this.#chases.get(transactionId)?.stop();
    const chase = new AttemptChase(this.engine, transactionId, fresh, this.doors.changed, () =>
      this.#forget(transactionId, chase),
    );
    this.#chases.set(transactionId, chase);
    chase.kick();
  }

  /** The ledger moved on: a good moment to ask. */
  wake(): void {
    for (const chase of this.#chases.values()) chase.wake();
  }

  /** The ledger's history shows this attempt. */
  seen(transactionId: string): void {
    if (this.engine.book.attempt(transactionId)?.state === 'FINAL') return;
    const chase = this.#chases.get(transactionId);
    if (chase) chase.kick();
    else this.follow(transactionId, false);
  }

  /** Milliseconds that an open attempt has been in doubt in this process. */
  doubtOf(transactionId: string): number {
    return this.engine.elapsed() - (this.#since.get(transactionId) ?? this.engine.elapsed());
  }

  stop(): void {
    for (const chase of this.#chases.values()) chase.stop();
    this.#chases.clear();
  }

  #forget(transactionId: string, chase: AttemptChase): void {
    if (this.#chases.get(transactionId) !== chase) return;
    chase.stop();
    this.#chases.delete(transactionId);
    this.#since.delete(transactionId);
  }
}

class AttemptChase {
  readonly #loop: Loop;
  readonly #asking: Backoff;
  readonly #sending: Backoff;
  #unsent: boolean;
  #nextSend = 0;
  #dead = false;

  constructor(
    private readonly engine: Engine,
    private readonly transactionId: string,
    fresh: boolean,
    private readonly changed: () => void,
    private readonly done: () => void,
  ) {
    const { clock, random } = engine.ports;
    this.#unsent = fresh;
    this.#asking = new Backoff(random, 1_000, 15_000);
    this.#sending = new Backoff(random, 4_000, 30_000);
    this.#loop = new Loop(
      clock,
      () => this.#step(),
      (error) => {
        engine.trouble(error);
        return engine.ports.journal.damage === undefined ? this.#asking.next() : undefined;
      },
    );
  }

  kick(): void {
    this.#loop.kick();
  }

  wake(): void {
    if (!this.#dead) this.#loop.kick();
  }

  stop(): void {
    this.#loop.stop();
  }

  async #step(): Promise<number | undefined> {
    const { engine, transactionId } = this;
    const attempt = engine.book.attempt(transactionId);
    if (!attempt || attempt.state === 'FINAL' || (attempt.state === 'DEAD' && !this.#hasUnsettled()))
      return this.#end();
    this.#dead = attempt.state === 'DEAD';
    if (this.#unsent) {
      this.#unsent = false;
      return this.#send();
    }
    const expires = attempt.expiresEpoch === null ? {} : { expiresEpoch: attempt.expiresEpoch };
    const inputs = engine.book.inputsOf(transactionId);
    const outcome = await engine.ask((ledger) => ledger.outcome({ transactionId, inputs, ...expires }));
    const verdict = engine.rules.verdict(outcome, attempt);
    if (verdict === 'final') return this.#settle(outcome);
    if (verdict === 'dead') return this.#bury(outcome);
    if (!this.#dead && engine.elapsed() >= this.#nextSend && (outcome.state === 'unknown' || this.#nextSend > 0))
      return this.#send();
    // Somebody has it: what was sent by an earlier process counts as sent now.
    if (this.#nextSend === 0) this.#nextSend = engine.elapsed() + PENDING_RESEND_MS;
    return this.#dead ? DEAD_ASK_MS : this.#asking.next();
  }

  /** The same bytes, whichever time it is: the ledger takes them at most once. */
  async #send(): Promise<number | undefined> {
    const { engine, transactionId } = this;
    const bytes = engine.book.signedBytes(transactionId);
    if (!bytes) return this.#asking.next();
    this.#nextSend = engine.elapsed() + this.#sending.next();
    const sealed: SealedTransaction = { transactionId, bytes };
    try {
      await engine.ask((ledger) => ledger.submit(sealed));
    } catch (error) {
      if (engine.rules.verdictOfFailedSubmission() === 'dead') {
        return this.#bury({ state: 'dead', height: 0, conflictingId: null, reason: 'not submitted', node: '' });
      }
      throw error;
    }
    this.#nextSend = engine.elapsed() + PENDING_RESEND_MS;
    await this.#recordSubmitted();
    return this.#asking.next();
  }

  async #recordSubmitted(): Promise<void> {
    const { engine, transactionId } = this;
    if (engine.book.attempt(transactionId)?.state !== 'SIGNED') return;
    const { networkId: network, book } = engine;
    const first = await engine.write((append) => {
      if (engine.closed || book.attempt(transactionId)?.state !== 'SIGNED') return false;
      record(append, 'attempt.submitted', { network, transactionId });
      return true;
    });
    if (!first) return;
    for (const paymentId of book.paymentsOf(transactionId)) {
      const payment = book.payment(paymentId);
      if (payment?.kind === 'payment' && payment.state === 'IN_FLIGHT')
        engine.emit({ report: { kind: 'submitted', paymentId, transactionId, origin: payment.origin } });
    }
  }

  async #settle({ height, node, ...outcome }: Outcome): Promise<undefined> {
    const { engine, transactionId } = this;
    const { book, networkId: network } = engine;
    const confirmedAt = 'confirmedAt' in outcome ? outcome.confirmedAt : 0;
    const settled = await engine.write((append, sql) => {
      const payments = book.paymentsOf(transactionId);
      // Who follows a closed account would find it settled, and tell nobody.
      if (engine.closed || book.attempt(transactionId)?.state === 'FINAL') return [];
      const open = payments.filter((paymentId) => !isSettled(book.payment(paymentId)?.state));
      record(append, 'attempt.final', { network, transactionId, height, confirmedAt, node });
      // Nothing of it will ever be reported.
      if (payments.length === 0) forgetBytes(sql, network, transactionId);
      if (open.length < payments.length) engine.freezeWithin(append, 'paid-twice', null, transactionId);
      return open;
    });
    this.#end();
    for (const paymentId of settled) reportConfirmed(engine, paymentId, false);
    this.changed();
    return undefined;
  }

  async #bury(outcome: Outcome): Promise<number | undefined> {
    const { engine, transactionId } = this;
    if (this.#dead) return DEAD_ASK_MS;
    const { height, node } = outcome;
    const conflictingId = 'conflictingId' in outcome ? outcome.conflictingId : null;
    const reason = 'reason' in outcome ? outcome.reason : outcome.state;
    const { book, networkId: network } = engine;
    await engine.write((append, sql) => {
      const state = book.attempt(transactionId)?.state;
      if (engine.closed || (state !== 'SIGNED' && state !== 'SUBMITTED')) return;
      record(append, 'attempt.dead', { network, transactionId, height, conflictingId, reason, node });
      if (book.paymentsOf(transactionId).length === 0) forgetBytes(sql, network, transactionId);
    });
    this.changed();
    if (!this.#hasUnsettled()) return this.#end();
    return DEAD_ASK_MS;
  }

  #hasUnsettled(): boolean {
    const { book } = this.engine;
    return book.paymentsOf(this.transactionId).some((paymentId) => !isSettled(book.payment(paymentId)?.state));
  }

  #end(): undefined {
    this.done();
    return undefined;
  }
}

function isSettled(state: string | undefined): boolean {
  return state === 'CONFIRMED' || state === 'REPORTED';
}

/** What is settled and reported, or carries no payment, is never sent again. */
export function forgetBytes(sql: Sql, network: string, transactionId: string): void {
  sql.run('DELETE FROM signed_bytes WHERE network = ? AND transaction_id = ?', [network, transactionId]);
}

/** Tells the flow (of a record: whoever wanted it); it answers with `reported`, or is told again after a restart. */
export function reportConfirmed(engine: Engine, paymentId: string, redelivered: boolean): void {
  const payment = engine.book.payment(paymentId);
  if (payment?.kind === 'record') {
    const report = recordReportOf(payment, engine);
    if (report) engine.emit({ record: report, redelivered });
    return;
  }
  const receipt = payment && receiptOf(payment, engine);
  if (receipt) engine.emit({ report: { kind: 'confirmed', paymentId, receipt, redelivered, origin: payment.origin } });
}
