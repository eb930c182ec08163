import type { ChannelSignal } from '../channel/channels';
import { TokenBucket } from '../channel/token-bucket';
import { distanceInKm } from '../choice/distance';
import type { RejectReason, SignedMessage } from '../messages/message';
import { amountFor, canDeliver } from '../quantity';
import { type Draft, draft } from './correspondence';
import type { Customers } from './customers';
import type { Floor } from './floor';
import type { Offer, Offers } from './offers';
import type { SellerActs } from './seller-acts';
import { asFacts, factsOf, NO_FACTS, offerEvent, type SellerFacts, type SellerRow } from './seller-facts';

/** Proposals and inquiries that are open at a time. */
const MOST_OPEN = 100;
const MOST_OPEN_PER_STRANGER = 3;
/** Of somebody who has paid us before, and however many strangers there are. */
const MOST_OPEN_PER_CUSTOMER = 20;
/**
 * A call costs its sender nothing, and us a signature and a place on the disk for ever. Calls that lead to a contract give
 * their token back: only those that come to nothing are counted.
 */
const CALLS = { burst: 200, perSecond: 1 };
/** What a ledger can move at once. */
const MOST_AMOUNT = 2n ** 63n - 1n;
/** An inquiry that the flow does not answer. */
const LONGEST_INQUIRY = 3_600_000;

/** States that count as work: at most `capacity` of them. */
export const BUSY = ['ACCEPTED', 'STARTING', 'DELIVERING'] as const;

type CallSignal = Extract<ChannelSignal, { call: unknown }>;

/** From a call to a proposal that binds us. */
export class Proposing {
  readonly #calls: TokenBucket;
  #givenBack = 0;
  #canBePaid = false;
  /** Buyers of calls that are decided on and not in the book yet, by call. */
  readonly #underway = new Map<string, string>();

  constructor(
    private readonly floor: Floor,
    private readonly offers: Offers,
    private readonly customers: Customers,
    private readonly acts: SellerActs,
  ) {
    this.#calls = new TokenBucket(CALLS, floor.ports.clock);
  }

  /** The account has seen its ledger: what is paid now is received. */
  begin(): void {
    this.#canBePaid = true;
  }

  /** A call to everybody. It has the turn of its contract. */
  async hearCall({ call, offerIds, problems }: CallSignal): Promise<void> {
    const { book, letters } = this.floor;
    if (!this.#canBePaid || letters.seen(call.hash) || book.contract(call.hash, 'seller')) return;
    const offer = offerIds
      .map((offerId) => this.offers.get(offerId))
      .find((one) => one !== undefined && this.#answers(one, call));
    if (!offer || !this.#hasRoom(call.message.from)) return;
    this.#underway.set(call.hash, call.message.from);
    try {
      await this.#answer(offer, call, problems);
    } finally {
      this.#underway.delete(call.hash);
    }
  }

  async #answer(offer: Offer, call: SignedMessage<'call'>, problems: CallSignal['problems']): Promise<void> {
    const problem = problems[offer.nodeId];
    const { unit } = offer.terms;
    const { quantity } = call.message.body;
    if (problem !== undefined) return this.#refuse(offer, call, 'parameters', problem);
    if (!canDeliver(unit, quantity)) return this.#refuse(offer, call, 'quantity', null);
    if (offer.terms.autoPropose && offer.price !== null) return this.#propose(offer, call, offer.price);
    await this.#inquire(offer, call);
  }

  /** The flow has named its price for an inquiry. */
  async answerInquiry(row: SellerRow, offer: Offer, price: string): Promise<void> {
    const [call] = this.floor.letters.documents(row);
    if (!call) throw new Error('an inquiry without its call');
    const facts = this.#facts(offer, JSON.parse(call.text), price);
    if (facts === undefined) return this.acts.end(row, { event: 'expired', why: 'price' });
    await this.acts.act(row, {
      event: 'propose',
      deadline: facts.validUntil,
      facts,
      drafts: [this.#proposal(offer, row.contractId, row.peer as string, facts)],
      within: (append, _sql, posted) => {
        this.floor.book.note(append, row, { facts: asFacts({ proposal: posted[0]?.hash ?? null }) });
      },
      say: [(after) => offerEvent(after, 'proposed', this.#money(after))],
    });
  }

  /** A call led to a contract. */
  giveBack(): void {
    this.#givenBack = Math.min(CALLS.burst, this.#givenBack + 1);
  }

  /** What a contract costs, as events have it. */
  #money(row: SellerRow): { amount: string; token: string; decimals: number } {
    const { token, decimals } = this.floor.ports.network;
    return { amount: factsOf(row).amount ?? '0', token, decimals };
  }

  /** Not a word to those whose wish we cannot meet: silence costs nothing. */
  #answers({ nodeId, terms, price, paused, withdrawn }: Offer, { message }: SignedMessage<'call'>): boolean {
    const { service, maxPrice, near, maxDistance, deliverWithin } = message.body;
    if (!this.offers.isThere(nodeId) || paused || withdrawn || service !== terms.service) return false;
    if (price === null && terms.autoPropose) return false;
    if (price !== null && maxPrice !== null && BigInt(price) > BigInt(maxPrice)) return false;
    if (near && maxDistance !== null && terms.place && distanceInKm(near, terms.place) > maxDistance) return false;
    // What would be late from the start would be had for nothing.
    if (deliverWithin !== null && terms.leadSeconds !== null && deliverWithin < terms.leadSeconds) return false;
    return busyCount(this.floor, nodeId) < terms.capacity;
  }

  #hasRoom(buyer: string): boolean {
    const open = this.floor.book.peers('seller', ['INQUIRED', 'PROPOSED']);
    const buyers = [...open, ...this.#underway.values()];
    const ofThisOne = buyers.filter((other) => other === buyer).length;
    if (this.customers.has(buyer)) return ofThisOne < MOST_OPEN_PER_CUSTOMER;
    if (buyers.length >= MOST_OPEN || ofThisOne >= MOST_OPEN_PER_STRANGER) return false;
    if (this.#givenBack > 0) {
      this.#givenBack -= 1;
      return true;
    }
    return this.#calls.take();
  }

  /** Known from now on, and nothing else of it stays. */
  async #refuse(
    offer: Offer,
    { hash, message }: SignedMessage<'call'>,
    reason: RejectReason,
    text: string | null,
  ): Promise<void> {
    const { letters, ports, now } = this.floor;
    const expires = Math.max(now() + ports.times.confirm, Date.parse(message.expires));
    const reject = draft('reject', {
      to: message.from,
      previous: hash,
      expires,
      body: { reason, text },
      once: true,
    }) as Draft;
    await letters.post({ contractId: hash, side: 'seller', nodeId: offer.nodeId }, [reject], (_append, sql) => {
      letters.remember(sql, hash, Date.parse(message.expires));
      letters.forget(sql, { contractId: hash, side: 'seller' });
    });
  }

  async #inquire(offer: Offer, call: SignedMessage<'call'>): Promise<void> {
    const { book, now } = this.floor;
    const { from, body, expires } = call.message;
    const { title, unit, underpaid, service } = offer.terms;
    const { quantity, deliverWithin } = body;
    const facts: SellerFacts = { ...NO_FACTS, title, unit, quantity, underpaid, deliverWithin };
    const key = { contractId: call.hash, side: 'seller' as const };
    const { nodeId } = offer;
    const deadline = Math.min(Date.parse(expires), now() + LONGEST_INQUIRY);
    await this.floor.letters.post(
      { ...key, nodeId },
      [],
      (append) => {
        this.#underway.delete(call.hash);
        book.begin(append, key, 'inquire', { nodeId, service }, { peer: from, deadline, facts: asFacts(facts) });
      },
      [call],
    );
    const row = this.acts.row(call.hash);
    this.acts.say(nodeId, offerEvent(row, 'inquiry', { parameters: body.parameters }));
  }

  async #propose(offer: Offer, call: SignedMessage<'call'>, price: string): Promise<void> {
    const { book, letters } = this.floor;
    const { from } = call.message;
    const facts = this.#facts(offer, call.message, price);
    if (facts === undefined) return this.#refuse(offer, call, 'quantity', null);
    const key = { contractId: call.hash, side: 'seller' as const };
    const { nodeId } = offer;
    const { service } = offer.terms;
    await letters.post(
      { ...key, nodeId },
      [this.#proposal(offer, call.hash, from, facts)],
      (append, _sql, _contractId, posted) => {
        this.#underway.delete(call.hash);
        const proposed: SellerFacts = { ...facts, proposal: posted[0]?.hash ?? null };
        const deadline = facts.validUntil;
        book.begin(append, key, 'propose', { nodeId, service }, { peer: from, deadline, facts: asFacts(proposed) });
      },
      [call],
    );
    const row = this.acts.row(call.hash);
    this.acts.say(nodeId, offerEvent(row, 'proposed', this.#money(row)));
  }

  /** Undefined: nobody could pay that. */
  #facts({ terms }: Offer, { body }: SignedMessage<'call'>['message'], price: string): SellerFacts | undefined {
    const { title, unit, underpaid, validFor } = terms;
    const { quantity, deliverWithin } = body;
    const amount = amountFor(BigInt(price), quantity);
    if (amount <= 0n || amount > MOST_AMOUNT) return undefined;
    return {
      ...NO_FACTS,
      title,
      unit,
      quantity,
      underpaid,
      deliverWithin,
      price,
      amount: amount.toString(),
      validUntil: this.floor.now() + validFor * 1_000,
    };
  }

  #proposal({ terms }: Offer, contractId: string, to: string, facts: SellerFacts): Draft {
    const { network, times } = this.floor.ports;
    return draft('proposal', {
      to,
      previous: contractId,
      expires: facts.validUntil as number,
      once: false,
      body: {
        service: terms.service,
        title: facts.title,
        unit: facts.unit,
        price: facts.price as string,
        quantity: facts.quantity,
        amount: facts.amount as string,
        token: network.token,
        decimals: network.decimals,
        place: terms.place,
        leadSeconds: terms.leadSeconds,
        payWithin: Math.ceil(times.pay / 1_000),
      },
    }) as Draft;
  }
}

/** Contracts of a node that take its capacity. */
export function busyCount({ book }: Floor, nodeId: string): number {
  return book.count('seller', nodeId, BUSY);
}
