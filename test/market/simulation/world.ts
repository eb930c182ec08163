import { isCodedError } from '../../../lib/errors';
import { type BuySettings, type MarketSignal, type OfferSettings, referenceOf, TIMES } from '../../../lib/market';
import { Chance } from '../../payments/simulation/random';
import { Timeline } from '../../payments/simulation/timeline';
import { contractsIn, type SettledWorld, seenIn, violationsOf } from './invariants';
import { type ChannelFaults, MeetingPlace, SOUND_CHANNEL } from './meeting-place';
import { type MoneyFaults, SimulatedLedger, SOUND_MONEY, type Transfer } from './money';
import type { Mutant } from './mutants';
import { NO_SETTINGS } from './settings';
import { SimulatedTrader, type TraderWorld } from './trader';

/** What kind of world a seed makes. */
export interface Flavour {
  readonly crashRate: number;
  readonly mostCrashes: number;
  /** Machines that are gone for hours. */
  readonly longNights: boolean;
  readonly channel: ChannelFaults;
  readonly money: MoneyFaults;
  /** Somebody pays by hand what nobody asked for. */
  readonly strangeMoney: boolean;
  /** Somebody repeats and changes what he overheard. */
  readonly eavesdropper: boolean;
  /** Clocks differ. */
  readonly clocks: boolean;
  /** Flows and people intervene: stop, cancel, withdraw, redeploy. */
  readonly restless: boolean;
}

export interface WorldResult {
  readonly seed: number;
  readonly flavour: Flavour;
  readonly crashes: number;
  readonly contracts: number;
  readonly violations: readonly string[];
  /** What happened in it, by how often: a simulation that never meets a danger proves nothing about it. */
  readonly seen: Readonly<Record<string, number>>;
}

const START = Date.UTC(2026, 0, 1);
const NEEDS_WITHIN = 120_000;
const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
/** When the faults end, and how long it may take then until everything has come to its end. */
const HEALED_AFTER = 1_200_000;
const PATIENCE = 72 * HOUR;

/** Lives one world from its seed to its end, and says what went wrong in it. */
export async function runWorld(seed: number, mutant?: Mutant): Promise<WorldResult> {
  const undo = mutant?.install?.();
  const world = new World(seed, mutant);
  try {
    return await world.run();
  } finally {
    world.dispose();
    undo?.();
  }
}

export class World implements SettledWorld {
  readonly chance: Chance;
  readonly flavour: Flavour;
  readonly timeline = new Timeline(START);
  readonly ledger = new SimulatedLedger(this.timeline);
  readonly place: MeetingPlace;
  readonly buyers: SimulatedTrader[] = [];
  readonly sellers: SimulatedTrader[] = [];
  /** Transfers that no market made. */
  readonly byHand = new Set<Transfer>();
  readonly violations: string[] = [];
  readonly stranger: SimulatedTrader;
  #healed = false;
  #crashes = 0;

  constructor(
    readonly seed: number,
    readonly mutant: Mutant | undefined,
  ) {
    const chance = new Chance(seed);
    this.chance = chance;
    this.flavour = flavourOf(chance);
    this.place = new MeetingPlace(this.timeline, chance, () => (this.#healed ? SOUND_CHANNEL : this.flavour.channel));
    const shared: TraderWorld = {
      timeline: this.timeline,
      chance,
      ledger: this.ledger,
      place: this.place,
      times: TIMES,
      moneyFaults: () => (this.#healed ? SOUND_MONEY : this.flavour.money),
      dies: () => this.#dies(),
      downtime: () => this.#downtime(),
      ...(mutant && { mutant }),
    };
    this.buyers.push(new SimulatedTrader(`buyer ${seed}`, shared, 1_000_000n));
    for (let index = chance.between(1, 3); index > 0; index -= 1)
      this.sellers.push(new SimulatedTrader(`seller ${index} ${seed}`, shared, 0n));
    // Has a key and money, and no market.
    this.stranger = new SimulatedTrader(`stranger ${seed}`, shared, 1_000_000n);
    for (const trader of this.traders) if (this.flavour.clocks) trader.clockError = chance.between(-20_000, 20_000);
  }

  get forgetfulDisks(): boolean {
    return this.mutant?.noFsync === true;
  }

  get strangers(): SimulatedTrader[] {
    return [this.stranger];
  }

  get traders(): SimulatedTrader[] {
    return [...this.buyers, ...this.sellers];
  }

  async run(): Promise<WorldResult> {
    const { chance, timeline } = this;
    for (const seller of this.sellers) this.#offer(seller);
    for (const buyer of this.buyers) {
      buyer.flow.buyers.add('buy');
      buyer.flow.hear = (signal) => this.#hearAsBuyer(buyer, signal);
      for (let needs = chance.between(1, 3); needs > 0; needs -= 1)
        timeline.after(chance.between(2_000, NEEDS_WITHIN), () => this.#need(buyer));
    }
    for (const trader of this.traders) trader.start();
    if (this.flavour.restless) for (const trader of this.traders) this.#disturb(trader);
    if (this.flavour.strangeMoney) this.#payByHand(chance.between(1, 4));
    if (this.flavour.eavesdropper) this.#eavesdrop();
    await this.#until(START + HEALED_AFTER, () => false);
    this.#healed = true;
    await this.#until(timeline.now() + PATIENCE, () => this.#isQuiet());
    const seen = seenIn(this);
    const contracts = contractsIn(this);
    const violations = violationsOf(this);
    const { seed, flavour } = this;
    return { seed, flavour, crashes: this.#crashes, contracts, violations, seen };
  }

  dispose(): void {
    for (const trader of [...this.traders, this.stranger]) trader.dispose();
  }

  async #until(end: number, done: () => boolean): Promise<void> {
    while (this.timeline.now() < end && !done())
      await this.timeline.until(() => false, Math.min(end, this.timeline.now() + 60 * SECOND));
  }

  #isQuiet(): boolean {
    return this.traders.every(({ life, account }) => {
      if (!life?.alive) return false;
      const row = life.journal?.sql.get(
        `SELECT (SELECT count(*) FROM contracts WHERE ended IS NULL) + (SELECT count(*) FROM refunds WHERE receipt IS NULL)
           + (SELECT count(*) FROM contracts WHERE state = 'FAILED') + (SELECT count(*) FROM market_notices) AS open`,
      );
      const unpaid = [...account.payments.values()].some(({ state }) => state === 'intended');
      return Number(row?.['open'] ?? 1) === 0 && account.unacknowledged === 0 && !unpaid;
    });
  }

  #dies(): boolean {
    const { crashRate, mostCrashes } = this.flavour;
    if (this.#healed || this.#crashes >= mostCrashes || !this.chance.happens(crashRate)) return false;
    this.#crashes += 1;
    return true;
  }

  #downtime(): number {
    const { chance, flavour } = this;
    if (flavour.longNights && chance.happens(0.2)) return chance.between(HOUR / 2, 4 * HOUR);
    return chance.happens(0.3) ? chance.between(5_000, 90_000) : chance.between(0, 2_000);
  }

  #offer(seller: SimulatedTrader): void {
    const { chance } = this;
    const unit = chance.oneOf(['once', 'once', 'second', 'minute', 'kWh']);
    const inquires = chance.happens(0.15);
    const settings: OfferSettings = {
      ...NO_SETTINGS,
      service: 'charging',
      price: inquires ? '' : String(chance.between(50, 150)),
      autoPropose: !inquires,
      unit,
      capacity: chance.between(1, 2),
      validFor: chance.between(10, 60),
      underpaid: chance.oneOf(['refund', 'topUp']),
    };
    seller.flow.offers.set('offer', settings);
    const mood = chance.oneOf(['reliable', 'reliable', 'reliable', 'unreliable', 'absent-minded']);
    seller.flow.hear = (signal) => this.#hearAsSeller(seller, signal, mood);
  }

  #need(buyer: SimulatedTrader): void {
    const { chance, timeline } = this;
    const { life } = buyer;
    if (!buyer.market || !life) {
      if (!this.#healed) timeline.after(1_000, () => this.#need(buyer));
      return;
    }
    const settings: BuySettings = {
      ...NO_SETTINGS,
      service: 'charging',
      quantity: String(chance.between(1, 30)),
      waitSeconds: chance.between(3, 10),
      choose: chance.oneOf(['cheapest', 'fastest']),
      maxPrice: chance.happens(0.1) ? '60' : '',
      deliverWithin: chance.happens(0.4) ? chance.between(10, 120) : '',
    };
    void life.buy('buy', settings).catch((error) => life.unexpected('buy', error));
  }

  #hearAsBuyer(buyer: SimulatedTrader, signal: MarketSignal): void {
    if (!('progress' in signal) || !this.flavour.restless) return;
    const { contractId, event } = signal.progress;
    const how = event === 'paid' ? 'stop' : 'cancel';
    if (!['called', 'accepted', 'confirmed', 'paid'].includes(event) || !this.chance.happens(0.1)) return;
    this.#later(buyer, this.chance.between(0, 20_000), () => buyer.market?.endPurchase('buy', contractId, how));
  }

  #hearAsSeller(seller: SimulatedTrader, signal: MarketSignal, mood: string): void {
    if (!('offer' in signal)) return;
    const { chance } = this;
    const { offer } = signal;
    const { contractId, event, unit, quantity } = offer;
    if (contractId === null) return;
    if (event === 'inquiry' && chance.happens(0.8)) {
      const price = String(chance.between(50, 150));
      this.#later(seller, chance.between(0, 2_000), () =>
        seller.life?.command('offer', { command: 'price', price, contractId }),
      );
    }
    if (event !== 'start') return;
    this.#assertMayStart(seller, contractId, String(offer.amount));
    if (mood === 'absent-minded' && chance.happens(0.5)) return;
    const after = chance.between(100, 60_000);
    if (mood === 'unreliable' && chance.happens(0.5)) {
      this.#later(seller, after, () =>
        seller.life?.command('offer', { command: 'failed', contractId, text: chance.oneOf([null, 'out of order']) }),
      );
      return;
    }
    if (unit === 'kWh') {
      for (const part of [0.3, 0.6, 1])
        this.#later(seller, after * part, () =>
          seller.life?.command('offer', { command: 'meter', contractId, quantity: Math.ceil(Number(quantity) * part) }),
        );
    } else if (unit === 'once')
      this.#later(seller, after, () => seller.life?.command('offer', { command: 'delivered', contractId }));
  }

  /** Nothing starts without the buyer's money, all of it, on the ledger. */
  #assertMayStart(seller: SimulatedTrader, contractId: string, amount: string): void {
    const row = seller.life?.journal?.sql.get(
      "SELECT state, peer FROM contracts WHERE contract_id = ? AND side = 'seller'",
      [contractId],
    );
    const buyer = this.buyers.find(({ did }) => did === row?.['peer']);
    const reference = referenceOf(contractId);
    const paid = this.ledger.transfers
      .filter((one) => one.to === seller.address && one.from === buyer?.address && one.reference === reference)
      .reduce((sum, one) => sum + one.amount, 0n);
    if (!buyer || paid < BigInt(amount))
      this.violations.push(`STARTED_UNPAID ${contractId.slice(0, 8)}: ${paid} of ${amount}`);
    if (row?.['state'] !== 'STARTING' && row?.['state'] !== 'DELIVERING')
      this.violations.push(`STARTED_IN_${row?.['state']} ${contractId.slice(0, 8)}`);
  }

  /** Something that a flow does, if its machine is there then; it may be the wrong moment. */
  #later(trader: SimulatedTrader, milliseconds: number, act: () => Promise<unknown> | undefined): void {
    this.timeline.after(milliseconds, () => {
      const { life } = trader;
      if (!life?.alive || !life.market) return;
      act()?.catch((error: unknown) => {
        if (!isCodedError(error, 'CONFIG_INVALID') && !isCodedError(error, 'PAYMENT_FAILED'))
          life.unexpected('command', error);
      });
    });
  }

  /** Redeploys, restarts, second thoughts. */
  #disturb(trader: SimulatedTrader): void {
    const { chance } = this;
    for (let times = chance.between(1, 4); times > 0; times -= 1) {
      const what = chance.oneOf(['redeploy', 'restart', 'worker', 'withdraw', 'pause']);
      this.#later(trader, chance.between(5_000, 2 * NEEDS_WITHIN), () => this.#disturbOnce(trader, what));
    }
  }

  async #disturbOnce(trader: SimulatedTrader, what: string): Promise<void> {
    const { chance } = this;
    const { life, market, flow } = trader;
    if (!life || !market) return;
    if (what === 'worker') {
      life.channels?.restart(chance.between(10, 5_000), () => market.channelsRestarted());
      return;
    }
    if (what === 'restart') return trader.restart();
    const [offer] = flow.offers.keys();
    if (what === 'redeploy') return life.redeploy(chance.between(0, 15_000));
    if (offer === undefined) return;
    await market.command(offer, what === 'pause' ? { command: 'pause' } : { command: 'withdraw', contractId: null });
    this.#later(trader, chance.between(1_000, 30_000), () => trader.market?.command(offer, { command: 'resume' }));
  }

  /** Too little, too much, again, too late, from somebody else. */
  #payByHand(times: number): void {
    const { chance, timeline, ledger } = this;
    if (times === 0) return;
    timeline.after(chance.between(3_000, 90_000), () => {
      const proposals = this.place.sent.filter((text) => text.includes('"type":"proposal"'));
      if (proposals.length > 0) {
        const { from, to, contractId, body } = JSON.parse(chance.oneOf(proposals)) as {
          readonly from: string;
          readonly to: string;
          readonly contractId: string;
          readonly body: { readonly amount: string };
        };
        const seller = this.sellers.find(({ did }) => did === from);
        const payer = chance.oneOf([this.stranger, this.buyers.find(({ did }) => did === to) ?? this.stranger]);
        const amount = chance.oneOf([1n, BigInt(body.amount) - 1n, BigInt(body.amount), 2n * BigInt(body.amount)]);
        if (seller && amount > 0n) {
          const transfer = ledger.transfer(payer.address, seller.address, amount, referenceOf(contractId));
          if (transfer) this.byHand.add(transfer);
        }
      }
      this.#payByHand(times - 1);
    });
  }

  /** Says again what was said, to whom it was said or to others, as it was or changed. */
  #eavesdrop(): void {
    const { chance, timeline, place } = this;
    if (this.#healed) return;
    timeline.after(chance.between(500, 8_000), () => {
      if (place.sent.length > 0) {
        const text = chance.oneOf(place.sent);
        const { to, body } = JSON.parse(text) as { to: string | null; body: { service?: string } };
        const changed = chance.happens(0.5)
          ? text
          : text.replace(/"amount":"\d+"/, '"amount":"1"').replace(/"price":"\d+"/, '"price":"1"');
        const inbox = chance.happens(0.7) && to !== null ? to : chance.oneOf(this.traders).did;
        place.publish(to === null && body.service ? { calls: body.service } : { inbox }, changed);
      }
      this.#eavesdrop();
    });
  }
}

function flavourOf(chance: Chance): Flavour {
  const wild = chance.happens(0.7);
  const rate = wild ? chance.fraction() : 0;
  return {
    crashRate: chance.happens(0.8) ? chance.fraction() * 0.03 : 0,
    mostCrashes: chance.between(1, 12),
    longNights: chance.happens(0.2),
    channel: { loss: rate * 0.4, duplicates: rate * 0.3, slowest: chance.oneOf([20, 500, 500, 5_000]) },
    money: {
      slowest: chance.oneOf([1_000, 10_000, 60_000]),
      doubt: wild ? 0.15 : 0,
      failure: wild ? 0.1 : 0,
      away: wild ? 0.1 : 0,
    },
    strangeMoney: chance.happens(0.4),
    eavesdropper: chance.happens(0.4),
    clocks: chance.happens(0.4),
    restless: chance.happens(0.5),
  };
}
