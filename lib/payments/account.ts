import { CodedError } from '../errors';
import type { BudgetMoment } from './budget-clock';
import { Chase, forgetBytes, reportConfirmed } from './chase';
import { type AccountPorts, Engine } from './engine';
import { record } from './events';
import { assertDeposits, fundsMissing } from './funds-check';
import { knownPayment } from './known-payment';
import { Listeners } from './listeners';
import type { AcceptedPayment, Balance, HistoryEntry, ListenFrom, PaymentOrder, RecordOrder } from './order';
import { type CheckedOrder, checkOrder } from './order-check';
import { Patrol } from './patrol';
import { parseContacts } from './payees';
import { newPaymentId, recordIdOf, recordKey } from './payment-id';
import { judge, parsePolicy } from './policy';
import { Pump } from './pump';
import { Reader } from './reader';
import { assertRecordOrder, forgetRecordBytes, sha256 } from './records';
import { RULES, type Rules } from './rules';
import { balanceOf, historyOf } from './statements';

/** Properties of the machine node, as the flow has them. */
export interface AccountSettings {
  readonly policy: unknown;
  readonly contacts: unknown;
}

/** How soon a ledger that was not reached is asked again. */
const PROBE_MS = 1_000;
/** So long an order waits for the account's first look at the ledger. */
const FIRST_LOOK_MS = 60_000;

/**
 * One identity's account on one network: accepts orders, signs and follows them until they are settled and reported, and
 * hands over what was received. Everything it knows is in the journal; it may be killed at any moment.
 */
export class Account {
  readonly #engine: Engine;
  readonly #reader: Reader;
  readonly #chase: Chase;
  readonly #pump: Pump;
  readonly #patrol: Patrol;
  readonly #listeners: Listeners;
  #firstLook: { readonly taken: Promise<void>; readonly take: () => void };

  /**
   * Takes up what the journal holds: resumes intents, follows attempts, tells receipts again that nobody acknowledged.
   * Does not wait for the ledger. `emit` may be called before this returns.
   *
   * @param rules the simulation's door: nobody else hands over other rules than the real ones
   * @throws CodedError `CONFIG_INVALID` for policy or contacts, `ADDRESS_INVALID` for a contact
   */
  static async open(ports: AccountPorts, settings: AccountSettings, rules: Rules = RULES): Promise<Account> {
    const account = new Account(ports, settings, rules);
    await account.#resume();
    return account;
  }

  private constructor(ports: AccountPorts, settings: AccountSettings, rules: Rules) {
    const engine = new Engine(ports, rules, parseSettings(settings, ports));
    this.#engine = engine;
    const known = engine.book.account();
    engine.frozen = known?.frozen ?? undefined;
    engine.ledgerTime = Math.max(known?.ledgerTime ?? 0, known?.budget.ledgerShown ?? 0);
    engine.durablePosition = engine.book.lastPosition();
    let take = () => {};
    const taken = known ? Promise.resolve() : new Promise<void>((resolve) => (take = resolve));
    this.#firstLook = { taken, take };
    const fail = (paymentId: string, failure: CodedError) => this.#fail(paymentId, failure);
    this.#listeners = new Listeners(engine);
    this.#chase = new Chase(engine, {
      changed: () => {
        this.#pump.loop.kick();
        this.#patrol.loop.kick();
      },
    });
    this.#pump = new Pump(engine, { chase: this.#chase, fail });
    this.#patrol = new Patrol(engine, fail);
    this.#reader = new Reader(engine, {
      changed: () => {
        this.#firstLook.take();
        this.#pump.loop.kick();
      },
      seen: (transactionId) => this.#chase.seen(transactionId),
      received: () => this.#listeners.deliver(),
    });
    engine.onReach = () => {
      // Somebody has to notice when it is back.
      if (engine.down) ports.clock.after(PROBE_MS, () => this.#reader.loop.kick());
      this.#pump.loop.kick();
      this.#patrol.loop.kick();
    };
  }

  /**
   * Accepts an order. Resolves once its intent is on disk (or it turns out to be a payment that is known already); what
   * becomes of it is told by reports.
   *
   * @throws CodedError contract.md "Amounts" says which, and in which order
   */
  async pay(order: PaymentOrder): Promise<AcceptedPayment> {
    const engine = this.#engine;
    const checked = this.#check(order);
    const paymentId = checked.paymentId ?? newPaymentId(engine.now(), engine.ports.random);
    const before = knownPayment(paymentId, checked, engine);
    if (before) {
      // What is known may not be on disk yet. A damaged journal knows only what is.
      if (engine.ports.journal.damage === undefined) await engine.write(() => undefined);
      return before;
    }
    await this.#assertTakeable(checked);
    const accepted = await engine.write((append): AcceptedPayment => {
      engine.assertOpen();
      // All of it once more, where nothing can come in between.
      const known = knownPayment(paymentId, checked, engine);
      if (known) return known;
      engine.assertNotFrozen();
      const moment = this.#judge(checked);
      const missing = fundsMissing(checked, engine);
      if (missing) throw missing;
      const { networkId } = engine;
      record(append, 'payment.intended', {
        network: networkId,
        paymentId,
        to: checked.to,
        amount: checked.amount.toString(),
        reference: checked.reference,
        parts: checked.parts.map(({ address, amount }) => ({ address, amount: amount.toString() })),
        origin: { ...checked.origin },
        time: { ...moment },
      });
      record(append, 'payment.cleared', { network: networkId, paymentId });
      return { paymentId };
    });
    this.#pump.loop.kick();
    this.#patrol.loop.kick();
    return accepted;
  }

  /**
   * Would this order be taken now? Nothing is reserved: `pay` asks again.
   * @throws CodedError as {@link pay}
   */
  async assertPayable(order: PaymentOrder): Promise<void> {
    const checked = this.#check(order);
    await this.#assertTakeable(checked);
    const missing = fundsMissing(checked, this.#engine);
    if (missing) throw missing;
  }

  /** Whether that payment is intended, under way or made. If not, nothing was ever signed for it. */
  knows(paymentId: string): boolean {
    const state = this.#engine.book.payment(paymentId)?.state;
    return state !== undefined && state !== 'FAILED' && state !== 'REJECTED';
  }

  /** The flow has the receipt: it is not told again. */
  async reported(paymentId: string): Promise<void> {
    const { book, networkId: network, write } = this.#bound();
    await write((append, sql) => {
      if (book.payment(paymentId)?.state !== 'CONFIRMED') return;
      record(append, 'payment.reported', { network, paymentId });
      forgetRecordBytes(sql, network, paymentId);
      // Bytes that carry nothing any more which is not reported are never sent again.
      for (const { transactionId } of book.attemptsOf(paymentId)) {
        if (book.paymentsOf(transactionId).some((other) => book.payment(other)?.state !== 'REPORTED')) continue;
        forgetBytes(sql, network, transactionId);
      }
    });
  }

  /**
   * Keeps bytes on the ledger, in the one queue of everything that is signed. Resolves once the intent is on disk (or it
   * is a record that is known already); that it is on the ledger is told by the signal `record`, however often it is
   * asked for. It needs no policy, and waits while the ledger is away or money is missing.
   *
   * @throws CodedError `JOURNAL_DAMAGED`
   */
  async record(order: RecordOrder): Promise<void> {
    const engine = this.#engine;
    assertRecordOrder(order);
    const { book, networkId: network } = engine;
    const paymentId = recordKey(order.recordId);
    const tag = Buffer.from(order.tag).toString('hex');
    const hash = sha256(order.bytes);
    await engine.write((append, sql) => {
      engine.assertOpen();
      const before = book.payment(paymentId)?.state;
      if (before !== undefined && before !== 'FAILED') {
        const part = book.recordPart(paymentId);
        if (!part || part.sha256 !== hash || Buffer.from(part.tag).toString('hex') !== tag)
          throw new TypeError('the id of a record that was another one');
        return;
      }
      engine.assertNotFrozen();
      sql.run('INSERT OR REPLACE INTO record_bytes (network, payment_id, bytes) VALUES (?, ?, ?)', [
        network,
        paymentId,
        order.bytes,
      ]);
      record(append, 'record.intended', { network, paymentId, tag, sha256: hash });
      record(append, 'payment.cleared', { network, paymentId });
    });
    // Who asks does not know that it is done.
    if (book.payment(paymentId)?.state === 'REPORTED') reportConfirmed(engine, paymentId, true);
    this.#pump.loop.kick();
  }

  /** Whoever wanted the record knows that it is on the ledger: it is not told again. */
  async recordReported(recordId: string): Promise<void> {
    await this.reported(recordKey(recordId));
  }

  /**
   * Resolves once it is on disk from where on payments to this address are received: before that nobody should be told
   * the address, since what arrives would count as what the account began with.
   *
   * @throws CodedError `LEDGER_UNREACHABLE` and its like after a minute
   */
  async firstLook(): Promise<void> {
    const engine = this.#engine;
    engine.assertOpen();
    await this.#within(FIRST_LOOK_MS, this.#firstLook.taken);
    engine.assertOpen();
    if (engine.book.account()) return;
    throw (
      engine.down?.error ?? new CodedError('LEDGER_UNREACHABLE', 'default', 'the account has not seen the ledger yet')
    );
  }

  balance(): Balance {
    return balanceOf(this.#engine);
  }

  /** Newest first. */
  history({ limit }: { readonly limit: number }): HistoryEntry[] {
    return historyOf(this.#engine, Math.max(0, Math.min(1000, Math.trunc(limit) || 0)));
  }

  /** Starts handing received payments to a listener, by `emit`; `from` counts for a listener never seen before. */
  async listen({ listenerId, from }: { readonly listenerId: string; readonly from: ListenFrom }): Promise<void> {
    await this.#listeners.listen(listenerId, from);
  }

  /** The flow has this received payment. */
  async delivered(listenerId: string, eventId: string): Promise<void> {
    await this.#listeners.delivered(listenerId, eventId);
  }

  stopListening(listenerId: string): void {
    this.#listeners.stop(listenerId);
  }

  /** The ledger says that it moved on. */
  wake(_height: number): void {
    this.#reader.loop.kick();
    this.#chase.wake();
  }

  ledgerUp(): void {
    this.#engine.ledgerUp();
    this.wake(0);
  }

  ledgerDown(error: CodedError): void {
    this.#engine.ledgerDown(error);
  }

  /**
   * Judges later orders by another policy; what was accepted stays accepted.
   * @throws CodedError as {@link Account.open}
   */
  configure(settings: AccountSettings): void {
    Object.assign(this.#engine, parseSettings(settings, this.#engine.ports));
  }

  /** Why nothing is signed any more, if so. */
  get frozen(): string | undefined {
    return this.#engine.frozen;
  }

  /** True while something is not settled and reported: an account that nobody uses any more is closed later. */
  get unsettled(): boolean {
    const { book } = this.#engine;
    const unfinished = (['INTENT', 'READY', 'IN_FLIGHT'] as const).some(
      (state) => book.paymentsIn(state).length + book.recordsIn(state).length > 0,
    );
    return unfinished || book.openAttempts().length > 0;
  }

  /** Stops. What is not settled goes on when the account is opened again. */
  async close(): Promise<void> {
    const engine = this.#engine;
    if (engine.closed) return;
    engine.closed = true;
    this.#firstLook.take();
    this.#pump.loop.stop();
    this.#patrol.loop.stop();
    this.#chase.stop();
    if (engine.ports.journal.damage === undefined) await this.#reader.close();
    else this.#reader.loop.stop();
  }

  async #resume(): Promise<void> {
    const engine = this.#engine;
    const { book, networkId: network } = engine;
    if (engine.ports.journal.damage !== undefined) {
      engine.freezeHere('journal', null, null);
    } else if (book.paymentsIn('INTENT').length > 0) {
      await engine.write((append) => {
        for (const { paymentId } of book.paymentsIn('INTENT'))
          record(append, 'payment.cleared', { network, paymentId });
      });
    }
    for (const { paymentId } of [...book.paymentsIn('CONFIRMED'), ...book.recordsIn('CONFIRMED')])
      reportConfirmed(engine, paymentId, true);
    this.#chase.resume();
    this.#reader.loop.kick();
    this.#patrol.loop.kick();
  }

  #check(order: PaymentOrder): CheckedOrder {
    const { contacts, ports } = this.#engine;
    return checkOrder(order, { self: ports.identity.address, contacts, network: ports.network });
  }

  /** All that can be asked before the write, some of it of the ledger. */
  async #assertTakeable(checked: CheckedOrder): Promise<void> {
    const engine = this.#engine;
    await this.firstLook();
    engine.assertNotFrozen();
    this.#judge(checked);
    await assertDeposits(checked, engine);
    // Money that has just arrived may not have been read yet.
    if (fundsMissing(checked, engine)) await this.#readForward();
  }

  /** @returns the moment it was judged at */
  #judge({ payees, amount }: CheckedOrder): BudgetMoment {
    const engine = this.#engine;
    const moment = engine.budgetMoment();
    judge(
      engine.policy,
      { payees, amount, at: moment },
      engine.rules.reservedSince(engine.book),
      engine.ports.network.decimals,
    );
    return moment;
  }

  async #fail(paymentId: string, failure: CodedError): Promise<void> {
    const engine = this.#engine;
    const { book, networkId: network } = engine;
    const { code, detail, message, parameters } = failure;
    const failed = await engine.write((append, sql) => {
      // It may have been signed a moment ago, or be the business of who opened the account since.
      if (
        engine.closed ||
        book.payment(paymentId)?.state !== 'READY' ||
        book.wasSigned(paymentId) ||
        engine.frozen !== undefined
      )
        return false;
      record(append, 'payment.failed', { network, paymentId, code, detail, message });
      forgetRecordBytes(sql, network, paymentId);
      return true;
    });
    const payment = book.payment(paymentId);
    if (!failed || !payment) return;
    const { kind, origin } = payment;
    if (kind === 'record')
      engine.emit({ event: { event: 'record-failed', code, detail, recordId: recordIdOf(paymentId), message } });
    else engine.emit({ report: { kind: 'failed', paymentId, code, detail, message, parameters, origin } });
  }

  async #readForward(): Promise<void> {
    await this.#within(5_000, this.#reader.loop.next());
  }

  #within(milliseconds: number, promise: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#engine.ports.clock.after(milliseconds, resolve);
      void promise.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #bound() {
    const engine = this.#engine;
    return { book: engine.book, networkId: engine.networkId, write: engine.write.bind(engine) };
  }
}

function parseSettings({ policy, contacts }: AccountSettings, { network }: AccountPorts) {
  const known = parseContacts(contacts, network.addressForm);
  return { contacts: known, policy: parsePolicy(policy, known, network) };
}
