import type { NetworkInfo } from '../../../lib/ledger';
import { type Address, addressHash, writeAddress } from '../../../lib/values';
import { eventsSeen } from './coverage';
import { violationsOf } from './invariants';
import { LedgerTruth } from './ledger-truth';
import { type MachineWorld, type PlannedOrder, type PlannedRecord, SimulatedMachine } from './machine';
import type { Mutant } from './mutants';
import { HONEST, type NodeFaults, OUTAGE } from './node';
import { Chance } from './random';
import { Timeline } from './timeline';

/** What kind of world a seed makes. */
export interface Flavour {
  readonly expiring: boolean;
  /** Nodes call transactions dead that are not. */
  readonly liars: boolean;
  /** Somebody else has a copy of one machine's key. */
  readonly copiedKey: boolean;
  readonly tightBudget: boolean;
  /** Machines keep records on the ledger, beside fewer payments. */
  readonly keepsRecords: boolean;
  /** For minutes nobody reaches the ledger. */
  readonly outage: boolean;
  /** Clocks show something else after each start. */
  readonly badClocks: boolean;
  readonly deposit: bigint;
  readonly crashRate: number;
  readonly mostCrashes: number;
}

export interface WorldResult {
  readonly seed: number;
  readonly flavour: Flavour;
  readonly crashes: number;
  readonly payments: number;
  readonly records: number;
  readonly violations: readonly string[];
  /** What happened in it, by how often: a simulation that never meets a danger proves nothing about it. */
  readonly seen: Readonly<Record<string, number>>;
}

const START = Date.UTC(2026, 0, 1);
/** When the faults end, and how long it may take then until nothing is open any more. */
const HEALED_AT = START + 180_000;
const PATIENCE = 900_000;

/** Lives one world from its seed to its end, and says what went wrong in it. */
export async function runWorld(seed: number, mutant?: Mutant): Promise<WorldResult> {
  const world = new World(new Chance(seed), mutant);
  try {
    return await world.run();
  } finally {
    world.dispose();
  }
}

class World {
  readonly flavour: Flavour;
  readonly timeline = new Timeline(START);
  readonly truth: LedgerTruth;
  readonly machines: SimulatedMachine[] = [];
  readonly outsider: Address;
  readonly network: NetworkInfo;
  #faults: NodeFaults;
  #healed = false;
  #out = false;
  #quiet = false;
  #lookedAt = 0;
  #orders = 0;
  #records = 0;

  constructor(
    readonly chance: Chance,
    mutant: Mutant | undefined,
  ) {
    this.flavour = flavourOf(chance);
    const { expiring, liars, deposit } = this.flavour;
    this.truth = new LedgerTruth(expiring ? 6 : undefined, START);
    this.network = networkOf(expiring, deposit);
    const often = chance.fraction() * 0.25;
    this.#faults = { reset: often, serverError: often / 2, timeout: often / 3, stale: often, lies: liars ? 0.2 : 0 };
    this.outsider = this.#addressOf('outsider');
    const shared: MachineWorld = {
      timeline: this.timeline,
      truth: this.truth,
      chance,
      network: this.network,
      deposit,
      mutant,
      faults: () => (this.#healed ? HONEST : this.#out ? OUTAGE : this.#faults),
      badClocks: this.flavour.badClocks,
      crashRate: () => (this.#healed || this.#crashes() >= this.flavour.mostCrashes ? 0 : this.flavour.crashRate),
      mayFreeze: this.flavour.copiedKey,
    };
    for (let index = 0; index < chance.between(2, 3); index += 1)
      this.machines.push(new SimulatedMachine(`machine ${index}`, shared));
    for (const machine of this.machines) this.#equip(machine);
  }

  async run(): Promise<WorldResult> {
    const { timeline, flavour } = this;
    this.#tick();
    for (const machine of this.machines) machine.start();
    if (flavour.copiedKey) timeline.after(this.chance.between(5_000, 120_000), () => this.#spendByCopy());
    if (this.chance.happens(0.3)) this.#lendAndTakeBack();
    if (flavour.outage) this.#cutTheLine();
    await timeline.until(() => this.#crashes() >= flavour.mostCrashes && this.#isQuiet(), HEALED_AT);
    this.#healed = true;
    await timeline.until(() => this.#isQuiet(), timeline.now() + PATIENCE);
    const stuck = !this.#isQuiet();
    // What is on the ledger by now is read by everybody.
    await timeline.until(() => false, timeline.now() + 60_000);
    const violations = violationsOf(this, stuck);
    const result = {
      seed: this.chance.seed,
      flavour,
      crashes: this.#crashes(),
      payments: this.#orders,
      records: this.#records,
      seen: eventsSeen(this.machines),
    };
    return { ...result, violations: [...violations, ...(await this.#rebuilt())] };
  }

  /** Tables are made from events and from nothing else. */
  async #rebuilt(): Promise<string[]> {
    const [machine] = this.machines;
    if (!machine?.journal || !this.chance.happens(0.1)) return [];
    let tables: { before: string; after: string } | undefined;
    void machine.rebuiltTables().then((both) => {
      tables = both;
    });
    await this.timeline.until(() => tables !== undefined, this.timeline.now() + 10_000);
    return tables && tables.before === tables.after
      ? []
      : ['PROJECTION the tables made anew from the events are others'];
  }

  dispose(): void {
    for (const machine of this.machines) machine.dispose();
  }

  #crashes(): number {
    return this.machines.reduce((sum, { crashes }) => sum + crashes, 0);
  }

  /** Looked at once per milestone: it asks every journal. */
  #isQuiet(): boolean {
    if (this.#lookedAt === this.truth.height) return this.#quiet;
    this.#lookedAt = this.truth.height;
    this.#quiet = this.machines.every(
      (machine) => machine.account !== undefined && (machine.witnessed.frozen || isIdle(machine)),
    );
    return this.#quiet;
  }

  #tick(): void {
    const { timeline, truth, chance } = this;
    timeline.after(chance.between(1_500, 2_500), () => {
      truth.advance(
        timeline.now(),
        () => this.#healed || chance.happens(0.6),
        () => !this.#healed && chance.happens(0.1),
      );
      for (const machine of this.machines) if (chance.happens(0.7)) machine.wake();
      this.#tick();
    });
  }

  #equip(machine: SimulatedMachine): void {
    const { chance, truth, flavour } = this;
    // Now and then only outputs so small that a payment needs more of them than a transaction may have inputs.
    const poor = chance.happens(0.1);
    const most = flavour.keepsRecords ? 3 : 6;
    for (let count = poor ? 20 : chance.between(1, most); count > 0; count -= 1) {
      truth.mint(machine.address, poor ? 11n : BigInt(chance.between(60, 240)));
    }
    const payees = [this.outsider, ...this.machines.filter((other) => other !== machine).map(({ address }) => address)];
    for (let count = flavour.keepsRecords ? chance.between(1, 3) : chance.between(2, 6); count > 0; count -= 1)
      machine.orders.push(this.#order(machine, payees));
    for (let count = flavour.keepsRecords ? chance.between(0, 4) : 0; count > 0; count -= 1)
      machine.records.push(this.#record(machine));
    const budget = flavour.tightBudget ? BigInt(chance.between(40, 120)) : 100_000n;
    machine.policy = {
      maxPerPayment: '150',
      budgets: [
        { amount: budget.toString(), window: 'total' },
        { amount: '100000', window: '1h' },
      ],
      payees,
    };
  }

  #order(machine: SimulatedMachine, payees: readonly Address[]): PlannedOrder {
    const { chance } = this;
    this.#orders += 1;
    const [to, other] = [chance.oneOf(payees), chance.oneOf(payees)];
    const forbidden = chance.happens(0.05);
    const amount = BigInt(forbidden && chance.happens(0.5) ? 151 : chance.between(20, 60));
    const splits =
      other !== to && chance.happens(0.3) && this.flavour.deposit === 0n
        ? [chance.happens(0.5) ? { to: other, share: '12.5%' } : { to: other, amount: '3' }]
        : [];
    return {
      paymentId: `${machine.name} pays ${this.#orders}`,
      to: forbidden && amount !== 151n ? this.#addressOf('forbidden') : to,
      amount,
      splits,
      at: START + (chance.happens(0.5) ? chance.between(0, 2_000) : chance.between(0, 60_000)),
      expected: forbidden ? 'refused' : 'paid',
      outcome: undefined,
      tries: 0,
    };
  }

  #record(machine: SimulatedMachine): PlannedRecord {
    const { chance } = this;
    this.#records += 1;
    const recordId = `${machine.name} keeps ${this.#records}`;
    return {
      recordId,
      tag: 'log',
      text: `${recordId} ${'x'.repeat(chance.between(0, 150))}`,
      at: START + (chance.happens(0.5) ? chance.between(0, 2_000) : chance.between(0, 60_000)),
      done: false,
    };
  }

  /** Another process with the same key spends what this machine thinks is its own. */
  #spendByCopy(): void {
    const { truth, chance } = this;
    const machine = chance.oneOf(this.machines);
    const outputs = truth.unspentOf(machine.address, truth.height).filter(({ spendable }) => spendable);
    const output = outputs.length > 0 ? chance.oneOf(outputs) : undefined;
    if (!output || !machine.account) {
      this.timeline.after(3_000, () => this.#spendByCopy());
      return;
    }
    truth.submit({
      id: `copy ${output.outputId}`,
      inputs: [output.outputId],
      outputs: [{ to: this.outsider, amount: output.amount, reference: null, from: machine.address, spendable: true }],
      expiresEpoch: undefined,
    });
  }

  #cutTheLine(): void {
    const { timeline, chance } = this;
    timeline.after(chance.between(0, 40_000), () => {
      this.#out = true;
      timeline.after(chance.between(65_000, 120_000), () => {
        this.#out = false;
      });
    });
  }

  /** Money under a condition, which its sender takes back: no reason for alarm. */
  #lendAndTakeBack(): void {
    const { truth, chance, timeline, outsider } = this;
    const machine = chance.oneOf(this.machines);
    truth.mint(outsider, 50n);
    const [lent] = truth.unspentOf(outsider, truth.height);
    if (!lent) return;
    const outputs = [{ to: machine.address, amount: 50n, reference: 'maybe', from: outsider, spendable: false }];
    truth.submit({ id: 'lend', inputs: [lent.outputId], outputs, expiresEpoch: undefined });
    timeline.after(chance.between(20_000, 60_000), () => {
      truth.submit({
        id: 'take back',
        inputs: ['lend.0'],
        outputs: [{ to: outsider, amount: 50n, reference: null, from: outsider, spendable: true }],
        expiresEpoch: undefined,
      });
    });
  }

  #addressOf(name: string): Address {
    return writeAddress(addressHash(Buffer.alloc(32, name)), this.network.addressForm);
  }
}

export type WorldView = Pick<World, 'flavour' | 'truth' | 'machines' | 'outsider'>;

function isIdle(machine: SimulatedMachine): boolean {
  const { orders } = machine;
  if (orders.some(({ outcome }) => outcome === undefined)) return false;
  return !machine.isBusy();
}

function flavourOf(chance: Chance): Flavour {
  const expiring = chance.happens(0.4);
  return {
    expiring,
    liars: chance.happens(0.25),
    copiedKey: chance.happens(0.05),
    tightBudget: chance.happens(0.3),
    keepsRecords: chance.happens(0.3),
    outage: chance.happens(0.15),
    badClocks: chance.happens(0.2),
    deposit: expiring ? 0n : chance.oneOf([0n, 10n]),
    crashRate: chance.oneOf([0.02, 0.06, 0.1, 0.15]),
    mostCrashes: chance.oneOf([10, 80, 120]),
  };
}

function networkOf(expiring: boolean, deposit: bigint): NetworkInfo {
  return {
    protocol: expiring ? 'iota' : 'tangle',
    networkId: expiring ? 'sim-expiring' : 'sim-tangle',
    token: 'SIM',
    decimals: 6,
    addressForm: expiring ? { kind: 'hex' } : { kind: 'bech32', prefix: 'sim' },
    live: false,
    faucet: false,
    capabilities: {
      expiry: !expiring,
      feeless: true,
      minimumDeposit: deposit > 0n,
      announce: false,
      offersOnLedger: false,
    },
    minimumChange: deposit,
    maxOutputs: 8,
    maxInputs: 4,
    maxTransactionBytes: 4_000,
  };
}
