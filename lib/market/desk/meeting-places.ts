import { canonicalJson } from '../../evidence';
import type { ChannelId, ChannelSignal } from '../channel/channels';
import type { ChannelSettings } from '../market-order';
import type { MarketPorts } from './market-ports';

/** Who uses a channel: a node or a listener. */
export type PlaceUser = { readonly nodeId: string } | { readonly listenerId: string };

interface Place {
  readonly id: ChannelId;
  readonly settings: ChannelSettings;
  readonly users: Map<string, PlaceUser>;
  /** Contracts whose messages the channel takes. */
  readonly expected: Set<string>;
  state: { readonly up: true } | { readonly up: false; readonly message: string } | undefined;
}

/**
 * The channels of one market: nodes with the same settings share one. A channel stays for as long as somebody uses it; a
 * node that comes with other settings has moved.
 */
export class MeetingPlaces {
  readonly #places = new Map<ChannelId, Place>();
  readonly #placeOf = new Map<string, Place>();

  /**
   * @param expectedOf contracts of a node whose messages are listened to
   * @param restored the channel has to be told anew what its users want of it
   */
  constructor(
    private readonly ports: MarketPorts,
    private readonly doors: {
      readonly expectedOf: (nodeId: string) => readonly string[];
      readonly trouble: (error: unknown) => void;
    },
  ) {}

  /** Opens a channel for a user, or the one that others with these settings have; leaves the one it had before. */
  async enter(user: PlaceUser, settings: ChannelSettings): Promise<ChannelId> {
    const name = nameOf(user);
    const before = this.#placeOf.get(name);
    const text = canonicalJson(settings);
    const place =
      [...this.#places.values()].find((one) => canonicalJson(one.settings) === text) ?? this.#found(settings);
    if (before && before !== place) this.leave(user);
    place.users.set(name, user);
    this.#placeOf.set(name, place);
    if (place.state) this.#tell(user, place.state);
    const fresh = 'nodeId' in user ? this.doors.expectedOf(user.nodeId).filter((id) => !place.expected.has(id)) : [];
    for (const contractId of fresh) place.expected.add(contractId);
    const { identity, network, channels } = this.ports;
    // Strangers' messages must not wait for it: a market worker that is being restarted is told everything afterwards.
    await this.#ask(channels.open(place.id, { settings, did: identity.did, network: network.networkId }));
    if (fresh.length > 0) await this.#ask(channels.expect(place.id, [...place.expected]));
    return place.id;
  }

  /** Whether this node is somewhere, and with these settings would be somewhere else. */
  isElsewhere(nodeId: string, settings: ChannelSettings): boolean {
    const place = this.#placeOf.get(nameOf({ nodeId }));
    return place !== undefined && canonicalJson(place.settings) !== canonicalJson(settings);
  }

  leave(user: PlaceUser): void {
    const name = nameOf(user);
    const place = this.#placeOf.get(name);
    this.#placeOf.delete(name);
    place?.users.delete(name);
    if (!place || place.users.size > 0) return;
    this.#places.delete(place.id);
    void this.#ask(this.ports.channels.close(place.id));
  }

  channelOf(nodeId: string): ChannelId | undefined {
    return this.#placeOf.get(nameOf({ nodeId }))?.id;
  }

  /** Why a node's channel is away, if it is. */
  troubleOf(nodeId: string): string | undefined {
    const state = this.#placeOf.get(nameOf({ nodeId }))?.state;
    return state?.up === false ? state.message : undefined;
  }

  channelOfListener(listenerId: string): ChannelId | undefined {
    return this.#placeOf.get(nameOf({ listenerId }))?.id;
  }

  /** From now on messages of this contract of a node are taken. */
  expect(nodeId: string, contractId: string): void {
    const place = this.#placeOf.get(nameOf({ nodeId }));
    if (!place || place.expected.has(contractId)) return;
    place.expected.add(contractId);
    void this.#ask(this.ports.channels.expectAlso(place.id, contractId));
  }

  /** Leaves only those of the contracts of its nodes that are still listened to. */
  forgetOld(): void {
    for (const place of this.#places.values()) {
      const wanted = new Set(this.#expectedAt(place));
      for (const contractId of [...place.expected]) {
        if (wanted.has(contractId)) continue;
        place.expected.delete(contractId);
        void this.#ask(this.ports.channels.expectNoMore(place.id, contractId));
      }
    }
  }

  hearState(signal: Extract<ChannelSignal, { state: unknown }>): void {
    const place = this.#places.get(signal.channelId);
    if (!place) return;
    const before = place.state;
    place.state = signal.state === 'up' ? { up: true } : { up: false, message: signal.message };
    // It is told anew whenever somebody joins.
    if (before?.up === true && place.state.up) return;
    for (const user of place.users.values()) this.#tell(user, place.state);
  }

  /** Whether this is one of ours. */
  has(channelId: ChannelId): boolean {
    return this.#places.has(channelId);
  }

  /** The market worker knows nothing any more: opens everything anew. @returns who has to say again what it wants */
  async reopen(): Promise<PlaceUser[]> {
    const { identity, network, channels } = this.ports;
    const users: PlaceUser[] = [];
    for (const place of [...this.#places.values()]) {
      const { id, settings } = place;
      place.state = undefined;
      place.expected.clear();
      for (const contractId of this.#expectedAt(place)) place.expected.add(contractId);
      await this.#ask(channels.open(id, { settings, did: identity.did, network: network.networkId }));
      await this.#ask(channels.expect(id, [...place.expected]));
      users.push(...place.users.values());
    }
    return users;
  }

  async close(): Promise<void> {
    const ids = [...this.#places.keys()];
    this.#places.clear();
    this.#placeOf.clear();
    await Promise.all(ids.map((id) => this.#ask(this.ports.channels.close(id))));
  }

  #expectedAt(place: Place): string[] {
    return [...place.users.values()].flatMap((user) => ('nodeId' in user ? this.doors.expectedOf(user.nodeId) : []));
  }

  #found(settings: ChannelSettings): Place {
    const { identity, network, random } = this.ports;
    // Nothing of the settings is in it: they hold a password.
    const id = `${identity.did}:${network.networkId}:${Buffer.from(random(8)).toString('hex')}`;
    const place: Place = { id, settings, users: new Map(), expected: new Set(), state: undefined };
    this.#places.set(id, place);
    return place;
  }

  #tell(user: PlaceUser, channel: NonNullable<Place['state']>): void {
    this.ports.emit({ ...user, channel });
  }

  /** What a worker that is being restarted does not hear now it is told by {@link reopen}. */
  async #ask(answer: Promise<void>): Promise<void> {
    try {
      await answer;
    } catch (error) {
      this.doors.trouble(error);
    }
  }
}

function nameOf(user: PlaceUser): string {
  return 'nodeId' in user ? `node ${user.nodeId}` : `listener ${user.listenerId}`;
}
