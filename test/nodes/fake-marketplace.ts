/** A marketplace without channel, worker or money: nodes talk to it, tests decide what happens on it. */
import type { BuyProgress, Contract, FoundOffer, OfferCommand, OfferEvent } from '../../lib/market/market-order';
import type {
  FinishedContract,
  Marketplace,
  OfferDesk,
  OfferListener,
  OfferOrder,
  OfferSearchListener,
  OfferSearchOrder,
  PurchaseListener,
  PurchaseOrder,
} from '../../lib/runtime';

export const CONTRACT_ID = 'c0'.repeat(32);
export const BUYER = 'did:key:z6MkpTHR8VNsBxYAAWHut2Geadd9jSwuBV8xRoAnwWsdvktH';
export const SELLER = 'did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp';

export function contract(changes: Partial<Contract> = {}): Contract {
  return {
    contractId: CONTRACT_ID,
    status: 'completed',
    side: 'buyer',
    network: 'sandbox-tangle-test',
    service: 'compressed-air',
    buyer: { did: BUYER, address: 'tst1buyer' },
    seller: { did: SELLER, address: 'tst1seller' },
    price: '200000',
    unit: 'minute',
    quantity: '10',
    amount: '2000000',
    token: 'IOTA',
    decimals: 6,
    chosenBecause: 'cheapest of 3',
    reason: null,
    metered: null,
    receipts: [],
    messages: [],
    endedAt: '2026-01-01T00:10:00.000Z',
    ...changes,
  };
}

export function finishedContract(number: number, changes: Partial<Contract> = {}): FinishedContract {
  const finished = contract({ contractId: String(number).padStart(64, '0'), ...changes });
  const { network, contractId, side, status } = finished;
  return { eventId: `${network}:${contractId}:${side}:${status}`, contract: finished };
}

export function offerEvent(changes: Partial<OfferEvent> = {}): OfferEvent {
  return {
    contractId: CONTRACT_ID,
    event: 'start',
    service: 'compressed-air',
    quantity: '10',
    unit: 'minute',
    until: '2026-01-01T00:10:00.000Z',
    buyer: BUYER,
    ...changes,
  };
}

export function foundOffer(number: number, changes: Partial<FoundOffer> = {}): FoundOffer {
  return {
    eventId: String(number).padStart(64, '0'),
    event: 'offered',
    seller: SELLER,
    online: true,
    service: 'compressed-air',
    title: `air ${number}`,
    unit: 'minute',
    price: '200000',
    token: 'IOTA',
    decimals: 6,
    place: { lat: 48.1, lng: 11.5 },
    distance: null,
    parameters: null,
    leadSeconds: null,
    expires: '2026-01-01T01:00:00.000Z',
    ...changes,
  };
}

/** What a node's desk was told, and whether it was closed. */
export interface FakeDesk extends OfferDesk {
  readonly order: OfferOrder;
  readonly listener: OfferListener;
  readonly commands: OfferCommand[];
  closed: number;
}

export interface FakePurchase {
  readonly order: PurchaseOrder;
  readonly signal: AbortSignal | undefined;
  progress(progress: Partial<BuyProgress> & Pick<BuyProgress, 'event'>): void;
  finish(finished?: Contract): void;
  fail(error: unknown): void;
}

export class FakeMarketplace implements Marketplace {
  /** Taken (and used up) by the next call that can fail. */
  nextError: Error | undefined;

  readonly desks: FakeDesk[] = [];
  readonly purchases: FakePurchase[] = [];
  readonly attending = new Map<string, { channel: PurchaseOrder['channel']; listener: PurchaseListener }>();
  readonly ended: { nodeId: string; contractId: string; how: 'stop' | 'cancel' }[] = [];
  readonly searching = new Map<string, { order: OfferSearchOrder; listener: OfferSearchListener }>();
  readonly listening = new Map<
    string,
    { from: string; handler: (finished: FinishedContract, redelivered: boolean) => void }
  >();
  /** Called for every purchase, command and end of a purchase; tests wait for them. */
  onPurchase: (purchase: FakePurchase) => void = () => undefined;
  onCommand: (command: OfferCommand) => void = () => undefined;
  onEnd: (ended: { nodeId: string; contractId: string; how: 'stop' | 'cancel' }) => void = () => undefined;

  offer(order: OfferOrder, listener: OfferListener): OfferDesk {
    this.#fail();
    const desk: FakeDesk = {
      order,
      listener,
      commands: [],
      closed: 0,
      command: async (command) => {
        this.#fail();
        desk.commands.push(command);
        this.onCommand(command);
      },
      close() {
        desk.closed += 1;
      },
    };
    this.desks.push(desk);
    return desk;
  }

  buy(order: PurchaseOrder, progress: (progress: BuyProgress) => void, signal?: AbortSignal): Promise<Contract> {
    return new Promise((resolve, reject) => {
      this.#fail();
      const purchase: FakePurchase = {
        order,
        signal,
        progress: (told) => progress({ contractId: CONTRACT_ID, seller: null, ...told }),
        finish: (finished = contract()) => resolve(finished),
        fail: reject,
      };
      this.purchases.push(purchase);
      this.onPurchase(purchase);
    });
  }

  attendPurchases(nodeId: string, channel: PurchaseOrder['channel'], listener: PurchaseListener): () => void {
    this.#fail();
    const attending = { channel, listener };
    this.attending.set(nodeId, attending);
    return () => {
      if (this.attending.get(nodeId) === attending) this.attending.delete(nodeId);
    };
  }

  async endPurchase(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void> {
    this.#fail();
    const ended = { nodeId, contractId, how };
    this.ended.push(ended);
    this.onEnd(ended);
  }

  searchOffers(order: OfferSearchOrder, listener: OfferSearchListener): () => void {
    this.#fail();
    const searching = { order, listener };
    this.searching.set(order.listenerId, searching);
    return () => {
      if (this.searching.get(order.listenerId) === searching) this.searching.delete(order.listenerId);
    };
  }

  listenContracts(
    { listenerId, from }: { readonly listenerId: string; readonly from: string },
    handler: (finished: FinishedContract, redelivered: boolean) => void,
  ): () => void {
    this.#fail();
    const listening = { from, handler };
    this.listening.set(listenerId, listening);
    return () => {
      if (this.listening.get(listenerId) === listening) this.listening.delete(listenerId);
    };
  }

  /** Nodes that still hold on to it: all of it must be gone after a close. */
  get held(): number {
    const open = this.desks.filter(({ closed }) => closed === 0).length;
    return open + this.attending.size + this.searching.size + this.listening.size;
  }

  #fail(): void {
    const error = this.nextError;
    this.nextError = undefined;
    if (error) throw error;
  }
}
