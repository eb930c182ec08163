import { LONGEST_VALIDITY } from '../messages/limits';
import type { CancelReason, MessageOf, RejectReason, SignedMessage } from '../messages/message';
import { referenceOf } from '../messages/names';
import { type Draft, draft } from './correspondence';
import type { Floor } from './floor';
import { factsOf, type PurchaseFacts, type PurchaseRow } from './purchase';

/** What a buyer writes to its sellers. */
export class PurchaseLetters {
  constructor(private readonly floor: Floor) {}

  accept(to: string, proposal: string, amount: string, deadline: number): Draft<'accept'> {
    return draft('accept', { to, previous: proposal, expires: deadline, body: { amount, payBy: null }, once: false });
  }

  /** To the seller whose confirmation we wait for, if there is one: we wait no longer. */
  callsOff(row: PurchaseRow, reason: CancelReason, no?: SignedMessage): Draft[] {
    return row.state === 'ACCEPTING' ? this.cancels(row, reason, true, no) : [];
  }

  /**
   * It has our money and has not delivered: it hears so for as long as a message can be good, so that both come to the same
   * end however long one of them sleeps.
   */
  late(row: PurchaseRow): Draft[] {
    const expires = this.floor.now() + LONGEST_VALIDITY;
    return this.cancels(row, 'late', false).map((cancel) => ({ ...cancel, expires }));
  }

  /** @param once it need not know: nothing of its own depends on it */
  cancels(row: PurchaseRow, reason: CancelReason, once: boolean, answered?: SignedMessage): Draft[] {
    const { agreed } = factsOf(row);
    if (!agreed) return [];
    const previous = answered?.hash ?? this.lastFrom(row, agreed.seller);
    return [this.cancel(agreed.seller, previous, reason, once)];
  }

  cancel(to: string, previous: string, reason: CancelReason, once: boolean): Draft<'cancel'> {
    return draft('cancel', {
      to,
      previous,
      expires: this.#laterOn(),
      body: { reason, text: null, refund: null },
      once,
    });
  }

  reject(to: string, proposal: string, reason: RejectReason): Draft<'reject'> {
    return draft('reject', {
      to,
      previous: proposal,
      expires: this.#laterOn(),
      body: { reason, text: null },
      once: true,
    });
  }

  /** To everybody whose proposal got no answer yet, and who has not taken it back. */
  rejectsOthers(row: PurchaseRow, leftOut: PurchaseFacts['leftOut']): Draft[] {
    const documents = this.floor.letters.documents(row);
    const answered = new Set(documents.filter(({ direction }) => direction === 'out').map(({ previous }) => previous));
    return documents.flatMap(({ direction, type, hash, peer }) => {
      if (direction !== 'in' || type !== 'proposal' || peer === null || answered.has(hash)) return [];
      return [this.reject(peer, hash, leftOut[hash] ?? 'not-chosen')];
    });
  }

  /** The seller believes the ledger: it is told so that both can prove what was said. */
  paid(row: PurchaseRow, amount: string, seller: string, transactionId: string): Draft<'paid'> {
    return draft('paid', {
      to: seller,
      previous: this.lastFrom(row, seller),
      expires: this.#laterOn(),
      body: { amount, reference: referenceOf(row.contractId), transactionId },
      once: true,
    });
  }

  /** @param stoppedAt null: as it was delivered, and the seller says again that it was when it does not hear this */
  complete(to: string, previous: string, stoppedAt: number | null): Draft<'complete'> {
    return draft('complete', {
      to,
      previous,
      expires: this.#laterOn(),
      body: { stoppedAt: stoppedAt === null ? null : new Date(stoppedAt).toISOString() },
      once: stoppedAt === null,
    });
  }

  /** What the other side's next message is to name. */
  lastFrom(row: PurchaseRow, seller: string): string {
    const theirs = this.floor.letters
      .documents(row)
      .filter(({ direction, peer }) => direction === 'in' && peer === seller)
      .at(-1);
    if (!theirs) throw new Error(`${seller} has said nothing in ${row.contractId}`);
    return theirs.hash;
  }

  /** Hashes of our documents of that kind. */
  ours(row: PurchaseRow, type: MessageOf<'cancel' | 'complete'>['type']): string[] {
    return this.floor.letters
      .documents(row)
      .filter((document) => document.direction === 'out' && document.type === type)
      .map(({ hash }) => hash);
  }

  #laterOn(): number {
    return this.floor.now() + this.floor.ports.times.message;
  }
}
