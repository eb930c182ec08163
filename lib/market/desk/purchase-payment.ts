import { CodedError, type ErrorCode, isCodedError } from '../../errors';
import type { PaymentReport, Receipt } from '../../payments';
import { referenceOf } from '../messages/names';
import { isPassing } from './choosing';
import type { Floor } from './floor';
import type { Failure } from './market-ports';
import { factsOf, orderFor, type PurchaseRow } from './purchase';

/** Doubles up to the second. */
const FIRST_RETRY = 1_000;
const LONGEST_RETRY = 30_000;

export interface PaymentDoors {
  /** The ledger has confirmed it. */
  readonly paid: (row: PurchaseRow, receipt: Receipt) => Promise<void>;
  /** It was not taken, and never will be; nothing was signed. */
  readonly refused: (row: PurchaseRow, failure: Failure) => Promise<void>;
  readonly unknown: (row: PurchaseRow) => void;
}

/** Hands the order of a purchase to the payment engine until the engine has it, and hears what became of it. */
export class PurchasePayments {
  readonly #delays = new Map<string, number>();

  constructor(
    private readonly floor: Floor,
    private readonly doors: PaymentDoors,
  ) {}

  /**
   * In the turn of the contract, in PAYING. Handed over again it is the same payment, so whoever does not know whether the
   * engine has it hands it over.
   */
  async hand(row: PurchaseRow): Promise<void> {
    const { agreed } = factsOf(row);
    if (!agreed) throw new Error(`nothing was agreed in ${row.contractId}`);
    try {
      const { receipt } = await this.floor.ports.account.pay(orderFor(row.contractId, agreed, this.floor));
      this.#delays.delete(row.contractId);
      if (receipt) await this.doors.paid(row, receipt);
    } catch (error) {
      // Who closes the account opens it again, and then it is handed over anew.
      if (!isCodedError(error) || error.detail === 'closed' || this.floor.closed) throw error;
      // A payment that is known is joined, whatever else there is to say: an error means that nothing was intended.
      if (error.code === 'PAYMENT_UNKNOWN') this.doors.unknown(row);
      else if (error.code === 'JOURNAL_DAMAGED') throw error;
      else if (isPassing(error) && (agreed.payBy ?? 0) > this.floor.now()) this.#later(row);
      else await this.doors.refused(row, error);
    }
  }

  /**
   * Once more, in the turn of the contract, in PAYING. What the engine has never had is not paid any more once the seller
   * waits for it no longer, or says so: it would only come back.
   */
  async takeUp(row: PurchaseRow): Promise<void> {
    const { ports } = this.floor;
    const end = this.#endOf(row);
    if (!end || (await ports.account.knows(referenceOf(row.contractId)))) return this.hand(row);
    await this.doors.refused(row, end);
  }

  #endOf(row: PurchaseRow): CodedError | undefined {
    const { letters, now } = this.floor;
    const { seller, payBy = null } = factsOf(row).agreed ?? {};
    if (payBy !== null && payBy <= now())
      return new CodedError('OFFER_EXPIRED', 'pay-by', 'the time to pay was over before it was paid');
    const isOff = letters
      .documents(row)
      .some(
        ({ direction, peer, type }) =>
          direction === 'in' && peer === seller && (type === 'cancel' || type === 'reject'),
      );
    return isOff
      ? new CodedError('OFFER_EXPIRED', 'called-off', 'the seller called it off before it was paid')
      : undefined;
  }

  /** Of one of our payments. */
  async hearReport(report: PaymentReport): Promise<void> {
    const { book, turns, ports } = this.floor;
    const { topic: contractId = '' } = report.origin;
    await turns.take(contractId, async () => {
      const row = book.contract(contractId, 'buyer');
      if (row?.state === 'PAYING') await this.#hear(row, report);
      // Heard before: the engine was killed before it knew that.
      else if (report.kind === 'confirmed') await ports.account.reported(report.paymentId);
    });
  }

  async #hear(row: PurchaseRow, report: PaymentReport): Promise<void> {
    switch (report.kind) {
      case 'confirmed':
        return this.doors.paid(row, report.receipt);
      case 'unknown':
        return this.doors.unknown(row);
      case 'failed':
        return this.doors.refused(row, { ...report, code: report.code as ErrorCode });
    }
  }

  #later({ contractId }: PurchaseRow): void {
    const { book, turns, ports, trouble } = this.floor;
    const delay = this.#delays.get(contractId) ?? FIRST_RETRY;
    this.#delays.set(contractId, Math.min(LONGEST_RETRY, delay * 2));
    const again = () =>
      turns.take(contractId, async () => {
        const row = book.contract(contractId, 'buyer');
        if (row?.state === 'PAYING' && !this.floor.closed) await this.takeUp(row);
      });
    ports.clock.after(delay, () => void again().catch(trouble));
  }
}
