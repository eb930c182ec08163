import type { BuySettings } from '../../../lib/market';
import { MarketStage, type Puppet, stateOf } from '../market-stage';
import type { SimulatedTrader } from '../simulation/trader';

const MONEY = 1_000_000n;

/** Of the test that runs: a market, the buyer, and two sellers that say what the test wants. */
export let stage: MarketStage;
export let buyer: SimulatedTrader;
export let anna: Puppet;
export let bob: Puppet;

/** New for each test of the suite that asks for it. */
export function setTheStage(): void {
  beforeEach(async () => {
    stage = new MarketStage();
    buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
    anna = stage.puppet('anna');
    bob = stage.puppet('bob');
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });
}

/** Calls, and waits until the puppets have heard it. */
export async function call(settings: Partial<BuySettings> = {}): Promise<string> {
  const contractId = await stage.buy(buyer, settings);
  await stage.until('the call is heard', () => [anna, bob].every((one) => one.got('call').length > 0));
  return contractId;
}

export const state = (contractId: string) => stateOf(buyer, contractId, 'buyer');

/** Until the seller is paid. */
export async function paid(settings: Partial<BuySettings> = {}, price = 100n): Promise<string> {
  const contractId = await call(settings);
  anna.propose(price);
  await stage.until('it is accepted', () => anna.got('accept').length > 0);
  anna.confirm();
  await stage.until('it is paid', () => anna.got('paid').length > 0);
  return contractId;
}
