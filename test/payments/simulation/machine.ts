import { createHash } from 'node:crypto';
import { type Journal, openJournal, rebuildProjections, SimulatedDisk } from '../../../lib/journal';
import type { NetworkInfo } from '../../../lib/ledger';
import { type Account, book, type Receipt, type ReceivedPayment, type RecordReport } from '../../../lib/payments';
import { BOOK_SCHEMA } from '../../../lib/payments/book-schema';
import { type Address, addressHash, writeAddress } from '../../../lib/values';
import type { LedgerTruth } from './ledger-truth';
import { MachineProcess } from './machine-process';
import type { Mutant } from './mutants';
import type { NodeFaults } from './node';
import type { Chance } from './random';
import type { Timeline } from './timeline';

/** What an upstream system wants paid; it sends the message again until it knows how it ended. */
export interface PlannedOrder {
  readonly paymentId: string;
  readonly to: string;
  readonly amount: bigint;
  readonly splits: { to: string; share?: string; amount?: string }[];
  readonly at: number;
  /** What it must end with. */
  readonly expected: 'paid' | 'refused';
  outcome: 'paid' | 'refused' | undefined;
  tries: number;
}

/** What a machine wants to keep on the ledger; it asks again after each start until it knows that it is there. */
export interface PlannedRecord {
  readonly recordId: string;
  readonly tag: string;
  /** Begins with the id. */
  readonly text: string;
  readonly at: number;
  done: boolean;
}

/** What the outside has seen of a machine, whatever became of its processes. */
export interface Witnessed {
  readonly accepted: Set<string>;
  readonly receipts: Map<string, { receipt: Receipt; redelivered: boolean }[]>;
  readonly received: Map<string, { payment: ReceivedPayment; redelivered: boolean }[]>;
  readonly acceptedRecords: Set<string>;
  readonly records: Map<string, { report: RecordReport; redelivered: boolean }[]>;
  waits: number;
  frozen: boolean;
  readonly violations: string[];
}

export interface MachineWorld {
  readonly timeline: Timeline;
  readonly truth: LedgerTruth;
  readonly chance: Chance;
  readonly network: NetworkInfo;
  readonly deposit: bigint;
  readonly mutant: Mutant | undefined;
  readonly faults: () => NodeFaults;
  /** Probability of a crash at each kill point, now. */
  readonly crashRate: () => number;
  readonly mayFreeze: boolean;
  readonly badClocks: boolean;
}

/** A machine as the world sees it: a disk, a process that dies and comes back, and a flow that talks to it. */
export class SimulatedMachine {
  readonly publicKey: Uint8Array;
  readonly address: Address;
  readonly orders: PlannedOrder[] = [];
  readonly records: PlannedRecord[] = [];
  readonly witnessed: Witnessed = {
    accepted: new Set(),
    receipts: new Map(),
    received: new Map(),
    acceptedRecords: new Set(),
    records: new Map(),
    waits: 0,
    frozen: false,
    violations: [],
  };
  policy: unknown = {};
  crashes = 0;
  journal: Journal | undefined;
  readonly #disk: SimulatedDisk;
  #process: MachineProcess | undefined;

  constructor(
    readonly name: string,
    readonly world: MachineWorld,
  ) {
    this.publicKey = createHash('sha256').update(name).digest();
    this.address = writeAddress(addressHash(this.publicKey), world.network.addressForm);
    this.#disk = new SimulatedDisk({
      cutsPowerAt: () => {
        if (!this.#process?.alive || !world.chance.happens(world.crashRate())) return false;
        this.#process.die(false);
        return true;
      },
      ...(world.mutant?.noFsync ? { acknowledgesWithoutCommit: true } : {}),
    });
  }

  get account(): Account | undefined {
    return this.#process?.alive ? this.#process.account : undefined;
  }

  start(): void {
    const process = new MachineProcess(this, this.#disk);
    this.#process = process;
    void process.run();
  }

  /** A process has ended in peace. */
  stopped(): void {
    this.journal = undefined;
    this.world.timeline.after(this.world.chance.between(0, 500), () => this.start());
  }

  /** A process died; another one comes up after a while. */
  died(cutPower: boolean): void {
    this.crashes += 1;
    this.journal = undefined;
    if (cutPower) this.#disk.cutPower();
    const { timeline, chance } = this.world;
    timeline.after(chance.happens(0.1) ? chance.between(1_000, 90_000) : chance.between(0, 500), () => this.start());
  }

  /** Ends the machine, and makes its tables once more from its events alone. */
  async rebuiltTables(): Promise<{ before: string; after: string }> {
    const options = { memory: this.#disk, projections: [book], sealEvery: 16 };
    await this.account?.close();
    const before = tablesOf(this.journal);
    await this.journal?.close();
    this.#process?.retire();
    rebuildProjections(options);
    const rebuilt = openJournal(options);
    const after = tablesOf(rebuilt);
    await rebuilt.close();
    return { before, after };
  }

  dispose(): void {
    this.#process?.retire();
    this.#disk.dispose();
  }

  /** What its journal holds that is not finished. */
  openWork(): string[] {
    const open = this.orders
      .filter(({ outcome }) => outcome === undefined)
      .map(({ paymentId }) => `${paymentId} has no outcome`);
    const rows =
      this.journal?.sql.all(
        "SELECT payment_id, state FROM payments WHERE kind = 'payment' AND state NOT IN ('REPORTED', 'FAILED', 'REJECTED')",
      ) ?? [];
    // Behind one that waits for money others wait, too.
    const records =
      this.journal?.sql.all(
        `SELECT payment_id, state FROM payments p WHERE kind = 'record' AND state NOT IN ('REPORTED', 'FAILED')
         AND NOT (? AND state = 'READY' AND NOT EXISTS (
           SELECT 1 FROM attempt_payments ap WHERE ap.payment_id = p.payment_id))`,
        [this.#process?.recordWaits ? 1 : 0],
      ) ?? [];
    const unasked = this.records.filter(({ recordId }) => !this.witnessed.acceptedRecords.has(recordId));
    const attempts =
      this.journal?.sql.all("SELECT transaction_id, state FROM attempts WHERE state IN ('SIGNED', 'SUBMITTED')") ?? [];
    const last = this.journal?.sql.get('SELECT max(position) AS position FROM received_payments')?.position ?? 0;
    const heard = this.journal?.sql.get('SELECT position FROM listeners')?.position ?? 0;
    return [
      ...open,
      ...unasked.map(({ recordId }) => `${recordId} was not accepted`),
      ...[...rows, ...records].map((row) => `${row.payment_id} is ${row.state}`),
      ...attempts.map((row) => `attempt ${row.transaction_id} is ${row.state}`),
      ...(heard === last ? [] : [`listener heard ${heard} of ${last}`]),
    ];
  }

  isBusy(): boolean {
    return this.openWork().length > 0;
  }

  wake(): void {
    this.#process?.account?.wake(this.world.truth.height);
  }
}

const TABLES = BOOK_SCHEMA.matchAll(/CREATE TABLE IF NOT EXISTS (\w+)/g);
const TABLE_NAMES = [...TABLES].map(([, name]) => name);

function tablesOf(journal: Journal | undefined): string {
  const all = TABLE_NAMES.map((name) => [name, journal?.sql.all(`SELECT * FROM ${name}`)]);
  return JSON.stringify(all, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
}
