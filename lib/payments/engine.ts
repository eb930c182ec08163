import { CodedError, isCodedError } from '../errors';
import type { Append, Journal, Sql } from '../journal';
import type { Ledger, NetworkInfo } from '../ledger';
import type { Address } from '../values';
import { BookReader } from './book-reader';
import { BudgetClock, type BudgetMoment } from './budget-clock';
import type { Clock } from './clock';
import { record } from './events';
import type { AccountSignal } from './order';
import type { Contacts } from './payees';
import type { Policy } from './policy';
import type { Rules } from './rules';

export interface AccountIdentity {
  readonly did: string;
  readonly address: Address;
  readonly publicKey: Uint8Array;
}

/** Everything an account touches; there is no other way out of it. */
export interface AccountPorts {
  readonly identity: AccountIdentity;
  readonly network: NetworkInfo;
  /** Opened with the {@link book} projection. */
  readonly journal: Journal;
  readonly ledger: Ledger;
  /** Signs with the identity's key (Ed25519). */
  readonly sign: (bytes: Uint8Array) => Promise<Uint8Array> | Uint8Array;
  readonly clock: Clock;
  /** Random bytes, for ids and jitter. */
  readonly random: (length: number) => Uint8Array;
  readonly emit: (signal: AccountSignal) => void;
}

/** What the loops of one account share. */
export class Engine {
  readonly book: BookReader;
  readonly networkId: string;
  /** Why nothing is signed any more. */
  frozen: string | undefined;
  /** Own outputs were compared with the ledger since this process started: before that nothing is signed. */
  checked = false;
  closed = false;
  /** The ledger's own time, as last heard; Unix milliseconds. */
  ledgerTime = 0;
  /** Last received payment that is on disk. */
  durablePosition = 0;
  /** Called when the ledger is out of reach, and when it answers again. */
  onReach: () => void = () => {};
  /** Since when the ledger is out of reach, and how; nothing is signed meanwhile. */
  down: { readonly since: number; readonly error: CodedError } | undefined;
  policy: Policy;
  contacts: Contacts;
  #budgetClock: BudgetClock | undefined;

  constructor(
    readonly ports: AccountPorts,
    readonly rules: Rules,
    settings: { readonly policy: Policy; readonly contacts: Contacts },
  ) {
    this.book = new BookReader(ports.journal.sql, ports.network.networkId);
    this.networkId = ports.network.networkId;
    this.policy = settings.policy;
    this.contacts = settings.contacts;
  }

  /** Unix milliseconds, as far as this machine knows; nothing waits by it. */
  now(): number {
    return Math.trunc(this.ports.clock.now());
  }

  /** How long things last, in milliseconds: a clock that is set must not make anything wait for years. */
  elapsed(): number {
    return Math.trunc(this.ports.clock.elapsed());
  }

  /** Only once the account has seen the ledger. */
  budgetMoment(): BudgetMoment {
    const account = this.book.account();
    if (!this.#budgetClock && account) this.#budgetClock = new BudgetClock(account.budget);
    const [ledgerShown, systemShown] = [this.ledgerTime, this.now()];
    return this.#budgetClock?.now(ledgerShown, systemShown) ?? { ledger: 0, system: 0, ledgerShown, systemShown };
  }

  /** Asks the ledger's network, and remembers whether it could be reached. */
  async ask<T>(question: (ledger: Ledger) => Promise<T>): Promise<T> {
    const answer = await this.compute(question);
    if (this.down) this.ledgerUp();
    return answer;
  }

  /** Asks the ledger for something that it answers by itself once it is connected. */
  async compute<T>(question: (ledger: Ledger) => Promise<T>): Promise<T> {
    try {
      return await question(this.ports.ledger);
    } catch (error) {
      if (isLedgerDown(error)) this.ledgerDown(error);
      throw error;
    }
  }

  ledgerDown(error: CodedError): void {
    const before = this.down;
    this.down = { since: before?.since ?? this.elapsed(), error };
    if (!before) this.onReach();
  }

  ledgerUp(): void {
    this.down = undefined;
    this.onReach();
  }

  /** Writes to the journal; an account whose journal cannot be written is frozen. */
  async write<T>(change: (append: Append, sql: Sql) => T): Promise<T> {
    try {
      return await this.ports.journal.write(change);
    } catch (error) {
      if (isCodedError(error, 'JOURNAL_DAMAGED') && this.ports.journal.damage !== undefined)
        this.freezeHere('journal', null, null);
      throw error;
    }
  }

  /** Freezes the account for good, until a person decides. */
  async freeze(reason: string, outputId: string | null, by: string | null): Promise<void> {
    if (this.frozen !== undefined || this.closed) return;
    this.freezeHere(reason, outputId, by);
    await this.write((append) => record(append, 'account.frozen', { network: this.networkId, reason, outputId, by }));
  }

  /** The same in the write that learns of the reason: a crash between the two would forget it. */
  freezeWithin(append: Append, reason: string, outputId: string | null, by: string | null): void {
    if (this.frozen !== undefined) return;
    this.freezeHere(reason, outputId, by);
    record(append, 'account.frozen', { network: this.networkId, reason, outputId, by });
  }

  /** Freezes at once, before (or without) the journal knowing. */
  freezeHere(reason: string, outputId: string | null, by: string | null): void {
    if (this.frozen !== undefined) return;
    this.frozen = reason;
    this.emit({ event: { event: 'frozen', code: 'JOURNAL_DAMAGED', reason, outputId, by } });
  }

  assertOpen(): void {
    if (this.closed) throw new CodedError('PAYMENT_FAILED', 'closed', 'the account is closed');
  }

  assertNotFrozen(): void {
    if (this.frozen === undefined) return;
    throw new CodedError(
      'JOURNAL_DAMAGED',
      this.frozen,
      `the account is frozen (${this.frozen}) until a person has looked`,
      {
        reason: this.frozen,
      },
    );
  }

  emit(signal: AccountSignal): void {
    if (!this.closed) this.ports.emit(signal);
  }

  /** An error that no rule foresees: shown, and tried again later. */
  trouble(error: unknown): void {
    if (isLedgerDown(error) || this.closed || isCodedError(error, 'JOURNAL_DAMAGED')) return;
    const message = error instanceof Error ? error.message : String(error);
    this.emit({ event: { event: 'trouble', message } });
  }
}

export function isLedgerDown(error: unknown): error is CodedError {
  return (
    isCodedError(error, 'LEDGER_UNREACHABLE') ||
    isCodedError(error, 'LEDGER_OUT_OF_SYNC') ||
    isCodedError(error, 'LEDGER_WRONG_NETWORK')
  );
}
