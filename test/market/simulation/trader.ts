import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { CodedError } from '../../../lib/errors';
import { signDocument } from '../../../lib/evidence';
import { type Journal, openJournal, type Projection, SimulatedDisk } from '../../../lib/journal';
import type { NetworkInfo } from '../../../lib/ledger';
import {
  type BuySettings,
  type ChannelSettings,
  contracts,
  Market,
  type MarketPorts,
  type MarketSignal,
  type MessageBodies,
  type OfferCommand,
  type OfferSettings,
  readMessage,
  type SignMessages,
  type Times,
} from '../../../lib/market';
import type { Check } from '../../../lib/market/channel/channels';
import { rank } from '../../../lib/market/choice';
import type { PaymentReport, ReceivedPayment } from '../../../lib/payments';
import { type Address, addressHash, didKeyOf, writeAddress } from '../../../lib/values';
import type { Chance } from '../../payments/simulation/random';
import type { Timeline } from '../../payments/simulation/timeline';
import { type ChannelDoors, type MeetingPlace, SimulatedChannels } from './meeting-place';
import { DECIMALS, type MoneyFaults, NETWORK_ID, SimulatedAccount, type SimulatedLedger, TOKEN } from './money';
import type { Mutant } from './mutants';

const LISTENER = 'listener';

export const CHANNEL: ChannelSettings = { kind: 'mqtt', url: 'mqtt://simulated', version: 5, keepalive: 60 };

export const NETWORK: NetworkInfo = {
  protocol: 'tangle',
  networkId: NETWORK_ID,
  token: TOKEN,
  decimals: DECIMALS,
  addressForm: { kind: 'bech32', prefix: 'stg' },
  live: false,
  faucet: false,
  capabilities: { expiry: false, feeless: true, minimumDeposit: false, announce: false, offersOnLedger: false },
  minimumChange: 0n,
  maxOutputs: 128,
  maxInputs: 128,
  maxTransactionBytes: 30_000,
};

/** Where a process may be gone the moment after. */
export type KillPoint = 'commit' | 'hears a message' | 'hears of money' | 'tells the flow' | 'calls the account';

export interface TraderWorld {
  readonly timeline: Timeline;
  readonly chance: Chance;
  readonly ledger: SimulatedLedger;
  readonly place: MeetingPlace;
  readonly times: Times;
  readonly moneyFaults: () => MoneyFaults;
  /** Asked at each kill point. */
  readonly dies: (trader: SimulatedTrader, point: KillPoint) => boolean;
  /** Milliseconds until a process that died is back. */
  readonly downtime: () => number;
  readonly mutant?: Mutant;
}

/** The flow of a machine: what its nodes do with what they are told. Offers and purchases are there in every process. */
export interface TraderFlow {
  readonly offers: Map<string, OfferSettings>;
  readonly buyers: Set<string>;
  /** Told every signal that the market emits, after it was noted. */
  hear(signal: MarketSignal, trader: SimulatedTrader): void;
  /** Whether the flow takes what is told (its node is there). */
  takes(signal: MarketSignal): boolean;
}

// What the log does for signing, as a table: numbers without gaps.
export const leaves: Projection = {
  name: 'leaves',
  schema: 'CREATE TABLE IF NOT EXISTS leaves (number INTEGER PRIMARY KEY) STRICT',
  apply: ({ type, body }, sql) => {
    if (type === 'leaf.appended') sql.run('INSERT INTO leaves (number) VALUES (?)', [Number(body['number'])]);
  },
};

/** One machine: a key, a disk, an account, and processes that come and go. */
export class SimulatedTrader {
  readonly did: string;
  readonly address: Address;
  readonly publicKey: Uint8Array;
  readonly account: SimulatedAccount;
  readonly disk: SimulatedDisk;
  readonly signals: MarketSignal[] = [];
  readonly troubles: string[] = [];
  readonly flow: TraderFlow = { offers: new Map(), buyers: new Set(), hear: () => {}, takes: () => true };
  /** How far this machine's clock is ahead. */
  clockError = 0;
  crashes = 0;
  life: TraderLife | undefined;
  readonly #key: KeyObject;

  constructor(
    readonly name: string,
    readonly world: TraderWorld,
    funds: bigint,
  ) {
    this.#key = keyOf(name);
    this.publicKey = publicKeyOf(this.#key);
    this.did = didKeyOf(this.publicKey);
    this.address = writeAddress(addressHash(this.publicKey), NETWORK.addressForm);
    this.account = new SimulatedAccount(this.address, world.ledger, world.chance, world.moneyFaults);
    this.disk = new SimulatedDisk({
      cutsPowerAt: () => this.#cutAt('commit'),
      ...(world.mutant?.noFsync && { acknowledgesWithoutCommit: true }),
    });
    if (funds > 0n) world.ledger.mint(this.address, funds);
  }

  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#key);
  }

  get market(): Market | undefined {
    return this.life?.alive ? this.life.market : undefined;
  }

  start(): void {
    const life = new TraderLife(this);
    this.life = life;
    void life.run();
  }

  /** Power off now; another process comes up after a while. */
  crash(): void {
    this.#end(true);
  }

  /** Dies here, if this is where. */
  diesAt(point: KillPoint): boolean {
    if (!this.life?.alive || !this.world.dies(this, point)) return false;
    this.#end(true);
    return true;
  }

  /** The process ends in peace, and another one begins. */
  async restart(): Promise<void> {
    const { life } = this;
    await life?.market?.close();
    await life?.journal?.close();
    if (!life?.alive) return;
    life.end();
    this.start();
  }

  trouble(text: string): void {
    this.troubles.push(text);
  }

  dispose(): void {
    this.life?.end();
    this.disk.dispose();
  }

  #cutAt(point: KillPoint): boolean {
    if (!this.life?.alive || !this.world.dies(this, point)) return false;
    this.#end(false);
    return true;
  }

  #end(cut: boolean): void {
    const { timeline } = this.world;
    this.crashes += 1;
    this.life?.end();
    // What still runs in this moment gets nowhere: nothing of it is committed, and nobody hears it.
    if (cut) timeline.after(0, () => this.disk.cutPower());
    timeline.after(this.world.downtime(), () => this.start());
  }
}

/** One process of a machine, from its start to its end. */
export class TraderLife {
  alive = true;
  market: Market | undefined;
  journal: Journal | undefined;
  channels: SimulatedChannels | undefined;

  constructor(private readonly trader: SimulatedTrader) {}

  async run(): Promise<void> {
    const { trader } = this;
    const { timeline, chance, place, times, mutant } = trader.world;
    const after = (milliseconds: number, run: () => void) => timeline.after(milliseconds, () => this.alive && run());
    const clock = {
      now: () => timeline.now() + trader.clockError,
      elapsed: () => timeline.now(),
      after,
    };
    const journal = openJournal({
      memory: trader.disk,
      projections: [leaves, contracts],
      now: clock.now,
      schedule: (commit) => void after(chance.between(0, mutant?.slowDisk ?? 8), commit),
      sealEvery: 64,
    });
    this.journal = journal;
    const check: Check = (bytes) =>
      readMessage(bytes, { did: trader.did, network: NETWORK_ID, now: clock.now(), skew: times.skew });
    this.channels = new SimulatedChannels(place, {
      did: trader.did,
      after,
      hear: (signal) => {
        if (trader.diesAt('hears a message') || !this.market) return;
        if ('message' in signal && typeof signal.message === 'object')
          mutant?.hearMessage?.(this.market, signal.message, trader);
        this.market.hearChannel(signal);
      },
      check: mutant?.check?.(check) ?? check,
      parametersProblem: requiredAreThere,
      rank: (bids, rule, call) => rank(bids, rule, call as MessageBodies['call']),
    } satisfies ChannelDoors);
    const account = trader.account.plugIn({
      after: (milliseconds, run) => void after(milliseconds, run),
      hearReport: (report: PaymentReport) => {
        if (!trader.diesAt('hears of money')) this.market?.hearReport(report);
      },
      hearPayment: (payment: ReceivedPayment, redelivered) => {
        if (trader.diesAt('hears of money')) return;
        this.market?.hearPayment(mutant?.payment?.(payment, trader) ?? payment, redelivered);
      },
    });
    const ports: MarketPorts = {
      identity: { did: trader.did, address: trader.address, publicKey: trader.publicKey },
      network: NETWORK,
      journal,
      account: {
        ...account,
        pay: async (order) => {
          if (trader.diesAt('calls the account')) return new Promise(() => {});
          return account.pay(order);
        },
      },
      sign: this.#signing(journal, after),
      channels: this.channels,
      clock,
      random: (length) => chance.bytes(length),
      emit: (signal) => this.#hear(signal),
      times,
    };
    try {
      this.market = await Market.open(mutant?.ports?.(ports, trader) ?? ports);
      trader.account.resume();
      for (const [nodeId, settings] of trader.flow.offers) await this.market.offer(nodeId, settings, CHANNEL);
      for (const nodeId of trader.flow.buyers) await this.market.attendPurchases(nodeId, CHANNEL);
      await this.market.listenContracts(LISTENER, 'beginning');
    } catch (error) {
      this.unexpected('start', error);
    }
  }

  /** Nothing happens in this process any more. */
  end(): void {
    this.alive = false;
    this.channels?.unplug();
    this.trader.account.unplug();
  }

  /** All nodes go, and come back. */
  async redeploy(pause: number): Promise<void> {
    const { market, trader } = this;
    for (const nodeId of trader.flow.offers.keys()) await market?.closeOffer(nodeId);
    for (const nodeId of trader.flow.buyers) await market?.closePurchases(nodeId);
    await new Promise<void>((resolve) => trader.world.timeline.after(pause, () => this.alive && resolve()));
    for (const [nodeId, settings] of trader.flow.offers) await market?.offer(nodeId, settings, CHANNEL);
    for (const nodeId of trader.flow.buyers) await market?.attendPurchases(nodeId, CHANNEL);
  }

  async buy(nodeId: string, settings: BuySettings): Promise<string> {
    if (!this.market) throw new Error('the market is not open yet');
    const { contractId } = await this.market.buy({ nodeId, topic: 'need' }, settings, CHANNEL);
    return contractId;
  }

  async command(nodeId: string, command: OfferCommand): Promise<void> {
    await this.market?.command(nodeId, command);
  }

  unexpected(what: string, error: unknown): void {
    if (!this.alive) return;
    this.trader.trouble(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }

  #hear(signal: MarketSignal): void {
    const { trader } = this;
    if (!this.alive || trader.diesAt('tells the flow')) return;
    if (!trader.flow.takes(signal)) return;
    const first = trader.world.mutant?.acknowledgesBeforeTelling && 'noticeId' in signal && signal.noticeId !== null;
    if (!first) {
      this.#take(signal);
      return;
    }
    void this.market?.noticed(signal.noticeId).catch((error) => this.unexpected('noticed', error));
    trader.world.timeline.after(500, () => this.alive && this.#take(signal));
  }

  /** The flow has it. */
  #take(signal: MarketSignal): void {
    const { trader } = this;
    trader.signals.push(signal);
    if ('trouble' in signal) trader.trouble(signal.trouble);
    if ('noticeId' in signal && signal.noticeId !== null) {
      const { noticeId } = signal;
      const acknowledge = () => this.market?.noticed(noticeId).catch((error) => this.unexpected('noticed', error));
      trader.world.timeline.after(trader.world.chance.between(0, 20), () => this.alive && void acknowledge());
    }
    if ('finished' in signal) {
      const { eventId } = signal.finished;
      const acknowledge = () =>
        this.market?.contractDelivered(LISTENER, eventId).catch((error) => this.unexpected('delivered', error));
      trader.world.timeline.after(trader.world.chance.between(0, 20), () => this.alive && void acknowledge());
    }
    trader.flow.hear(signal, trader);
  }

  #signing(journal: Journal, after: (milliseconds: number, run: () => void) => void): SignMessages {
    const { trader } = this;
    const { chance, timeline } = trader.world;
    return async (documents, note) => {
      await new Promise<void>((resolve) => after(chance.between(0, 4), resolve));
      return journal.write((append, sql) => {
        const first = Number(sql.get('SELECT count(*) AS size FROM leaves')?.['size']);
        const signer = { did: trader.did, sign: (bytes: Uint8Array) => trader.sign(bytes) };
        const texts = documents.map((document, index) =>
          signDocument(document, 'data-integrity', { signer, created: timeline.now(), sequence: first + index }),
        );
        for (const index of texts.keys()) append('leaf.appended', { number: first + index });
        note(append, sql, texts);
        return texts;
      });
    };
  }
}

/** Enough of JSON Schema to have calls that fit and calls that do not. */
function requiredAreThere(schema: object, parameters: unknown): string | undefined {
  const { required = [] } = schema as { required?: readonly string[] };
  const given = typeof parameters === 'object' && parameters !== null ? parameters : {};
  const missing = required.find((name) => !(name in given));
  return missing === undefined ? undefined : `${missing} is missing`;
}

// RFC 8410: an Ed25519 private key as PKCS #8 is this and its 32 bytes.
const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');

export function keyOf(name: string): KeyObject {
  const seed = createHash('sha256').update(name).digest();
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
}

export function publicKeyOf(key: KeyObject): Uint8Array {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-32);
}

export function isCode(error: unknown, code: string): boolean {
  return error instanceof CodedError && error.code === code;
}
