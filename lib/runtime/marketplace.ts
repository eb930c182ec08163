import type { CodedError } from '../errors';
import type {
  BuyProgress,
  BuySettings,
  ChannelSettings,
  Contract,
  FoundOffer,
  OfferCommand,
  OfferEvent,
  OfferSettings,
} from '../market/market-order';
import type { ListenFrom } from '../payments/order';

/** One machine's side of the marketplace, as nodes see it. */
export interface Marketplace {
  /**
   * Offers a service for as long as the returned desk is open. Contracts go on without it, but nothing is started then, and
   * what is being delivered is stopped, and paid back if the desk does not open again within seconds.
   */
  offer(order: OfferOrder, listener: OfferListener): OfferDesk;
  /**
   * Calls for proposals, takes the best, pays it and waits until it is delivered. Resolves with the finished contract,
   * rejects where there is none.
   *
   * Resolving or rejecting counts as handed to the flow, unless `signal` is aborted (the node is gone): then the promise
   * never settles, and what becomes of the purchase goes to whoever {@link attendPurchases} of that node.
   *
   * @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID`, `NO_PROPOSAL`, `OFFER_EXPIRED`, `DELIVERY_LATE` (the contract
   * itself follows, by {@link attendPurchases}), and whatever a payment throws
   */
  buy(order: PurchaseOrder, progress: (progress: BuyProgress) => void, signal?: AbortSignal): Promise<Contract>;
  /**
   * Takes what became of this node's purchases and nobody waits for: after a restart or a deploy, and the contracts of late
   * deliveries. Opens the channel for those still under way. Returns how to stop.
   */
  attendPurchases(nodeId: string, channel: ChannelSettings, listener: PurchaseListener): () => void;
  /** Ends a purchase of this node. @throws CodedError `CONFIG_INVALID` (`no-contract`, `contract-state`) */
  endPurchase(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void>;
  /** Offers that lie on a channel, and every change. Returns how to stop. */
  searchOffers(order: OfferSearchOrder, listener: OfferSearchListener): () => void;
  /** Contracts of this machine that have ended, each at least once. Returning counts as handed to the flow. */
  listenContracts(
    options: { readonly listenerId: string; readonly from: ListenFrom },
    handler: (finished: FinishedContract, redelivered: boolean) => void,
  ): () => void;
}

export type ChannelState = { readonly up: true } | { readonly up: false; readonly message: string };

export interface OfferOrder {
  readonly nodeId: string;
  readonly settings: OfferSettings;
  readonly channel: ChannelSettings;
}

export interface OfferListener {
  /** Returning counts as handed to the flow: from then on the service runs. */
  start(event: OfferEvent, redelivered: boolean): void;
  /** At its time, or when something went wrong; also once when the desk opens (`contractId` null): actuators off. */
  stop(event: OfferEvent): void;
  event(event: OfferEvent, redelivered: boolean): void;
  /** Whether the offer stands, and why not: settings that are wrong, a channel that is away. */
  state(state: OfferState): void;
}

export type OfferState =
  | { readonly phase: 'starting' }
  /** `delivering`: contracts that run right now. `price`: base units per unit; null: waits for one from the flow. */
  | { readonly phase: 'open'; readonly delivering: number; readonly price: string | null; readonly paused: boolean }
  | { readonly phase: 'withdrawn' }
  | { readonly phase: 'offline'; readonly message: string }
  | { readonly phase: 'wrong'; readonly error: CodedError };

export interface OfferDesk {
  /** @throws CodedError `CONFIG_INVALID` (`no-contract`, `contract-state`, `quantity`), `AMOUNT_INVALID` */
  command(command: OfferCommand): Promise<void>;
  /** Stops what runs, at once, and lets go. */
  close(): void;
}

export interface PurchaseOrder {
  readonly settings: BuySettings;
  readonly channel: ChannelSettings;
  readonly origin: { readonly nodeId: string; readonly topic?: string; readonly messageId?: string };
}

export interface PurchaseListener {
  /** A contract that has ended. `origin` is the message that it began with. */
  contract(contract: Contract, origin: PurchaseOrder['origin'], redelivered: boolean): void;
  /** A purchase whose message is gone has failed. */
  failure(error: CodedError, contract: Contract, origin: PurchaseOrder['origin']): void;
  channel(state: ChannelState): void;
}

export interface OfferSearchOrder {
  readonly listenerId: string;
  readonly channel: ChannelSettings;
  /** As the flow has them. Empty: every service, anywhere, at any price. `near` "lat,lng", `maxDistance` kilometres. */
  readonly service: unknown;
  readonly near: unknown;
  readonly maxDistance: unknown;
  readonly maxPrice: unknown;
}

export interface OfferSearchListener {
  found(offer: FoundOffer): void;
  channel(state: ChannelState): void;
  /** The search cannot be made. */
  wrong(error: CodedError): void;
}

/** The end of a contract, of either side. */
export interface FinishedContract {
  /** `<network id>:<contractId>:<side>:<status>`; a verdict changes when a refund comes late. */
  readonly eventId: string;
  readonly contract: Contract;
}
