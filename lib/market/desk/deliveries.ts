import { CodedError } from '../../errors';
import { LONGEST_VALIDITY } from '../messages/limits';
import type { SignedMessage } from '../messages/message';
import { compareQuantities, parseQuantity } from '../quantity';
import type { Floor } from './floor';
import type { Notice, NoticeBody } from './notices';
import type { Offers } from './offers';
import { reasonOf, type SellerActs } from './seller-acts';
import { durationIn, factsOf, offerEvent, type SellerRow } from './seller-facts';

/** A buyer hears how much it has every so often, not at each pulse of a meter. */
const METER_PAUSE = 10_000;
const A_LITTLE = 1_000;
const LONGEST_TIMER = 2 ** 31 - 1;
/** What a meter counts, and time does not. */
const METERED: ReadonlySet<string> = new Set(['kWh', 'piece', 'record']);

/** From the money to the end of the service. */
export class Deliveries {
  /** When a `start` was told, by notice: the service counts from then on. */
  readonly #toldAt = new Map<string, number>();
  /** When timed services end by a clock that nobody sets: what was paid is a time, and not a moment. */
  readonly #ends = new Map<string, { readonly at: number; readonly cancel: () => void }>();
  /** Newest reading, and when the last one was sent. */
  readonly #readings = new Map<string, { readonly quantity: string; readonly sentAt: number }>();

  constructor(
    private readonly floor: Floor,
    private readonly offers: Offers,
    private readonly acts: SellerActs,
  ) {}

  /** What the flow starts with. */
  startEvent(row: SellerRow) {
    const { token, decimals } = this.floor.ports.network;
    const amount = factsOf(row).amount ?? '0';
    return offerEvent(row, 'start', { parameters: this.parametersOf(row), amount, token, decimals });
  }

  /** A service that ends by time ends that long after its flow was told to start it. */
  freshen(notice: Notice): NoticeBody {
    const { body } = notice;
    if (!('offer' in body) || body.offer.event !== 'start') return body;
    const row = this.floor.book.contract(notice.contractId, 'seller');
    const now = this.floor.now();
    this.#toldAt.set(notice.id, now);
    const duration = row ? durationIn(factsOf(row)) : null;
    if (duration === null) return body;
    return { offer: { ...body.offer, until: new Date(now + duration).toISOString() } };
  }

  /** The flow has its `start`. */
  async started(notice: Notice): Promise<void> {
    const { book, notices, ports, now } = this.floor;
    const row = book.contract(notice.contractId, 'seller');
    // Who took it is gone, and has stopped: it is told again when the node is back.
    if (row && !this.offers.isThere(row.nodeId)) return;
    const startedAt = this.#toldAt.get(notice.id) ?? now();
    this.#toldAt.delete(notice.id);
    if (row?.state !== 'STARTING') {
      await ports.journal.write((_append, sql) => notices.withdraw(sql, notice.id));
      return;
    }
    const duration = durationIn(factsOf(row));
    const until = duration === null ? null : startedAt + duration;
    await this.acts.act(row, {
      event: 'start',
      deadline: until ?? factsOf(row).deliverBy,
      facts: { startedAt, until },
      within: (_append, sql) => notices.withdraw(sql, notice.id),
    });
    if (until !== null) this.#runsFor(row.contractId, until - now());
  }

  /** The node of a running service is back: it hears `start` again, as it stands. */
  tellAgain(row: SellerRow): void {
    const { ports, notices, now } = this.floor;
    const { until } = factsOf(row);
    if (!notices.attends(row.nodeId) || (until !== null && until <= now())) return;
    if (until !== null && !this.#ends.has(row.contractId)) this.#runsFor(row.contractId, until - now());
    ports.emit({ nodeId: row.nodeId, offer: this.startEvent(row), noticeId: null, redelivered: true });
  }

  close(): void {
    for (const { cancel } of this.#ends.values()) cancel();
    this.#ends.clear();
  }

  /** Its time is over: with its flow there, it was delivered. */
  async timeIsUp(row: SellerRow): Promise<void> {
    if (factsOf(row).until === null) return this.acts.fail(row, 'late');
    const { clock } = this.floor.ports;
    const left = Math.ceil((this.#ends.get(row.contractId)?.at ?? 0) - clock.elapsed());
    // The machine's clock was set forward: it goes on for as long as was paid.
    if (left > A_LITTLE) {
      const until = this.floor.now() + left;
      await this.acts.act(row, { event: null, deadline: until, facts: { until } });
      return;
    }
    // Until it is back, or gone for good, nobody can say.
    if (!this.offers.isThere(row.nodeId))
      await this.acts.act(row, { event: null, deadline: this.floor.now() + A_LITTLE });
    else await this.fulfil(row);
  }

  async fulfil(row: SellerRow): Promise<void> {
    const { now, ports } = this.floor;
    this.#ends.get(row.contractId)?.cancel();
    this.#ends.delete(row.contractId);
    const endedAt = now();
    const metered = this.#readings.get(row.contractId)?.quantity ?? factsOf(row).metered;
    this.#readings.delete(row.contractId);
    await this.acts.act(row, {
      event: 'fulfil',
      deadline: endedAt + ports.times.complete,
      facts: { endedAt, metered },
      drafts: this.#delivered(row, endedAt, metered),
    });
  }

  /**
   * To a buyer that has not heard it. As an answer it is sent again whenever he asks again, and for as long as he may have
   * slept.
   */
  async sayAgain(row: SellerRow, answers: SignedMessage): Promise<void> {
    const { endedAt, metered } = factsOf(row);
    const expires = this.floor.now() + LONGEST_VALIDITY;
    const drafts = this.#delivered(row, endedAt ?? this.floor.now(), metered, {
      once: true,
      previous: answers.hash,
      expires,
    });
    await this.acts.act(row, { event: null, answers, drafts });
  }

  /** A machine's clock that is set back does not make it longer. */
  #runsFor(contractId: string, milliseconds: number): void {
    const { clock } = this.floor.ports;
    const at = clock.elapsed() + milliseconds;
    const wait = () => Math.min(LONGEST_TIMER, Math.max(0, at - clock.elapsed()) + A_LITTLE);
    const look = async () => {
      if (clock.elapsed() >= at) await this.floor.turns.take(contractId, () => this.#ranOut(contractId));
      else this.#ends.set(contractId, { at, cancel: clock.after(wait(), again) });
    };
    const again = () => void look().catch((error) => this.floor.trouble(error));
    this.#ends.get(contractId)?.cancel();
    this.#ends.set(contractId, { at, cancel: clock.after(wait(), again) });
  }

  async #ranOut(contractId: string): Promise<void> {
    const row = this.floor.book.contract(contractId, 'seller');
    if (this.floor.closed) return;
    if (row?.state === 'DELIVERING' && this.offers.isThere(row.nodeId)) await this.fulfil(row);
    this.#ends.delete(contractId);
  }

  #delivered(
    row: SellerRow,
    endedAt: number,
    metered: string | null,
    how: Parameters<SellerActs['drafts']>[3] = { once: false },
  ) {
    const { startedAt, quantity } = factsOf(row);
    const body = {
      final: true,
      quantity: metered ?? quantity,
      startedAt: new Date(startedAt ?? endedAt).toISOString(),
      endedAt: new Date(endedAt).toISOString(),
    };
    return this.acts.drafts(row, 'delivered', body, how);
  }

  /** @throws CodedError `CONFIG_INVALID` (`quantity`, `meter-back`) */
  async meter(row: SellerRow, value: unknown): Promise<void> {
    const quantity = parseQuantity(value);
    const facts = factsOf(row);
    const before = this.#readings.get(row.contractId);
    const last = before?.quantity ?? facts.metered ?? '0';
    if (compareQuantities(quantity, last) < 0) {
      throw new CodedError('CONFIG_INVALID', 'meter-back', `a meter does not run back from ${last} to ${quantity}`, {
        value: quantity,
        last,
      });
    }
    const now = this.floor.now();
    const isEnough = METERED.has(facts.unit) && compareQuantities(quantity, facts.quantity) >= 0;
    const isDue = before === undefined || now - before.sentAt >= METER_PAUSE;
    this.#readings.set(row.contractId, { quantity, sentAt: isDue ? now : before.sentAt });
    if (isEnough) return this.fulfil(row);
    if (!isDue) return;
    await this.acts.act(row, {
      event: null,
      facts: { metered: quantity },
      drafts: this.acts.drafts(row, 'delivered', {
        final: false,
        quantity,
        startedAt: new Date(facts.startedAt ?? now).toISOString(),
        endedAt: null,
      }),
    });
  }

  /** The buyer is content, has had time to object, or ends it before its time and pays for all of it. */
  async complete(row: SellerRow, event: 'complete' | 'stop', answers?: SignedMessage<'complete'>): Promise<void> {
    this.#readings.delete(row.contractId);
    this.#ends.get(row.contractId)?.cancel();
    this.#ends.delete(row.contractId);
    await this.acts.act(row, {
      event,
      ...(answers && { answers }),
      ...(event === 'stop' && { facts: { endedAt: this.floor.now(), text: 'stopped by the buyer' } }),
      tell: [(after) => offerEvent(after, 'completed', { contract: this.acts.contractNow(after), ...reasonOf(after) })],
    });
  }

  /** As the call had them. */
  parametersOf(row: SellerRow): unknown {
    const [call] = this.floor.letters.documents(row);
    if (call?.type !== 'call') return null;
    return (JSON.parse(call.text) as { body: { parameters: unknown } }).body.parameters;
  }
}
