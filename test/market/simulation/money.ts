import { createHash } from 'node:crypto';
import { CodedError } from '../../../lib/errors';
import type { MarketAccount } from '../../../lib/market';
import type { AcceptedPayment, PaymentOrder, PaymentReport, Receipt, ReceivedPayment } from '../../../lib/payments';
import type { Address } from '../../../lib/values';
import type { Chance } from '../../payments/simulation/random';
import type { Timeline } from '../../payments/simulation/timeline';

export const NETWORK_ID = 'stage';
export const TOKEN = 'STG';
export const DECIMALS = 6;

export interface Transfer {
  readonly transactionId: string;
  readonly from: Address;
  readonly to: Address;
  readonly amount: bigint;
  readonly reference: string;
  /** Unix milliseconds. */
  readonly at: number;
}

/** Money as everybody sees it: what is here has happened, once and for good. */
export class SimulatedLedger {
  readonly transfers: Transfer[] = [];
  readonly accounts = new Map<Address, SimulatedAccount>();
  readonly #balances = new Map<Address, bigint>();
  minted = 0n;

  constructor(readonly timeline: Timeline) {}

  mint(address: Address, amount: bigint): void {
    this.minted += amount;
    this.#balances.set(address, this.balanceOf(address) + amount);
  }

  balanceOf(address: Address): bigint {
    return this.#balances.get(address) ?? 0n;
  }

  /** Undefined when there is not enough. */
  transfer(from: Address, to: Address, amount: bigint, reference: string): Transfer | undefined {
    if (this.balanceOf(from) < amount) return undefined;
    this.#balances.set(from, this.balanceOf(from) - amount);
    this.#balances.set(to, this.balanceOf(to) + amount);
    const transactionId = createHash('sha256').update(`transfer ${this.transfers.length}`).digest('hex');
    const transfer = { transactionId, from, to, amount, reference, at: this.timeline.now() };
    this.transfers.push(transfer);
    this.accounts.get(to)?.received(transfer);
    return transfer;
  }

  get total(): bigint {
    return [...this.#balances.values()].reduce((sum, amount) => sum + amount, 0n);
  }
}

export interface MoneyFaults {
  /** Milliseconds until an order is final. */
  readonly slowest: number;
  /** Probability that nobody knows for some minutes what became of it. */
  readonly doubt: number;
  /** Probability that an order which was taken fails before anything is signed. */
  readonly failure: number;
  /** Probability that the account does not take an order, because the ledger is away. */
  readonly away: number;
}

export const SOUND_MONEY: MoneyFaults = { slowest: 1_000, doubt: 0, failure: 0, away: 0 };

interface Payment {
  readonly order: PaymentOrder;
  readonly intendedAt: number;
  state: 'intended' | 'paid' | 'failed';
  receipt: Receipt | undefined;
  reported: boolean;
}

/** What one process of a machine has of its account. */
export interface AccountDoors {
  readonly after: (milliseconds: number, run: () => void) => void;
  readonly hearReport: (report: PaymentReport) => void;
  readonly hearPayment: (payment: ReceivedPayment, redelivered: boolean) => void;
}

const MOST_UNACKNOWLEDGED = 32;

/**
 * What the payment engine promises, without the engine: an order that was taken is paid once however often it is asked for,
 * reports come until they are acknowledged, received payments too. It outlives the processes of its machine.
 */
export class SimulatedAccount {
  readonly payments = new Map<string, Payment>();
  /** The policy: why an order is not taken. */
  refuses: (order: PaymentOrder) => CodedError | undefined = () => undefined;
  /** Milliseconds that it takes at least until it is told that a payment is final. */
  tellsAfter = 0;
  /** The first look at the ledger: throws for as long as it cannot be made. */
  look: () => void = () => {};
  readonly #incoming: ReceivedPayment[] = [];
  readonly #acknowledged = new Set<string>();
  readonly #handed = new Set<string>();
  #doors: AccountDoors | undefined;
  #listener: string | undefined;
  #open = new Set<string>();

  constructor(
    readonly address: Address,
    private readonly ledger: SimulatedLedger,
    private readonly chance: Chance,
    private readonly faults: () => MoneyFaults,
  ) {
    ledger.accounts.set(address, this);
  }

  /** A process begins, and the one before it has no account any more. */
  plugIn(doors: AccountDoors): MarketAccount {
    this.#doors = doors;
    this.#listener = undefined;
    this.#open = new Set();
    const mine = async <T>(work: () => T): Promise<T> => {
      await this.#pass(doors);
      return work();
    };
    return {
      firstLook: () => mine(() => this.look()),
      assertPayable: (order) => mine(() => this.#assertTaken(order)),
      pay: (order) => mine(() => this.#take(order)),
      knows: (paymentId) => mine(() => (this.payments.get(paymentId)?.state ?? 'failed') !== 'failed'),
      reported: (paymentId) =>
        mine(() => {
          const payment = this.payments.get(paymentId);
          if (payment?.state === 'paid') payment.reported = true;
        }),
      listen: ({ listenerId }) =>
        mine(() => {
          this.#listener = listenerId;
          this.#deliver();
        }),
      delivered: (_, eventId) =>
        mine(() => {
          this.acknowledge(eventId);
          this.#deliver();
        }),
    };
  }

  /** Tells what no process has acknowledged. */
  resume(): void {
    for (const [paymentId, payment] of this.payments) if (payment.state === 'paid') this.#report(paymentId, true);
  }

  unplug(): void {
    this.#doors = undefined;
  }

  received({ transactionId, from, to, amount, reference, at }: Transfer): void {
    this.#incoming.push({
      eventId: `${NETWORK_ID}:${transactionId}:${to}`,
      transactionId,
      from,
      to,
      amount: amount.toString(),
      token: TOKEN,
      decimals: DECIMALS,
      reference,
      confirmedAt: new Date(at).toISOString(),
      status: 'confirmed',
    });
    this.#doors?.after(this.chance.between(0, 1_000), () => this.#deliver());
  }

  /** Payments whose receipt nobody has acknowledged. */
  get unreported(): number {
    return [...this.payments.values()].filter(({ state, reported }) => state === 'paid' && !reported).length;
  }

  /** @param eventId of a payment that is never told again */
  acknowledge(eventId: string): void {
    this.#acknowledged.add(eventId);
    this.#open.delete(eventId);
  }

  get unacknowledged(): number {
    return this.#incoming.filter(({ eventId }) => !this.#acknowledged.has(eventId)).length;
  }

  #pass(doors: AccountDoors): Promise<void> {
    return new Promise((resolve) => doors.after(this.chance.between(0, 20), resolve));
  }

  #assertTaken(order: PaymentOrder): void {
    if (this.chance.happens(this.faults().away))
      throw new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger is away');
    const refusal = this.refuses(order);
    if (refusal) throw refusal;
    if (this.#available() < BigInt(String(order.amount)))
      throw new CodedError('FUNDS_INSUFFICIENT', 'default', 'there is not enough');
  }

  #available(): bigint {
    let free = this.ledger.balanceOf(this.address);
    for (const { state, order } of this.payments.values())
      if (state === 'intended') free -= BigInt(String(order.amount));
    return free;
  }

  #take(order: PaymentOrder): AcceptedPayment {
    const paymentId = String(order.paymentId);
    const known = this.payments.get(paymentId);
    if (known) {
      const { to, amount, reference } = known.order;
      if (to !== order.to || amount !== order.amount || reference !== order.reference)
        throw new CodedError('PAYMENT_MISMATCH', 'default', 'it was another one');
      if (known.state !== 'failed') return { paymentId, ...(known.receipt && { receipt: known.receipt }) };
    }
    this.#assertTaken(order);
    const payment: Payment = {
      order,
      intendedAt: this.ledger.timeline.now(),
      state: 'intended',
      receipt: undefined,
      reported: false,
    };
    this.payments.set(paymentId, payment);
    const faults = this.faults();
    const doubtful = this.chance.happens(faults.doubt);
    const delay = doubtful ? this.chance.between(60_000, 300_000) : this.chance.between(1, faults.slowest);
    if (doubtful) {
      const { origin } = order;
      this.#doors?.after(60_000, () =>
        this.#doors?.hearReport({ kind: 'unknown', paymentId, transactionId: null, origin }),
      );
    }
    // The ledger does not care whether the process that asked is still there.
    this.ledger.timeline.after(delay, () => this.#execute(paymentId, payment, this.chance.happens(faults.failure)));
    return { paymentId };
  }

  #execute(paymentId: string, payment: Payment, fails: boolean): void {
    const { to, amount, reference, origin } = payment.order;
    const transfer = fails
      ? undefined
      : this.ledger.transfer(this.address, to as Address, BigInt(String(amount)), String(reference));
    if (!transfer) {
      payment.state = 'failed';
      this.#doors?.hearReport({
        kind: 'failed',
        paymentId,
        code: 'FUNDS_INSUFFICIENT',
        detail: 'default',
        message: 'there is not enough',
        parameters: {},
        origin,
      });
      return;
    }
    payment.state = 'paid';
    payment.receipt = this.#receiptOf(paymentId, payment, transfer);
    const delay = this.tellsAfter + this.chance.between(0, 500);
    this.#doors?.after(delay, () => this.#report(paymentId, false));
  }

  #receiptOf(paymentId: string, { intendedAt }: Payment, transfer: Transfer): Receipt {
    const amount = transfer.amount.toString();
    return {
      paymentId,
      status: 'confirmed',
      network: NETWORK_ID,
      transactionId: transfer.transactionId,
      from: transfer.from,
      to: [{ address: transfer.to, amount }],
      amount,
      token: TOKEN,
      decimals: DECIMALS,
      reference: transfer.reference,
      submittedAt: new Date(intendedAt).toISOString(),
      confirmedAt: new Date(transfer.at).toISOString(),
      remaining: [],
    };
  }

  #report(paymentId: string, redelivered: boolean): void {
    const payment = this.payments.get(paymentId);
    if (!payment?.receipt || payment.reported) return;
    const { receipt, order } = payment;
    this.#doors?.hearReport({ kind: 'confirmed', paymentId, receipt, redelivered, origin: order.origin });
  }

  #deliver(): void {
    if (this.#listener === undefined) return;
    for (const payment of this.#incoming) {
      const { eventId } = payment;
      if (this.#open.size >= MOST_UNACKNOWLEDGED) return;
      if (this.#acknowledged.has(eventId) || this.#open.has(eventId)) continue;
      this.#open.add(eventId);
      const redelivered = this.#handed.has(eventId);
      this.#handed.add(eventId);
      this.#doors?.hearPayment(payment, redelivered);
    }
  }
}
