import type { RejectReason, SignedMessage } from '../messages/message';
import type { Deliveries } from './deliveries';
import type { Floor } from './floor';
import type { Offer, Offers } from './offers';
import { busyCount } from './proposing';
import type { SellerActs } from './seller-acts';
import { factsOf, offerEvent, type SellerRow } from './seller-facts';

/** Nobody needs more in one contract; what comes beyond that is dropped unread. */
const MOST_MESSAGES = 32;

/** What buyers write to a seller. Messages that do not fit are told to the flow, and change nothing. */
export class SellerPost {
  constructor(
    private readonly floor: Floor,
    private readonly offers: Offers,
    private readonly acts: SellerActs,
    private readonly deliveries: Deliveries,
  ) {}

  /** It has the turn of the contract, and was not heard before. */
  async hear(row: SellerRow, signed: SignedMessage): Promise<void> {
    const { letters } = this.floor;
    const { message } = signed;
    if (message.from !== row.peer) return this.#refuse(row, 'not-a-party');
    if (message.previous === null || !letters.isOurs(row, message.previous)) return this.#refuse(row, 'previous');
    if (letters.countHeard(row) >= MOST_MESSAGES) return this.#refuse(row, 'flood');
    switch (message.type) {
      case 'accept':
        return this.#hearAccept(row, signed as SignedMessage<'accept'>);
      case 'reject':
      case 'cancel':
        return this.#hearOff(row, signed as SignedMessage<'reject' | 'cancel'>);
      case 'paid':
        return this.#hearPaid(row, signed);
      case 'complete':
        return this.#hearComplete(row, signed as SignedMessage<'complete'>);
      default:
        return this.#refuse(row, message.type);
    }
  }

  async #hearAccept(row: SellerRow, accept: SignedMessage<'accept'>): Promise<void> {
    const { message } = accept;
    const facts = factsOf(row);
    // It takes exactly this proposal, and nothing that we have not offered.
    const fits =
      message.previous === facts.proposal && message.body.amount === facts.amount && message.body.payBy === null;
    if (!fits) return this.#refuse(row, 'accept');
    if (row.state === 'PROPOSED') return this.#confirm(row, accept);
    // Too late: it hears so once.
    if (row.state === 'CANCELLED') return this.#answer(row, accept, 'expired');
    await this.#refuse(row, 'accept');
  }

  async #confirm(row: SellerRow, accept: SignedMessage<'accept'>): Promise<void> {
    const { floor, acts } = this;
    const { ports, now } = floor;
    const facts = factsOf(row);
    const offer = this.offers.get(row.nodeId);
    // Its node is just coming back, and the buyer asks again; if it does not, the proposal is withdrawn.
    if (!offer) return;
    const hindrance = this.#hindrance(row, offer);
    if (hindrance !== undefined) return this.#decline(row, accept, hindrance);
    const payBy = now() + ports.times.pay;
    try {
      await acts.act(row, {
        event: 'accept',
        // Money that was final in time may be read a little later.
        deadline: payBy + ports.times.skew,
        facts: { payBy },
        answers: accept,
        drafts: acts.drafts(
          row,
          'accept',
          { amount: facts.amount ?? '0', payBy: new Date(payBy).toISOString() },
          { once: false, previous: accept.hash, expires: payBy },
        ),
        // Others may have been accepted since it was asked.
        within: () => {
          if (busyCount(floor, row.nodeId) > offer.terms.capacity) throw new Full();
        },
        tell: [
          (after) => {
            const { token, decimals } = ports.network;
            return offerEvent(after, 'accepted', { amount: facts.amount ?? '0', token, decimals });
          },
        ],
      });
    } catch (error) {
      if (!(error instanceof Full)) throw error;
      await this.#decline(row, accept, 'capacity');
    }
  }

  #hindrance(row: SellerRow, offer: Offer): RejectReason | undefined {
    const { validUntil } = factsOf(row);
    if (validUntil === null || this.floor.now() > validUntil) return 'expired';
    if (offer.withdrawn) return 'withdrawn';
    if (busyCount(this.floor, row.nodeId) >= offer.terms.capacity) return 'capacity';
    return undefined;
  }

  async #decline(row: SellerRow, accept: SignedMessage<'accept'>, reason: RejectReason): Promise<void> {
    const drafts = this.acts.drafts(row, 'reject', { reason, text: null }, { previous: accept.hash });
    const event = reason === 'expired' ? 'expired' : 'rejected';
    await this.acts.end(row, { event, why: reason, drafts, answers: accept });
  }

  /** A message that changes nothing any more, with what there is to say to it. */
  async #answer(row: SellerRow, answers: SignedMessage, reason: RejectReason | null): Promise<void> {
    const body = reason && { reason, text: null };
    const drafts = body ? this.acts.drafts(row, 'reject', body, { previous: answers.hash }) : [];
    await this.acts.act(row, { event: null, answers, drafts });
  }

  async #hearOff(row: SellerRow, off: SignedMessage<'reject' | 'cancel'>): Promise<void> {
    const { floor, acts } = this;
    const { message } = off;
    const why = message.body.text === null ? message.body.reason : `${message.body.reason}: ${message.body.text}`;
    switch (row.state) {
      case 'PROPOSED':
        return acts.end(row, { event: 'rejected', why, answers: off });
      case 'ACCEPTED':
        return acts.end(row, { event: 'cancelled', why, answers: off, facts: { text: why } });
      case 'STARTING':
        return acts.fail(row, 'late', null, off);
      case 'DELIVERING':
        if (this.#isLate(row)) return acts.fail(row, 'late', null, off);
        // It was paid for and it runs: who wants it no more says `complete`, and pays.
        return this.#refuse(row, message.type);
      case 'DELIVERED':
      case 'COMPLETED':
        return this.deliveries.sayAgain(row, off);
      default:
        await this.#answer(row, off, null);
        floor.letters.sendAgain(row, 'cancel');
    }
  }

  /** By our own clock: a buyer whose clock is ahead asks again, and what is nearly done must not be had for nothing. */
  #isLate(row: SellerRow): boolean {
    const { deliverBy } = factsOf(row);
    return deliverBy !== null && this.floor.now() >= deliverBy;
  }

  /** Kept as a proof of what it said: what it paid, the ledger says. */
  async #hearPaid(row: SellerRow, paid: SignedMessage): Promise<void> {
    if (row.state === 'INQUIRED' || row.state === 'PROPOSED') return this.#refuse(row, 'paid');
    await this.#answer(row, paid, null);
  }

  async #hearComplete(row: SellerRow, complete: SignedMessage<'complete'>): Promise<void> {
    if (row.state === 'DELIVERED') return this.deliveries.complete(row, 'complete', complete);
    if (row.state === 'STARTING' || row.state === 'DELIVERING') return this.deliveries.complete(row, 'stop', complete);
    if (row.state === 'COMPLETED' || row.state === 'REFUNDING' || row.state === 'REFUNDED')
      return this.#answer(row, complete, null);
    await this.#refuse(row, 'complete');
  }

  async #refuse(row: SellerRow, reason: string): Promise<void> {
    this.acts.say(row.nodeId, offerEvent(row, 'refused', { reason }));
  }
}

/** There is no room for one more. */
class Full extends Error {}
