import { randomBytes } from 'node:crypto';
import { CodedError } from '../errors';
import {
  type AcceptedPayment,
  newPaymentId,
  type PaymentOrder,
  type PaymentReport,
  type Receipt,
  type ReceivedPayment,
} from '../payments';
import type { VaultSignal } from '../vault';
import { MarketDesk } from './market-desk';
import { ReceiptDesk } from './receipt-desk';
import type { MachineEvent } from './runtime';
import { isVaultRestarting } from './signing-desk';
import type { VaultHost } from './vault-host';

/** So many events wait for a wallet to tell them. */
const MOST_HELD = 100;
/** How long a node may take to come back after flows have started, before its wallet hears instead. */
const ORPHAN_GRACE_MS = 10_000;

type PaymentHandler = (payment: ReceivedPayment, redelivered: boolean) => void;

/**
 * The main thread's side of one account in the vault. There is one per account however many machine nodes share it, and
 * it stays when they are redeployed: receipts that nobody could take wait here.
 */
export class AccountDoor {
  readonly desk: ReceiptDesk;
  readonly market: MarketDesk;
  readonly #handlers = new Map<string, PaymentHandler>();
  readonly #eventListeners = new Set<(event: MachineEvent) => void>();
  readonly #logListeners = new Set<() => void>();
  /** What no wallet was there to tell: an account that opens frozen says so before any node can listen. */
  readonly #held: MachineEvent[] = [];
  readonly #waitingForVault = new Set<() => void>();
  #orphanTimer: NodeJS.Timeout | undefined;

  constructor(
    readonly accountId: string,
    private readonly host: VaultHost,
  ) {
    this.desk = new ReceiptDesk({
      // If it is lost the receipt comes again, marked as redelivered.
      reported: (paymentId) => void host.vault.reported(accountId, paymentId).catch(() => {}),
      announce: (event) => this.#announce(event),
    });
    // What is lost of these comes again, marked as redelivered.
    const { vault } = host;
    this.market = new MarketDesk({
      noticed: (noticeId) => void vault.market(accountId, 'noticed', [noticeId]).catch(() => {}),
      contractDelivered: (listenerId, eventId) =>
        void vault.market(accountId, 'contractDelivered', [listenerId, eventId]).catch(() => {}),
      announce: (event) => this.#announce(event),
    });
    host.route(accountId, (signal) => this.#hear(signal));
  }

  pay(order: PaymentOrder, progress: (report: PaymentReport) => void, signal?: AbortSignal): Promise<Receipt> {
    const named = isAbsent(order.paymentId) ? { ...order, paymentId: newPaymentId(Date.now(), randomBytes) } : order;
    // What is no id is refused by the vault, under whatever name.
    const name = typeof named.paymentId === 'object' ? '' : String(named.paymentId);
    return this.desk.pay(name, () => this.#order(named), progress, signal);
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    this.#eventListeners.add(listener);
    // A moment later, so that all wallets of a deploy hear it.
    if (this.#held.length > 0) setImmediate(() => this.#tellHeld());
    return () => this.#eventListeners.delete(listener);
  }

  /** Calls back when the log, or its way to the ledger, has changed. */
  onLog(listener: () => void): () => void {
    this.#logListeners.add(listener);
    return () => this.#logListeners.delete(listener);
  }

  /** A wallet is there to tell events. */
  get hasListeners(): boolean {
    return this.#eventListeners.size > 0;
  }

  /** Tells something that the main thread knows by itself. */
  tell(event: MachineEvent): void {
    this.#announce(event);
  }

  /** Registers who takes what the vault delivers to this listener id. */
  handle(listenerId: string, handler: PaymentHandler): () => void {
    this.#handlers.set(listenerId, handler);
    return () => {
      if (this.#handlers.get(listenerId) === handler) this.#handlers.delete(listenerId);
    };
  }

  /** The account is open in the vault, for the first time or again after the vault had to be restarted. */
  opened(): void {
    for (const goOn of this.#waitingForVault) goOn();
    this.#waitingForVault.clear();
  }

  /** Every node that wants something has said so by now, or is given up after a while. */
  flowsStarted(): void {
    this.desk.flowsStarted();
    clearTimeout(this.#orphanTimer);
    this.#orphanTimer = setTimeout(() => {
      this.market.adoptOrphans();
      this.host.vault.market(this.accountId, 'tellUnattended', []).catch(() => {});
    }, ORPHAN_GRACE_MS).unref();
  }

  close(): void {
    this.desk.close();
    clearTimeout(this.#orphanTimer);
  }

  /** Asks until a vault has answered: one that died in between may or may not have heard, so asking again must be safe. */
  async answered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!isVaultRestarting(error)) throw error;
        await new Promise<void>((reopened) => this.#waitingForVault.add(reopened));
      }
    }
  }

  /** Its id makes it safe to ask again. */
  async #order(order: PaymentOrder): Promise<AcceptedPayment> {
    try {
      return await this.answered(() => this.host.vault.pay(this.accountId, order));
    } catch (error) {
      throw error instanceof DOMException && error.name === 'DataCloneError' ? notPlain(error) : error;
    }
  }

  #hear(signal: VaultSignal): void {
    if ('report' in signal) {
      this.desk.hear(signal.report);
    } else if ('payment' in signal) {
      const { listenerId, payment, redelivered } = signal;
      const handler = this.#handlers.get(listenerId);
      if (!handler) return;
      handler(payment, redelivered);
      // Not acknowledged (vault gone, listener stopped): it comes again.
      this.host.vault.delivered(this.accountId, listenerId, payment.eventId).catch(() => {});
    } else if ('log' in signal) {
      for (const listener of [...this.#logListeners]) listener();
    } else if ('market' in signal) {
      this.market.hear(signal.market);
    } else {
      this.#announce(signal.event);
    }
  }

  /** False when nobody heard it. Then it is told later, except what its desk or the vault keeps. */
  #announce(event: MachineEvent): boolean {
    const listeners = [...this.#eventListeners];
    for (const listener of listeners) listener(event);
    if (listeners.length === 0 && event.event !== 'receipt' && event.event !== 'contract') {
      this.#held.push(event);
      if (this.#held.length > MOST_HELD) this.#held.shift();
    }
    return listeners.length > 0;
  }

  #tellHeld(): void {
    for (const event of this.#held.splice(0)) this.#announce(event);
  }
}

function isAbsent(paymentId: unknown): boolean {
  return paymentId === undefined || paymentId === null || paymentId === '';
}

/** Flows may put anything into a message, also functions and sockets. */
function notPlain(cause: unknown): CodedError {
  return new CodedError('CONFIG_INVALID', 'order', 'a value of the payment is not plain data', {}, { cause });
}
