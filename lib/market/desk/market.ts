import { CodedError, isCodedError } from '../../errors';
import type { Sql } from '../../journal';
import type { ListenFrom, PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { BuySettings, ChannelSettings, Contract, OfferCommand, OfferSettings } from '../market-order';
import type { SignedMessage } from '../messages/message';
import { parseOfferSearch } from '../settings';
import { BuyerDesk } from './buyer-desk';
import { ContractBook, type ContractRow, type FinishedRow, type Side } from './contract-book';
import { ContractListeners } from './contract-listeners';
import { Correspondence } from './correspondence';
import { Deadlines } from './deadlines';
import type { Desk, Floor } from './floor';
import { MARKET_NODE, type MarketDoors } from './market-doors';
import type { MarketOrigin, MarketPorts } from './market-ports';
import { MeetingPlaces } from './meeting-places';
import { Notices } from './notices';
import { REFUND_ID, SellerDesk } from './seller-desk';
import { Turns } from './turns';

/** `me1:` and the first 32 digits of the contract; what follows says what else the money is. */
const REFERENCE = /^me1:([0-9a-f]{32})(?:\/[a-z]+)?$/;
/** For so long after its end somebody may repeat what he did not hear an answer to. */
const HEARD_LONGER = 3_600_000;
const SWEEP_MS = 600_000;

/**
 * The market of one account: both desks, and what they share. It hears of channels and money, and gives every contract its
 * turn. Whatever it is told may come twice or never, and the process may end anywhere.
 */
export class Market implements MarketDoors {
  readonly #floor: Floor;
  readonly #seller: SellerDesk;
  readonly #buyer: BuyerDesk;
  readonly #deadlines: Deadlines;
  readonly #listeners: ContractListeners;
  readonly #searches = new Map<string, Parameters<MarketDoors['search']>>();
  /** Contracts whose deadline has come and waits for its turn. */
  readonly #coming = new Set<string>();
  #cancelSweep: () => void = () => {};
  /** What an earlier process left was taken up. */
  #hasBegun = false;
  #closed = false;

  /**
   * Takes up what the journal holds. It goes on by itself a moment after this: whoever opens it can hear it then, and it
   * can be told what comes.
   *
   * @param ports.journal opened with the {@link contracts} projection
   */
  static async open(ports: MarketPorts): Promise<Market> {
    const market = new Market(ports);
    ports.clock.after(0, () => void market.#begin());
    return market;
  }

  private constructor(ports: MarketPorts) {
    const book = new ContractBook(ports.journal.sql, ports.network.networkId);
    const trouble = (error: unknown) => this.#trouble(error);
    const now = () => Math.trunc(ports.clock.now());
    const places = new MeetingPlaces(ports, {
      expectedOf: (nodeId) => book.heardOf(nodeId, now() - HEARD_LONGER).map(({ contractId }) => contractId),
      trouble,
    });
    const moved = () => this.#moved();
    const market = this;
    this.#floor = {
      ports,
      book,
      places,
      letters: new Correspondence(ports, places, moved),
      notices: new Notices(ports, (notice) => market.#seller.freshen(notice)),
      turns: new Turns(),
      get closed() {
        return market.#closed;
      },
      now,
      moved,
      trouble,
    };
    this.#seller = new SellerDesk(this.#floor);
    this.#buyer = new BuyerDesk(this.#floor);
    this.#listeners = new ContractListeners(ports, book, (finished) => this.#contractOf(finished));
    this.#deadlines = new Deadlines(
      ports.clock,
      () => book.nextDeadline(),
      () => this.#deadlinesCome(),
      trouble,
    );
  }

  async offer(nodeId: string, settings: OfferSettings, channel: ChannelSettings): Promise<void> {
    this.#assertOpen();
    await this.#seller.offer(nodeId, settings, channel);
  }

  async closeOffer(nodeId: string): Promise<void> {
    if (!this.#closed) await this.#seller.closeOffer(nodeId);
  }

  async command(nodeId: string, command: OfferCommand): Promise<void> {
    this.#assertOpen();
    await this.#seller.command(nodeId, command);
  }

  async buy(
    origin: MarketOrigin,
    settings: BuySettings,
    channel: ChannelSettings,
  ): Promise<{ readonly contractId: string }> {
    this.#assertOpen();
    return this.#buyer.buy(origin, settings, channel);
  }

  async attendPurchases(nodeId: string, channel: ChannelSettings): Promise<void> {
    this.#assertOpen();
    await this.#buyer.attend(nodeId, channel);
  }

  async closePurchases(nodeId: string): Promise<void> {
    if (!this.#closed) await this.#buyer.leave(nodeId);
  }

  async endPurchase(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void> {
    this.#assertOpen();
    await this.#buyer.end(nodeId, contractId, how);
  }

  async noticed(noticeId: string): Promise<void> {
    const { notices, turns, ports } = this.#floor;
    const notice = notices.get(noticeId);
    if (!notice || this.#closed) return;
    if ('offer' in notice.body && notice.body.offer.event === 'start')
      await turns.take(notice.contractId, () => this.#seller.started(notice));
    else await ports.journal.write((_append, sql) => notices.withdraw(sql, noticeId));
  }

  async tellUnattended(): Promise<void> {
    if (!this.#closed) await this.#floor.notices.tellUnattended();
  }

  async search(...parameters: Parameters<MarketDoors['search']>): Promise<void> {
    this.#assertOpen();
    const [listenerId, search, channel] = parameters;
    const { places, ports } = this.#floor;
    const checked = parseOfferSearch(search, ports.network);
    this.#searches.set(listenerId, parameters);
    const channelId = await places.enter({ listenerId }, channel);
    await ports.channels.search(channelId, listenerId, checked).catch((error) => this.#trouble(error));
  }

  async stopSearch(listenerId: string): Promise<void> {
    const { places, ports } = this.#floor;
    const channelId = places.channelOfListener(listenerId);
    this.#searches.delete(listenerId);
    if (channelId !== undefined)
      await ports.channels.stopSearch(channelId, listenerId).catch((error) => this.#trouble(error));
    places.leave({ listenerId });
  }

  async listenContracts(listenerId: string, from: ListenFrom): Promise<void> {
    this.#assertOpen();
    await this.#listeners.listen(listenerId, from);
  }

  async contractDelivered(listenerId: string, eventId: string): Promise<void> {
    if (!this.#closed) await this.#listeners.delivered(listenerId, eventId);
  }

  async stopContracts(listenerId: string): Promise<void> {
    this.#listeners.stop(listenerId);
  }

  hearReport(report: PaymentReport): void {
    if (this.#closed) return;
    if (report.paymentId.startsWith(REFUND_ID)) this.#watch(this.#seller.hearReport(report));
    else this.#watch(this.#buyer.hearReport(report));
  }

  hearPayment(payment: ReceivedPayment, _redelivered: boolean): void {
    if (!this.#closed) this.#watch(this.#hearMoney(payment));
  }

  hearChannel(signal: ChannelSignal): void {
    const { places, ports } = this.#floor;
    if (this.#closed || !places.has(signal.channelId)) return;
    if ('state' in signal) places.hearState(signal);
    else if ('call' in signal) this.#watch(this.#seller.hearCall(signal));
    else if ('message' in signal) this.#watch(this.#hearMessage(signal.message));
    else if ('refused' in signal) this.#hearRefused(signal.refused);
    else ports.emit({ listenerId: signal.searchId, found: signal.found });
  }

  channelsRestarted(): void {
    if (!this.#closed) this.#watch(this.#reopen());
  }

  get unsettled(): boolean {
    return this.#floor.book.unsettled || this.#seller.unsettled;
  }

  get problem(): CodedError | undefined {
    const { damage } = this.#floor.ports.journal;
    return damage === undefined ? undefined : new CodedError('JOURNAL_DAMAGED', 'default', damage);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelSweep();
    this.#deadlines.close();
    this.#seller.close();
    await this.#floor.turns.idle();
    await this.#floor.places.close();
  }

  async #begin(): Promise<void> {
    if (this.#closed) return;
    const { account } = this.#floor.ports;
    const steps = [
      () => account.listen({ listenerId: MARKET_NODE, from: 'now' }),
      () => this.#seller.resume(),
      () => this.#buyer.resume(),
      async () => this.#sweep(),
    ];
    // What one desk cannot take up is no reason for the other to forget what it owes.
    for (const step of steps) await step().catch((error: unknown) => this.#trouble(error));
    this.#hasBegun = true;
    this.#deadlines.look();
  }

  async #hearMessage(message: SignedMessage): Promise<void> {
    const { letters, turns } = this.#floor;
    const { contractId } = message.message;
    if (contractId === null) return;
    await turns.take(contractId, async () => {
      const row = this.#rowOf(contractId);
      if (!row || this.#closed) return;
      // Who repeats himself did not hear our answer.
      if (letters.seen(message.hash)) letters.answerAgain(row, message.hash);
      else await this.#desk(row.side).hearMessage(row, message);
    });
  }

  #hearRefused(refused: Extract<ChannelSignal, { refused: unknown }>['refused']): void {
    const row = this.#rowOf(refused.contractId);
    if (row) this.#desk(row.side).hearRefused(row, refused);
  }

  async #hearMoney(payment: ReceivedPayment): Promise<void> {
    const { book, turns, ports } = this.#floor;
    const [, digits] = REFERENCE.exec(payment.reference ?? '') ?? [];
    const contractId = digits === undefined ? undefined : book.contractOfReference(digits)?.contractId;
    // Nothing is nobody's money, and nothing of it could go back.
    if (contractId !== undefined && BigInt(payment.amount) > 0n)
      await turns.take(contractId, async () => {
        const row = this.#rowOf(contractId);
        if (row) await this.#desk(row.side).hearMoney(row, payment);
      });
    await ports.account.delivered(MARKET_NODE, payment.eventId);
  }

  /** Not waited for: one that takes its time must not hold up the others. */
  #deadlinesCome(): void {
    for (const { contractId, side } of this.#floor.book.due(this.#floor.now())) {
      const name = `${side} ${contractId}`;
      if (this.#coming.has(name)) continue;
      this.#coming.add(name);
      this.#watch(this.#deadlineComes(contractId, side).finally(() => this.#coming.delete(name)));
    }
  }

  #deadlineComes(contractId: string, side: Side): Promise<void> {
    const { book, turns, now } = this.#floor;
    return turns.take(contractId, async () => {
      const row = book.contract(contractId, side);
      if (!row || row.deadline === null || row.deadline > now() || this.#closed) return;
      await this.#desk(side).hearDeadline(row);
    });
  }

  async #reopen(): Promise<void> {
    const users = await this.#floor.places.reopen();
    for (const user of users) {
      if ('listenerId' in user) {
        const search = this.#searches.get(user.listenerId);
        if (search) await this.search(...search);
      } else {
        await this.#seller.show(user.nodeId);
        const { book, letters, now } = this.#floor;
        letters.resume(user.nodeId, book.heardOf(user.nodeId, now() - HEARD_LONGER));
      }
    }
  }

  #moved(): void {
    if (this.#closed) return;
    // What was overdue when we came is judged by who takes it up: time that went by without us delivered nothing.
    if (this.#hasBegun) this.#deadlines.look();
    this.#listeners.look();
  }

  /** What nobody will ask for any more. */
  #sweep(): void {
    if (this.#closed) return;
    const { letters, places, ports } = this.#floor;
    this.#watch(
      ports.journal.write((_append, sql) => {
        letters.sweep(sql);
        this.#seller.sweep(sql);
      }),
    );
    places.forgetOld();
    this.#cancelSweep = ports.clock.after(SWEEP_MS, () => this.#sweep());
  }

  #contractOf(finished: FinishedRow): Contract | undefined {
    const row = this.#floor.book.contract(finished.contractId, finished.side);
    return row && this.#desk(row.side).contractOf(row, finished);
  }

  #rowOf(contractId: string): ContractRow | undefined {
    const { book } = this.#floor;
    return book.contract(contractId, 'seller') ?? book.contract(contractId, 'buyer');
  }

  #desk(side: Side): Desk<Side> {
    return (side === 'seller' ? this.#seller : this.#buyer) as Desk<Side>;
  }

  #assertOpen(): void {
    if (this.#closed) throw new CodedError('PAYMENT_FAILED', 'closed', 'the market is closed');
    const { problem } = this;
    if (problem) throw problem;
  }

  #watch(work: Promise<unknown>): void {
    void work.catch((error) => this.#trouble(error));
  }

  #trouble(error: unknown): void {
    // A market worker that is being restarted is told everything again; a damaged journal is told by the account.
    if (this.#closed || isCodedError(error, 'LEDGER_UNREACHABLE') || isCodedError(error, 'JOURNAL_DAMAGED')) return;
    this.#floor.ports.emit({ trouble: error instanceof Error ? error.message : String(error) });
  }
}

/** Whether this identity ever had a contract on that network: then its market goes on, whatever nodes there are. */
export function hasContracts(sql: Sql, network: string): boolean {
  return sql.get('SELECT 1 FROM contracts WHERE network = ? LIMIT 1', [network]) !== undefined;
}
