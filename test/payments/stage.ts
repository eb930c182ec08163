import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { isCodedError } from '../../lib/errors';
import { type Journal, openJournal, SimulatedDisk } from '../../lib/journal';
import type { NetworkInfo } from '../../lib/ledger';
import {
  Account,
  type AccountEvent,
  type AccountSignal,
  book,
  type PaymentOrder,
  type PaymentReport,
  type ReceivedPayment,
} from '../../lib/payments';
import { type Address, addressHash, writeAddress } from '../../lib/values';
import { LedgerTruth } from './simulation/ledger-truth';
import { HONEST, type NodeFaults, SimulatedNode } from './simulation/node';
import { Chance } from './simulation/random';
import { Timeline } from './simulation/timeline';

export const START = Date.UTC(2026, 5, 1);
export const ANYONE = { payees: ['*'], budgets: [{ amount: '1000000', window: 'total' }] };

export interface StageOptions {
  readonly policy?: unknown;
  readonly contacts?: unknown;
  readonly funds?: readonly bigint[];
  readonly network?: Partial<NetworkInfo>;
  readonly deposit?: bigint;
  /** Milestones per epoch, where transactions expire. */
  readonly epochLength?: number;
  /** Does not open the account. */
  readonly closed?: true;
}

/** One account on a small ledger, with time, disk and network in the hands of the test. */
export class Stage {
  readonly timeline = new Timeline(START);
  readonly truth: LedgerTruth;
  readonly network: NetworkInfo;
  readonly self: Address;
  readonly disk = new SimulatedDisk();
  readonly signals: AccountSignal[] = [];
  /** Every transaction id that was handed to the node, whether it took it or not. */
  readonly sent: string[] = [];
  readonly calls: string[] = [];
  policy: unknown;
  contacts: unknown;
  clockError = 0;
  /** Milliseconds until what was written is on the disk. */
  commitDelay = 1;
  faults: NodeFaults = HONEST;
  /** Makes a call of the node fail, or answer something else. */
  intercept: (method: string, parameters: readonly unknown[]) => unknown = () => undefined;
  account!: Account;
  journal!: Journal;
  #alive = { value: true };

  static async open(options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(options);
    if (!options.closed) {
      await stage.start();
      await stage.pass(1_000);
    }
    return stage;
  }

  private constructor(options: StageOptions) {
    const { deposit = 0n, epochLength } = options;
    this.truth = new LedgerTruth(epochLength, START);
    this.network = {
      protocol: 'tangle',
      networkId: 'stage',
      token: 'STG',
      decimals: 6,
      addressForm: { kind: 'bech32', prefix: 'stg' },
      live: false,
      faucet: false,
      capabilities: {
        expiry: false,
        feeless: true,
        minimumDeposit: deposit > 0n,
        announce: false,
        offersOnLedger: false,
      },
      minimumChange: deposit,
      maxOutputs: 128,
      maxInputs: 128,
      maxTransactionBytes: 30_000,
      ...options.network,
    };
    this.self = this.address('self');
    this.policy = 'policy' in options ? options.policy : ANYONE;
    this.contacts = options.contacts;
    for (const amount of options.funds ?? [1_000n]) this.truth.mint(this.self, amount);
  }

  address(name: string): Address {
    return writeAddress(addressHash(createHash('sha256').update(name).digest()), this.network.addressForm);
  }

  /** A process begins. */
  async start(): Promise<void> {
    const alive = { value: true };
    this.#alive = alive;
    const { timeline } = this;
    const after = (milliseconds: number, run: () => void) => timeline.after(milliseconds, () => alive.value && run());
    this.journal = openJournal({
      memory: this.disk,
      projections: [book],
      now: () => timeline.now(),
      schedule: (commit) => void after(this.commitDelay, commit),
    });
    await this.#openAccount(alive);
  }

  /** The account is closed, and opened again on the same journal: by a redeploy, say. */
  async reopen(): Promise<void> {
    const { account } = this;
    await Promise.all([account.close(), this.#openAccount(this.#alive)]);
  }

  async #openAccount(alive: { readonly value: boolean }): Promise<void> {
    const { timeline } = this;
    const after = (milliseconds: number, run: () => void) => timeline.after(milliseconds, () => alive.value && run());
    const pass = (milliseconds: number) => new Promise<void>((resolve) => after(milliseconds, resolve));
    const node = new SimulatedNode({
      truth: this.truth,
      network: this.network,
      deposit: this.network.minimumChange,
      chance: new Chance(7),
      faults: () => this.faults,
      pass,
      later: (milliseconds, run) => void timeline.after(milliseconds, run),
    });
    const opening = Account.open(
      {
        identity: { did: 'did:key:self', address: this.self, publicKey: new Uint8Array(32) },
        network: this.network,
        journal: this.journal,
        ledger: this.#watched(node),
        sign: (bytes) => createHash('sha256').update('key').update(bytes).digest(),
        clock: { now: () => timeline.now() + this.clockError, elapsed: () => timeline.now(), after },
        random: (length) => new Uint8Array(length).fill(128),
        emit: (signal) => alive.value && this.signals.push(signal),
      },
      { policy: this.policy, contacts: this.contacts },
    );
    this.account = await this.soon(opening);
  }

  /** The power is cut, and another process begins. */
  async crash(): Promise<void> {
    this.#alive.value = false;
    this.disk.cutPower();
    await this.start();
    await this.pass(1_000);
  }

  /** Waits for a promise by letting time go on. */
  async soon<T>(promise: Promise<T>, within = 120_000): Promise<T> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    promise.then(settle, settle);
    await new Promise((resolve) => setImmediate(resolve));
    await this.timeline.until(() => settled, this.timeline.now() + within);
    assert.ok(settled, `nothing came of it within ${within} ms`);
    return promise;
  }

  async pass(milliseconds: number): Promise<void> {
    await this.timeline.until(() => false, this.timeline.now() + milliseconds);
  }

  /** The ledger takes everything it has, and says so. */
  async milestone(): Promise<void> {
    this.truth.advance(
      this.timeline.now(),
      () => true,
      () => false,
    );
    this.account.wake(this.truth.height);
    await this.pass(1_500);
  }

  order(order: Partial<PaymentOrder> = {}): PaymentOrder {
    return {
      to: this.address('payee'),
      amount: '100',
      paymentId: 'p1',
      reference: 'r1',
      origin: { nodeId: 'n1', topic: 't1' },
      ...order,
    };
  }

  pay(order: Partial<PaymentOrder> = {}) {
    return this.soon(this.account.pay(this.order(order)));
  }

  /** Asserts that an order is refused with this code. */
  async refuses(order: object, code: string, detail?: string): Promise<void> {
    await assert.rejects(
      this.pay(order as Partial<PaymentOrder>),
      (error: unknown) =>
        isCodedError(error) && error.code === code && (detail === undefined || error.detail === detail),
      `${JSON.stringify(order)} should be ${code}`,
    );
  }

  reports<K extends PaymentReport['kind']>(kind: K): (PaymentReport & { kind: K })[] {
    return this.signals.flatMap((signal) =>
      'report' in signal && signal.report.kind === kind ? [signal.report as PaymentReport & { kind: K }] : [],
    );
  }

  heard(): { payment: ReceivedPayment; redelivered: boolean }[] {
    return this.signals.flatMap((signal) => ('payment' in signal ? [signal] : []));
  }

  events(): AccountEvent[] {
    return this.signals.flatMap((signal) => ('event' in signal ? [signal.event] : []));
  }

  /** What an address has on the ledger. */
  fundsOf(address: Address): bigint {
    return this.truth.unspentOf(address, this.truth.height).reduce((sum, { amount }) => sum + amount, 0n);
  }

  /** Types of events in the journal. */
  journalled(type: string): unknown[] {
    return this.journal.sql
      .all('SELECT body FROM journal_event WHERE type = ? ORDER BY sequence', [type])
      .map((row) => JSON.parse(String(row.body)) as unknown);
  }

  stateOf(paymentId: string): string {
    return String(this.journal.sql.get('SELECT state FROM payments WHERE payment_id = ?', [paymentId])?.state);
  }

  dispose(): void {
    this.#alive.value = false;
    this.disk.dispose();
  }

  #watched(node: SimulatedNode): SimulatedNode {
    return new Proxy(node, {
      get:
        (target, method: keyof SimulatedNode) =>
        async (...parameters: unknown[]) => {
          this.calls.push(method);
          if (method === 'submit') this.sent.push((parameters[0] as { transactionId: string }).transactionId);
          const told = this.intercept(method, parameters);
          const instead = told instanceof Promise ? await told : told;
          if (instead instanceof Error) throw instead;
          if (instead !== undefined) return instead;
          return (target[method] as (...all: unknown[]) => unknown).apply(target, parameters);
        },
    });
  }
}
