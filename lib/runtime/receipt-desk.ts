import { CodedError, type ErrorCode } from '../errors';
import type { AcceptedPayment, PaymentReport, Receipt } from '../payments/order';
import type { MachineEvent } from './runtime';

type ConfirmedReport = PaymentReport & { readonly kind: 'confirmed' };
type RedeliveryListener = (report: ConfirmedReport) => void;

interface Waiter {
  readonly paymentId: string;
  readonly progress: (report: PaymentReport) => void;
  readonly signal: AbortSignal | undefined;
  resolve(receipt: Receipt): void;
  reject(error: unknown): void;
  /** Reports that arrived while the vault had not yet answered whether this order is that payment. */
  early: EarlyReport[] | undefined;
}

interface EarlyReport {
  readonly report: PaymentReport;
  /** Somebody else has it already: if this order turns out to be another payment, it is not told again. */
  taken: boolean;
}

export interface ReceiptDeskDoors {
  /** The flow has the receipt: the vault need not report it again. */
  readonly reported: (paymentId: string) => void;
  /** Nobody in the flow waits for this: the wallet's second output tells it. False: there is no wallet. */
  readonly announce: (event: MachineEvent) => boolean;
  /** How long a node that asked may take to come back after flows have started. */
  readonly graceMs?: number;
}

const GRACE_MS = 10_000;

/**
 * Brings reports of one account to whoever waits for them: the message that asked, else the node that asked (after a
 * redeploy or restart), else the wallet. A receipt is acknowledged only after one of them had it.
 */
export class ReceiptDesk {
  readonly #waiters = new Map<string, Set<Waiter>>();
  readonly #redelivery = new Map<string, RedeliveryListener>();
  readonly #parked = new Map<string, ConfirmedReport>();
  readonly #graceTimers = new Set<NodeJS.Timeout>();
  #flowsStarted = false;

  constructor(private readonly doors: ReceiptDeskDoors) {}

  /**
   * Waits for the outcome of a payment that is about to be asked for with `ask`.
   * An aborted signal means that nobody is there any more: the promise never settles and the receipt is parked; one that
   * was aborted before means that nothing is asked for.
   */
  async pay(
    paymentId: string,
    ask: () => Promise<AcceptedPayment>,
    progress: (report: PaymentReport) => void,
    signal?: AbortSignal,
  ): Promise<Receipt> {
    if (signal?.aborted) return new Promise<Receipt>(() => {});
    let waiter: Waiter | undefined;
    const outcome = new Promise<Receipt>((resolve, reject) => {
      waiter = { paymentId, progress, signal, resolve, reject, early: [] };
    });
    const registered = waiter as unknown as Waiter;
    const waiters = this.#waiters.get(paymentId) ?? new Set();
    this.#waiters.set(paymentId, waiters.add(registered));
    signal?.addEventListener('abort', () => this.#forget(registered), { once: true });
    try {
      const accepted = await ask();
      const early = registered.early ?? [];
      registered.early = undefined;
      if (accepted.receipt) {
        this.#forget(registered);
        return signal?.aborted ? outcome : accepted.receipt;
      }
      for (const known of early) {
        known.taken = true;
        this.#give([registered], known.report);
      }
    } catch (error) {
      const early = registered.early ?? [];
      this.#forget(registered);
      if (signal?.aborted) return outcome;
      // They were another order's reports under the same id.
      for (const known of early) {
        if (known.taken || known.report.kind !== 'confirmed') continue;
        known.taken = true;
        this.hear(known.report);
      }
      throw error;
    }
    return outcome;
  }

  /** A report of the vault. */
  hear(report: PaymentReport): void {
    const waiters = [...(this.#waiters.get(report.paymentId) ?? [])];
    const asking = waiters.filter((waiter) => waiter.early);
    const accepted = waiters.filter((waiter) => !waiter.early);
    const known = { report, taken: accepted.length > 0 };
    for (const waiter of asking) waiter.early?.push(known);
    if (accepted.length > 0 || asking.length === 0) this.#give(accepted, report);
  }

  #give(accepted: readonly Waiter[], report: PaymentReport): void {
    switch (report.kind) {
      case 'submitted':
      case 'unknown':
        for (const waiter of accepted) waiter.progress(report);
        if (accepted.length === 0 && report.kind === 'unknown') {
          this.doors.announce({ event: 'unknown', paymentId: report.paymentId, transactionId: report.transactionId });
        }
        return;
      case 'failed': {
        const { code, detail, message, parameters, paymentId } = report;
        for (const waiter of accepted) {
          this.#forget(waiter);
          waiter.reject(new CodedError(code as ErrorCode, detail, message, parameters));
        }
        if (accepted.length === 0) this.doors.announce({ event: 'payment-failed', paymentId, code, message });
        return;
      }
      case 'confirmed':
        if (accepted.length === 0) {
          this.#redeliver(report);
          return;
        }
        for (const waiter of accepted) {
          this.#forget(waiter);
          waiter.resolve(report.receipt);
        }
        this.#acknowledge(report.paymentId);
    }
  }

  /** A node that may have asked before this process, or its present flow, started. */
  onRedelivery(nodeId: string, listener: RedeliveryListener): () => void {
    this.#redelivery.set(nodeId, listener);
    for (const report of [...this.#parked.values()]) if (report.origin.nodeId === nodeId) this.#redeliver(report);
    return () => {
      if (this.#redelivery.get(nodeId) === listener) this.#redelivery.delete(nodeId);
    };
  }

  /** From now on a node that is not there is given up after the grace period. */
  flowsStarted(): void {
    this.#flowsStarted = true;
    for (const report of this.#parked.values()) this.#giveUpLater(report);
  }

  /** Stops timers; parked receipts stay unacknowledged in the journal. */
  close(): void {
    for (const timer of this.#graceTimers) clearTimeout(timer);
    this.#graceTimers.clear();
  }

  #redeliver(report: ConfirmedReport): void {
    const listener = this.#redelivery.get(report.origin.nodeId);
    if (!listener) {
      this.#parked.set(report.paymentId, report);
      if (this.#flowsStarted) this.#giveUpLater(report);
      return;
    }
    this.#parked.delete(report.paymentId);
    listener({ ...report, redelivered: true });
    this.#acknowledge(report.paymentId);
  }

  #giveUpLater(report: ConfirmedReport): void {
    const timer = setTimeout(() => {
      this.#graceTimers.delete(timer);
      if (!this.#parked.has(report.paymentId)) return;
      // Without a wallet it waits for a flow that wants it, here and in the journal.
      if (!this.doors.announce({ event: 'receipt', receipt: report.receipt })) return;
      this.#parked.delete(report.paymentId);
      this.#acknowledge(report.paymentId);
    }, this.doors.graceMs ?? GRACE_MS);
    timer.unref();
    this.#graceTimers.add(timer);
  }

  /** Later than the microtasks in which the node sends its message. */
  #acknowledge(paymentId: string): void {
    setImmediate(() => this.doors.reported(paymentId));
  }

  #forget(waiter: Waiter): void {
    const waiters = this.#waiters.get(waiter.paymentId);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(waiter.paymentId);
  }
}
