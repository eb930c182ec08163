import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { sign as signBytes } from 'node:crypto';
import { isCodedError } from '../../lib/errors';
import { signDocument } from '../../lib/evidence';
import {
  addressOfDid,
  type BuyProgress,
  type BuySettings,
  type Contract,
  hashOf,
  type MarketSignal,
  type Message,
  type MessageBodies,
  type MessageOf,
  type MessageType,
  messageDocument,
  newMessage,
  type OfferEvent,
  type OfferEventName,
  type OfferSettings,
  TIMES,
  type Times,
} from '../../lib/market';
import type { Failure } from '../../lib/market/desk/market-ports';
import { type Address, didKeyOf } from '../../lib/values';
import { Chance } from '../payments/simulation/random';
import { Timeline } from '../payments/simulation/timeline';
import { type Connection, MeetingPlace, SOUND_CHANNEL, type Topic } from './simulation/meeting-place';
import { DECIMALS, type MoneyFaults, NETWORK_ID, SimulatedLedger, SOUND_MONEY, TOKEN } from './simulation/money';
import { NO_SETTINGS } from './simulation/settings';
import {
  CHANNEL,
  type KillPoint,
  keyOf,
  NETWORK,
  publicKeyOf,
  SimulatedTrader,
  type TraderWorld,
} from './simulation/trader';

export const START = Date.UTC(2026, 5, 1);

/** Settings that need nothing else. */
export const NOTHING_SET = { ...NO_SETTINGS, service: 'charging' };

/** A market with nobody in it yet, and its time in the hands of the test. */
export class MarketStage {
  readonly timeline = new Timeline(START);
  readonly chance: Chance;
  readonly ledger = new SimulatedLedger(this.timeline);
  readonly place: MeetingPlace;
  readonly world: TraderWorld;
  readonly traders: SimulatedTrader[] = [];
  /** Decides where processes die. */
  dies: (trader: SimulatedTrader, point: KillPoint) => boolean = () => false;
  money: MoneyFaults = SOUND_MONEY;
  downtime = 1_000;

  constructor({ seed = 7, times = TIMES }: { readonly seed?: number; readonly times?: Times } = {}) {
    const chance = new Chance(seed);
    this.chance = chance;
    this.place = new MeetingPlace(this.timeline, chance, () => SOUND_CHANNEL);
    this.world = {
      timeline: this.timeline,
      chance,
      ledger: this.ledger,
      place: this.place,
      times,
      moneyFaults: () => this.money,
      dies: (trader, point) => this.dies(trader, point),
      downtime: () => this.downtime,
    };
  }

  /** A machine with the real market, whose nodes are there. */
  async trader(
    name: string,
    {
      funds = 0n,
      offers = {},
      buys = [],
    }: { funds?: bigint; offers?: Record<string, Partial<OfferSettings>>; buys?: string[] },
  ): Promise<SimulatedTrader> {
    const trader = new SimulatedTrader(name, this.world, funds);
    for (const [nodeId, settings] of Object.entries(offers))
      trader.flow.offers.set(nodeId, { ...NOTHING_SET, ...settings });
    for (const nodeId of buys) trader.flow.buyers.add(nodeId);
    this.traders.push(trader);
    trader.start();
    await this.pass(100);
    return trader;
  }

  puppet(name: string): Puppet {
    return new Puppet(name, this);
  }

  async pass(milliseconds: number): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.timeline.until(() => false, this.timeline.now() + milliseconds);
  }

  async until(what: string, done: () => boolean, within = 60_000): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    await this.timeline.until(done, this.timeline.now() + within);
    assert.ok(done(), `within ${within} ms: ${what}`);
  }

  /** Waits for a promise by letting time go on. */
  async soon<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    promise.then(settle, settle);
    await this.until('it settles', () => settled);
    return promise;
  }

  async buy(trader: SimulatedTrader, settings: Partial<BuySettings> = {}, nodeId = 'buy'): Promise<string> {
    const { life } = trader;
    assert.ok(life);
    return this.soon(life.buy(nodeId, { ...NOTHING_SET, ...settings }));
  }

  async refuses(promise: Promise<unknown>, code: string, detail: string): Promise<void> {
    await assert.rejects(
      this.soon(promise),
      (error) => isCodedError(error) && error.code === code && error.detail === detail,
    );
  }

  /** Nothing went wrong that no rule foresees. */
  assertNoTrouble(): void {
    for (const { name, troubles } of this.traders) assert.deepEqual(troubles, [], name);
  }

  dispose(): void {
    for (const trader of this.traders) trader.dispose();
  }
}

export function contractsOf({ signals }: SimulatedTrader): Contract[] {
  return signals.flatMap((signal) => ('contract' in signal && !('failure' in signal) ? [signal.contract] : []));
}

export function failuresOf({ signals }: SimulatedTrader): Failure[] {
  return signals.flatMap((signal) => ('failure' in signal ? [signal.failure] : []));
}

export function progressOf({ signals }: SimulatedTrader, event?: BuyProgress['event']): BuyProgress[] {
  return signals.flatMap((signal) =>
    'progress' in signal && (event === undefined || signal.progress.event === event) ? [signal.progress] : [],
  );
}

export function offerEventsOf({ signals }: SimulatedTrader, event?: OfferEventName): OfferEvent[] {
  return signals.flatMap((signal) =>
    'offer' in signal && (event === undefined || signal.offer.event === event) ? [signal.offer] : [],
  );
}

export function stateOf(trader: SimulatedTrader, contractId: string, side: 'buyer' | 'seller'): string | undefined {
  const row = trader.life?.journal?.sql.get('SELECT state FROM contracts WHERE contract_id = ? AND side = ?', [
    contractId,
    side,
  ]);
  return row && String(row['state']);
}

export type { MarketSignal };
export { CHANNEL };

interface Words<T extends MessageType> {
  readonly to: string;
  readonly contractId: string;
  readonly previous: string;
  readonly body: MessageBodies[T];
  readonly expires?: number;
  readonly network?: string;
}

/** A machine that says whatever the test wants it to say, signed with its own key. */
export class Puppet implements Connection {
  readonly did: string;
  readonly address: Address;
  readonly heard: { readonly text: string; readonly hash: string; readonly message: Message }[] = [];
  readonly #key: KeyObject;
  #sequence = 0;

  constructor(
    name: string,
    private readonly stage: MarketStage,
  ) {
    this.#key = keyOf(name);
    this.did = didKeyOf(publicKeyOf(this.#key));
    this.address = addressOfDid(this.did, NETWORK.addressForm);
    stage.place.connections.add(this);
  }

  deliver(_topic: Topic, text: string): void {
    const message = JSON.parse(text) as Message;
    if (message.from !== this.did) this.heard.push({ text, hash: hashOf(text), message });
  }

  /** The messages of that type that came here, each once. */
  got<T extends MessageType>(
    type: T,
  ): { readonly text: string; readonly hash: string; readonly message: MessageOf<T> }[] {
    const known = new Set<string>();
    return this.heard.filter(({ hash, message }) => message.type === type && !known.has(hash) && known.add(hash)) as {
      readonly text: string;
      readonly hash: string;
      readonly message: MessageOf<T>;
    }[];
  }

  /** The call that came here last. */
  get call() {
    const call = this.got('call').at(-1);
    assert.ok(call, 'no call was heard');
    return call;
  }

  write<T extends MessageType>(type: T, parts: Words<T>): string {
    const { timeline, chance } = this.stage;
    const at = timeline.now();
    const message = newMessage(
      type as 'accept',
      {
        from: this.did,
        network: NETWORK_ID,
        at,
        expires: at + 60_000,
        ...parts,
        body: parts.body as MessageBodies['accept'],
      },
      (length) => chance.bytes(length),
    );
    const signer = { did: this.did, sign: (bytes: Uint8Array) => new Uint8Array(signBytes(null, bytes, this.#key)) };
    const facts = { signer, created: at, sequence: this.#sequence };
    this.#sequence += 1;
    return signDocument(messageDocument(message), 'data-integrity', facts);
  }

  /** Signs and sends; returns its hash. */
  say<T extends MessageType>(type: T, parts: Words<T>): string {
    const text = this.write(type, parts);
    this.send(text);
    return hashOf(text);
  }

  send(text: string): void {
    this.stage.place.publish({ inbox: (JSON.parse(text) as { to: string }).to }, text);
  }

  /** Answers the last call. */
  propose(price: bigint, more: Partial<MessageBodies['proposal']> = {}, expires?: number): string {
    const { hash, message } = this.call;
    const { service, quantity } = message.body;
    return this.say('proposal', {
      to: message.from,
      contractId: hash,
      previous: hash,
      ...(expires !== undefined && { expires }),
      body: {
        service,
        title: 'a puppet',
        unit: 'once',
        price: price.toString(),
        quantity,
        amount: (price * BigInt(quantity)).toString(),
        token: TOKEN,
        decimals: DECIMALS,
        place: null,
        leadSeconds: null,
        payWithin: 120,
        ...more,
      },
    });
  }

  /** Confirms the last accept that came. */
  confirm(more: Partial<MessageBodies['accept']> = {}): string {
    const accept = this.got('accept').at(-1);
    assert.ok(accept, 'nobody accepted');
    const { contractId, from, body } = accept.message;
    const payBy = new Date(this.stage.timeline.now() + 120_000).toISOString();
    return this.say('accept', {
      to: from,
      contractId,
      previous: accept.hash,
      body: { amount: body.amount, payBy, ...more },
    });
  }

  /** Answers whatever came last from the other side. */
  answer<T extends 'delivered' | 'cancel' | 'reject'>(type: T, body: MessageBodies[T]): string {
    const last = this.heard.filter(({ message }) => message.type !== 'call').at(-1) ?? this.call;
    const contractId = last.message.contractId ?? last.hash;
    return this.say(type, { to: last.message.from, contractId, previous: last.hash, body });
  }

  delivered(): string {
    const at = new Date(this.stage.timeline.now()).toISOString();
    return this.answer('delivered', { final: true, quantity: '1', startedAt: at, endedAt: at });
  }

  paysBack(to: Address, amount: bigint, contractId: string): void {
    this.stage.ledger.transfer(this.address, to, amount, `me1:${contractId.slice(0, 32)}/refund`);
  }
}
