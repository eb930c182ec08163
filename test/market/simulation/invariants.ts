import { openJournal, rebuildProjections } from '../../../lib/journal';
import {
  type Contract,
  contracts,
  referenceOf,
  refundReferenceOf,
  type Verdict,
  verifyContract,
} from '../../../lib/market';
import { excessReferenceOf } from '../../../lib/market/messages/names';
import type { Address } from '../../../lib/values';
import type { SimulatedLedger, Transfer } from './money';
import { leaves, type SimulatedTrader } from './trader';

interface Row {
  readonly contractId: string;
  readonly side: 'buyer' | 'seller';
  readonly state: string;
  readonly peer: string | null;
}

const VERDICTS: { readonly [state: string]: Verdict } = {
  COMPLETED: 'completed',
  REFUNDED: 'refunded',
  CANCELLED: 'cancelled',
  FAILED: 'failed',
};

/** Who was there, and what they did. */
export interface SettledWorld {
  readonly traders: readonly SimulatedTrader[];
  readonly buyers: readonly SimulatedTrader[];
  readonly sellers: readonly SimulatedTrader[];
  /** Others who have money. */
  readonly strangers: readonly { readonly name: string; readonly did: string; readonly address: Address }[];
  readonly ledger: SimulatedLedger;
  /** Transfers that no market made. */
  readonly byHand: ReadonlySet<Transfer>;
  /** What a disk forgets it forgets again when its tables are made anew. */
  readonly forgetfulDisks?: boolean;
  /** What was noticed on the way. */
  readonly violations: readonly string[];
}

/** The rules that hold in every world once it has come to rest. */
export function violationsOf(world: SettledWorld): string[] {
  return [
    ...world.violations,
    ...world.traders.flatMap(({ name, troubles }) => troubles.map((text) => `TROUBLE of ${name}: ${text}`)),
    ...conservation(world),
    ...world.traders.flatMap((trader) => ended(trader)),
    ...world.buyers.flatMap((buyer) => rowsOf(buyer).flatMap((row) => sameEnd(row, buyer, world))),
    ...world.sellers.flatMap((seller) => rowsOf(seller).flatMap((row) => rightMoney(row, seller, world))),
    ...world.buyers.flatMap((buyer) => paidOnce(buyer, world)),
    ...world.traders.flatMap((trader) => toldAsItEnded(trader)),
    ...world.traders.flatMap((trader) => provable(trader)),
    ...(world.forgetfulDisks ? [] : world.traders.flatMap((trader) => rebuilt(trader))),
  ];
}

/** What happened in a world, by how often. */
export function seenIn({ traders, byHand }: SettledWorld): Record<string, number> {
  const seen: Record<string, number> = {};
  for (const trader of traders) count(trader, seen);
  if (byHand.size > 0) seen['paid by hand'] = byHand.size;
  return seen;
}

export function contractsIn({ buyers }: SettledWorld): number {
  return buyers.reduce((sum, buyer) => sum + rowsOf(buyer).length, 0);
}

function rowsOf({ life }: SimulatedTrader): Row[] {
  const rows = life?.journal?.sql.all('SELECT * FROM contracts') ?? [];
  return rows.map((row) => ({
    contractId: String(row['contract_id']),
    side: row['side'] === 'buyer' ? 'buyer' : 'seller',
    state: String(row['state']),
    peer: row['peer'] === null ? null : String(row['peer']),
  }));
}

function conservation({ ledger }: SettledWorld): string[] {
  return ledger.total === ledger.minted ? [] : [`CONSERVATION ${ledger.total} of ${ledger.minted}`];
}

/** Every contract comes to an end, and no money is owed for ever. */
function ended(trader: SimulatedTrader): string[] {
  const { life, name, account } = trader;
  const open = rowsOf(trader).filter(({ state }) => VERDICTS[state] === undefined || state === 'FAILED');
  const owed = life?.journal?.sql.all('SELECT payment_id FROM refunds WHERE receipt IS NULL') ?? [];
  const untold = life?.journal?.sql.all('SELECT signal FROM market_notices') ?? [];
  return [
    ...open.map(({ contractId, side, state }) => `NO_END ${side} ${contractId.slice(0, 8)} is ${state}`),
    ...owed.map(() => `STILL_OWED by ${name}`),
    ...untold.map(({ signal }) => `UNTOLD by ${name}: ${String(signal).slice(0, 80)}`),
    ...(account.unacknowledged > 0 ? [`UNREAD_MONEY at ${name}`] : []),
    ...(account.unreported > 0 ? [`UNREAD_RECEIPT at ${name}`] : []),
  ];
}

/** Both sides end in the same verdict. */
function sameEnd({ contractId, state, peer }: Row, buyer: SimulatedTrader, world: SettledWorld): string[] {
  const short = contractId.slice(0, 8);
  return world.sellers.flatMap((seller) => {
    const theirs = rowsOf(seller).find((row) => row.contractId === contractId && row.side === 'seller')?.state;
    const isHers = seller.did === peer;
    const byHand = [...world.byHand].filter(
      ({ to, reference }) => to === seller.address && reference === referenceOf(contractId),
    );
    // Who pays by hand what its machine has accepted has bought it, whatever the machine thinks of it since.
    const bought = theirs === 'COMPLETED' && byHand.some(({ from }) => from === buyer.address);
    // A proposal that nobody took, or that nobody paid, is off; what came for it by hand went back.
    const isOff =
      theirs === undefined || theirs === 'CANCELLED' || bought || (byHand.length > 0 && theirs === 'REFUNDED');
    const isSame = isHers && state !== 'CANCELLED' ? theirs === state : isOff;
    return isSame ? [] : [`VERDICT ${short}: ${buyer.name} ${state}, ${isHers ? 'its' : 'another'} seller ${theirs}`];
  });
}

function sum(transfers: readonly Transfer[]): bigint {
  return transfers.reduce((total, { amount }) => total + amount, 0n);
}

/** What a seller keeps is what was agreed, and only where it delivered; refunds are never more than came in. */
function rightMoney(
  { contractId, state, peer, side }: Row,
  seller: SimulatedTrader,
  { ledger, traders, strangers }: SettledWorld,
): string[] {
  if (side !== 'seller') return [];
  const backs = [refundReferenceOf(contractId), excessReferenceOf(contractId)];
  const agreed = BigInt(amountOf(contractId, seller) ?? '0');
  return [...traders, ...strangers].flatMap(({ address, did, name }) => {
    const came = sum(between(ledger.transfers, address, seller.address, [referenceOf(contractId)]));
    const back = sum(between(ledger.transfers, seller.address, address, backs));
    const keeps = state === 'COMPLETED' && did === peer ? agreed : 0n;
    if (back > came) return [`REFUNDED_MORE ${contractId.slice(0, 8)} to ${name}: ${back} of ${came}`];
    return came - back === keeps
      ? []
      : [`KEPT ${came - back} of ${name} in ${contractId.slice(0, 8)} (${state}), not ${keeps}`];
  });
}

function between(
  transfers: readonly Transfer[],
  from: Address,
  to: Address,
  references: readonly string[],
): Transfer[] {
  return transfers.filter((one) => one.from === from && one.to === to && references.includes(one.reference));
}

/** What this seller has proposed. */
function amountOf(contractId: string, { life }: SimulatedTrader): string | undefined {
  const row = life?.journal?.sql.get("SELECT facts FROM contracts WHERE contract_id = ? AND side = 'seller'", [
    contractId,
  ]);
  return row && (JSON.parse(String(row['facts'])) as { amount?: string }).amount;
}

/** At most once, exactly what the proposal said, to who signed it. */
function paidOnce(buyer: SimulatedTrader, { ledger, byHand, sellers }: SettledWorld): string[] {
  return rowsOf(buyer).flatMap(({ contractId, peer, state }) => {
    const paid = ledger.transfers.filter(
      (one) => one.from === buyer.address && one.reference === referenceOf(contractId) && !byHand.has(one),
    );
    const short = contractId.slice(0, 8);
    const seller = sellers.find(({ did }) => did === peer);
    const agreed = seller && amountOf(contractId, seller);
    const right = paid.every(({ to, amount }) => to === seller?.address && amount.toString() === agreed);
    return [
      ...(paid.length > 1 ? [`PAID_TWICE ${short}`] : []),
      ...(right ? [] : [`PAID_WRONG ${short}`]),
      ...(paid.length > 0 && state === 'CANCELLED' ? [`PAID_AND_CANCELLED ${short}`] : []),
      ...(paid.length === 0 && state !== 'CANCELLED' ? [`UNPAID_AND_${state} ${short}`] : []),
    ];
  });
}

function contractsTold({ signals }: SimulatedTrader): Contract[] {
  return signals.flatMap((signal) => {
    if ('failure' in signal || 'contract' in signal) return [signal.contract];
    return 'offer' in signal && signal.offer.contract ? [signal.offer.contract] : [];
  });
}

/** The last that a flow was told of a contract is how it ended; every purchase is told. */
function toldAsItEnded(trader: SimulatedTrader): string[] {
  const told = contractsTold(trader);
  return rowsOf(trader).flatMap(({ contractId, side, state }) => {
    const of = told.filter((one) => one.contractId === contractId && one.side === side);
    const finished = trader.signals.flatMap((signal) =>
      'finished' in signal && signal.finished.contract.contractId === contractId ? [signal.finished.contract] : [],
    );
    const verdict = VERDICTS[state];
    const short = `${side} ${contractId.slice(0, 8)}`;
    const last = of.at(-1)?.status;
    const lastFinished = finished.at(-1)?.status;
    // A seller is told of contracts, and not of proposals that nobody took.
    const mayBeSilent = side === 'seller' && state === 'CANCELLED';
    return [
      ...(last === verdict || (mayBeSilent && last === undefined)
        ? []
        : [`TOLD ${last} of ${short}, which is ${state}`]),
      ...(lastFinished === verdict || (mayBeSilent && lastFinished === undefined)
        ? []
        : [`LISTED ${lastFinished} of ${short}, which is ${state}`]),
    ];
  });
}

/** Every contract that was handed over proves what it says. */
function provable(trader: SimulatedTrader): string[] {
  const known = new Set<string>();
  return contractsTold(trader).flatMap((contract) => {
    const text = JSON.stringify(contract);
    if (known.has(text)) return [];
    known.add(text);
    const { problems } = verifyContract(JSON.parse(text));
    return problems.map(({ code, message }) => `PROOF ${contract.side} ${contract.status} ${code}: ${message}`);
  });
}

/** The tables are what the events make of them. */
function rebuilt(trader: SimulatedTrader): string[] {
  const { life, disk, name } = trader;
  const before = tablesOf(life?.journal?.sql);
  life?.end();
  disk.cutPower();
  const options = { memory: disk, projections: [leaves, contracts], sealEvery: 64 };
  rebuildProjections(options);
  const journal = openJournal(options);
  const after = tablesOf(journal.sql);
  if (life) life.journal = journal;
  return before === after ? [] : [`REBUILT tables of ${name} differ`];
}

function tablesOf(sql: { all(sql: string): unknown[] } | undefined): string {
  const tables = ['contracts', 'finished_contracts', 'contract_money', 'refunds'];
  const all = tables.map((table) => sql?.all(`SELECT * FROM ${table}`));
  return JSON.stringify(all, (_, value) => (typeof value === 'bigint' ? value.toString() : value));
}

function count({ life, signals }: SimulatedTrader, seen: Record<string, number>): void {
  const add = (what: string) => {
    seen[what] = (seen[what] ?? 0) + 1;
  };
  for (const row of life?.journal?.sql.all("SELECT type, body FROM journal_event WHERE type <> 'leaf.appended'") ??
    []) {
    const { side, event } = JSON.parse(String(row['body'])) as { side?: string; event?: string | null };
    if (row['type'] !== 'contract.moved') add(String(row['type']));
    else if (event !== null) add(`${side}: ${event}`);
  }
  for (const signal of signals) {
    if ('progress' in signal && signal.progress.event === 'refused') add(`refused: ${signal.progress['reason']}`);
    if ('redelivered' in signal && signal.redelivered) add('told again');
    if ('failure' in signal) add(`failure: ${signal.failure.code} ${signal.failure.detail}`);
    if ('offer' in signal && ['underpaid', 'overpaid', 'refund-waiting'].includes(signal.offer.event))
      add(`seller hears: ${signal.offer.event}`);
  }
}
