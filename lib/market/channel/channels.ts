import type { Bid, ChannelSettings, ChoiceRule, FoundOffer, OfferSearch, Ranking } from '../market-order';
import type { Message, MessageBodies, SignedMessage } from '../messages/message';

/** Names one connection: one identity at one meeting place. */
export type ChannelId = string;

export interface ChannelOpening {
  readonly settings: ChannelSettings;
  /** Whose inbox it is, and whose presence is shown. */
  readonly did: string;
  /** Messages of other networks are not for us. */
  readonly network: string;
}

/**
 * What the `market` worker does for the vault: sockets, and everything that is strangers' until it was checked (size, form,
 * schema, signature, flood). It has no key and decides nothing about money. Calls reject with `LEDGER_UNREACHABLE`
 * (`market-restarting`) while it is being started again; nothing it was told survives that.
 */
export interface Channels {
  /** Connects, and keeps trying for as long as it is open. The same id again joins it. */
  open(channelId: ChannelId, opening: ChannelOpening): Promise<void>;
  close(channelId: ChannelId): Promise<void>;

  /**
   * Sends a message to its `to`, or a call to everybody who offers its service. Sent again after 1, 2, 4 ... seconds until
   * {@link answered} or until its `expires`; what could not be sent while offline is sent when the channel is back.
   *
   * @param once not sent again: nobody answers it
   */
  send(channelId: ChannelId, message: { readonly hash: string; readonly text: string }, once: boolean): Promise<void>;
  /** No need to send it again. */
  answered(channelId: ChannelId, hash: string): Promise<void>;
  /** Leaves the card of a service there for everybody to find (retained), or takes it away. */
  show(channelId: ChannelId, service: string, card: string | null): Promise<void>;

  /**
   * Listens to calls for a service, for one offer.
   * @param parameters JSON Schema of our own; a call whose parameters do not fit is told with `parametersProblem`
   */
  listenCalls(
    channelId: ChannelId,
    offerId: string,
    wanted: { readonly service: string; readonly parameters: object | null },
  ): Promise<void>;
  stopCalls(channelId: ChannelId, offerId: string): Promise<void>;
  /**
   * Messages of these contracts only are taken from the inbox: all others are dropped before they cost anything. Replaces
   * what was said before.
   */
  expect(channelId: ChannelId, contractIds: readonly string[]): Promise<void>;
  /** Adds one to them / takes one away. */
  expectAlso(channelId: ChannelId, contractId: string): Promise<void>;
  expectNoMore(channelId: ChannelId, contractId: string): Promise<void>;
  /** Calls of these are heard before those of strangers, however many there are. Replaces what was said before. */
  know(channelId: ChannelId, dids: readonly string[]): Promise<void>;

  /** Tells offers (by the signal `found`), those known already at once. */
  search(channelId: ChannelId, searchId: string, search: OfferSearch): Promise<void>;
  stopSearch(channelId: ChannelId, searchId: string): Promise<void>;

  /**
   * Ranks bids by the rule; where the expression is a flow author's, it runs here and for a second at most.
   * @param call the body of the signed call: its limits are applied here
   * @throws CodedError `CONFIG_INVALID` (`expression`, `choice-time`, `choice-answer`): the expression failed
   */
  rank(bids: readonly Bid[], rule: ChoiceRule, call: MessageBodies['call']): Promise<Ranking>;
}

export type ChannelSignal = { readonly channelId: ChannelId } & (
  | { readonly state: 'up' }
  | { readonly state: 'down'; readonly message: string }
  /** A call to everybody, checked, not our own, not expired. */
  | {
      readonly call: SignedMessage<'call'>;
      /** Offers that listen to its service. */
      readonly offerIds: readonly string[];
      /** By offer: why its parameters do not fit. */
      readonly problems: { readonly [offerId: string]: string };
    }
  /** To us, of a contract that is expected, checked, not our own. */
  | { readonly message: SignedMessage }
  /** To us, of a contract that is expected, and refused: for the events of the node. `from` is not proven. */
  | { readonly refused: { readonly contractId: string; readonly from: string | null; readonly reason: RefusedReason } }
  | { readonly searchId: string; readonly found: FoundOffer }
);

export const REFUSED_REASONS = [
  'too-large',
  'not-json',
  'version',
  'schema',
  'signature',
  'network',
  'not-for-us',
  'expired',
  'clock',
  'flood',
] as const;
export type RefusedReason = (typeof REFUSED_REASONS)[number];

/** Checks one message from outside: lib/market/messages has it. */
export type Check = (
  bytes: Uint8Array,
) => SignedMessage | { readonly refused: RefusedReason; readonly claimed: Partial<Message> };
