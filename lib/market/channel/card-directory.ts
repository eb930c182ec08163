import type { Clock } from '../../payments';
import { distanceInKm } from '../choice/distance';
import type { FoundOffer, OfferSearch } from '../market-order';
import { MOST_MESSAGE_BYTES } from '../messages/limits';
import type { SignedMessage } from '../messages/message';
import { type Rate, TokenBucket } from './token-bucket';
import type { Lane } from './turns';

export interface CardDirectoryPorts {
  /** The card, if it is one. */
  readonly read: (bytes: Uint8Array) => SignedMessage<'offer'> | undefined;
  readonly clock: Clock;
  readonly tell: (searchId: string, found: FoundOffer) => void;
  /** There is something to read. */
  readonly wake: () => void;
  readonly limits?: DirectoryLimits;
}

export interface DirectoryLimits {
  readonly cards: number;
  readonly bytes: number;
  readonly cardsPerSeller: number;
  /** A flow that hears of each is not flooded by who lays cards without end. */
  readonly reads?: Rate;
}

const LIMITS: DirectoryLimits = { cards: 10_000, bytes: 48 * 1024 * 1024, cardsPerSeller: 64 };
const READS: Rate = { burst: 10_000, perSecond: 100 };
const PRESENCES = 20_000;
/** Comings and goings are told once for all that happened meanwhile. */
const PRESENCE_PAUSE = 500;
const SHORTEST_SWEEP = 1_000;
const LONGEST_SWEEP = 60_000;
/** Of those that were there longest, to make room for somebody who is there. */
const LOOKED_AT = 16;

interface Card {
  readonly key: string;
  readonly offer: Omit<FoundOffer, 'event' | 'online' | 'distance'>;
  /** Unix milliseconds. */
  readonly at: number;
  readonly expiresAt: number;
  readonly bytes: number;
}

/** Offer cards that lie on a channel, for those who search. Anybody can lay one there: all of it is bounded. */
export class CardDirectory implements Lane {
  readonly weight = 2;
  readonly #ports: CardDirectoryPorts;
  readonly #limits: DirectoryLimits;
  readonly #searches = new Map<string, OfferSearch>();
  /** Latest of each place, not looked at yet. */
  readonly #unread = new Map<string, Uint8Array>();
  readonly #cards = new Map<string, Card>();
  readonly #ofSeller = new Map<string, Set<string>>();
  readonly #online = new Set<string>();
  /** Sellers whose presence changed since it was told. */
  readonly #changed = new Set<string>();
  readonly #reads: TokenBucket;
  #unreadBytes = 0;
  #bytes = 0;
  #sweepAt = Number.POSITIVE_INFINITY;
  #stopSweep = () => {};
  #stopPresence = () => {};

  constructor(ports: CardDirectoryPorts) {
    this.#ports = ports;
    this.#limits = ports.limits ?? LIMITS;
    this.#reads = new TokenBucket(this.#limits.reads ?? READS, ports.clock);
  }

  /** Cards that are known. */
  get cards(): number {
    return this.#cards.size;
  }

  /** Cards that wait to be read. */
  get size(): number {
    return this.#unread.size;
  }

  search(searchId: string, search: OfferSearch): void {
    this.#searches.set(searchId, search);
    for (const card of this.#cards.values()) this.#tell(card, 'offered', [[searchId, search]]);
  }

  stopSearch(searchId: string): void {
    if (!this.#searches.delete(searchId)) return;
    for (const card of [...this.#cards.values()]) if (!this.#isWanted(card.offer.service)) this.#forget(card);
    if (this.#searches.size === 0) {
      this.#unread.clear();
      this.#unreadBytes = 0;
      this.#online.clear();
    }
  }

  /** What lies at a place now; empty: nothing. Who says so is known only once it was read, or never. */
  heard(service: string, did: string, payload: Uint8Array): void {
    if (!this.#isWanted(service)) return;
    const key = `${service}/${did}`;
    this.#unreadBytes -= this.#unread.get(key)?.length ?? 0;
    this.#unread.delete(key);
    if (payload.length === 0) {
      const card = this.#cards.get(key);
      if (card) this.#withdraw(card);
      return;
    }
    const { cards, bytes } = this.#limits;
    if (payload.length > MOST_MESSAGE_BYTES || this.#unread.size >= cards || this.#unreadBytes + payload.length > bytes)
      return;
    this.#unread.set(key, payload);
    this.#unreadBytes += payload.length;
    this.#ports.wake();
  }

  presence(did: string, isOnline: boolean): void {
    if (this.#searches.size === 0 || this.#online.has(did) === isOnline) return;
    if (isOnline) this.#online.add(did);
    else this.#online.delete(did);
    if (this.#online.size > PRESENCES) {
      const [oldest] = this.#online;
      this.#online.delete(oldest as string);
    }
    if (!this.#ofSeller.has(did)) return;
    if (this.#changed.size === 0) {
      this.#stopPresence = this.#ports.clock.after(PRESENCE_PAUSE, () => this.#tellPresence());
    }
    this.#changed.add(did);
  }

  take(): (() => void) | undefined {
    if (this.#unread.size === 0 || !this.#reads.take()) return undefined;
    for (const [key, payload] of this.#unread) {
      this.#unread.delete(key);
      this.#unreadBytes -= payload.length;
      return () => this.#read(key, payload);
    }
    return undefined;
  }

  close(): void {
    this.#stopSweep();
    this.#stopPresence();
    this.#searches.clear();
    this.#unread.clear();
    this.#cards.clear();
    this.#ofSeller.clear();
  }

  #read(key: string, payload: Uint8Array): void {
    const read = this.#ports.read(payload);
    if (!read) return;
    const { message } = read;
    const { from, body } = message;
    // Laid where another one's belongs, it is found where nobody looks for it.
    if (key !== `${body.service}/${from}` || !this.#isWanted(body.service)) return;
    const before = this.#cards.get(key);
    const card: Card = {
      key,
      offer: {
        eventId: read.hash,
        seller: from,
        service: body.service,
        title: body.title,
        unit: body.unit,
        price: body.price,
        token: body.token,
        decimals: body.decimals,
        place: body.place,
        parameters: body.parameters,
        leadSeconds: body.leadSeconds,
        expires: message.expires,
      },
      at: Date.parse(message.at),
      expiresAt: Date.parse(message.expires),
      bytes: payload.length,
    };
    if (before && (before.offer.eventId === read.hash || before.at >= card.at)) return;
    if (card.expiresAt <= this.#ports.clock.now()) return;
    if (before) this.#forget(before);
    if (!this.#hasRoomFor(card)) {
      if (before) this.#tell(before, 'withdrawn');
      return;
    }
    this.#keep(card);
    for (const entry of this.#searches) {
      if (fits(card, entry[1])) this.#tell(card, 'offered', [entry]);
      else if (before) this.#tell(before, 'withdrawn', [entry]);
    }
  }

  #hasRoomFor(card: Card): boolean {
    if ((this.#ofSeller.get(card.offer.seller)?.size ?? 0) >= this.#limits.cardsPerSeller) return false;
    const isFull = () => this.#cards.size >= this.#limits.cards || this.#bytes + card.bytes > this.#limits.bytes;
    if (!isFull()) return true;
    let looks = 0;
    for (const old of this.#cards.values()) {
      looks += 1;
      if (looks > LOOKED_AT || !isFull()) break;
      if (!this.#online.has(old.offer.seller)) this.#withdraw(old);
    }
    return !isFull();
  }

  #keep(card: Card): void {
    this.#cards.set(card.key, card);
    this.#bytes += card.bytes;
    const theirs = this.#ofSeller.get(card.offer.seller) ?? new Set();
    theirs.add(card.key);
    this.#ofSeller.set(card.offer.seller, theirs);
    this.#planSweep(card.expiresAt);
  }

  #forget(card: Card): void {
    if (!this.#cards.delete(card.key)) return;
    this.#bytes -= card.bytes;
    const theirs = this.#ofSeller.get(card.offer.seller);
    theirs?.delete(card.key);
    if (theirs?.size === 0) this.#ofSeller.delete(card.offer.seller);
  }

  #withdraw(card: Card): void {
    this.#forget(card);
    this.#tell(card, 'withdrawn');
  }

  #planSweep(expiresAt: number): void {
    if (expiresAt >= this.#sweepAt) return;
    this.#sweepAt = expiresAt;
    this.#stopSweep();
    const wait = Math.min(LONGEST_SWEEP, Math.max(SHORTEST_SWEEP, expiresAt - this.#ports.clock.now()));
    this.#stopSweep = this.#ports.clock.after(wait, () => this.#sweep());
  }

  #sweep(): void {
    const now = this.#ports.clock.now();
    let next = Number.POSITIVE_INFINITY;
    for (const card of [...this.#cards.values()]) {
      if (card.expiresAt <= now) this.#withdraw(card);
      else next = Math.min(next, card.expiresAt);
    }
    this.#sweepAt = Number.POSITIVE_INFINITY;
    if (next !== Number.POSITIVE_INFINITY) this.#planSweep(next);
  }

  #tellPresence(): void {
    const sellers = [...this.#changed];
    this.#changed.clear();
    for (const seller of sellers) {
      for (const key of this.#ofSeller.get(seller) ?? []) this.#tell(this.#cards.get(key) as Card, 'offered');
    }
  }

  #isWanted(service: string): boolean {
    for (const search of this.#searches.values()) {
      if (search.service === '' || search.service === service) return true;
    }
    return false;
  }

  #tell(card: Card, event: FoundOffer['event'], searches: Iterable<[string, OfferSearch]> = this.#searches): void {
    const online = this.#online.has(card.offer.seller);
    for (const [searchId, search] of searches) {
      if (fits(card, search)) {
        this.#ports.tell(searchId, { ...card.offer, event, online, distance: distanceOf(card, search) });
      }
    }
  }
}

function distanceOf({ offer }: Card, { near }: OfferSearch): number | null {
  return near && offer.place ? distanceInKm(near, offer.place) : null;
}

/** A price that is asked for with a call is not too high yet. */
function fits(card: Card, search: OfferSearch): boolean {
  const { service, price } = card.offer;
  if (search.service !== '' && search.service !== service) return false;
  if (search.maxPrice !== null && price !== null && BigInt(price) > BigInt(search.maxPrice)) return false;
  if (search.maxDistance === null) return true;
  const distance = distanceOf(card, search);
  return distance !== null && distance <= search.maxDistance;
}
