import type { CodedError } from '../errors';
import type {
  EncryptedPayload,
  Evidence,
  SignatureFormat,
  SignedPayload,
  Verification,
  VerificationRequest,
} from '../evidence';
import type { JsonObject, JsonValue } from '../journal';
import type { NetworkInfo } from '../ledger';
import type { Contract } from '../market/market-order';
import type {
  AccountEvent,
  Balance,
  HistoryEntry,
  ListenFrom,
  PaymentOrder,
  PaymentReport,
  Receipt,
  ReceivedPayment,
} from '../payments/order';
import type { LogStopped } from '../vault';
import type { Marketplace } from './marketplace';

/**
 * What nodes may use: ledgers and machines of this Node-RED process. They belong to the runtime and not to a node, so a
 * redeploy closes nodes and not payments.
 */
export interface Runtime {
  /** Joins (or starts) the ledger that the configuration names; equal sandboxes are shared. */
  openLedger(configuration: LedgerConfiguration): LedgerConnection;
  /** Joins (or opens) the machine's account on that ledger. */
  openMachine(configuration: MachineConfiguration, ledger: LedgerConnection): Machine;
  /**
   * Checks signed documents and their evidence, in a thread without keys. What is wrong with them is in the answer.
   * @throws CodedError `LEDGER_UNREACHABLE` and its like: with a ledger chosen, nothing is judged without it
   */
  verify(request: VerificationRequest, ledger?: LedgerConnection): Promise<Verification>;
  readonly keystore: Keystore;
}

export type Network =
  | 'sandbox-tangle'
  | 'tangle'
  | 'sandbox-iota'
  | 'iota-testnet'
  | 'iota-devnet'
  | 'iota-mainnet'
  | 'iota-url';

/** Properties of an `iota-ledger` node as Node-RED hands them over; checked by the runtime. */
export interface LedgerConfiguration {
  readonly nodeId: string;
  readonly network: Network;
  readonly url?: string;
  readonly port?: number;
  readonly deviceBrokerPort?: number;
  readonly mqttUrl?: string;
  readonly faucetUrl?: string;
  readonly indexerUrl?: string;
  readonly ledgerAuthToken?: string;
}

export interface MachineConfiguration {
  readonly nodeId: string;
  /** Name of the key in the keystore; never empty (a node without one hands over its own id). */
  readonly key: string;
  readonly accountIndex: number;
  /** The `policy` property as it is in the flow (JSON text or object); parsed by the runtime. */
  readonly policy: unknown;
  /** name → did or address */
  readonly contacts: unknown;
  readonly machinePassphrase?: string;
  readonly anchoring: AnchoringSettings;
}

/** When and under which tag the checkpoints of a machine's log go to the ledger. */
export interface AnchoringSettings {
  /** Text of 1 to 64 bytes of UTF-8. */
  readonly tag: string;
  /** A checkpoint as soon as so many documents wait for their evidence ... */
  readonly batchCount: number;
  /** ... or the oldest of them has waited so long. */
  readonly batchSeconds: number;
}

export type LedgerState =
  | { readonly phase: 'starting' }
  | { readonly phase: 'up'; readonly network: NetworkInfo; readonly url: string; readonly warning?: CodedError }
  | { readonly phase: 'down'; readonly error: CodedError };

export interface LedgerConnection {
  readonly state: LedgerState;
  /** Calls back at once with the current state and on every change; returns how to stop. */
  watch(listener: (state: LedgerState) => void): () => void;
  /**
   * Records on this ledger, each at least once and in their order. Goes on by itself whatever happens to the ledger or the
   * vault. Returns how to stop.
   *
   * @throws CodedError `CONFIG_INVALID` (`data-tag`, `listen-from`)
   */
  listenData(order: DataListenOrder, listener: DataListener): () => void;
  /** Releases this user's hold; the ledger goes on while others use it. */
  close(): Promise<void>;
}

export interface DataListenOrder {
  /** Positions are kept under this name, one per network. */
  readonly listenerId: string;
  /** Where a listener begins that has no position yet. */
  readonly from: ListenFrom;
  /** A text, or hex after `0x`; empty: every tag. */
  readonly tag: string;
}

export interface DataListener {
  /** Returning counts as handed to the flow. `redelivered`: it may have been handed over before. */
  event(event: DataEvent, redelivered: boolean): void;
  /** Why nothing comes, told once; undefined: it goes on. That the ledger is away is told by its state instead. */
  trouble(error: CodedError | undefined): void;
}

/** A record on a ledger. Anybody can record anything under any tag. */
export interface DataEvent {
  /** `<network id>:<transaction id>:<output index>`: the same for ever. */
  readonly eventId: string;
  /** As a {@link DataListenOrder} takes it. */
  readonly tag: string;
  /** Address of who recorded it, checked by the ledger; null where it does not know. */
  readonly sender: string | null;
  readonly bytes: Buffer;
  /** What the bytes say, if that is JSON, strictly. */
  readonly json?: JsonValue;
  readonly transactionId: string;
  /** RFC 3339 */
  readonly confirmedAt: string;
}

export type MachineState =
  | { readonly phase: 'starting' }
  | { readonly phase: 'ready'; readonly identity: MachineIdentity }
  | { readonly phase: 'down'; readonly error: CodedError };

export interface MachineIdentity {
  readonly did: string;
  readonly address: string;
  readonly network: NetworkInfo;
  /** False: the key lies beside a random passphrase ("unprotected"), allowed on test networks only. */
  readonly protected: boolean;
}

/** Everything a machine tells on its own: goes to the wallet's second output. */
export type MachineEvent =
  | AccountEvent
  | { readonly event: 'unknown'; readonly paymentId: string; readonly transactionId: string | null }
  /** A payment that nobody in the flow waits for any more has failed. */
  | { readonly event: 'payment-failed'; readonly paymentId: string; readonly code: string; readonly message: string }
  /** A receipt whose pay node is gone. */
  | { readonly event: 'receipt'; readonly receipt: Receipt }
  /** A finished contract whose buy node is gone. */
  | { readonly event: 'contract'; readonly contract: Contract }
  /** Evidence whose sign-data node is gone. */
  | { readonly event: 'evidence'; readonly document: SignedPayload | EncryptedPayload; readonly evidence: Evidence }
  | LogStopped;

export interface SignOrder {
  readonly payload: unknown;
  readonly format: SignatureFormat;
  /** Names of contacts or dids of those who may read it; empty: everybody. */
  readonly readers: readonly string[];
  /** Given when the node wants the evidence, too ({@link Machine.onEvidence}). */
  readonly origin?: EvidenceOrigin;
}

export interface EvidenceOrigin {
  readonly nodeId: string;
  readonly topic?: string;
  readonly messageId?: string;
}

export interface SignedReading {
  /** The signed document; where there are readers, the JWE that holds it. */
  readonly payload: SignedPayload | EncryptedPayload;
  /** Its place in the machine's log. */
  readonly sequence: number;
}

export interface EvidencedReading extends SignedReading {
  readonly evidence: Evidence;
  readonly origin: EvidenceOrigin;
  /** The process that signed it is gone: the message it came with is, too. */
  readonly redelivered: boolean;
}

/** What a machine's log looks like from outside. */
export interface LogStatus {
  /** Documents signed. */
  readonly size: number;
  /** Documents that the last checkpoint on this ledger covers; null while that is not known. */
  readonly anchored: number | null;
  /** Documents whose evidence has not been handed to the flow yet, and what they take on disk. */
  readonly waiting: number;
  readonly waitingBytes: number;
  /** Why nothing is anchored at the moment, if so. */
  readonly problem?: CodedError;
  /** Why nothing is signed any more, if so. */
  readonly stopped?: CodedError;
}

export interface Machine {
  readonly state: MachineState;
  watch(listener: (state: MachineState) => void): () => void;
  onEvent(listener: (event: MachineEvent) => void): () => void;

  /**
   * Resolves with the receipt once the payment is confirmed, or rejects with a `CodedError`. Progress tells `submitted`
   * and, after 60 s in doubt, `unknown`; the promise stays open then.
   *
   * Resolving counts as handed to the flow, unless `signal` is aborted: then the node that asked is gone (redeploy), the
   * promise never settles, and the receipt goes to whoever registers {@link onRedelivery} for that node id.
   */
  pay(order: PaymentOrder, progress: (report: PaymentReport) => void, signal?: AbortSignal): Promise<Receipt>;
  /** Receipts of this node's payments that were never handed to the flow (crash, redeploy). Returns how to stop. */
  onRedelivery(nodeId: string, listener: (report: PaymentReport & { readonly kind: 'confirmed' }) => void): () => void;

  balance(): Promise<Balance>;
  history(options: { readonly limit: number }): Promise<HistoryEntry[]>;
  /** Asks the faucet. */
  fund(): Promise<void>;

  /**
   * Signs a document and appends it to the machine's log. Resolves once that is on disk; needs no ledger.
   * @throws CodedError `DATA_NOT_CANONICAL`, `DATA_TOO_LARGE`, `BACKLOG_FULL`, `CONFIG_INVALID` (`reader`), `JOURNAL_DAMAGED`
   */
  sign(order: SignOrder): Promise<SignedReading>;
  /**
   * Evidence of this node's documents, in the order of their sequence. Returning counts as handed to the flow; what was not
   * handed over comes again after a restart. Returns how to stop.
   */
  onEvidence(nodeId: string, listener: (reading: EvidencedReading) => void): () => void;
  logStatus(): Promise<LogStatus>;
  /** Calls back when {@link logStatus} has changed. Returns how to stop. */
  watchLog(listener: (status: LogStatus) => void): () => void;
  /** Opens a JWE that has this machine among its readers. @throws CodedError `DATA_NOT_CANONICAL`, `KEY_MISSING` (`not-a-reader`) */
  decrypt(payload: EncryptedPayload): Promise<SignedPayload>;
  /**
   * Hands this machine's voice over to another key of the keystore: a statement signed by both, the last document of this
   * log. Afterwards this machine signs no more data.
   */
  succeed(successor: SuccessorOrder): Promise<JsonObject>;
  /** The did that a name stands for: a contact's, or the did itself. @throws CodedError `CONFIG_INVALID` (`reader`) */
  didOf(name: string): string;
  /** Payments to this machine, each at least once. Resolve of the handler = handed to the flow. Returns how to stop. */
  listen(
    options: { readonly listenerId: string; readonly from: ListenFrom },
    handler: (payment: ReceivedPayment, redelivered: boolean) => void,
  ): Promise<() => void>;

  /** What it offers and buys. */
  readonly marketplace: Marketplace;
  close(): Promise<void>;
}

/** Key management for the editor's dialogs. Words leave the vault once, when a key is made; afterwards never. */
export interface Keystore {
  list(): Promise<KeyDescription[]>;
  /** Makes a key and returns its 24 words to be shown once. @throws CodedError `CONFIG_INVALID` (`key-exists`) */
  create(
    key: string,
    passphrase: string | undefined,
  ): Promise<{ readonly words: string; readonly description: KeyDescription }>;
  import(key: string, words: string, passphrase: string | undefined): Promise<KeyDescription>;
  /** A person typed the words back: true marks the backup as confirmed. */
  confirmBackup(key: string, words: string, passphrase: string | undefined): Promise<boolean>;
}

export interface SuccessorOrder {
  /** Name of the key in the keystore. */
  readonly key: string;
  readonly passphrase?: string;
}

export interface KeyDescription {
  readonly key: string;
  readonly did: string;
  readonly protected: boolean;
  readonly backedUp: boolean;
}
