import { isCodedError } from '../../errors';
import type { Append, SqlRow } from '../../journal';
import type { PaymentReport, Receipt } from '../../payments';
import { excessReferenceOf, refundPaymentIdOf, refundReferenceOf } from '../messages/names';
import { record } from './contract-book';
import type { Floor } from './floor';
import { MARKET_NODE } from './market-doors';
import type { RefundKind } from './money-table';

const FIRST_RETRY = 10_000;
const LONGEST_RETRY = 600_000;

/** Money that came in for a contract. */
export interface ContractMoney {
  readonly eventId: string;
  readonly transactionId: string;
  /** Null: the ledger does not say. */
  readonly payer: string | null;
  readonly amount: bigint;
  /** How much of it the contract asked for. */
  readonly counted: bigint;
}

export interface Refund {
  readonly paymentId: string;
  readonly eventId: string;
  readonly contractId: string;
  readonly kind: RefundKind;
  readonly amount: bigint;
  readonly receipt: Receipt | null;
}

export interface RefundDoors {
  /** It is on the ledger; resolves once that is on disk. May be called twice. */
  readonly paid: (refund: Refund, receipt: Receipt) => Promise<void>;
  /** It cannot be paid at the moment, and is tried again. Told once per reason. */
  readonly waiting: (refund: Refund, code: string) => Promise<void>;
}

/**
 * Money that goes back. Owing is an event in the journal, written with what makes it due; paying is the engine's, under an
 * id made of the received payment's: however often it is handed over, it is paid once. What policy or funds do not allow now
 * is handed over again for as long as it takes.
 */
export class Refunds {
  readonly #retries = new Map<string, { failures: number; cancel: () => void }>();
  /** With the engine. */
  readonly #handed = new Set<string>();
  readonly #toldWaiting = new Set<string>();
  #closed = false;

  constructor(
    private readonly floor: Floor,
    private readonly doors: RefundDoors,
  ) {}

  /** Inside a write: money that came in is known from now on. */
  note(append: Append, contractId: string, money: ContractMoney & { readonly at: string }): void {
    record(append, 'contract-money.received', {
      network: this.#network,
      contractId,
      eventId: money.eventId,
      transactionId: money.transactionId,
      payer: money.payer,
      amount: money.amount.toString(),
      counted: money.counted.toString(),
      at: money.at,
    });
  }

  /** Inside a write: so much of what came in goes back. @throws Error when that is more than came in */
  owe(append: Append, contractId: string, eventId: string, kind: RefundKind, amount: bigint): void {
    const before = this.#refunds('event_id = ?', [eventId]);
    // The rest of an overpaid one, whose excess went back before, is a payment of its own.
    const paymentId = refundPaymentIdOf(before.length === 0 ? eventId : `${eventId}/rest`);
    record(append, 'refund.owed', {
      network: this.#network,
      contractId,
      eventId,
      paymentId,
      kind,
      amount: amount.toString(),
    });
  }

  /** Inside a write: everything that counted for a contract goes back. @returns whether there is anything */
  oweAll(append: Append, contractId: string): boolean {
    const counted = this.money(contractId).filter(({ counted }) => counted > 0n);
    for (const { eventId, counted: amount } of counted) this.owe(append, contractId, eventId, 'agreed', amount);
    return counted.length > 0;
  }

  /** Hands over what is owed and is not with the engine. After the write. */
  pay(contractId: string): void {
    for (const refund of this.ofContract(contractId))
      if (refund.receipt === null && !this.#handed.has(refund.paymentId)) void this.#hand(refund);
  }

  /** A new process: everything that is owed is handed over again. */
  resume(): void {
    for (const refund of this.#refunds('receipt IS NULL', []))
      if (!this.#handed.has(refund.paymentId)) void this.#hand(refund);
  }

  async hearReport(report: PaymentReport): Promise<void> {
    const [refund] = this.#refunds('payment_id = ?', [report.paymentId]);
    if (!refund) return;
    if (report.kind === 'confirmed') await this.#paid(refund, report.receipt);
    else if (report.kind === 'failed') await this.#failed(refund, report.code);
  }

  /** Inside a write. @returns false when that was known */
  notePaid(append: Append, { paymentId }: Refund, receipt: Receipt): boolean {
    if (this.#refunds('payment_id = ? AND receipt IS NULL', [paymentId]).length === 0) return false;
    record(append, 'refund.paid', { network: this.#network, paymentId, receipt });
    return true;
  }

  money(contractId: string): ContractMoney[] {
    return this.floor.book.sql
      .all('SELECT * FROM contract_money WHERE network = ? AND contract_id = ? ORDER BY at, event_id', [
        this.#network,
        contractId,
      ])
      .map(moneyOf);
  }

  knows(eventId: string): boolean {
    const values = [this.#network, eventId];
    return (
      this.floor.book.sql.get('SELECT 1 FROM contract_money WHERE network = ? AND event_id = ?', values) !== undefined
    );
  }

  ofContract(contractId: string): Refund[] {
    return this.#refunds('contract_id = ?', [contractId]);
  }

  get unsettled(): boolean {
    return this.#refunds('receipt IS NULL LIMIT 1', []).length > 0;
  }

  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#retries.values()) cancel();
    this.#retries.clear();
  }

  async #hand(refund: Refund): Promise<void> {
    const { paymentId, contractId, kind, amount, eventId } = refund;
    const payer = this.money(contractId).find((money) => money.eventId === eventId)?.payer;
    if (this.#closed || payer === null || payer === undefined) return;
    this.#handed.add(paymentId);
    try {
      const accepted = await this.floor.ports.account.pay({
        to: payer,
        amount: amount.toString(),
        reference: kind === 'agreed' ? refundReferenceOf(contractId) : excessReferenceOf(contractId),
        paymentId,
        origin: { nodeId: MARKET_NODE },
      });
      if (accepted.receipt) await this.#paid(refund, accepted.receipt);
    } catch (error) {
      try {
        await this.#failed(refund, isCodedError(error) ? error.code : 'PAYMENT_FAILED');
      } catch (problem) {
        this.floor.trouble(problem);
      }
    }
  }

  async #paid(refund: Refund, receipt: Receipt): Promise<void> {
    this.#handed.add(refund.paymentId);
    this.#retries.get(refund.paymentId)?.cancel();
    this.#retries.delete(refund.paymentId);
    await this.doors.paid(refund, receipt);
    await this.floor.ports.account.reported(refund.paymentId);
  }

  async #failed(refund: Refund, code: string): Promise<void> {
    const { paymentId } = refund;
    this.#handed.delete(paymentId);
    if (this.#closed) return;
    const before = this.#retries.get(paymentId);
    before?.cancel();
    const failures = (before?.failures ?? 0) + 1;
    const wait = Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** Math.min(failures - 1, 20));
    const cancel = this.floor.ports.clock.after(wait, () => void this.#hand(refund));
    this.#retries.set(paymentId, { failures, cancel });
    const reason = `${paymentId} ${code}`;
    if (this.#toldWaiting.has(reason)) return;
    this.#toldWaiting.add(reason);
    await this.doors.waiting(refund, code);
  }

  #refunds(condition: string, values: readonly string[]): Refund[] {
    return this.floor.book.sql
      .all(`SELECT * FROM refunds WHERE network = ? AND ${condition}`, [this.#network, ...values])
      .map(refundOf);
  }

  get #network(): string {
    return this.floor.book.network;
  }
}

function moneyOf(row: SqlRow): ContractMoney {
  return {
    eventId: String(row['event_id']),
    transactionId: String(row['transaction_id']),
    payer: row['payer'] === null ? null : String(row['payer']),
    amount: BigInt(row['amount'] as number | bigint),
    counted: BigInt(row['counted'] as number | bigint),
  };
}

function refundOf(row: SqlRow): Refund {
  return {
    paymentId: String(row['payment_id']),
    eventId: String(row['event_id']),
    contractId: String(row['contract_id']),
    kind: row['kind'] === 'agreed' ? 'agreed' : 'excess',
    amount: BigInt(row['amount'] as number | bigint),
    receipt: row['receipt'] === null ? null : (JSON.parse(String(row['receipt'])) as Receipt),
  };
}
