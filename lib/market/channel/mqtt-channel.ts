import type { Clock } from '../../payments';
import type { OfferSearch } from '../market-order';
import type { Message, SignedMessage } from '../messages/message';
import { CardDirectory } from './card-directory';
import type { ChannelId, ChannelOpening, ChannelSignal, Check } from './channels';
import { InboxGuard } from './inbox-guard';
import { MqttConnection } from './mqtt-connection';
import { Outbox } from './outbox';
import { parametersCheck } from './parameters-check';
import { StandingWords } from './standing-words';
import {
  callsTopic,
  cardsFilter,
  cardTopic,
  EVERY_PRESENCE,
  inboxTopic,
  isOnline,
  OFFLINE,
  ONLINE,
  placeOf,
  presenceTopic,
} from './topics';
import { Turns } from './turns';

export interface MqttChannelPorts {
  readonly check: Check;
  readonly clock: Clock;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly emit: (signal: ChannelSignal) => void;
}

interface CallListener {
  readonly service: string;
  readonly problemOf: (parameters: unknown) => string | undefined;
}

/** One identity at one broker: its inbox, its cards and presence, and what it looks for. */
export class MqttChannel {
  readonly #channelId: ChannelId;
  readonly #did: string;
  readonly #ports: MqttChannelPorts;
  readonly #connection: MqttConnection;
  readonly #outbox: Outbox;
  readonly #standing: StandingWords;
  readonly #guard: InboxGuard;
  readonly #directory: CardDirectory;
  readonly #turns: Turns;
  readonly #callListeners = new Map<string, CallListener>();
  readonly #searches = new Map<string, OfferSearch>();
  /** Undefined before the first attempt has come to an end. */
  #state: ChannelSignal | undefined;

  constructor(channelId: ChannelId, { settings, did }: ChannelOpening, ports: MqttChannelPorts) {
    const { check, clock, random } = ports;
    this.#channelId = channelId;
    this.#did = did;
    this.#ports = ports;
    const wake = () => this.#turns.wake();
    this.#guard = new InboxGuard({
      check,
      clock,
      random,
      wake,
      onMessage: (message) => ports.emit({ channelId, message }),
      onCall: (call) => this.#heardCall(call),
      onRefused: (refused) => ports.emit({ channelId, refused }),
    });
    this.#directory = new CardDirectory({
      read: (bytes) => {
        const read = check(bytes);
        return 'refused' in read || read.message.type !== 'offer' ? undefined : (read as SignedMessage<'offer'>);
      },
      clock,
      wake,
      tell: (searchId, found) => ports.emit({ channelId, searchId, found }),
    });
    this.#turns = new Turns([...this.#guard.lanes, this.#directory], clock);
    this.#outbox = new Outbox({ publish: (topic, text) => this.#connection.publish(topic, text, false), clock });
    this.#standing = new StandingWords({
      publish: (topic, payload) => this.#connection.publish(topic, payload, true),
      clock,
    });
    this.#connection = new MqttConnection({
      settings,
      clientId: clientIdOf(did, random),
      will: { topic: presenceTopic(did), payload: OFFLINE },
      clock,
      random,
      onUp: () => this.#up(),
      onDown: (message) => this.#down(message),
      onMessage: (topic, payload) => this.#heard(topic, payload),
    });
    this.#connection.listen(inboxTopic(did), true);
    // Our will may be told after we are back: then we say again that we are here.
    this.#connection.listen(presenceTopic(did), false);
    this.#standing.set(presenceTopic(did), ONLINE);
  }

  /** Tells how it stands, for somebody who joins. */
  tellState(): void {
    if (this.#state) this.#ports.emit(this.#state);
  }

  send({ hash, text }: { readonly hash: string; readonly text: string }, once: boolean): void {
    // Our own, just signed.
    const message = JSON.parse(text) as Message;
    const { type, to, contractId } = message;
    const topic = type === 'call' ? callsTopic(message.body.service) : to !== null ? inboxTopic(to) : undefined;
    if (topic === undefined) throw new Error(`a message of type ${type} is for nobody`);
    if (contractId !== null && to !== null && type !== 'reject' && type !== 'cancel') {
      this.#guard.dealWith(contractId, to);
    }
    this.#outbox.put({ hash, topic, text, expiresAt: Date.parse(message.expires), once });
  }

  answered(hash: string): void {
    this.#outbox.answered(hash);
  }

  show(service: string, card: string | null): void {
    const topic = cardTopic(service, this.#did);
    if (card === null) {
      this.#connection.stopListening(topic);
      this.#standing.clear(topic);
    } else {
      this.#connection.listen(topic, false);
      this.#standing.set(topic, card);
    }
  }

  /** @throws CodedError `CONFIG_INVALID` (`schema`, `schema-version`) */
  listenCalls(
    offerId: string,
    { service, parameters }: { readonly service: string; readonly parameters: object | null },
  ) {
    const problemOf = parameters === null ? () => undefined : parametersCheck(parameters);
    // A node that comes back with the same service has not stopped listening in between.
    if (this.#callListeners.get(offerId)?.service !== service) this.stopCalls(offerId);
    this.#callListeners.set(offerId, { service, problemOf });
    this.#connection.listen(callsTopic(service), true);
  }

  stopCalls(offerId: string): void {
    const listener = this.#callListeners.get(offerId);
    if (!listener) return;
    this.#callListeners.delete(offerId);
    const others = [...this.#callListeners.values()];
    if (!others.some(({ service }) => service === listener.service)) {
      this.#connection.stopListening(callsTopic(listener.service));
    }
  }

  expect(contractIds: readonly string[]): void {
    this.#guard.expect(contractIds);
  }

  expectAlso(contractId: string): void {
    this.#guard.expectAlso(contractId);
  }

  expectNoMore(contractId: string): void {
    this.#guard.expectNoMore(contractId);
  }

  know(dids: readonly string[]): void {
    this.#guard.know(dids);
  }

  search(searchId: string, search: OfferSearch): void {
    this.stopSearch(searchId);
    this.#searches.set(searchId, search);
    this.#directory.search(searchId, search);
    this.#connection.listen(EVERY_PRESENCE, false);
    this.#connection.listen(cardsFilter(search.service), false);
  }

  stopSearch(searchId: string): void {
    const search = this.#searches.get(searchId);
    if (!search) return;
    this.#searches.delete(searchId);
    this.#directory.stopSearch(searchId);
    const others = [...this.#searches.values()];
    if (!others.some(({ service }) => service === search.service)) {
      this.#connection.stopListening(cardsFilter(search.service));
    }
    if (others.length === 0) this.#connection.stopListening(EVERY_PRESENCE);
  }

  async close(): Promise<void> {
    this.#turns.close();
    this.#outbox.close();
    this.#standing.close();
    this.#directory.close();
    await this.#connection.close({ topic: presenceTopic(this.#did), payload: OFFLINE });
  }

  #up(): void {
    this.#state = { channelId: this.#channelId, state: 'up' };
    this.#standing.up();
    this.#outbox.up();
    this.#ports.emit(this.#state);
  }

  #down(message: string): void {
    this.#outbox.down();
    this.#standing.down();
    const before = this.#state;
    this.#state = { channelId: this.#channelId, state: 'down', message };
    // Every attempt fails for the same reason as the one before.
    if (before && 'state' in before && before.state === 'down' && before.message === message) return;
    this.#ports.emit(this.#state);
  }

  #heard(topic: string, payload: Uint8Array): void {
    const place = placeOf(topic);
    switch (place?.kind) {
      case 'inbox':
        if (place.did === this.#did) this.#guard.heardInInbox(payload);
        return;
      case 'calls':
        this.#guard.heardCall(place.service, payload);
        return;
      case 'card':
        if (!this.#standing.heard(topic, payload)) this.#directory.heard(place.service, place.did, payload);
        return;
      case 'presence': {
        if (this.#standing.heard(topic, payload)) return;
        const online = isOnline(payload);
        if (online !== undefined) this.#directory.presence(place.did, online);
      }
    }
  }

  #heardCall(call: SignedMessage<'call'>): void {
    const { service, parameters } = call.message.body;
    const offerIds: string[] = [];
    const problems: Record<string, string> = {};
    for (const [offerId, listener] of this.#callListeners) {
      if (listener.service !== service) continue;
      offerIds.push(offerId);
      const problem = listener.problemOf(parameters);
      if (problem !== undefined) problems[offerId] = problem;
    }
    if (offerIds.length > 0) this.#ports.emit({ channelId: this.#channelId, call, offerIds, problems });
  }
}

/** At most 23 characters: all that every broker of MQTT 3.1 has to take. */
function clientIdOf(did: string, random: () => number): string {
  const lot = Math.floor(random() * 36 ** 9)
    .toString(36)
    .padStart(9, '0');
  return `me1-${did.slice(-8)}-${lot}`;
}
