import { CodedError } from '../errors';
import type { FinishedContract, MarketSignal } from '../market';
import type { BuyProgress, Contract } from '../market/market-order';
import type { OfferSearchListener, PurchaseListener } from './marketplace';
import type { OfferSide } from './offer-side';
import type { MachineEvent } from './runtime';

type PurchaseSignal = Extract<MarketSignal, { readonly origin: object }>;
type EndSignal = Extract<PurchaseSignal, { readonly noticeId: string }>;
type FinishedHandler = (finished: FinishedContract, redelivered: boolean) => void;

interface Waiter {
  readonly progress: (progress: BuyProgress) => void;
  resolve(contract: Contract): void;
  reject(error: CodedError): void;
}

export interface MarketDeskDoors {
  /** The flow has it: the vault need not tell it again. */
  readonly noticed: (noticeId: string) => void;
  readonly contractDelivered: (listenerId: string, eventId: string) => void;
  /** False: there is no wallet. */
  readonly announce: (event: MachineEvent) => boolean;
}

/**
 * Brings what the market of one account tells to whoever waits for it: the message that asked, else the node that asked
 * (after a redeploy or restart), else the wallet. It is acknowledged only after one of them had it.
 */
export class MarketDesk {
  readonly #offers = new Map<string, OfferSide>();
  readonly #waiters = new Map<string, Waiter>();
  readonly #buyers = new Map<string, PurchaseListener>();
  readonly #searches = new Map<string, OfferSearchListener>();
  readonly #finished = new Map<string, FinishedHandler>();
  /** Handed over; the acknowledgement is on its way. */
  readonly #handed = new Set<string>();
  /** What was told of contracts whose id their buyers have not heard yet. */
  readonly #early = new Map<string, PurchaseSignal[]>();
  #asking = 0;
  #adoptsOrphans = false;

  constructor(private readonly doors: MarketDeskDoors) {}

  offer(nodeId: string, side: OfferSide): () => void {
    this.#offers.set(nodeId, side);
    return () => {
      if (this.#offers.get(nodeId) === side) this.#offers.delete(nodeId);
    };
  }

  /** Waits for the end of a purchase that is about to be asked for with `ask`. */
  async buy(
    ask: () => Promise<{ readonly contractId: string }>,
    progress: (progress: BuyProgress) => void,
    signal?: AbortSignal,
  ): Promise<Contract> {
    const gone = new Promise<Contract>(() => {});
    if (signal?.aborted) return gone;
    const contractId = await this.#ask(ask);
    if (signal?.aborted || contractId instanceof Error) {
      this.#asked();
      if (signal?.aborted) return gone;
      throw contractId;
    }
    return new Promise<Contract>((resolve, reject) => {
      const waiter = { progress, resolve, reject };
      this.#waiters.set(contractId, waiter);
      signal?.addEventListener('abort', () => this.#forget(contractId, waiter), { once: true });
      const early = this.#early.get(contractId) ?? [];
      this.#early.delete(contractId);
      for (const told of early) this.#hearPurchase(told);
      this.#asked();
    });
  }

  attendPurchases(nodeId: string, listener: PurchaseListener): () => void {
    this.#buyers.set(nodeId, listener);
    return () => {
      if (this.#buyers.get(nodeId) === listener) this.#buyers.delete(nodeId);
    };
  }

  search(listenerId: string, listener: OfferSearchListener): () => void {
    this.#searches.set(listenerId, listener);
    return () => {
      if (this.#searches.get(listenerId) === listener) this.#searches.delete(listenerId);
    };
  }

  listenContracts(listenerId: string, handler: FinishedHandler): () => void {
    this.#finished.set(listenerId, handler);
    return () => {
      if (this.#finished.get(listenerId) === handler) this.#finished.delete(listenerId);
    };
  }

  /** From now on what became of purchases whose node is gone is the wallet's. */
  adoptOrphans(): void {
    this.#adoptsOrphans = true;
  }

  hear(signal: MarketSignal): void {
    if ('offer' in signal) this.#offers.get(signal.nodeId)?.hear(signal);
    else if ('standing' in signal) this.#offers.get(signal.nodeId)?.standing(signal.standing);
    else if ('found' in signal) this.#searches.get(signal.listenerId)?.found(signal.found);
    else if ('finished' in signal) this.#hearFinished(signal);
    else if ('origin' in signal) this.#hearPurchase(signal);
    else if ('trouble' in signal) this.doors.announce({ event: 'trouble', message: signal.trouble });
    else if ('listenerId' in signal) this.#searches.get(signal.listenerId)?.channel(signal.channel);
    else {
      this.#offers.get(signal.nodeId)?.channel(signal.channel);
      this.#buyers.get(signal.nodeId)?.channel(signal.channel);
    }
  }

  #hearFinished({ listenerId, finished, redelivered }: Extract<MarketSignal, { readonly finished: object }>): void {
    const handler = this.#finished.get(listenerId);
    if (!handler) return;
    handler(finished, redelivered);
    setImmediate(() => this.doors.contractDelivered(listenerId, finished.eventId));
  }

  #hearPurchase(signal: PurchaseSignal): void {
    const contractId = 'progress' in signal ? signal.progress.contractId : signal.contract.contractId;
    const waiter = this.#waiters.get(contractId);
    if (!waiter && this.#asking > 0) {
      this.#early.set(contractId, [...(this.#early.get(contractId) ?? []), signal]);
      return;
    }
    if ('progress' in signal) {
      waiter?.progress(signal.progress);
      return;
    }
    if (this.#handed.has(signal.noticeId)) return;
    if (!waiter) {
      this.#handUnawaited(signal);
      return;
    }
    this.#waiters.delete(contractId);
    if ('failure' in signal) waiter.reject(errorOf(signal.failure));
    else waiter.resolve(signal.contract);
    this.#acknowledge(signal.noticeId);
  }

  /** Its message is gone: the node's, or the wallet's; else it stays with the vault until one of them is there. */
  #handUnawaited(signal: EndSignal): void {
    const { nodeId, contract, origin, noticeId, redelivered } = signal;
    const buyer = this.#buyers.get(nodeId);
    if (!buyer) {
      if (this.#adoptsOrphans && this.doors.announce({ event: 'contract', contract })) this.#acknowledge(noticeId);
      return;
    }
    if ('failure' in signal) buyer.failure(errorOf(signal.failure), contract, origin);
    else buyer.contract(contract, origin, redelivered);
    this.#acknowledge(noticeId);
  }

  async #ask(ask: () => Promise<{ readonly contractId: string }>): Promise<string | Error> {
    this.#asking += 1;
    try {
      return (await ask()).contractId;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #asked(): void {
    this.#asking -= 1;
    if (this.#asking > 0) return;
    const early = [...this.#early.values()].flat();
    this.#early.clear();
    for (const signal of early) this.#hearPurchase(signal);
  }

  /** Later than the microtasks in which the node sends its message. */
  #acknowledge(noticeId: string): void {
    this.#handed.add(noticeId);
    setImmediate(() => {
      this.#handed.delete(noticeId);
      this.doors.noticed(noticeId);
    });
  }

  #forget(contractId: string, waiter: Waiter): void {
    if (this.#waiters.get(contractId) === waiter) this.#waiters.delete(contractId);
  }
}

function errorOf({
  code,
  detail,
  message,
  parameters,
}: Extract<MarketSignal, { readonly failure: object }>['failure']) {
  return new CodedError(code, detail, message, parameters);
}
