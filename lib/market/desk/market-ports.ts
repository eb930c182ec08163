import type { ErrorCode, ErrorParameters } from '../../errors';
import type { SignableDocument } from '../../evidence';
import type { Append, Journal, Sql } from '../../journal';
import type { NetworkInfo } from '../../ledger';
import type { AcceptedPayment, AccountIdentity, Clock, ListenFrom, PaymentOrder } from '../../payments';
import type { Channels } from '../channel/channels';
import type { BuyProgress, Contract, FoundOffer, OfferEvent } from '../market-order';
import type { Times } from '../negotiation/terms-of-time';

/** What the market asks of the account: its money moves through the payment engine and nowhere else. */
export interface MarketAccount {
  /**
   * Resolves once what is paid to this address counts as received: money that came before would be what the account began
   * with, and no contract's. Rejects after a while when the ledger is out of reach.
   */
  firstLook(): Promise<void>;
  /**
   * Would this order be taken now? Nothing is reserved.
   * @throws CodedError as `pay` would: policy, budget, deposit, funds
   */
  assertPayable(order: PaymentOrder): Promise<void>;
  /** The same `paymentId` is the same payment: asked for again after a crash it is joined, or replays its receipt. */
  pay(order: PaymentOrder): Promise<AcceptedPayment>;
  /** Whether that payment is intended, under way or made. If not, nothing was ever signed for it. */
  knows(paymentId: string): Promise<boolean> | boolean;
  /** The market has the receipt in its own books. */
  reported(paymentId: string): Promise<void>;
  /** Payments that come in are handed to {@link Market.hearPayment}, each at least once, until `delivered`. */
  listen(options: { readonly listenerId: string; readonly from: ListenFrom }): Promise<void>;
  delivered(listenerId: string, eventId: string): Promise<void>;
}

/**
 * Signs documents as leaves of the machine's log and runs `note` in the same durable write: either both are on disk or
 * neither is. Resolves with the signed texts (RFC 8785, data-integrity) once they are; rejects with what `note` threw.
 */
export type SignMessages = (
  documents: readonly SignableDocument[],
  note: (append: Append, sql: Sql, texts: readonly string[]) => void,
) => Promise<readonly string[]>;

/** Everything the market of one account touches. */
export interface MarketPorts {
  readonly identity: AccountIdentity;
  readonly network: NetworkInfo;
  /** Opened with the {@link contracts} projection. */
  readonly journal: Journal;
  readonly account: MarketAccount;
  readonly sign: SignMessages;
  readonly channels: Channels;
  readonly clock: Clock;
  readonly random: (length: number) => Uint8Array;
  readonly emit: (signal: MarketSignal) => void;
  readonly times: Times;
}

/** Who asked, so that what becomes of it finds its way back after a restart. */
export interface MarketOrigin {
  readonly nodeId: string;
  readonly topic?: string;
  readonly messageId?: string;
  /** Names this asking: asked again under it (nobody knows whether the vault that died had heard), it is the same purchase. */
  readonly askId?: string;
}

/** An error as plain data. */
export interface Failure {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly message: string;
  readonly parameters: ErrorParameters;
}

/**
 * What the market tells unasked. With a `noticeId` it is kept on disk and comes again (`redelivered`) whenever its node
 * attends, until `noticed(noticeId)`; without one it is told once.
 */
export type MarketSignal =
  | {
      readonly nodeId: string;
      readonly offer: OfferEvent;
      readonly noticeId: string | null;
      readonly redelivered: boolean;
    }
  | { readonly nodeId: string; readonly progress: BuyProgress; readonly origin: MarketOrigin }
  /** A purchase is over. */
  | {
      readonly nodeId: string;
      readonly contract: Contract;
      readonly origin: MarketOrigin;
      readonly noticeId: string;
      readonly redelivered: boolean;
    }
  /** A purchase did not come about, or is late: for Catch. A late one is followed by its contract. */
  | {
      readonly nodeId: string;
      readonly failure: Failure;
      readonly contract: Contract;
      readonly origin: MarketOrigin;
      readonly noticeId: string;
      readonly redelivered: boolean;
    }
  /** The channel of this node. */
  | {
      readonly nodeId: string;
      readonly channel: { readonly up: true } | { readonly up: false; readonly message: string };
    }
  /** How this node's offer stands now. `price` null: it waits for one from the flow. */
  | {
      readonly nodeId: string;
      readonly standing: {
        readonly price: string | null;
        readonly paused: boolean;
        readonly withdrawn: boolean;
        readonly delivering: number;
      };
    }
  | { readonly listenerId: string; readonly found: FoundOffer }
  /** The channel of this search. */
  | {
      readonly listenerId: string;
      readonly channel: { readonly up: true } | { readonly up: false; readonly message: string };
    }
  | { readonly listenerId: string; readonly finished: FinishedContract; readonly redelivered: boolean }
  /** Something that should not happen did; the market goes on. */
  | { readonly trouble: string };

/** The end of a contract, of either side: source `contracts` of iota-listen. */
export interface FinishedContract {
  /** `<network id>:<contractId>:<side>:<status>`; a verdict can change once, when a refund comes late. */
  readonly eventId: string;
  readonly contract: Contract;
}
