import { randomUUID } from 'node:crypto';
import { CodedError, isCodedError } from '../errors';
import { type OfferCommand, UNITS, type Unit } from '../market';
import type { MarketCalls } from '../vault';
import type { AccountDoor } from './account-door';
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
} from './marketplace';
import { OfferSide } from './offer-side';
import { isVaultRestarting } from './signing-desk';
import type { VaultHost } from './vault-host';

export interface MarketplaceDoors {
  readonly vaultHost: VaultHost;
  /** The market worker runs from now on. */
  readonly needMarket: () => void;
  /** Runs whenever the account is opened; what it returns when the account is gone for the moment, or for good. */
  readonly attach: (attachment: (door: AccountDoor) => () => void) => () => void;
  /** @throws CodedError when it cannot be opened */
  readonly opened: () => Promise<AccountDoor>;
}

/** What one machine node offers, buys and looks for: said to the vault again whenever the account is opened anew. */
export class AccountMarketplace implements Marketplace {
  constructor(private readonly doors: MarketplaceDoors) {}

  offer({ nodeId, settings, channel }: OfferOrder, listener: OfferListener): OfferDesk {
    let accountId: string | undefined;
    const side = new OfferSide(listener, {
      noticed: (noticeId) => {
        if (accountId !== undefined) this.#tell(accountId, 'noticed', noticeId);
      },
    });
    side.begin(String(settings.service), unitOf(settings.unit));
    const detach = this.#attach((door) => {
      accountId = door.accountId;
      const stop = door.market.offer(nodeId, side);
      this.#call(door.accountId, 'offer', nodeId, settings, channel).catch((error: unknown) => {
        if (!isVaultRestarting(error)) side.wrong(coded(error));
      });
      return () => {
        stop();
        side.vaultGone();
      };
    });
    return {
      command: async (command: OfferCommand) => {
        const door = await this.doors.opened();
        await this.#call(door.accountId, 'command', nodeId, command);
      },
      close: () => {
        side.close();
        detach();
        if (accountId !== undefined) this.#tell(accountId, 'closeOffer', nodeId);
      },
    };
  }

  async buy(
    { settings, channel, origin }: PurchaseOrder,
    progress: Parameters<Marketplace['buy']>[1],
    signal?: AbortSignal,
  ): ReturnType<Marketplace['buy']> {
    this.doors.needMarket();
    const door = await this.doors.opened();
    const asking = { ...origin, askId: randomUUID() };
    const ask = () => this.#call(door.accountId, 'buy', asking, settings, channel);
    return door.market.buy(() => door.answered(ask), progress, signal);
  }

  attendPurchases(nodeId: string, channel: PurchaseOrder['channel'], listener: PurchaseListener): () => void {
    return this.#attach((door) => {
      const stop = door.market.attendPurchases(nodeId, listener);
      this.#tell(door.accountId, 'attendPurchases', nodeId, channel);
      return () => {
        stop();
        this.#tell(door.accountId, 'closePurchases', nodeId);
      };
    });
  }

  async endPurchase(nodeId: string, contractId: string, how: 'stop' | 'cancel'): Promise<void> {
    const door = await this.doors.opened();
    await this.#call(door.accountId, 'endPurchase', nodeId, contractId, how);
  }

  searchOffers({ listenerId, channel, ...search }: OfferSearchOrder, listener: OfferSearchListener): () => void {
    return this.#attach((door) => {
      const stop = door.market.search(listenerId, listener);
      this.#call(door.accountId, 'search', listenerId, search, channel).catch((error: unknown) => {
        if (!isVaultRestarting(error)) listener.wrong(coded(error));
      });
      return () => {
        stop();
        this.#tell(door.accountId, 'stopSearch', listenerId);
      };
    });
  }

  listenContracts(
    { listenerId, from }: Parameters<Marketplace['listenContracts']>[0],
    handler: (finished: FinishedContract, redelivered: boolean) => void,
  ): () => void {
    return this.doors.attach((door) => {
      const stop = door.market.listenContracts(listenerId, handler);
      this.#tell(door.accountId, 'listenContracts', listenerId, from);
      return () => {
        stop();
        this.#tell(door.accountId, 'stopContracts', listenerId);
      };
    });
  }

  #attach(attachment: (door: AccountDoor) => () => void): () => void {
    this.doors.needMarket();
    return this.doors.attach(attachment);
  }

  /** @throws CodedError `DATA_NOT_CANONICAL` for what is no data, e.g. a function in a message */
  async #call<M extends keyof MarketCalls>(
    accountId: string,
    method: M,
    ...parameters: Parameters<MarketCalls[M]>
  ): Promise<Awaited<ReturnType<MarketCalls[M]>>> {
    try {
      return (await this.doors.vaultHost.vault.market(accountId, method, parameters)) as Awaited<
        ReturnType<MarketCalls[M]>
      >;
    } catch (error) {
      throw error instanceof DOMException && error.name === 'DataCloneError' ? noData(error) : error;
    }
  }

  /** A vault that is gone is told again when the account is opened anew. */
  #tell<M extends keyof MarketCalls>(accountId: string, method: M, ...parameters: Parameters<MarketCalls[M]>): void {
    this.#call(accountId, method, ...parameters).catch(() => {});
  }
}

function unitOf(value: unknown): Unit {
  return UNITS.find((unit) => unit === value) ?? 'once';
}

function coded(error: unknown): CodedError {
  if (isCodedError(error)) return error;
  return new CodedError('CONFIG_INVALID', 'machine-failed', String(error), {}, { cause: error });
}

function noData(cause: DOMException): CodedError {
  return new CodedError('DATA_NOT_CANONICAL', 'no-data', 'the payload is no data', { path: '' }, { cause });
}
