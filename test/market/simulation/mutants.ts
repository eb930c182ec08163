import type { Market, MarketPorts, SignedMessage } from '../../../lib/market';
import type { ReceivedPayment } from '../../../lib/payments';
import type { SimulatedTrader } from './trader';

/** The market with one thing wrong that must never be wrong. */
export interface Mutant {
  readonly name: string;
  /** Other ports than the real ones. */
  readonly ports?: (ports: MarketPorts, trader: SimulatedTrader) => MarketPorts;
  /** Hears a message before the market does. */
  readonly hearMessage?: (market: Market, message: SignedMessage, trader: SimulatedTrader) => void;
  /** Changes what the market hears of money. */
  readonly payment?: (payment: ReceivedPayment, trader: SimulatedTrader) => ReceivedPayment;
  readonly noFsync?: true;
}

export const MUTANTS: readonly Mutant[] = [];
