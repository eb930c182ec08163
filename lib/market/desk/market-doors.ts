import type { CodedError } from '../../errors';
import type { ListenFrom, PaymentReport, ReceivedPayment } from '../../payments';
import type { ChannelSignal } from '../channel/channels';
import type { BuySettings, ChannelSettings, OfferCommand, OfferSettings } from '../market-order';
import type { MarketOrigin } from './market-ports';

/** Payments and listeners of the market have names that no node's id begins with. */
export const MARKET_NODE = '\u0001market';

/** What the vault does with the market of one account. */
export interface MarketDoors {
  /**
   * Offers a service under a node's id, or offers it anew after a redeploy. What is on disk for that node comes now:
   * unacknowledged notices, and `start` for what is still to be delivered.
   *
   * @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID`
   */
  offer(nodeId: string, settings: OfferSettings, channel: ChannelSettings): Promise<void>;
  /** The node is gone; when it does not come back within 10 s the card is taken away, and what runs has failed. */
  closeOffer(nodeId: string): Promise<void>;
  /** @throws CodedError `CONFIG_INVALID` (`no-contract`, `contract-state`, `quantity`), `AMOUNT_INVALID` */
  command(nodeId: string, command: OfferCommand): Promise<void>;

  /** Resolves once the call is signed and on disk. @throws CodedError for settings that are wrong */
  buy(origin: MarketOrigin, settings: BuySettings, channel: ChannelSettings): Promise<{ readonly contractId: string }>;
  /** The buy node is there: opens its channel, tells what it was not told. */
  attendPurchases(nodeId: string, channel: ChannelSettings): Promise<void>;
  closePurchases(nodeId: string): Promise<void>;
  /** @throws CodedError `CONFIG_INVALID` (`no-contract`, `contract-state`) */
  endPurchase(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void>;

  /** The flow has it. For a `start` the delivery begins with this. */
  noticed(noticeId: string): Promise<void>;
  /** Tells what became of purchases whose node does not attend (contracts and failures): for the wallet. */
  tellUnattended(): Promise<void>;

  search(
    listenerId: string,
    search: {
      readonly service: unknown;
      readonly near: unknown;
      readonly maxDistance: unknown;
      readonly maxPrice: unknown;
    },
    channel: ChannelSettings,
  ): Promise<void>;
  stopSearch(listenerId: string): Promise<void>;
  listenContracts(listenerId: string, from: ListenFrom): Promise<void>;
  contractDelivered(listenerId: string, eventId: string): Promise<void>;
  stopContracts(listenerId: string): Promise<void>;

  /** Reports of payments whose origin is {@link MARKET_NODE}. */
  hearReport(report: PaymentReport): void;
  /** Payments that came in, for the listener {@link MARKET_NODE}. */
  hearPayment(payment: ReceivedPayment, redelivered: boolean): void;
  hearChannel(signal: ChannelSignal): void;
  /** The market worker was started again, and knows nothing. */
  channelsRestarted(): void;

  /** Contracts that can still cost or bring money: the account stays open for them. */
  readonly unsettled: boolean;
  /** Why the market cannot work any more, if so. */
  readonly problem: CodedError | undefined;
  /** Stops timers and channels; everything goes on when it is opened again. */
  close(): Promise<void>;
}
