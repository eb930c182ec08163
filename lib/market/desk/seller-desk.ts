import { CodedError } from '../../errors';
import type { Sql } from '../../journal';
import type { PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { ChannelSettings, Contract, OfferCommand, OfferSettings } from '../market-order';
import type { SignedMessage } from '../messages/message';
import { parsePrice } from '../settings';
import type { FinishedRow } from './contract-book';
import { Customers } from './customers';
import { Deliveries } from './deliveries';
import type { Desk, Floor } from './floor';
import { Incoming } from './incoming-money';
import type { Notice, NoticeBody } from './notices';
import { ABSENT_MS, type Offer, Offers } from './offers';
import { Proposing } from './proposing';
import { Refunds } from './refunds';
import { SellerActs } from './seller-acts';
import { factsOf, offerEvent, type SellerRow } from './seller-facts';
import { SellerPost } from './seller-post';

/** Payments with this in front of their id give money back. */
export const REFUND_ID = 'refund:';

/** After a restart what came in meanwhile has to be read first. */
const CATCHING_UP = 60_000;
/** For so long proofs of proposals that nobody took are kept. */
const PROPOSALS_KEPT = 3_600_000;
const WITHDRAWABLE: ReadonlySet<SellerRow['state']> = new Set([
  'INQUIRED',
  'PROPOSED',
  'ACCEPTED',
  'STARTING',
  'DELIVERING',
]);
/** How soon an account that could not see its ledger is asked again. */
const LOOK_AGAIN = 5_000;

/** The seller's side: offers, what becomes of calls for them, the money, the delivery, and what goes back. */
export class SellerDesk implements Desk<'seller'> {
  readonly #customers: Customers;
  readonly #offers: Offers;
  readonly #refunds: Refunds;
  readonly #acts: SellerActs;
  readonly #proposing: Proposing;
  readonly #deliveries: Deliveries;
  readonly #money: Incoming;
  readonly #post: SellerPost;

  constructor(private readonly floor: Floor) {
    this.#customers = new Customers(floor);
    this.#offers = new Offers(floor, this.#customers, (nodeId) => this.#gone(nodeId));
    this.#refunds = new Refunds(floor, {
      paid: (refund, receipt) => this.#money.refunded(refund, receipt),
      waiting: (refund, code) => this.#money.refundWaits(refund, code),
    });
    this.#acts = new SellerActs(floor, this.#refunds, (nodeId) => this.#stands(nodeId));
    this.#proposing = new Proposing(floor, this.#offers, this.#customers, this.#acts);
    this.#deliveries = new Deliveries(floor, this.#offers, this.#acts);
    this.#money = new Incoming(floor, this.#acts, this.#deliveries, this.#refunds, (buyer) => this.#covered(buyer));
    this.#post = new SellerPost(floor, this.#offers, this.#acts, this.#deliveries);
  }

  async offer(nodeId: string, settings: OfferSettings, channel: ChannelSettings): Promise<void> {
    const { notices, letters, book, now } = this.floor;
    try {
      await this.#offers.open(nodeId, settings, channel);
      await this.#offers.show(nodeId);
    } catch (error) {
      this.#offers.leave(nodeId);
      throw error;
    }
    // It may have closed meanwhile.
    if (!this.#offers.isThere(nodeId)) return;
    await this.#endOthers(nodeId);
    letters.resume(nodeId, book.heardOf(nodeId, now() - PROPOSALS_KEPT));
    await notices.attend(nodeId);
    for (const row of book.openOf('seller', nodeId)) if (row.state === 'DELIVERING') this.#deliveries.tellAgain(row);
    this.#stands(nodeId);
  }

  async closeOffer(nodeId: string): Promise<void> {
    this.floor.notices.absent(nodeId);
    this.#offers.leave(nodeId);
  }

  async command(nodeId: string, command: OfferCommand): Promise<void> {
    if ('contractId' in command && command.contractId !== null) {
      const { contractId } = command;
      await this.floor.turns.take(contractId, () => this.#commandContract(nodeId, contractId, command));
      return;
    }
    const offer = this.#offerOf(nodeId);
    switch (command.command) {
      case 'price':
        this.#offers.setPrice(offer, command.price);
        break;
      case 'pause':
        offer.paused = true;
        break;
      case 'resume':
        offer.paused = false;
        offer.withdrawn = false;
        break;
      case 'withdraw':
        offer.withdrawn = true;
        await this.#withdrawProposals(nodeId);
    }
    this.#stands(nodeId);
    await this.#offers.changed(nodeId);
  }

  /** The channel knows nothing any more of what this node wants. */
  async show(nodeId: string): Promise<void> {
    await this.#offers.show(nodeId);
  }

  started(notice: Notice): Promise<void> {
    return this.#deliveries.started(notice);
  }

  freshen(notice: Notice): NoticeBody {
    return this.#deliveries.freshen(notice);
  }

  async hearCall(signal: Extract<ChannelSignal, { call: unknown }>): Promise<void> {
    await this.floor.turns.take(signal.call.hash, async () => {
      if (!this.floor.closed) await this.#proposing.hearCall(signal);
    });
  }

  hearReport(report: PaymentReport): Promise<void> {
    return this.#refunds.hearReport(report);
  }

  hearMessage(row: SellerRow, message: SignedMessage): Promise<void> {
    return this.#post.hear(row, message);
  }

  hearRefused(row: SellerRow, { reason }: Extract<ChannelSignal, { refused: unknown }>['refused']): void {
    this.#acts.say(row.nodeId, offerEvent(row, 'refused', { reason }));
  }

  hearMoney(row: SellerRow, payment: ReceivedPayment): Promise<void> {
    return this.#money.hear(row, payment);
  }

  async hearDeadline(row: SellerRow): Promise<void> {
    const notPaid = { reason: 'not-paid', text: null, refund: null } as const;
    switch (row.state) {
      case 'INQUIRED':
      case 'PROPOSED':
        return this.#acts.end(row, { event: 'expired', why: 'expired' });
      case 'ACCEPTED': {
        const drafts = this.#acts.drafts(row, 'cancel', notPaid);
        return this.#acts.end(row, { event: 'cancelled', why: 'not-paid', drafts, facts: { reason: 'not-paid' } });
      }
      case 'STARTING':
        return this.#acts.fail(row, 'not-started');
      case 'DELIVERING':
        return this.#deliveries.timeIsUp(row);
      case 'DELIVERED':
        return this.#deliveries.complete(row, 'complete');
      default:
        await this.#acts.act(row, { event: null, deadline: null });
    }
  }

  async resume(): Promise<void> {
    const { book, turns } = this.floor;
    this.#refunds.resume();
    void this.#awaitAccount();
    const open = book.inStates('seller', ['INQUIRED', 'PROPOSED', 'ACCEPTED', 'STARTING', 'DELIVERING']);
    for (const { contractId } of open) await turns.take(contractId, () => this.#takeUp(this.#acts.row(contractId)));
    for (const { nodeId } of open) if (!this.#offers.hasCome(nodeId)) this.#offers.leave(nodeId);
  }

  contractOf(row: SellerRow, finished: Pick<FinishedRow, 'state' | 'at'>): Contract {
    return this.#acts.contractOf(row, finished);
  }

  get unsettled(): boolean {
    return this.#refunds.unsettled;
  }

  sweep(sql: Sql): void {
    this.floor.letters.forgetProposals(sql, this.floor.now() - PROPOSALS_KEPT);
  }

  close(): void {
    this.#offers.close();
    this.#deliveries.close();
    this.#refunds.close();
  }

  /** Nothing binds us before money that comes in would be seen. */
  async #awaitAccount(): Promise<void> {
    const { ports } = this.floor;
    if (this.floor.closed) return;
    try {
      await ports.account.firstLook();
      this.#proposing.begin();
    } catch {
      ports.clock.after(LOOK_AGAIN, () => void this.#awaitAccount());
    }
  }

  /** What an earlier process has left. */
  async #takeUp(row: SellerRow): Promise<void> {
    const now = this.floor.now();
    const { until, startedAt } = factsOf(row);
    // Money that came in time may not have been read, and a flow may not have been there.
    const grace = row.state === 'ACCEPTED' ? CATCHING_UP : row.state === 'STARTING' ? ABSENT_MS : 0;
    // A clock from before it began (a machine without a battery) cannot tell how much of it is over.
    const isOver = until !== null && (until <= now || (startedAt ?? 0) > now + this.floor.ports.times.skew);
    if (row.state === 'DELIVERING' && isOver) await this.#acts.fail(row, 'interrupted');
    else if (grace > 0 && row.deadline !== null && row.deadline < now + grace)
      await this.#acts.act(row, { event: null, deadline: now + grace });
  }

  /** The node did not come back: nobody starts, stops or measures anything. */
  async #gone(nodeId: string): Promise<void> {
    const { book, turns, places } = this.floor;
    await this.#withdrawProposals(nodeId);
    for (const { contractId } of book.openOf('seller', nodeId)) {
      await turns.take(contractId, async () => {
        const row = this.#acts.row(contractId);
        if (row.state === 'DELIVERING' && !this.#offers.isThere(nodeId)) await this.#acts.fail(row, 'interrupted');
      });
    }
    if (book.openOf('seller', nodeId).length === 0 && !this.#offers.isThere(nodeId)) places.leave({ nodeId });
  }

  /** A node that offers something else now has a flow that does not know what it offered before. */
  async #endOthers(nodeId: string): Promise<void> {
    for (const { contractId } of this.floor.book.openOf('seller', nodeId)) {
      await this.floor.turns.take(contractId, async () => {
        const row = this.#acts.row(contractId);
        const { service, unit } = this.#offers.get(nodeId)?.terms ?? {};
        const isSame = service === undefined || (service === row.service && unit === factsOf(row).unit);
        if (!isSame && WITHDRAWABLE.has(row.state)) await this.#withdraw(row);
      });
    }
  }

  async #withdrawProposals(nodeId: string): Promise<void> {
    for (const { contractId } of this.floor.book.openOf('seller', nodeId)) {
      await this.floor.turns.take(contractId, async () => {
        const row = this.#acts.row(contractId);
        if (row.state === 'INQUIRED' || row.state === 'PROPOSED') await this.#withdraw(row);
      });
    }
  }

  async #commandContract(nodeId: string, contractId: string, command: OfferCommand): Promise<void> {
    const row = this.floor.book.contract(contractId, 'seller');
    if (row?.nodeId !== nodeId)
      throw new CodedError('CONFIG_INVALID', 'no-contract', `no contract ${contractId.slice(0, 64)} of this offer`, {
        contractId: contractId.slice(0, 64),
      });
    const { state } = row;
    if (command.command === 'price' && state === 'INQUIRED') {
      const price = parsePrice(command.price, this.floor.ports.network);
      if (price !== null) return this.#proposing.answerInquiry(row, this.#offerOf(nodeId), price);
    }
    if (command.command === 'withdraw') return this.#withdraw(row);
    if (state === 'DELIVERING') {
      if (command.command === 'meter') return this.#deliveries.meter(row, command.quantity);
      if (command.command === 'delivered') return this.#deliveries.fulfil(row);
    }
    if (command.command === 'failed' && (state === 'DELIVERING' || state === 'STARTING'))
      return this.#acts.fail(row, 'failed', command.text?.slice(0, 200) ?? null);
    throw this.#wrongState(row, command);
  }

  async #withdraw(row: SellerRow): Promise<void> {
    switch (row.state) {
      case 'INQUIRED':
      case 'PROPOSED': {
        const reason = row.state === 'INQUIRED' ? 'declined' : 'withdrawn';
        const drafts = this.#acts.drafts(row, 'reject', { reason, text: null });
        return this.#acts.end(row, { event: 'rejected', why: reason, drafts });
      }
      case 'ACCEPTED': {
        const drafts = this.#acts.drafts(row, 'cancel', { reason: 'withdrawn', text: null, refund: null });
        return this.#acts.end(row, { event: 'cancelled', why: 'withdrawn', drafts, facts: { reason: 'withdrawn' } });
      }
      case 'STARTING':
      case 'DELIVERING':
        return this.#acts.fail(row, 'withdrawn');
      default:
        throw this.#wrongState(row, { command: 'withdraw', contractId: row.contractId });
    }
  }

  #wrongState({ contractId, state }: SellerRow, { command }: OfferCommand): CodedError {
    return new CodedError('CONFIG_INVALID', 'contract-state', `${command} is not possible in state ${state}`, {
      command,
      state,
      contractId,
    });
  }

  #offerOf(nodeId: string): Offer {
    const offer = this.#offers.get(nodeId);
    if (offer) return offer;
    throw new CodedError('CONFIG_INVALID', 'no-offer', 'this node does not offer anything at the moment');
  }

  /** Of the calls that nobody pays for there is one less, and one customer more. */
  #covered(buyer: string | null): void {
    this.#proposing.giveBack();
    if (buyer !== null && this.#customers.add(buyer))
      void this.#offers.know().catch((error) => this.floor.trouble(error));
  }

  #stands(nodeId: string): void {
    const offer = this.#offers.get(nodeId);
    if (!offer || !this.#offers.isThere(nodeId) || this.floor.closed) return;
    const { price, paused, withdrawn } = offer;
    const delivering = this.floor.book.count('seller', nodeId, ['DELIVERING']);
    this.floor.ports.emit({ nodeId, standing: { price, paused, withdrawn, delivering } });
  }
}
