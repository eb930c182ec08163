import { CodedError } from '../errors';
import { type ChannelSignal, hasContracts, Market, type MarketPorts } from '../market';
import type { PaymentReport, ReceivedPayment } from '../payments';
import { MARKET_METHODS, type MarketCalls } from './vault-contract';

/** The market of one account: opened when somebody offers, buys or searches, or when contracts of an earlier process go on. */
export class AccountMarket {
  #opening: Promise<Market> | undefined;
  #market: Market | undefined;

  constructor(private readonly ports: MarketPorts) {}

  /** Takes up contracts that an earlier process has left. */
  async resume(): Promise<void> {
    if (hasContracts(this.ports.journal.sql, this.ports.network.networkId)) await this.#opened();
  }

  async call<M extends keyof MarketCalls>(
    method: M,
    parameters: Readonly<Parameters<MarketCalls[M]>>,
  ): Promise<Awaited<ReturnType<MarketCalls[M]>>> {
    // It comes from another thread as any text.
    if (!MARKET_METHODS.includes(method)) throw new TypeError(`no such method: ${method}`);
    type Answer = Awaited<ReturnType<MarketCalls[M]>>;
    // A market that was never opened has nothing to tell.
    if (method === 'tellUnattended' && !this.#opening) return undefined as Answer;
    const market: MarketCalls = await this.#opened();
    const run = market[method] as (...values: readonly unknown[]) => Promise<Answer>;
    return run.apply(market, [...(parameters as readonly unknown[])]);
  }

  hearReport(report: PaymentReport): void {
    this.#market?.hearReport(report);
  }

  hearPayment(payment: ReceivedPayment, redelivered: boolean): void {
    this.#market?.hearPayment(payment, redelivered);
  }

  hearChannel(signal: ChannelSignal): void {
    this.#market?.hearChannel(signal);
  }

  channelsRestarted(): void {
    this.#market?.channelsRestarted();
  }

  /** Contracts that can still cost or bring money. */
  get unsettled(): boolean {
    return this.#market?.unsettled ?? false;
  }

  async close(): Promise<void> {
    await this.#opening?.then((market) => market.close()).catch(() => {});
  }

  #opened(): Promise<Market> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<Market> {
    try {
      this.#market = await Market.open(this.ports);
      return this.#market;
    } catch (error) {
      this.#opening = undefined;
      throw error instanceof CodedError
        ? error
        : new CodedError('CONFIG_INVALID', 'machine-failed', String(error), {}, { cause: error });
    }
  }
}
