import type { Clock } from '../../payments';
import { rank } from '../choice/rank';
import type { Bid, ChoiceRule, OfferSearch, Ranking } from '../market-order';
import type { MessageBodies } from '../messages/message';
import { readMessage } from '../messages/read-message';
import type { ChannelId, ChannelOpening, ChannelSignal, Channels } from './channels';
import { MqttChannel } from './mqtt-channel';

export interface ChannelServicePorts {
  readonly emit: (signal: ChannelSignal) => void;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Milliseconds that clocks of two machines may differ by. */
  readonly skew: number;
}

/** All channels of one vault. */
export class ChannelService implements Channels {
  readonly #channels = new Map<ChannelId, MqttChannel>();

  constructor(private readonly ports: ChannelServicePorts) {}

  async open(channelId: ChannelId, opening: ChannelOpening): Promise<void> {
    const known = this.#channels.get(channelId);
    if (known) {
      known.tellState();
      return;
    }
    const { emit, clock, random, skew } = this.ports;
    const { did, network } = opening;
    const channel = new MqttChannel(channelId, opening, {
      check: (bytes) => readMessage(bytes, { did, network, now: clock.now(), skew }),
      clock,
      random,
      emit: (signal) => {
        // What a channel says while it closes is nobody's business any more.
        if (this.#channels.get(channelId) === channel) emit(signal);
      },
    });
    this.#channels.set(channelId, channel);
  }

  async close(channelId: ChannelId): Promise<void> {
    const channel = this.#channels.get(channelId);
    this.#channels.delete(channelId);
    await channel?.close();
  }

  /** Closes them all. */
  async end(): Promise<void> {
    await Promise.all([...this.#channels.keys()].map((channelId) => this.close(channelId)));
  }

  async send(channelId: ChannelId, message: { readonly hash: string; readonly text: string }, once: boolean) {
    this.#channels.get(channelId)?.send(message, once);
  }

  async answered(channelId: ChannelId, hash: string): Promise<void> {
    this.#channels.get(channelId)?.answered(hash);
  }

  async show(channelId: ChannelId, service: string, card: string | null): Promise<void> {
    this.#channels.get(channelId)?.show(service, card);
  }

  async listenCalls(
    channelId: ChannelId,
    offerId: string,
    wanted: { readonly service: string; readonly parameters: object | null },
  ): Promise<void> {
    this.#channels.get(channelId)?.listenCalls(offerId, wanted);
  }

  async stopCalls(channelId: ChannelId, offerId: string): Promise<void> {
    this.#channels.get(channelId)?.stopCalls(offerId);
  }

  async expect(channelId: ChannelId, contractIds: readonly string[]): Promise<void> {
    this.#channels.get(channelId)?.expect(contractIds);
  }

  async expectAlso(channelId: ChannelId, contractId: string): Promise<void> {
    this.#channels.get(channelId)?.expectAlso(contractId);
  }

  async expectNoMore(channelId: ChannelId, contractId: string): Promise<void> {
    this.#channels.get(channelId)?.expectNoMore(contractId);
  }

  async know(channelId: ChannelId, dids: readonly string[]): Promise<void> {
    this.#channels.get(channelId)?.know(dids);
  }

  async search(channelId: ChannelId, searchId: string, search: OfferSearch): Promise<void> {
    this.#channels.get(channelId)?.search(searchId, search);
  }

  async stopSearch(channelId: ChannelId, searchId: string): Promise<void> {
    this.#channels.get(channelId)?.stopSearch(searchId);
  }

  rank(bids: readonly Bid[], rule: ChoiceRule, call: object): Promise<Ranking> {
    return rank(bids, rule, call as MessageBodies['call']);
  }
}
