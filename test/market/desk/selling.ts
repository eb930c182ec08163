import assert from 'node:assert/strict';
import {
  type CancelReason,
  type Contract,
  hashOf,
  type MessageBodies,
  type OfferCommand,
  type OfferEventName,
  type OfferSettings,
} from '../../../lib/market';
import { MarketStage, offerEventsOf, type Puppet, stateOf } from '../market-stage';
import type { SimulatedTrader } from '../simulation/trader';

export const HOUR = 3_600_000;
export const MONEY = 1_000_000n;

export const WANTED: MessageBodies['call'] = {
  service: 'charging',
  parameters: null,
  quantity: '1',
  maxPrice: null,
  near: null,
  maxDistance: null,
  deliverWithin: null,
};

/** Of the test that runs: a market, the seller once it offers, and a buyer that says what the test wants. */
export let stage: MarketStage;
export let seller: SimulatedTrader;
export let carl: Puppet;

/** New for each test of the suite that asks for it. */
export function setTheStage(): void {
  beforeEach(() => {
    stage = new MarketStage();
    carl = stage.puppet('carl');
    stage.ledger.mint(carl.address, MONEY);
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });
}

export async function offers(settings: Partial<OfferSettings> = {}, nodeId = 'offer'): Promise<void> {
  seller = await stage.trader('seller', { offers: { [nodeId]: { service: 'charging', price: '100', ...settings } } });
}

/** Calls for the service; returns the contract that it would make. */
export function call(body: Partial<MessageBodies['call']> = {}, buyer = carl): string {
  const parts = { to: null, contractId: null, previous: null, body: { ...WANTED, ...body } };
  const text = buyer.write('call', parts as unknown as Parameters<typeof buyer.write<'call'>>[1]);
  stage.place.publish({ calls: body.service ?? WANTED.service }, text);
  return hashOf(text);
}

export async function proposed(body: Partial<MessageBodies['call']> = {}, buyer = carl): Promise<string> {
  const before = buyer.got('proposal').length;
  const contractId = call(body, buyer);
  await stage.until('it proposes', () => buyer.got('proposal').length > before);
  return contractId;
}

export function accept(contractId: string, more: Partial<MessageBodies['accept']> = {}, buyer = carl): string {
  const proposal = buyer.got('proposal').find(({ message }) => message.contractId === contractId);
  assert.ok(proposal);
  const body = { amount: proposal.message.body.amount, payBy: null, ...more };
  return buyer.say('accept', { to: seller.did, contractId, previous: proposal.hash, body });
}

export async function accepted(body: Partial<MessageBodies['call']> = {}, buyer = carl): Promise<string> {
  const contractId = await proposed(body, buyer);
  const before = buyer.got('accept').length;
  accept(contractId, {}, buyer);
  await stage.until('it confirms', () => buyer.got('accept').length > before);
  return contractId;
}

export function pay(contractId: string, amount = 100n, { from = carl, suffix = '' } = {}): void {
  stage.ledger.transfer(from.address, seller.address, amount, `me1:${contractId.slice(0, 32)}${suffix}`);
}

export async function started(body: Partial<MessageBodies['call']> = {}, amount = 100n): Promise<string> {
  const contractId = await accepted(body);
  pay(contractId, amount);
  await comes('it delivers', contractId, 'DELIVERING');
  return contractId;
}

/** Until it is in that state, and the flow has heard what there is to hear of it. */
export async function comes(what: string, contractId: string, wanted: string, within?: number): Promise<void> {
  await stage.until(what, () => state(contractId) === wanted, within);
  await stage.pass(100);
}

export const state = (contractId: string) => (seller.market ? stateOf(seller, contractId, 'seller') : undefined);
export const events = (event?: OfferEventName) => offerEventsOf(seller, event);
export const names = () => events().map(({ event }) => event);
export const command = (value: OfferCommand, nodeId = 'offer') =>
  stage.soon(seller.market?.command(nodeId, value) as Promise<void>);
export const outgoing = () => stage.ledger.transfers.filter(({ from }) => from === seller.address);

/** Answers the last message of the seller. */
export function says<T extends 'reject' | 'cancel' | 'complete' | 'paid'>(
  contractId: string,
  type: T,
  body: MessageBodies[T],
): void {
  const last = carl.heard.filter(({ message }) => message.contractId === contractId).at(-1);
  carl.say(type, { to: seller.did, contractId, previous: last?.hash ?? contractId, body });
}

export const cancels = (contractId: string, reason: CancelReason = 'late') =>
  says(contractId, 'cancel', { reason, text: null, refund: null });

export function finished(): Contract[] {
  return events().flatMap(({ contract }) => (contract ? [contract] : []));
}

export function rows(table: string): number {
  return Number(seller.life?.journal?.sql.get(`SELECT count(*) AS n FROM ${table}`)?.['n']);
}
