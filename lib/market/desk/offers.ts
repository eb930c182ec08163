import { CodedError, isCodedError } from '../../errors';
import type { ChannelSettings, OfferSettings, OfferTerms } from '../market-order';
import type { Message, MessageBodies } from '../messages/message';
import { messageDocument, newMessage } from '../messages/new-message';
import { parseOfferTerms, parsePrice } from '../settings';
import type { Customers } from './customers';
import type { Floor } from './floor';

/** A node is gone for good after this; a redeploy takes less. */
export const ABSENT_MS = 10_000;
const CARD_LASTS = 3_600_000;
/** A price that changes all the time is a new card every few seconds, not more. */
const CARD_PAUSE = 5_000;

export interface Offer {
  readonly nodeId: string;
  terms: OfferTerms;
  /** Base units per unit; null: the flow has not said yet. */
  price: string | null;
  paused: boolean;
  withdrawn: boolean;
}

interface Card {
  /** What it says, without dates. */
  readonly says: string;
  readonly text: string;
  readonly service: string;
  readonly signedAt: number;
  readonly renewAt: number;
}

/** The services that are offered right now: their terms, and the cards that lie on the channel for everybody to find. */
export class Offers {
  readonly #offers = new Map<string, Offer>();
  readonly #cards = new Map<string, Card>();
  readonly #timers = new Map<string, () => void>();
  readonly #came = new Set<string>();
  /** Nodes that closed, or that have not come back after a restart. */
  readonly #absent = new Map<string, () => void>();
  #closed = false;

  constructor(
    private readonly floor: Floor,
    private readonly customers: Customers,
    private readonly gone: (nodeId: string) => Promise<void>,
  ) {}

  get(nodeId: string): Offer | undefined {
    return this.#offers.get(nodeId);
  }

  /** Whether its node came in this process: from then on it says itself when it goes. */
  hasCome(nodeId: string): boolean {
    return this.#came.has(nodeId);
  }

  isThere(nodeId: string): boolean {
    return this.#offers.has(nodeId) && !this.#absent.has(nodeId);
  }

  /** @throws CodedError `CONFIG_INVALID`, `AMOUNT_INVALID` */
  async open(nodeId: string, settings: OfferSettings, channel: ChannelSettings): Promise<void> {
    const terms = parseOfferTerms(settings, this.floor.ports.network);
    this.#came.add(nodeId);
    // First of all: when it closes again while this is under way, it is away again.
    this.#absent.get(nodeId)?.();
    this.#absent.delete(nodeId);
    // A node comes back, or it is gone: never both at the same time.
    await this.floor.turns.take(`offer ${nodeId}`, () => this.#open(nodeId, terms, channel));
  }

  async #open(nodeId: string, terms: OfferTerms, channel: ChannelSettings): Promise<void> {
    const { places } = this.floor;
    // It says good-bye where it was.
    if (places.isElsewhere(nodeId, channel)) await this.#beSilent(nodeId);
    const channelId = await places.enter({ nodeId }, channel);
    const rival = [...this.#offers.values()].find(
      (other) =>
        other.nodeId !== nodeId &&
        other.terms.service === terms.service &&
        this.isThere(other.nodeId) &&
        places.channelOf(other.nodeId) === channelId,
    );
    if (rival)
      throw new CodedError('CONFIG_INVALID', 'offer-twice', `this machine offers ${terms.service} already`, {
        service: terms.service,
      });
    const before = this.#offers.get(nodeId);
    // A price that the flow named is good for as long as it is a price for the same.
    const same = before?.terms.service === terms.service && before.terms.unit === terms.unit;
    const price = terms.price ?? (same && before.terms.price === null ? before.price : null);
    this.#offers.set(nodeId, { nodeId, terms, price, paused: same && before.paused, withdrawn: false });
    if (before && before.terms.service !== terms.service) await this.#takeCardAway(nodeId);
  }

  /** Tells the channel what this node wants: calls for its service, and that its card is seen. */
  async show(nodeId: string): Promise<void> {
    const offer = this.#offers.get(nodeId);
    const channelId = this.floor.places.channelOf(nodeId);
    if (!offer || channelId === undefined) return;
    const { service, parameters } = offer.terms;
    try {
      const { channels } = this.floor.ports;
      await channels.listenCalls(channelId, nodeId, { service, parameters });
      await channels.know(channelId, this.customers.list());
    } catch (error) {
      // A market worker that is being restarted is told again; a schema that cannot be compiled is for the node.
      if (!isCodedError(error, 'LEDGER_UNREACHABLE')) throw error;
    }
    await this.#turn(nodeId, () => this.#showCard(nodeId, true));
  }

  /** Channels hear their calls before those of strangers. */
  async know(): Promise<void> {
    const channelIds = new Set([...this.#offers.keys()].map((nodeId) => this.floor.places.channelOf(nodeId)));
    const dids = this.customers.list();
    for (const channelId of channelIds)
      if (channelId !== undefined) await this.floor.ports.channels.know(channelId, dids);
  }

  /** What the offer says may have changed. */
  changed(nodeId: string): Promise<void> {
    return this.#turn(nodeId, () => this.#showCard(nodeId, false));
  }

  /** @throws CodedError `AMOUNT_INVALID` */
  setPrice(offer: Offer, price: unknown): void {
    offer.price = parsePrice(price, this.floor.ports.network);
  }

  /** The node is not there: it has a moment to come back. */
  leave(nodeId: string): void {
    if (this.#absent.has(nodeId)) return;
    const cancel = this.floor.ports.clock.after(ABSENT_MS, () => {
      const gone = this.floor.turns.take(`offer ${nodeId}`, () => this.#goneFor(nodeId));
      void gone.catch((error) => this.floor.trouble(error));
    });
    this.#absent.set(nodeId, cancel);
  }

  close(): void {
    this.#closed = true;
    for (const cancel of [...this.#timers.values(), ...this.#absent.values()]) cancel();
    this.#timers.clear();
  }

  async #goneFor(nodeId: string): Promise<void> {
    // It may be back by now.
    if (this.#closed || !this.#absent.has(nodeId)) return;
    await this.#beSilent(nodeId);
    this.#offers.delete(nodeId);
    this.#absent.delete(nodeId);
    await this.gone(nodeId);
  }

  /** Where it is now. */
  async #beSilent(nodeId: string): Promise<void> {
    const channelId = this.floor.places.channelOf(nodeId);
    if (channelId !== undefined) await this.floor.ports.channels.stopCalls(channelId, nodeId).catch(() => {});
    await this.#turn(nodeId, () => this.#takeCardAway(nodeId));
  }

  #turn(nodeId: string, work: () => Promise<void>): Promise<void> {
    return this.floor.turns.take(`card ${nodeId}`, work);
  }

  async #showCard(nodeId: string, anew: boolean): Promise<void> {
    const offer = this.#offers.get(nodeId);
    const { ports, places, now } = this.floor;
    const channelId = places.channelOf(nodeId);
    if (!offer || channelId === undefined || this.#closed) return;
    const body = this.#body(offer);
    if (body === null) return this.#takeCardAway(nodeId);
    const says = JSON.stringify(body);
    const before = this.#cards.get(nodeId);
    const isGood = before?.says === says && before.renewAt > now();
    if (before && !isGood && now() - before.signedAt < CARD_PAUSE) {
      this.#later(nodeId, CARD_PAUSE);
      return;
    }
    if (isGood && !anew) return;
    const card = isGood ? before : await this.#sign(offer, body, says);
    this.#cards.set(nodeId, card);
    this.#later(nodeId, Math.max(CARD_PAUSE, card.renewAt - now()));
    await ports.channels.show(channelId, card.service, card.text).catch((error) => this.floor.trouble(error));
  }

  async #takeCardAway(nodeId: string): Promise<void> {
    const card = this.#cards.get(nodeId);
    const channelId = this.floor.places.channelOf(nodeId);
    this.#timers.get(nodeId)?.();
    this.#cards.delete(nodeId);
    if (card && channelId !== undefined)
      await this.floor.ports.channels.show(channelId, card.service, null).catch((error) => this.floor.trouble(error));
  }

  async #sign(offer: Offer, body: MessageBodies['offer'], says: string): Promise<Card> {
    const { identity, network, random, sign } = this.floor.ports;
    const at = this.floor.now();
    const lasts = Math.max(offer.terms.validFor * 1_000, CARD_LASTS);
    const message = newMessage(
      'offer',
      {
        from: identity.did,
        to: null,
        contractId: null,
        previous: null,
        network: network.networkId,
        at,
        expires: at + lasts,
        body,
      },
      random,
    ) as Message;
    const [text = ''] = await sign([messageDocument(message)], () => {});
    return { says, text, service: body.service, signedAt: at, renewAt: at + lasts / 2 };
  }

  /** Null: nothing is offered at the moment. */
  #body({ terms, price, paused, withdrawn }: Offer): MessageBodies['offer'] | null {
    if (paused || withdrawn || (price === null && terms.autoPropose)) return null;
    const { token, decimals } = this.floor.ports.network;
    const { service, title, unit, place, parameters, capacity, leadSeconds } = terms;
    return { service, title, unit, price, token, decimals, place, parameters, capacity, leadSeconds };
  }

  #later(nodeId: string, milliseconds: number): void {
    this.#timers.get(nodeId)?.();
    const again = () => void this.changed(nodeId).catch((error) => this.floor.trouble(error));
    this.#timers.set(nodeId, this.floor.ports.clock.after(milliseconds, again));
  }
}
