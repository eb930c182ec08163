import type { CodedError } from '../errors';
import type { NetworkInfo } from '../ledger';
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

/**
 * What nodes may use: ledgers and machines of this Node-RED process. They belong to the runtime and not to a node, so a
 * redeploy closes nodes and not payments.
 */
export interface Runtime {
  /** Joins (or starts) the ledger that the configuration names; equal sandboxes are shared. */
  openLedger(configuration: LedgerConfiguration): LedgerConnection;
  /** Joins (or opens) the machine's account on that ledger. */
  openMachine(configuration: MachineConfiguration, ledger: LedgerConnection): Machine;
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
}

export type LedgerState =
  | { readonly phase: 'starting' }
  | { readonly phase: 'up'; readonly network: NetworkInfo; readonly url: string; readonly warning?: CodedError }
  | { readonly phase: 'down'; readonly error: CodedError };

export interface LedgerConnection {
  readonly state: LedgerState;
  /** Calls back at once with the current state and on every change; returns how to stop. */
  watch(listener: (state: LedgerState) => void): () => void;
  /** Releases this user's hold; the ledger goes on while others use it. */
  close(): Promise<void>;
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
  | { readonly event: 'receipt'; readonly receipt: Receipt };

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
  /** Payments to this machine, each at least once. Resolve of the handler = handed to the flow. Returns how to stop. */
  listen(
    options: { readonly listenerId: string; readonly from: ListenFrom },
    handler: (payment: ReceivedPayment, redelivered: boolean) => void,
  ): Promise<() => void>;
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

export interface KeyDescription {
  readonly key: string;
  readonly did: string;
  readonly protected: boolean;
  readonly backedUp: boolean;
}
