import { CodedError } from '../../../lib/errors';
import type { ChannelSignal, Channels, Ranking, SignedMessage } from '../../../lib/market';
import type { Check, RefusedReason } from '../../../lib/market/channel/channels';
import type { Bid, ChoiceRule, OfferSearch } from '../../../lib/market/market-order';
import type { Chance } from '../../payments/simulation/random';
import type { Timeline } from '../../payments/simulation/timeline';

export interface ChannelFaults {
  readonly loss: number;
  readonly duplicates: number;
  /** Milliseconds that a message may be on its way; with more than one on the way they overtake each other. */
  readonly slowest: number;
}

export const SOUND_CHANNEL: ChannelFaults = { loss: 0, duplicates: 0, slowest: 20 };

/** One message on its way, as somebody in the middle sees it. */
export interface InTransit {
  readonly text: string;
  /** did of who gets it; for a call: of each who listens. */
  readonly to: string;
}

export type Topic = { readonly inbox: string } | { readonly calls: string };

/** Somebody with an inbox. */
export interface Connection {
  readonly did: string;
  deliver(topic: Topic, text: string): void;
}

/** The broker, and everything that is on its way through it. */
export class MeetingPlace {
  readonly connections = new Set<Connection>();
  readonly cards = new Map<string, string>();
  /** Everything that was handed over for sending, in order, whatever became of it. */
  readonly sent: string[] = [];
  /** Says what becomes of a message: undefined = as usual, null = lost, a text = that text instead. */
  intercept: (message: InTransit) => string | null | undefined = () => undefined;

  constructor(
    readonly timeline: Timeline,
    readonly chance: Chance,
    readonly faults: () => ChannelFaults,
  ) {}

  /** To one inbox, or to all who are there. */
  publish(topic: Topic, text: string): void {
    const { chance } = this;
    const { loss, duplicates, slowest } = this.faults();
    for (const connection of this.connections) {
      if ('inbox' in topic && connection.did !== topic.inbox) continue;
      for (let copies = chance.happens(duplicates) ? 2 : 1; copies > 0; copies -= 1) {
        if (chance.happens(loss)) continue;
        const told = this.intercept({ text, to: connection.did });
        if (told === null) continue;
        this.timeline.after(chance.between(1, slowest), () => connection.deliver(topic, told ?? text));
      }
    }
  }
}

export interface ChannelDoors {
  readonly did: string;
  readonly after: (milliseconds: number, run: () => void) => () => void;
  readonly hear: (signal: ChannelSignal) => void;
  readonly check: Check;
  readonly parametersProblem: (schema: object, parameters: unknown) => string | undefined;
  readonly rank: (bids: readonly Bid[], rule: ChoiceRule, call: object) => Promise<Ranking> | Ranking;
}

interface Waiting {
  readonly text: string;
  cancel: () => void;
}

/** The market worker of one process: it remembers nothing that it was not told. */
export class SimulatedChannels implements Channels, Connection {
  readonly did: string;
  #open = new Set<string>();
  #expected = new Map<string, Set<string>>();
  #offers = new Map<string, { readonly service: string; readonly parameters: object | null }>();
  #outbox = new Map<string, Waiting>();
  #turn: Promise<void> = Promise.resolve();
  #away = false;
  #over = false;

  constructor(
    private readonly place: MeetingPlace,
    private readonly doors: ChannelDoors,
  ) {
    this.did = doors.did;
    place.connections.add(this);
  }

  /** The process is gone. */
  unplug(): void {
    this.#over = true;
    this.place.connections.delete(this);
    this.#forget();
  }

  /** The worker dies, and is back after a while. */
  restart(milliseconds: number, back: () => void): void {
    this.#forget();
    this.#away = true;
    this.doors.after(milliseconds, () => {
      this.#away = false;
      back();
    });
  }

  /** Whose calls come before those of strangers. */
  known: readonly string[] = [];

  get openChannels(): readonly string[] {
    return [...this.#open];
  }

  /** Messages that are sent again and again. */
  get unanswered(): readonly string[] {
    return [...this.#outbox.values()].map(({ text }) => text);
  }

  deliver(topic: Topic, text: string): void {
    if (this.#over || this.#away || this.#open.size === 0) return;
    const [channelId = ''] = this.#open;
    const read = this.doors.check(Buffer.from(text));
    if ('calls' in topic) this.#hearCall(channelId, topic.calls, read);
    else this.#hearMessage(channelId, read);
  }

  async open(channelId: string): Promise<void> {
    await this.#reached();
    this.#open.add(channelId);
    this.#tell({ channelId, state: 'up' });
  }

  async close(channelId: string): Promise<void> {
    await this.#reached();
    this.#open.delete(channelId);
  }

  async send(
    _: string,
    { hash, text }: { readonly hash: string; readonly text: string },
    once: boolean,
  ): Promise<void> {
    await this.#reached();
    this.place.sent.push(text);
    if (once) this.#publish(text);
    else if (!this.#outbox.has(hash)) this.#repeat(hash, text, 1_000);
  }

  async answered(_: string, hash: string): Promise<void> {
    await this.#reached();
    this.#outbox.get(hash)?.cancel();
    this.#outbox.delete(hash);
  }

  async show(_: string, service: string, card: string | null): Promise<void> {
    await this.#reached();
    const topic = `${service}/${this.did}`;
    if (card === null) this.place.cards.delete(topic);
    else this.place.cards.set(topic, card);
  }

  async listenCalls(
    _: string,
    offerId: string,
    wanted: { readonly service: string; readonly parameters: object | null },
  ): Promise<void> {
    await this.#reached();
    this.#offers.set(offerId, wanted);
  }

  async stopCalls(_: string, offerId: string): Promise<void> {
    await this.#reached();
    this.#offers.delete(offerId);
  }

  async expect(channelId: string, contractIds: readonly string[]): Promise<void> {
    await this.#reached();
    this.#expected.set(channelId, new Set(contractIds));
  }

  async expectAlso(channelId: string, contractId: string): Promise<void> {
    await this.#reached();
    const expected = this.#expected.get(channelId) ?? new Set();
    this.#expected.set(channelId, expected.add(contractId));
  }

  async expectNoMore(channelId: string, contractId: string): Promise<void> {
    await this.#reached();
    this.#expected.get(channelId)?.delete(contractId);
  }

  async know(_channelId: string, dids: readonly string[]): Promise<void> {
    await this.#reached();
    this.known = dids;
  }

  async search(_channelId: string, _searchId: string, _search: OfferSearch): Promise<void> {
    await this.#reached();
  }

  async stopSearch(): Promise<void> {
    await this.#reached();
  }

  async rank(bids: readonly Bid[], rule: ChoiceRule, call: object): Promise<Ranking> {
    await this.#reached();
    return this.doors.rank(bids, rule, call);
  }

  #hearCall(channelId: string, service: string, read: ReturnType<Check>): void {
    if ('refused' in read || read.message.type !== 'call') return;
    const call = read as SignedMessage<'call'>;
    if (call.message.from === this.did || call.message.body.service !== service) return;
    const wanting = [...this.#offers].filter(([, offer]) => offer.service === service);
    if (wanting.length === 0) return;
    const problems: Record<string, string> = {};
    for (const [offerId, { parameters }] of wanting) {
      const problem = parameters && this.doors.parametersProblem(parameters, call.message.body.parameters);
      if (problem) problems[offerId] = problem;
    }
    this.#tell({ channelId, call, offerIds: wanting.map(([offerId]) => offerId), problems });
  }

  #hearMessage(channelId: string, read: ReturnType<Check>): void {
    const contractId = 'refused' in read ? read.claimed.contractId : read.message.contractId;
    const isExpected = [...this.#expected.values()].some((expected) => contractId && expected.has(contractId));
    if (!isExpected || !contractId) return;
    if ('refused' in read) {
      const refused: { contractId: string; from: string | null; reason: RefusedReason } = {
        contractId,
        from: read.claimed.from ?? null,
        reason: read.refused,
      };
      this.#tell({ channelId, refused });
    } else this.#tell({ channelId, message: read });
  }

  #tell(signal: ChannelSignal): void {
    this.doors.after(1, () => {
      if (!this.#over && !this.#away) this.doors.hear(signal);
    });
  }

  #publish(text: string): void {
    if (this.#over || this.#away) return;
    const { type, to, body } = JSON.parse(text) as { type: string; to: string; body: { service: string } };
    this.place.publish(type === 'call' ? { calls: body.service } : { inbox: to }, text);
  }

  #repeat(hash: string, text: string, delay: number): void {
    const { expires } = JSON.parse(text) as { expires: string };
    if (Date.parse(expires) <= this.place.timeline.now()) {
      this.#outbox.delete(hash);
      return;
    }
    this.#publish(text);
    const cancel = this.doors.after(delay, () => this.#repeat(hash, text, Math.min(60_000, delay * 2)));
    this.#outbox.set(hash, { text, cancel });
  }

  #forget(): void {
    for (const { cancel } of this.#outbox.values()) cancel();
    this.#outbox = new Map();
    this.#open = new Set();
    this.#expected = new Map();
    this.#offers = new Map();
  }

  /** A call to another thread takes its time, comes after those before it, and fails while that thread is away. */
  async #reached(): Promise<void> {
    const pass = () => new Promise<void>((resolve) => this.doors.after(this.place.chance.between(0, 3), resolve));
    this.#turn = this.#turn.then(pass);
    await this.#turn;
    if (this.#away)
      throw new CodedError('LEDGER_UNREACHABLE', 'market-restarting', 'the market is being started again');
  }
}
