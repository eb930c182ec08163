import type { Anchor } from '../evidence';
import type { KeyDescription } from '../machine';
import type { MarketDoors, MarketSignal } from '../market';
import type { AcceptedPayment, AccountSignal, Balance, HistoryEntry, ListenFrom, PaymentOrder } from '../payments';
import type { ReadingToSign, Refusal, SigningResult } from './data-signing';
import type { ListenerPosition } from './record-listeners';

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
  readonly anchoring: AnchoringSettings;
}

/** When and under which tag the checkpoints of the identity's log go to the ledger. */
export interface AnchoringSettings {
  readonly tag: string;
  readonly batchCount: number;
  readonly batchSeconds: number;
}

/** Names the log of one identity: its did. Made by {@link Vault.openLog}. */
export type LogId = string;

export interface LogOpening {
  readonly key: string;
  readonly accountIndex: number;
  readonly passphrase?: string;
}

/** Documents of one node whose evidence can be handed over now, all of them under one checkpoint. */
export interface EvidencePage {
  readonly anchor: Anchor;
  readonly documents: readonly {
    readonly sequence: number;
    /** As it left the log: text of the signed document, or of the JWE that holds it. */
    readonly payload: string;
    /** c2sp.org/tlog-proof text. */
    readonly proof: string;
    readonly origin: { readonly nodeId: string; readonly topic?: string; readonly messageId?: string };
  }[];
}

/** The state of a log, and of its way to one account's ledger. */
export interface LogFacts {
  readonly size: number;
  /** Undecided (null) while no account says on which ledger. */
  readonly anchored: number | null;
  readonly waiting: number;
  readonly waitingBytes: number;
  readonly problem?: Refusal['refused'];
  /** Why nothing is signed any more, if so. */
  readonly stopped?: Refusal['refused'];
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

  /**
   * Opens (or joins) the log of a key; needs no ledger.
   * @throws CodedError `KEY_MISSING` when there is no such key yet: opening an account makes it where that is allowed
   */
  openLog(opening: LogOpening): Promise<LogId>;
  releaseLog(logId: LogId): Promise<void>;
  /** One result for each reading, in their order, once they are on disk. */
  signData(logId: LogId, readings: readonly ReadingToSign[]): Promise<SigningResult[]>;
  /** The next documents of a node, by sequence, whose evidence is on this account's ledger; undefined when there are none. */
  evidence(accountId: AccountId, nodeId: string, after: number): Promise<EvidencePage | undefined>;
  /** The flow has the evidence of these documents. */
  evidenceTaken(logId: LogId, sequences: readonly number[]): Promise<void>;
  /** Nodes that documents with or without evidence wait for. */
  nodesAwaited(logId: LogId): Promise<string[]>;
  logFacts(logId: LogId, accountId: AccountId | undefined): Promise<LogFacts>;
  /** Opens a JWE of which this log's identity is a reader. */
  decryptData(logId: LogId, payload: unknown): Promise<string>;
  /** Text of the succession statement, signed by both keys and the last leaf of this log. */
  succeed(logId: LogId, successor: LogOpening): Promise<string>;

  /** Where a listener of a network's records is; undefined when it has never listened there. */
  listenerPosition(network: string, listenerId: string): Promise<ListenerPosition | undefined>;
  /** Resolves once it is on disk. @throws CodedError `JOURNAL_DAMAGED` (`listeners`), also above */
  moveListener(network: string, listenerId: string, position: ListenerPosition): Promise<void>;

  /** Asks the market of an account; opened when it is first needed. */
  market<M extends keyof MarketCalls>(
    accountId: AccountId,
    method: M,
    parameters: Readonly<Parameters<MarketCalls[M]>>,
  ): Promise<Awaited<ReturnType<MarketCalls[M]>>>;

  /** No account is open on it. */
  isLedgerIdle(ledgerId: string): Promise<boolean>;
  detachLedger(ledgerId: string): Promise<void>;
  /** Commits and closes every journal. */
  shutdown(): Promise<void>;
}

/** Nothing is signed any more: the ledger holds more of the log than we do, or another history of it. */
export interface LogStopped {
  readonly event: 'log-stopped';
  readonly code: 'JOURNAL_DAMAGED';
  readonly message: string;
}

/** What the vault tells unasked. */
export type VaultSignal = { readonly accountId: AccountId } & (
  | Exclude<AccountSignal, { readonly record: unknown }>
  /** The log of this account's identity has grown, or a checkpoint of it is on the ledger, or it has a problem. */
  | { readonly log: 'changed' }
  | { readonly event: LogStopped }
  | { readonly market: MarketSignal }
);

/** What the main thread asks of a market. */
export const MARKET_METHODS = [
  'offer',
  'closeOffer',
  'command',
  'buy',
  'attendPurchases',
  'closePurchases',
  'endPurchase',
  'noticed',
  'tellUnattended',
  'search',
  'stopSearch',
  'listenContracts',
  'contractDelivered',
  'stopContracts',
] as const satisfies readonly (keyof MarketDoors)[];
export type MarketCalls = Pick<MarketDoors, (typeof MARKET_METHODS)[number]>;

/** Sent beside calls, because a port can only travel in a transfer list. */
export interface AttachLedger<P> {
  readonly attachLedger: string;
  readonly port: P;
}

/** The vault's end of a connection with the market worker. */
export interface AttachMarket<P> {
  readonly attachMarket: true;
  readonly port: P;
}

export interface VaultWorkerData {
  /** `<userDir>/machine-economy` */
  readonly directory: string;
}
