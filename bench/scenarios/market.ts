/** Machines that buy and sell in one Node-RED, on a broker outside of it: how many, how soon, and among how much noise. */
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Contract } from '../../lib/market';
import { MeetingPlace } from '../../test/flows/meeting-place';
import { Mosquitto } from '../../test/flows/mosquitto';
import { EmbeddedNodeRed, type Message, removeUserDirectory, userDirectory } from '../embedded-node-red';
import { Fleet } from '../fleet';
import { BIDS_MS, marketFlow, PATIENT_MS, SERVICE } from '../market-flow';
import { freePort, runScenario, scenario } from '../scenario';
import type { StrangersMeasured, StrangersParameters } from './strangers';

export interface MarketParameters {
  readonly buyers: number;
  readonly sellers: number;
  /** Purchases one after the other. */
  readonly oneByOne: number;
  /** Purchases of each buyer while all of them buy. */
  readonly each: number;
  readonly spam: number;
}

export interface MarketMeasured {
  /** From the call to the seller's confirmation, all at once. */
  readonly negotiationsPerSecond: number;
  /** The same in a second of one core: everything in this process, ledger included, broker not. */
  readonly negotiationsPerCoreSecond: number;
  /** Until all of them were paid, delivered and over. */
  readonly dealsPerSecond: number;
  /** Signing and verifying as many messages as a negotiation of this kind has, and nothing else. */
  readonly rawPerSecond: number;
  /** Milliseconds from the need to the start of the service, each. */
  readonly needToStart: readonly number[];
  /** The same of a buyer that waits {@link PATIENT_MS} for proposals, and while strangers shout. */
  readonly needToStartPatiently: readonly number[];
  readonly needToStartInSpam: readonly number[];
  readonly spamPerSecond: number;
  /** Needs that nobody answered in time while strangers shouted. */
  readonly failedInSpam: number;
  readonly rawVerifyPerSecond: number;
  /** Milliseconds that a buyer waits for proposals in any case. */
  readonly waitedForBids: number;
  /** Purchases at once that no seller answered in time. */
  readonly unanswered: number;
  /** Milliseconds from an order to its receipt: a payment alone. */
  readonly payment: readonly number[];
  readonly idleDelay: number;
  readonly spamDelay: number;
}

const RESOLUTION_MS = 1;
const IDLE_MS = 3000;
const PATIENT_NEEDS = 3;
/** A seller binds itself to one buyer so many times at a time. */
const LANES = 3;
const DEAL_LIMIT_MS = 240_000;

scenario<MarketParameters, MarketMeasured>(async ({ buyers, sellers, oneByOne, each, spam }) => {
  const broker = (await Mosquitto.start()) ?? (await ownBroker());
  const port = await freePort();
  const flow = marketFlow({
    buyers,
    sellers,
    ledger: { network: 'sandbox-tangle', port, deviceBrokerPort: 0 },
    brokerPort: broker.port,
  });
  const userDir = await userDirectory(flow);
  const nodeRed = await EmbeddedNodeRed.start(userDir);
  const market = new Purchases(nodeRed);
  const fleet = new Fleet(nodeRed);
  for (let n = 0; n < buyers; n += 1) await fleet.funded(n);
  const to = await fleet.address(0);
  const first = await market.buyWhenReady();
  const network = first.network;

  const strangers = (more: Partial<StrangersParameters>) =>
    runScenario<StrangersMeasured>('strangers', {
      port: broker.port,
      network,
      service: SERVICE,
      spam: 0,
      dids: [first.buyer.did, ...market.sellers],
      ...more,
    });
  const payment: number[] = [];
  for (let n = 0; n < oneByOne; n += 1) {
    const { sent, received } = await fleet.pay(0, first.seller?.address ?? to);
    payment.push(received - sent);
  }
  const needToStart: number[] = [];
  for (let n = 0; n < oneByOne; n += 1) needToStart.push(await market.untilStart());

  const cpu = process.cpuUsage();
  const begun = performance.now();
  const contracts: Promise<unknown>[] = [];
  let confirmed = 0;
  const lane = async (buyer: number) => {
    for (let n = 0; n < each / LANES; n += 1) {
      const purchase = market.buy(buyer);
      const came = await purchase.confirmed.then(
        () => true,
        () => false,
      );
      // Whom nobody answered in time has lost that time; it does not count.
      if (!came) continue;
      confirmed += 1;
      contracts.push(purchase.ended);
    }
  };
  await Promise.all(Array.from({ length: buyers * LANES }, (_, n) => lane(n % buyers)));
  const negotiated = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await Promise.all(contracts);
  const dealt = (performance.now() - begun) / 1000;

  const needToStartPatiently: number[] = [];
  for (let n = 0; n < PATIENT_NEEDS; n += 1) needToStartPatiently.push(await market.untilStart('patient'));

  const idle = await delayDuring(() => new Promise((rested) => setTimeout(rested, IDLE_MS)));
  const needToStartInSpam: number[] = [];
  let shouting = true;
  let spamPerSecond = 0;
  let failedInSpam = 0;
  const spammed = await delayDuring(async () => {
    const noise = strangers({ spam }).finally(() => {
      shouting = false;
    });
    // The first strangers are heard before anybody needs anything.
    await market.strangersCame();
    while (shouting) {
      try {
        needToStartInSpam.push(await market.untilStart('patient'));
      } catch {
        failedInSpam += 1;
      }
    }
    spamPerSecond = spam / (await noise).seconds;
  });

  await nodeRed.stop();
  await removeUserDirectory(userDir);
  await broker.remove();
  return {
    negotiationsPerSecond: confirmed / negotiated,
    negotiationsPerCoreSecond: (confirmed * 1e6) / (user + system),
    dealsPerSecond: contracts.length / dealt,
    rawPerSecond: rawNegotiations(sellers),
    needToStart,
    needToStartPatiently,
    needToStartInSpam,
    spamPerSecond,
    failedInSpam,
    rawVerifyPerSecond: rawVerifications(),
    waitedForBids: BIDS_MS,
    unanswered: buyers * each - confirmed,
    payment,
    idleDelay: idle,
    spamDelay: spammed,
  };
});

/** Sends needs to the buy node and hears what becomes of them. */
class Purchases {
  readonly sellers = new Set<string>();
  #asked = 0;
  #inquiries = 0;
  readonly #waiting = new Map<number, Waiting>();
  readonly #byContract = new Map<string, Waiting>();

  constructor(private readonly nodeRed: EmbeddedNodeRed) {
    nodeRed.onSink((sinkId, message) => this.#hear(sinkId, message));
  }

  buy(buyer: number | 'patient' = 0): {
    readonly confirmed: Promise<void>;
    readonly started: Promise<number>;
    readonly ended: Promise<Contract>;
  } {
    this.#asked += 1;
    const bench = this.#asked;
    const [confirmed, started, ended] = [latch<void>(), latch<number>(), latch<Contract>()];
    for (const { promise } of [confirmed, started, ended]) promise.catch(() => {});
    this.#waiting.set(bench, { confirmed, started, ended });
    this.nodeRed.send(`buy-${buyer}`, { payload: { parameters: { n: bench } }, bench });
    return { confirmed: confirmed.promise, started: started.promise, ended: ended.promise };
  }

  /** Milliseconds. */
  async untilStart(buyer: number | 'patient' = 0): Promise<number> {
    const begun = performance.now();
    const { started, ended } = this.buy(buyer);
    const at = await within(DEAL_LIMIT_MS, started, 'a start');
    await ended;
    return at - begun;
  }

  /** Sellers, faucet and broker take a moment. */
  async buyWhenReady(): Promise<Contract> {
    const deadline = Date.now() + DEAL_LIMIT_MS;
    for (;;) {
      try {
        const contract = await this.buy().ended;
        // All of them were there to be chosen from.
        if (/\b3\b|three/.test(contract.chosenBecause ?? '') || Date.now() > deadline) return contract;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      await new Promise((again) => setTimeout(again, 500));
    }
  }

  /** Somebody whom we do not know was answered, or will not be any more. */
  async strangersCame(): Promise<void> {
    const before = this.#inquiries;
    const deadline = Date.now() + 20_000;
    while (this.#inquiries === before && Date.now() < deadline) await new Promise((again) => setTimeout(again, 10));
  }

  #hear(sinkId: string, message: Message): void {
    const payload = message.payload as { event?: string; contractId?: string; buyer?: string; seller?: unknown };
    const waiting = this.#waiting.get(message.bench as number);
    if (sinkId === 'event') this.#inquiries += 1;
    else if (sinkId === 'purchase' && waiting) {
      if (payload.event === 'called') this.#byContract.set(payload.contractId as string, waiting);
      if (payload.event === 'proposal') this.sellers.add(String(payload.seller));
      if (payload.event === 'confirmed') waiting.confirmed.resolve();
    } else if (sinkId === 'start')
      this.#byContract.get(payload.contractId as string)?.started.resolve(performance.now());
    else if (sinkId === 'contract') waiting?.ended.resolve(message.payload as Contract);
    else if (sinkId === 'problem' && waiting) {
      const error = new Error((message.error as Error).message);
      for (const each of Object.values(waiting)) each.reject(error);
    }
  }
}

interface Waiting {
  readonly confirmed: Latch<void>;
  readonly started: Latch<number>;
  readonly ended: Latch<Contract>;
}

interface Latch<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function latch<T>(): Latch<T> {
  let [resolve, reject]: [(value: T) => void, (error: Error) => void] = [() => {}, () => {}];
  const promise = new Promise<T>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

async function within<T>(limitMs: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come in ${limitMs} ms`)), limitMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** 99th percentile of the main thread's delay in ms. */
async function delayDuring(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  await work();
  delay.disable();
  return delay.percentile(99) / 1e6 - RESOLUTION_MS;
}

/** Call, a proposal of each seller, two accepts and a rejection of each other: each signed once and verified once. */
function rawNegotiations(sellers: number): number {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const bytes = Buffer.alloc(1024, 7);
  const messages = 1 + sellers + 2 + (sellers - 1);
  const rounds = 300;
  const begun = performance.now();
  for (let n = 0; n < rounds * messages; n += 1) verify(null, bytes, publicKey, sign(null, bytes, privateKey));
  return (rounds * 1000) / (performance.now() - begun);
}

function rawVerifications(): number {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const bytes = Buffer.alloc(1024, 7);
  const signature = sign(null, bytes, privateKey);
  const rounds = 5000;
  const begun = performance.now();
  for (let n = 0; n < rounds; n += 1) verify(null, bytes, publicKey, signature);
  return (rounds * 1000) / (performance.now() - begun);
}

/** Where there is no Mosquitto: one in this process, which costs what it costs. */
async function ownBroker(): Promise<{ readonly port: number; remove(): Promise<void> }> {
  const place = new MeetingPlace();
  await place.open();
  return { port: place.port, remove: () => place.close() };
}
