import type { KeyDescription } from '../machine';
import type { AcceptedPayment, AccountSignal, Balance, HistoryEntry, ListenFrom, PaymentOrder } from '../payments';

/** Names one account within the vault: an identity on a network. Made by {@link Vault.openAccount}. */
export type AccountId = string;

export interface AccountOpening {
  readonly key: string;
  readonly accountIndex: number;
  readonly passphrase?: string;
  readonly policy: unknown;
  readonly contacts: unknown;
  /** Which attached ledger the account lives on. */
  readonly ledgerId: string;
}

export interface OpenedAccount {
  readonly accountId: AccountId;
  readonly did: string;
  readonly address: string;
  readonly protected: boolean;
}

/** What the vault worker answers. Keys, journal, policy and payments live behind these calls and nowhere else. */
export interface Vault {
  listKeys(): Promise<KeyDescription[]>;
  createKey(
    key: string,
    passphrase: string | undefined,
  ): Promise<{ readonly words: string; readonly description: KeyDescription }>;
  importKey(key: string, words: string, passphrase: string | undefined): Promise<KeyDescription>;
  confirmBackup(key: string, words: string, passphrase: string | undefined): Promise<boolean>;

  /**
   * Opens (or joins) an account; makes the key on a network without real money if there is none.
   * @throws CodedError `CONFIG_INVALID` (`policy-differs`) when the account is open with another policy
   */
  openAccount(opening: AccountOpening): Promise<OpenedAccount>;
  /** The last user of an account is gone: closes it as soon as nothing of it is unsettled. */
  releaseAccount(accountId: AccountId): Promise<void>;

  pay(accountId: AccountId, order: PaymentOrder): Promise<AcceptedPayment>;
  reported(accountId: AccountId, paymentId: string): Promise<void>;
  balance(accountId: AccountId): Promise<Balance>;
  history(accountId: AccountId, limit: number): Promise<HistoryEntry[]>;
  fund(accountId: AccountId): Promise<void>;
  listen(accountId: AccountId, listenerId: string, from: ListenFrom): Promise<void>;
  delivered(accountId: AccountId, listenerId: string, eventId: string): Promise<void>;
  stopListening(accountId: AccountId, listenerId: string): Promise<void>;

  /** No account is open on it. */
  isLedgerIdle(ledgerId: string): Promise<boolean>;
  detachLedger(ledgerId: string): Promise<void>;
  /** Commits and closes every journal. */
  shutdown(): Promise<void>;
}

/** What the vault tells unasked. */
export type VaultSignal = { readonly accountId: AccountId } & AccountSignal;

/** Sent beside calls, because a port can only travel in a transfer list. */
export interface AttachLedger<P> {
  readonly attachLedger: string;
  readonly port: P;
}

export interface VaultWorkerData {
  /** `<userDir>/machine-economy` */
  readonly directory: string;
}
