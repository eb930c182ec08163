import type { Receipt, ReceivedPayment } from '../../payments';
import type { OfferEventName } from '../market-order';
import { addressOfDid, referenceOf } from '../messages/names';
import { allows } from './contract-book';
import type { Deliveries } from './deliveries';
import type { Floor } from './floor';
import type { ContractMoney, Refund, Refunds } from './refunds';
import { reasonOf, type SellerActs } from './seller-acts';
import { durationIn, factsOf, offerEvent, type SellerFacts, type SellerRow } from './seller-facts';

type Money = ContractMoney & { readonly payer: string | null; readonly at: string };

/** Money that came in under a contract's reference: what it is for is decided by payer, amount and state alone. */
export class Incoming {
  constructor(
    private readonly floor: Floor,
    private readonly acts: SellerActs,
    private readonly deliveries: Deliveries,
    private readonly refunds: Refunds,
    private readonly covered: (buyer: string | null) => void,
  ) {}

  /** It has the turn of the contract. */
  async hear(row: SellerRow, payment: ReceivedPayment): Promise<void> {
    // What goes back to somebody is never sent back once more.
    if (payment.reference !== referenceOf(row.contractId) || this.refunds.knows(payment.eventId)) return;
    const amount = BigInt(payment.amount);
    const money: Money = {
      eventId: payment.eventId,
      transactionId: payment.transactionId,
      payer: payment.from,
      amount,
      counted: 0n,
      at: payment.confirmedAt,
    };
    if (payment.from === null) return this.#keep(row, money);
    const { addressForm } = this.floor.ports.network;
    const isBuyers = row.peer !== null && payment.from === addressOfDid(row.peer, addressForm);
    if (isBuyers && row.state === 'ACCEPTED') return this.#hearDue(row, money);
    // Anybody can know the reference: only the buyer's own money can end a contract, or bring it back.
    if (isBuyers && isOff(row)) return this.#hearLate(row, money);
    await this.#giveBack(row, money, amount, 'overpaid');
  }

  /** It is on the ledger that so much went back. */
  async refunded(refund: Refund, receipt: Receipt): Promise<void> {
    await this.floor.turns.take(refund.contractId, async () => {
      const row = this.acts.row(refund.contractId);
      if (this.refunds.ofContract(refund.contractId).find((one) => one.paymentId === refund.paymentId)?.receipt) return;
      const isLast = row.state === 'REFUNDING' && refund.kind === 'agreed' && this.#isLast(refund);
      if (isLast) return this.#settle(row, refund, receipt);
      await this.acts.act(row, {
        event: null,
        within: (append) => void this.refunds.notePaid(append, refund, receipt),
        tell: [(after) => this.#event(after, 'refunded', refund.amount, { transactionId: receipt.transactionId })],
      });
    });
  }

  /** It cannot go back now, and goes back later: somebody should know. */
  async refundWaits(refund: Refund, code: string): Promise<void> {
    await this.floor.turns.take(refund.contractId, async () => {
      await this.acts.act(this.acts.row(refund.contractId), {
        event: null,
        tell: [(after) => this.#event(after, 'refund-waiting', refund.amount, { reason: code })],
      });
    });
  }

  /** While it is waited for. */
  async #hearDue(row: SellerRow, money: Money): Promise<void> {
    const facts = factsOf(row);
    const before = this.refunds.money(row.contractId).reduce((sum, { counted }) => sum + counted, 0n);
    const missing = BigInt(facts.amount ?? '0') - before;
    if (money.amount < missing) return this.#hearTooLittle(row, money, facts);
    const excess = money.amount - missing;
    const coveredAt = this.floor.now();
    const { times } = this.floor.ports;
    await this.acts.act(row, {
      event: 'cover',
      deadline: coveredAt + times.start,
      facts: { coveredAt, deliverBy: deliverBy(facts, coveredAt, times) },
      within: (append) => {
        this.refunds.note(append, row.contractId, { ...money, counted: missing });
        if (excess > 0n) this.refunds.owe(append, row.contractId, money.eventId, 'excess', excess);
      },
      tell: [
        (after) => this.deliveries.startEvent(after),
        ...(excess > 0n ? [(after: SellerRow) => this.#event(after, 'overpaid', excess, transactionOf(money))] : []),
      ],
    });
    this.covered(row.peer);
  }

  async #hearTooLittle(row: SellerRow, money: Money, { underpaid }: SellerFacts): Promise<void> {
    if (underpaid === 'refund') return this.#giveBack(row, money, money.amount, 'underpaid');
    await this.acts.act(row, {
      event: null,
      drafts: this.acts.drafts(row, 'reject', { reason: 'underpaid', text: null }),
      within: (append) => this.refunds.note(append, row.contractId, { ...money, counted: money.amount }),
      tell: [(after) => this.#event(after, 'underpaid', money.amount, transactionOf(money))],
    });
  }

  /** The contract is off, or was never on: all of it goes back. */
  async #hearLate(row: SellerRow, money: Money): Promise<void> {
    await this.acts.act(row, {
      event: allows(row, 'owe') ? 'owe' : null,
      within: (append) => {
        this.refunds.note(append, row.contractId, { ...money, counted: money.amount });
        this.refunds.owe(append, row.contractId, money.eventId, 'agreed', money.amount);
      },
    });
  }

  /** More than was asked for, or from somebody who was not asked. */
  async #giveBack(row: SellerRow, money: Money, amount: bigint, event: OfferEventName): Promise<void> {
    await this.acts.act(row, {
      event: null,
      within: (append) => {
        this.refunds.note(append, row.contractId, money);
        this.refunds.owe(append, row.contractId, money.eventId, 'excess', amount);
      },
      tell: [(after) => this.#event(after, event, amount, transactionOf(money))],
    });
  }

  /** Nobody to give it back to: a person has to decide. */
  async #keep(row: SellerRow, money: Money): Promise<void> {
    await this.acts.act(row, {
      event: null,
      within: (append) => this.refunds.note(append, row.contractId, money),
      tell: [
        (after) =>
          this.#event(after, 'refund-waiting', money.amount, { reason: 'payer-unknown', ...transactionOf(money) }),
      ],
    });
  }

  async #settle(row: SellerRow, refund: Refund, receipt: Receipt): Promise<void> {
    const { contractId } = row;
    const counted = this.refunds.money(contractId).filter((money) => money.counted > 0n);
    const amount = counted.reduce((sum, money) => sum + money.counted, 0n);
    const { reason, text } = factsOf(row);
    const { transactionId } = receipt;
    await this.acts.act(row, {
      event: 'refund',
      drafts: this.acts.drafts(row, 'cancel', {
        reason: reason ?? 'not-paid',
        text,
        refund: { amount: amount.toString(), transactionId, of: counted.map((money) => money.transactionId) },
      }),
      within: (append) => void this.refunds.notePaid(append, refund, receipt),
      tell: [
        (after) =>
          this.#event(after, 'refunded', amount, {
            transactionId,
            ...reasonOf(after),
            contract: this.acts.contractNow(after),
          }),
      ],
    });
  }

  /** Whether everything else that counted is back. */
  #isLast(refund: Refund): boolean {
    const agreed = this.refunds.ofContract(refund.contractId).filter(({ kind }) => kind === 'agreed');
    return agreed.every(({ paymentId, receipt }) => receipt !== null || paymentId === refund.paymentId);
  }

  #event(
    row: SellerRow,
    event: OfferEventName,
    amount: bigint,
    more: Parameters<typeof offerEvent>[2],
  ): ReturnType<typeof offerEvent> {
    const { token, decimals } = this.floor.ports.network;
    return offerEvent(row, event, { amount: amount.toString(), token, decimals, ...more });
  }
}

/**
 * Whether it ended, or never began, without the money. What comes then is what was agreed, and goes back as that: the buyer
 * must not take it for a part that was too much, also where less came in and went back before.
 */
function isOff(row: SellerRow): boolean {
  const { state } = row;
  if (state === 'CANCELLED' || state === 'PROPOSED') return true;
  return factsOf(row).coveredAt === null && (state === 'REFUNDING' || state === 'REFUNDED');
}

/** From when on the buyer may call it late. */
function deliverBy(facts: SellerFacts, coveredAt: number, times: Floor['ports']['times']): number {
  const duration = durationIn(facts);
  const usual = duration === null ? times.deliver : times.deliverTimed;
  return coveredAt + (duration ?? 0) + (facts.deliverWithin === null ? usual : facts.deliverWithin * 1_000);
}

function transactionOf({ transactionId }: Money): { transactionId: string } {
  return { transactionId };
}
