import { CodedError } from '../../errors';
import type { PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { BuySettings, ChannelSettings, Contract } from '../market-order';
import type { RejectReason, SignedMessage } from '../messages/message';
import { refundReferenceOf } from '../messages/names';
import { parseBuyOrder } from '../settings';
import { choose } from './choosing';
import { allows, type FinishedRow } from './contract-book';
import { draft } from './correspondence';
import type { Desk, Floor } from './floor';
import { judgeProposal } from './judgement';
import type { MarketOrigin } from './market-ports';
import { callOf, factsOf, factsToKeep, isRefunded, type PurchaseRow, sellerAddress, type Told } from './purchase';
import { purchaseContract } from './purchase-contract';
import { PurchasePayments } from './purchase-payment';
import { PurchaseSteps } from './purchase-steps';

/** Sellers whose proposals to one call are kept, and others that are answered: more of them make no better choice. */
const MOST_PROPOSALS = 100;
/** Nobody needs more in one contract: what a seller says beyond that fills no disk. */
const MOST_MESSAGES = 32;
/** Sellers read their meters out every 10 s: what comes much faster is not noted. */
const METER_PAUSE = 5_000;
/** Sellers that decline are told once each, and no more than these. */
const MOST_DECLINES = 100;
/** Answers to what comes too late. */
const MOST_LATE_ANSWERS = 100;
const LONGEST_TOPIC = 4_096;
/** So long after it ended a purchase may be asked for once more by who did not hear that it was taken. */
const ASKED_AGAIN = 3_600_000;

/**
 * The buyer's side of contracts: calls, waits for proposals, takes the best, pays it once it was confirmed, and holds the
 * seller to it. Every step is a line of {@link BUYER_TRANSITIONS}; what a message says counts only where it has one.
 */
export class BuyerDesk implements Desk<'buyer'> {
  readonly #steps: PurchaseSteps;
  readonly #payments: PurchasePayments;
  /** Who declined which call, for as long as this process lives. */
  readonly #declined = new Map<string, Set<string>>();

  constructor(private readonly floor: Floor) {
    this.#steps = new PurchaseSteps(floor);
    this.#payments = new PurchasePayments(floor, {
      paid: async (row, receipt) => {
        await this.#steps.pay(row, receipt);
        await floor.ports.account.reported(receipt.paymentId);
        await this.#takeUpEarly(row.contractId);
      },
      refused: (row, failure) => this.#steps.refuse(row, failure),
      unknown: (row) => this.#tell(row, { event: 'unknown', seller: row.peer }),
    });
  }

  /** @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID` and the like for settings that are wrong */
  async buy(
    origin: MarketOrigin,
    settings: BuySettings,
    channel: ChannelSettings,
  ): Promise<{ readonly contractId: string }> {
    const { ports, places, letters, book } = this.floor;
    const order = parseBuyOrder(settings, ports.network);
    const { nodeId } = origin;
    await places.enter({ nodeId }, channel);
    const asked = this.#askedBefore(origin);
    if (asked) return { contractId: asked.contractId };
    const { service, parameters, quantity, maxPrice, near, maxDistance, deliverWithin, choice } = order;
    const deadline = this.floor.now() + Math.ceil(order.waitSeconds * 1_000);
    const call = draft('call', {
      to: null,
      previous: null,
      expires: deadline,
      body: { service, parameters, quantity, maxPrice, near, maxDistance, deliverWithin },
      once: false,
    });
    const facts = factsToKeep({
      origin: keptOrigin(origin),
      choice,
      quantity,
      deliverWithin,
      ranked: null,
      tried: 0,
      leftOut: {},
      because: null,
      agreed: null,
      receipt: null,
      refunds: [],
      metered: null,
      meteredAt: null,
      reason: null,
      lateAnswers: 0,
    });
    const [posted] = await letters.post(
      { contractId: null, side: 'buyer', nodeId },
      [call],
      (append, _sql, contractId) =>
        book.begin(append, { contractId, side: 'buyer' }, 'call', { nodeId, service }, { deadline, facts }),
    );
    const contractId = posted?.hash as string;
    const row = book.contract(contractId, 'buyer');
    if (row) this.#tell(row, { event: 'called', seller: null, until: new Date(deadline).toISOString() });
    return { contractId };
  }

  #askedBefore({ nodeId, askId }: MarketOrigin): PurchaseRow | undefined {
    if (askId === undefined) return undefined;
    const { book, now } = this.floor;
    const recent = book.heardOf(nodeId, now() - ASKED_AGAIN).filter((row): row is PurchaseRow => row.side === 'buyer');
    return recent.find((row) => factsOf(row).origin.askId === askId);
  }

  /** The node is there: it hears what it was not told, and what nobody answered is sent again. */
  async attend(nodeId: string, channel: ChannelSettings): Promise<void> {
    const { places, letters, notices, book, now } = this.floor;
    await places.enter({ nodeId }, channel);
    letters.resume(nodeId, book.heardOf(nodeId, now()));
    await notices.attend(nodeId);
  }

  /** The channel stays for what is under way. */
  async leave(nodeId: string): Promise<void> {
    const { places, notices, book } = this.floor;
    notices.absent(nodeId);
    if (book.openOf('buyer', nodeId).length === 0) places.leave({ nodeId });
  }

  /** @throws CodedError `CONFIG_INVALID` (`no-contract`, `contract-state`) */
  async end(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void> {
    const { book, turns } = this.floor;
    await turns.take(contractId, async () => {
      const row = book.contract(contractId, 'buyer');
      if (row?.nodeId !== nodeId)
        throw new CodedError('CONFIG_INVALID', 'no-contract', 'this node has no such contract', { contractId });
      if (!allows(row, how))
        throw new CodedError('CONFIG_INVALID', 'contract-state', `a contract in ${row.state} knows no ${how}`, {
          state: row.state,
          command: how,
        });
      await (how === 'stop' ? this.#steps.stop(row) : this.#steps.cancel(row));
    });
  }

  async hearReport(report: PaymentReport): Promise<void> {
    await this.#payments.hearReport(report);
  }

  async hearMessage(row: PurchaseRow, message: SignedMessage): Promise<void> {
    const { type, previous, from } = message.message;
    if (type === 'proposal') return this.#hearProposal(row, message as SignedMessage<'proposal'>);
    if (previous === null || !this.floor.letters.isOurs(row, previous))
      return this.#tell(row, { event: 'refused', seller: from, reason: 'previous' });
    if (this.floor.letters.countHeard(row, from) >= MOST_MESSAGES) return;
    if (type === 'accept') return this.#hearAccept(row, message as SignedMessage<'accept'>);
    if (type === 'reject' || type === 'cancel') return this.#hearNo(row, message as SignedMessage<'reject' | 'cancel'>);
    if (type === 'delivered') return this.#hearDelivered(row, message as SignedMessage<'delivered'>);
    // Words of a buyer, from somebody else's mouth.
    this.#tell(row, { event: 'refused', seller: from, reason: 'invalid' });
  }

  hearRefused(row: PurchaseRow, { from, reason }: Extract<ChannelSignal, { refused: unknown }>['refused']): void {
    this.#tell(row, { event: 'refused', seller: from, reason });
  }

  /** Money is a refund when the seller sent it under the reference of refunds; anything else is a present. */
  async hearMoney(row: PurchaseRow, payment: ReceivedPayment): Promise<void> {
    const { agreed } = factsOf(row);
    const isRefund =
      payment.reference === refundReferenceOf(row.contractId) &&
      agreed !== null &&
      payment.from === sellerAddress(agreed, this.floor);
    if (isRefund) await this.#steps.receiveRefund(row, payment);
  }

  async hearDeadline(row: PurchaseRow): Promise<void> {
    switch (row.state) {
      case 'CALLING':
        return this.#choose(row);
      case 'ACCEPTING':
        return this.#choose(row);
      case 'PAID':
        return this.#steps.beLate(row, new CodedError('DELIVERY_LATE', 'default', 'it was not delivered in time'));
      case 'LATE':
        return this.#steps.despair(row);
      default: {
        const { ports, book } = this.floor;
        await ports.journal.write((append) => book.note(append, row, { deadline: null }));
      }
    }
  }

  async resume(): Promise<void> {
    const { book, turns, trouble } = this.floor;
    for (const { contractId } of book.inStates('buyer', ['PAYING', 'PAID'])) {
      const again = async () => {
        const row = book.contract(contractId, 'buyer');
        if (row?.state === 'PAYING') await this.#payments.takeUp(row);
        else await this.#takeUpEarly(contractId);
      };
      // Not waited for: an account that has not seen its ledger yet must not hold up the others.
      void turns.take(contractId, again).catch(trouble);
    }
  }

  contractOf(row: PurchaseRow, finished: Pick<FinishedRow, 'state' | 'at'>): Contract {
    return purchaseContract(row, finished, this.floor);
  }

  async #choose(row: PurchaseRow, no?: SignedMessage): Promise<void> {
    const decision = await choose(row, this.floor);
    this.#declined.delete(row.contractId);
    switch (decision.kind) {
      case 'chosen':
        return this.#steps.accept(row, decision, no);
      case 'none':
        return this.#steps.giveUp(row, decision, no);
      case 'later':
        return this.#steps.waitALittle(row, no);
    }
  }

  async #hearProposal(row: PurchaseRow, proposal: SignedMessage<'proposal'>): Promise<void> {
    const { letters, ports } = this.floor;
    const { from, body } = proposal.message;
    if (row.state !== 'CALLING') return this.#answerLate(row, proposal);
    const documents = letters.documents(row);
    const answered = new Set(documents.filter(({ direction }) => direction === 'out').map(({ previous }) => previous));
    const proposals = documents.filter(({ direction, type }) => direction === 'in' && type === 'proposal');
    const known = proposals.filter(({ hash }) => !answered.has(hash));
    const judged = judgeProposal(proposal, {
      contractId: row.contractId,
      call: callOf(row, this.floor),
      network: ports.network,
    });
    if (typeof judged === 'string') {
      // Each hears it once: nobody's nonsense takes the place of others, or fills the log with our answers.
      const declined = proposals.filter(({ hash }) => answered.has(hash));
      if (declined.length >= MOST_PROPOSALS || declined.some(({ peer }) => peer === from)) return;
      return this.#decline(row, proposal, judged);
    }
    const before = known.find(({ peer }) => peer === from);
    if (!before && known.length >= MOST_PROPOSALS) return;
    // The latest word of a seller counts, and not the latest that came.
    const isOlder = before !== undefined && (JSON.parse(before.text) as { at: string }).at > proposal.message.at;
    await ports.journal.write((_append, sql) => {
      if (isOlder) return letters.remember(sql, proposal.hash, Date.parse(proposal.message.expires));
      letters.forget(sql, row, from);
      letters.keep(sql, row, proposal);
    });
    if (isOlder) return;
    const { price, unit, amount, leadSeconds, title } = body;
    this.#tell(row, {
      event: 'proposal',
      seller: from,
      title,
      price,
      unit,
      amount,
      leadSeconds,
      distance: judged.distance,
    });
  }

  async #decline(row: PurchaseRow, proposal: SignedMessage<'proposal'>, reason: RejectReason): Promise<void> {
    await this.#steps.reject(row, proposal, reason);
    this.#tell(row, { event: 'refused', seller: proposal.message.from, reason });
  }

  /** The choice has been made. */
  async #answerLate(row: PurchaseRow, proposal: SignedMessage<'proposal'>): Promise<void> {
    const { lateAnswers } = factsOf(row);
    if (lateAnswers >= MOST_LATE_ANSWERS) return;
    await this.#steps.reject(row, proposal, 'late', { lateAnswers: lateAnswers + 1 });
    this.#tell(row, { event: 'refused', seller: proposal.message.from, reason: 'late' });
  }

  async #hearAccept(row: PurchaseRow, accept: SignedMessage<'accept'>): Promise<void> {
    const { agreed, lateAnswers } = factsOf(row);
    const { from, previous, body } = accept.message;
    if (agreed?.seller !== from || agreed.accept !== previous) {
      // It confirms what we do not wait for any more, and hears so.
      if (lateAnswers >= MOST_LATE_ANSWERS || !this.#accepted(row, from)) return;
      return this.#steps.callOff(row, accept, lateAnswers + 1);
    }
    if (row.state === 'CANCELLED') {
      if (lateAnswers < MOST_LATE_ANSWERS) await this.#steps.callOff(row, accept, lateAnswers + 1);
      return;
    }
    if (row.state !== 'ACCEPTING') return this.#steps.keep(row, accept);
    const payBy = body.payBy === null ? Number.NaN : Date.parse(body.payBy);
    // Another amount, or no time to pay it: that is not what was accepted.
    if (body.amount !== agreed.amount || !(payBy > this.floor.now())) {
      this.#tell(row, { event: 'refused', seller: from, reason: 'invalid' });
      return this.#choose(row, accept);
    }
    await this.#steps.confirm(row, accept, payBy);
    const confirmed = this.floor.book.contract(row.contractId, 'buyer');
    if (confirmed?.state === 'PAYING') await this.#payments.hand(confirmed);
  }

  /** Whether we ever accepted something of this seller in this contract. */
  #accepted(row: PurchaseRow, seller: string): boolean {
    return this.floor.letters
      .documents(row)
      .some(({ direction, type, peer }) => direction === 'out' && type === 'accept' && peer === seller);
  }

  async #hearNo(row: PurchaseRow, no: SignedMessage<'reject' | 'cancel'>): Promise<void> {
    const { from, type, body } = no.message;
    const { agreed } = factsOf(row);
    const said = { seller: from, reason: body.reason, text: body.text };
    if (row.state === 'CALLING') {
      await this.#hearDeclined(row, no);
    } else if (agreed?.seller !== from) {
      if (row.endedAt === null && this.#proposed(row, from)) await this.#steps.keep(row, no);
    } else if (row.state === 'ACCEPTING') {
      this.#tell(row, { event: 'declined', ...said });
      await this.#choose(row, no);
    } else if (row.state === 'PAID' && type === 'cancel') {
      await this.#steps.beLate(row, givenUp(body.reason), no);
    } else if (row.state === 'PAYING' || row.state === 'LATE' || row.state === 'PAID') {
      await this.#steps.keep(row, no);
    }
  }

  /** Somebody makes no proposal, or takes his back. */
  async #hearDeclined(row: PurchaseRow, no: SignedMessage<'reject' | 'cancel'>): Promise<void> {
    const { from, body } = no.message;
    const declined = this.#declined.get(row.contractId) ?? new Set();
    this.#declined.set(row.contractId, declined);
    const proposed = this.#proposed(row, from);
    if (!proposed && (declined.has(from) || declined.size >= MOST_DECLINES)) return;
    declined.add(from);
    if (proposed) await this.#steps.keep(row, no);
    this.#tell(row, { event: 'declined', seller: from, reason: body.reason, text: body.text });
  }

  #proposed(row: PurchaseRow, seller: string): boolean {
    return this.floor.letters
      .documents(row)
      .some(({ direction, type, peer }) => direction === 'in' && type === 'proposal' && peer === seller);
  }

  async #hearDelivered(row: PurchaseRow, delivered: SignedMessage<'delivered'>): Promise<void> {
    const { agreed } = factsOf(row);
    const { from, body } = delivered.message;
    if (agreed?.seller !== from || agreed.payBy === null)
      return this.#tell(row, { event: 'refused', seller: from, reason: 'invalid' });
    if (!body.final) {
      const { meteredAt } = factsOf(row);
      // Either way: the clock may have been set.
      if (meteredAt !== null && Math.abs(this.floor.now() - meteredAt) < METER_PAUSE) return;
      if (row.endedAt === null) await this.#steps.meter(row, delivered);
      this.#tell(row, { event: 'metered', seller: from, quantity: body.quantity });
    } else if (allows(row, 'deliver')) await this.#steps.deliver(row, delivered);
    // It saw the money before we heard that it is there.
    else if (row.state === 'PAYING') await this.#steps.keep(row, delivered);
    else if (row.state === 'COMPLETED') await this.#steps.completeAgain(row, delivered);
  }

  /** What came before the receipt is judged with it, also when the process ended in between. */
  async #takeUpEarly(contractId: string): Promise<void> {
    const row = this.floor.book.contract(contractId, 'buyer');
    if (row?.state !== 'PAID') return;
    if (isRefunded(factsOf(row))) return this.#steps.refund(row);
    for (const { direction, peer, type, hash, text } of this.floor.letters.documents(row)) {
      if (direction !== 'in' || peer !== row.peer) continue;
      const message = { hash, text, message: JSON.parse(text) } as SignedMessage;
      if (type === 'delivered' && (message as SignedMessage<'delivered'>).message.body.final)
        return this.#steps.deliver(row, message as SignedMessage<'delivered'>);
      if (type === 'cancel')
        return this.#steps.beLate(row, givenUp((message as SignedMessage<'cancel'>).message.body.reason), message);
    }
  }

  #tell(row: PurchaseRow, progress: Told): void {
    const { contractId, nodeId } = row;
    const { origin } = factsOf(row);
    this.floor.ports.emit({ nodeId, progress: { contractId, ...progress }, origin });
  }
}

function givenUp(reason: string): CodedError {
  return new CodedError('DELIVERY_LATE', 'given-up', `the seller gave up: ${reason}`, { reason });
}

/** A topic of megabytes is not kept for ever. */
function keptOrigin({ nodeId, topic, messageId, askId }: MarketOrigin): MarketOrigin {
  const short = (text: string | undefined) => text !== undefined && text.length <= LONGEST_TOPIC;
  return {
    nodeId,
    ...(short(topic) && { topic }),
    ...(short(messageId) && { messageId }),
    ...(short(askId) && { askId }),
  } as MarketOrigin;
}
