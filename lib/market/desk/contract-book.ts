import type { Append, JournalEvent, JsonObject, Projection, Sql, SqlRow } from '../../journal';
import { LONGEST_VALIDITY } from '../messages/limits';
import {
  BUYER_TRANSITIONS,
  type BuyerEvent,
  type BuyerState,
  type ContractTable,
  knows,
  SELLER_TRANSITIONS,
  type SellerEvent,
  type SellerState,
  step,
} from '../negotiation/transitions';
import { CONTRACT_SCHEMA, CONTRACT_SIDE_TABLES } from './contract-schema';
import { MONEY_HANDLERS, type MoneyEvents } from './money-table';

export type Side = 'buyer' | 'seller';
export type StateOf<S extends Side> = S extends 'buyer' ? BuyerState : SellerState;
export type EventOf<S extends Side> = S extends 'buyer' ? BuyerEvent : SellerEvent;

/** Which contract, and which side of it: one machine may be on both, in different contracts. */
export interface ContractKey<S extends Side = Side> {
  readonly contractId: string;
  readonly side: S;
}

export interface ContractRow<S extends Side = Side> extends ContractKey<S> {
  readonly state: StateOf<S>;
  readonly nodeId: string;
  readonly service: string;
  /** did of the other side, once there is one. */
  readonly peer: string | null;
  /** Unix milliseconds: when the state ends by itself. */
  readonly deadline: number | null;
  /** What its desk knows beside that: plain JSON, amounts as text. */
  readonly facts: JsonObject;
  readonly beganAt: number;
  /** When it came into its (last) final state. */
  readonly endedAt: number | null;
}

/** What changes beside the state. Members that are not there stay; of `facts` those that are named are replaced. */
export interface ContractChange {
  readonly deadline?: number | null;
  readonly peer?: string | null;
  readonly facts?: JsonObject;
}

export type ContractEvents = MoneyEvents & {
  /** `event` null: nothing but what is known about it has changed. */
  'contract.moved': {
    readonly network: string;
    readonly contractId: string;
    readonly side: Side;
    readonly event: string | null;
    /** With the first one. */
    readonly nodeId?: string;
    readonly service?: string;
    readonly change: ContractChange;
  };
  /** A listener has everything up to this one of `finished_contracts`. */
  'contract-listener.moved': { readonly network: string; readonly listener: string; readonly position: number };
};

type Handlers = {
  readonly [T in keyof ContractEvents]: (body: ContractEvents[T], event: JournalEvent, sql: Sql) => void;
};

const HANDLERS: Handlers = {
  ...MONEY_HANDLERS,

  'contract.moved'({ network, contractId, side, event, nodeId, service, change }, { at }, sql) {
    const key = [network, contractId, side];
    const before = sql.get('SELECT * FROM contracts WHERE network = ? AND contract_id = ? AND side = ?', key);
    const state = before ? String(before['state']) : 'NEW';
    if (event === null && !before) throw new Error(`no ${side}'s contract ${contractId}`);
    // The tables of transitions are the law: an event that they do not have undoes the whole write.
    const next = event === null ? state : step(tableOf(side), state, event).to;
    const ended = isFinal(side, next) ? (next === state ? (before?.['ended'] ?? at) : at) : null;
    const facts = JSON.stringify({ ...JSON.parse(String(before?.['facts'] ?? '{}')), ...change.facts });
    const deadline = change.deadline === undefined ? (before?.['deadline'] ?? null) : change.deadline;
    const peer = change.peer === undefined ? (before?.['peer'] ?? null) : change.peer;
    if (!before) {
      if (nodeId === undefined || service === undefined) throw new Error('a contract begins with its node and service');
      sql.run('INSERT INTO contracts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', [
        ...key,
        next,
        nodeId,
        service,
        peer,
        deadline,
        facts,
        at,
        ended,
      ]);
    } else {
      sql.run(
        `UPDATE contracts SET state = ?, peer = ?, deadline = ?, facts = ?, ended = ?
         WHERE network = ? AND contract_id = ? AND side = ?`,
        [next, peer, deadline, facts, ended, ...key],
      );
    }
    if (ended !== null && next !== state && isOutcome(side, state, next))
      finish(network, contractId, side, next, at, sql);
  },

  'contract-listener.moved'({ network, listener, position }, _event, sql) {
    sql.run('INSERT OR REPLACE INTO contract_listeners VALUES (?, ?, ?)', [network, listener, position]);
  },
};

/** The contracts of an identity on its networks: derived from the journal's events by the tables of transitions. */
export const contracts: Projection = {
  name: 'contracts',
  schema: CONTRACT_SCHEMA,
  sideTables: CONTRACT_SIDE_TABLES,
  apply(event, sql) {
    if (!Object.hasOwn(HANDLERS, event.type)) return;
    // The types of the bodies are those of `ContractEvents`: nobody else appends under these names.
    const handle = HANDLERS[event.type as keyof ContractEvents] as (
      body: unknown,
      event: JournalEvent,
      sql: Sql,
    ) => void;
    handle(event.body, event, sql);
  },
};

/** Appends one of our events with the body that its type has. */
export function record<T extends keyof ContractEvents>(append: Append, type: T, body: ContractEvents[T]): JournalEvent {
  return append(type, body as unknown as JsonObject);
}

/** A contract that has come to its end, or to another end than before. */
export interface FinishedRow {
  readonly position: number;
  readonly contractId: string;
  readonly side: Side;
  readonly state: string;
  readonly at: number;
}

/** Contracts of one network. What it reads inside and outside of writes may not be durable yet. */
export class ContractBook {
  constructor(
    readonly sql: Sql,
    readonly network: string,
  ) {}

  /** The first event of a contract. @throws Error when there is one already */
  begin<S extends Side>(
    append: Append,
    key: ContractKey<S>,
    event: EventOf<S>,
    whose: { readonly nodeId: string; readonly service: string },
    change: ContractChange,
  ): void {
    if (this.contract(key.contractId, key.side)) throw new Error(`contract ${key.contractId} has begun already`);
    const { contractId, side } = key;
    record(append, 'contract.moved', { network: this.network, contractId, side, event, ...whose, change });
  }

  /**
   * One step of the table. Where `change` names no deadline, the one before is over: a state's deadline is its own.
   * @throws Error when the table does not have it: nothing of the write happens
   */
  move<S extends Side>(append: Append, key: ContractKey<S>, event: EventOf<S>, change: ContractChange = {}): void {
    const { contractId, side } = key;
    const whole = { deadline: null, ...change };
    record(append, 'contract.moved', { network: this.network, contractId, side, event, change: whole });
  }

  /** What is known has changed, the state has not, and its deadline only if named. */
  note(append: Append, { contractId, side }: ContractKey, change: ContractChange): void {
    record(append, 'contract.moved', { network: this.network, contractId, side, event: null, change });
  }

  contract<S extends Side>(contractId: string, side: S): ContractRow<S> | undefined {
    const row = this.sql.get('SELECT * FROM contracts WHERE network = ? AND contract_id = ? AND side = ?', [
      this.network,
      contractId,
      side,
    ]);
    return row && (contractRow(row) as ContractRow<S>);
  }

  /** By the 32 hex digits of its payment's reference. */
  contractOfReference(digits: string): ContractRow | undefined {
    const [row] = this.#contracts('contract_id >= ? AND contract_id < ? LIMIT 1', [digits, `${digits}g`]);
    return row;
  }

  /** In any of these states that are no end, oldest first. */
  inStates<S extends Side>(side: S, states: readonly StateOf<S>[]): ContractRow<S>[] {
    return this.#contracts(`${openIn(states)} ORDER BY began, contract_id`, [side, ...states]) as ContractRow<S>[];
  }

  /** How many of a node are in these states that are no end. */
  count<S extends Side>(side: S, nodeId: string, states: readonly StateOf<S>[]): number {
    const row = this.sql.get(
      `SELECT count(*) AS count FROM contracts WHERE network = ? AND ${openIn(states)} AND node_id = ?`,
      [this.network, side, ...states, nodeId],
    );
    return Number(row?.['count'] ?? 0);
  }

  /** The other sides of contracts in these states that are no end, as often as there are contracts. */
  peers<S extends Side>(side: S, states: readonly StateOf<S>[]): (string | null)[] {
    return this.sql
      .all(`SELECT peer FROM contracts WHERE network = ? AND ${openIn(states)}`, [this.network, side, ...states])
      .map(({ peer }) => (typeof peer === 'string' ? peer : null));
  }

  /** dids of those who have paid us, the latest first. */
  customers(most: number): string[] {
    const rows = this.sql.all(
      `SELECT DISTINCT peer FROM (
         SELECT peer FROM contracts
         WHERE network = ? AND side = 'seller' AND state IN ('STARTING', 'DELIVERING', 'DELIVERED', 'REFUNDING', 'COMPLETED', 'REFUNDED')
         ORDER BY ended IS NULL DESC, ended DESC LIMIT ?)
       WHERE peer IS NOT NULL LIMIT ?`,
      [this.network, 10 * most, most],
    );
    return rows.map(({ peer }) => String(peer));
  }

  /** Of a node, not over. */
  openOf<S extends Side>(side: S, nodeId: string): ContractRow<S>[] {
    return this.#contracts('side = ? AND node_id = ? AND ended IS NULL ORDER BY began, contract_id', [
      side,
      nodeId,
    ]) as ContractRow<S>[];
  }

  /**
   * Of both sides, not over, or over since this moment only: whose messages are still listened to. Where money moved, for as
   * long again as a message can be good: the other side may have slept, and has to hear how it ended.
   */
  heardOf(nodeId: string, since: number): ContractRow[] {
    return (['seller', 'buyer'] as const).flatMap((side) => [
      ...this.#contracts('side = ? AND ended IS NULL AND node_id = ?', [side, nodeId]),
      ...this.#contracts("side = ? AND ended >= ? AND node_id = ? AND (ended >= ? OR state <> 'CANCELLED')", [
        side,
        since - LONGEST_VALIDITY,
        nodeId,
        since,
      ]),
    ]);
  }

  /** Whose deadline has come, in that order. */
  due(now: number): ContractRow[] {
    return this.#contracts('deadline <= ? ORDER BY deadline, contract_id LIMIT 256', [now]);
  }

  nextDeadline(): number | null {
    const row = this.sql.get('SELECT min(deadline) AS next FROM contracts WHERE network = ? AND deadline IS NOT NULL', [
      this.network,
    ]);
    return typeof row?.['next'] === 'number' ? row['next'] : null;
  }

  /** Whether there is a contract whose end is open. */
  get unsettled(): boolean {
    return this.#contracts("side IN ('buyer', 'seller') AND ended IS NULL LIMIT 1", []).length > 0;
  }

  /** Ends after this position, in their order. */
  finishedAfter(position: number, limit: number): FinishedRow[] {
    return this.sql
      .all('SELECT * FROM finished_contracts WHERE network = ? AND position > ? ORDER BY position LIMIT ?', [
        this.network,
        position,
        limit,
      ])
      .map((row) => ({
        position: Number(row['position']),
        contractId: String(row['contract_id']),
        side: String(row['side']) as Side,
        state: String(row['state']),
        at: Number(row['at']),
      }));
  }

  lastFinished(): number {
    const row = this.sql.get('SELECT max(position) AS last FROM finished_contracts WHERE network = ?', [this.network]);
    return Number(row?.['last'] ?? 0);
  }

  listenerPosition(listener: string): number | undefined {
    const row = this.sql.get('SELECT position FROM contract_listeners WHERE network = ? AND listener = ?', [
      this.network,
      listener,
    ]);
    return row && Number(row['position']);
  }

  #contracts(condition: string, values: readonly (string | number)[]): ContractRow[] {
    return this.sql
      .all(`SELECT * FROM contracts WHERE network = ? AND ${condition}`, [this.network, ...values])
      .map(contractRow);
  }
}

/** Contracts that are over are many, and in an index of their own. */
function openIn(states: readonly string[]): string {
  return `side = ? AND ended IS NULL AND state IN (${states.map(() => '?').join(', ')})`;
}

/** Whether the state of this contract has that event. */
export function allows<S extends Side>({ side, state }: ContractRow<S>, event: EventOf<S>): boolean {
  return knows(tableOf(side), state, event);
}

export function isFinal(side: Side, state: string): boolean {
  return FINAL[side].has(state);
}

const FINAL: { readonly [side in Side]: ReadonlySet<string> } = {
  buyer: new Set<BuyerState>(['COMPLETED', 'REFUNDED', 'CANCELLED', 'FAILED']),
  seller: new Set<SellerState>(['COMPLETED', 'REFUNDED', 'CANCELLED']),
};

/** A proposal that nobody took has come to nothing, and is no contract. */
function isOutcome(side: Side, from: string, next: string): boolean {
  return side === 'buyer' || next !== 'CANCELLED' || from === 'ACCEPTED';
}

function tableOf(side: Side): ContractTable<string, string> {
  return side === 'buyer' ? BUYER_TRANSITIONS : SELLER_TRANSITIONS;
}

function finish(network: string, contractId: string, side: Side, state: string, at: number, sql: Sql): void {
  const last = sql.get('SELECT max(position) AS last FROM finished_contracts WHERE network = ?', [network]);
  sql.run('INSERT OR IGNORE INTO finished_contracts VALUES (?, ?, ?, ?, ?, ?)', [
    network,
    Number(last?.['last'] ?? 0) + 1,
    contractId,
    side,
    state,
    at,
  ]);
}

function contractRow(row: SqlRow): ContractRow {
  return {
    contractId: String(row['contract_id']),
    side: String(row['side']) as Side,
    state: String(row['state']) as ContractRow['state'],
    nodeId: String(row['node_id']),
    service: String(row['service']),
    peer: row['peer'] === null ? null : String(row['peer']),
    deadline: row['deadline'] === null ? null : Number(row['deadline']),
    facts: JSON.parse(String(row['facts'])) as JsonObject,
    beganAt: Number(row['began']),
    endedAt: row['ended'] === null ? null : Number(row['ended']),
  };
}
