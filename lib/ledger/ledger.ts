import type { Address, AddressForm, BaseUnits } from '../values';

/**
 * The ledger port: what the rest of the project knows of a ledger, in the words of the domain. Adapters (`stardust/`)
 * translate it into a protocol; the contract suite in `test/ledger/contract` says what every adapter must do.
 *
 * All values survive structured cloning, since adapters live in worker threads. Every method may reject with a
 * `CodedError` `LEDGER_UNREACHABLE`, `LEDGER_OUT_OF_SYNC` or `LEDGER_WRONG_NETWORK`, and is safe to call again.
 */
export interface Ledger {
  /** Who we are connected to. Fixed for one connection: a node that changes its network id is refused from then on. */
  network(): Promise<NetworkInfo>;

  /** Everything the address owns now, and the cursor from which {@link read} continues without gap or overlap. */
  holdings(address: Address): Promise<Holdings>;

  /** The least amount that each part may carry on this ledger, in the order given; 1n where there is no deposit. Pure once connected. */
  minimumAmounts(parts: readonly PaymentPart[]): Promise<BaseUnits[]>;

  /**
   * Builds what is to be signed from exactly these inputs. Reads protocol parameters and the inputs' content, changes nothing.
   *
   * @throws CodedError `FUNDS_INSUFFICIENT`, `DEPOSIT_TOO_SMALL`, `PAYMENT_FAILED` (`too-large`): what no node would take is
   * not built
   */
  prepare(request: TransactionRequest, inputs: readonly SpendableOutput[]): Promise<PreparedTransaction>;

  /** Joins essence and signature; the id is known before anything is sent. Pure. */
  seal(essence: Uint8Array, signature: TransactionSignature): Promise<SealedTransaction>;

  /** Hands signed bytes to the network. Repeating it is harmless: the ledger takes a transaction at most once. */
  submit(sealed: SealedTransaction): Promise<void>;

  /** What became of a transaction, as one node sees it at one height. */
  outcome(transaction: SubmittedTransaction): Promise<Outcome>;

  /** Whether outputs are still unspent, in the order given. */
  spends(outputIds: readonly string[]): Promise<SpendState[]>;

  /**
   * What happened to an address after a cursor, oldest first. A page may be empty and still advance the cursor; `reached`
   * says that the page ends at the ledger's confirmed height.
   *
   * @throws CodedError `HISTORY_PRUNED` when the node no longer has what follows the cursor
   */
  read(address: Address, cursor: Cursor): Promise<LedgerPage>;

  /**
   * The records in a confirmed transaction, by index; none when the node does not know the transaction. Of a transaction
   * that the node has forgotten, the records that nobody has spent are still found.
   *
   * @throws CodedError `HISTORY_PRUNED` when the transaction was confirmed, and the node has forgotten what was in it
   */
  recordsOf(transactionId: string): Promise<LedgerRecord[]>;

  /** The unspent records that this author put under its own address, oldest first: the heads of its chains. */
  latestRecords(author: Address): Promise<LedgerRecord[]>;

  /**
   * The record of the same author, under its own address, that the record's transaction spent; null for the first of a
   * chain. Of several the one with the same tag, and of those the youngest.
   *
   * @throws CodedError `HISTORY_PRUNED` when the node no longer has it
   */
  previousRecord(record: LedgerRecord): Promise<LedgerRecord | null>;

  /**
   * Records of everybody after a cursor, oldest first, also those that were spent since. Pages are as in {@link read}.
   *
   * @throws CodedError `HISTORY_PRUNED` when the node no longer has what follows the cursor
   */
  readRecords(filter: RecordFilter, cursor: Cursor): Promise<RecordPage>;

  /**
   * A cursor for {@link readRecords}: after everything that is confirmed, before everything that the node still has, or
   * before the last record that fits, as far as that can be found without reading everything.
   */
  recordsCursor(from: 'now' | 'last' | 'beginning', filter: RecordFilter): Promise<Cursor>;

  /** Asks the faucet for test money. @throws CodedError `CONFIG_INVALID` (`faucet`) where there is none */
  requestFunds(address: Address): Promise<void>;
}

export type LedgerProtocol = 'tangle' | 'iota';

export interface NetworkInfo {
  readonly protocol: LedgerProtocol;
  /** Scopes accounts, budgets and event ids. Tangle: `networkName` of the protocol parameters. */
  readonly networkId: string;
  readonly token: string;
  readonly decimals: number;
  readonly addressForm: AddressForm;
  /** Real money: signing needs everything that contract calls "live money". */
  readonly live: boolean;
  readonly faucet: boolean;
  readonly capabilities: Capabilities;
  /** The least that may come back to us as change (0n where there is no deposit); nothing at all is always allowed. */
  readonly minimumChange: BaseUnits;
  /** Largest number of outputs one transaction may have, change included. */
  readonly maxOutputs: number;
  /** Largest number of inputs one transaction may have. */
  readonly maxInputs: number;
  /** Bytes one transaction's payments may take together (Tangle: a block is at most 32 KiB). */
  readonly maxTransactionBytes: number;
}

export interface Capabilities {
  readonly expiry: boolean;
  readonly feeless: boolean;
  readonly minimumDeposit: boolean;
  readonly announce: boolean;
  readonly offersOnLedger: boolean;
}

/** A place in the ledger's history of an address; opaque to everybody but the adapter that made it. */
export type Cursor = string;

/** An output (Tangle) or coin (IOTA) that the address alone can unlock, at once and without condition. */
export interface SpendableOutput {
  readonly outputId: string;
  readonly amount: BaseUnits;
}

/** One payee's part of a transaction: becomes an output of its own, with its reference readable by the payee. */
export interface PaymentPart {
  readonly to: Address;
  readonly amount: BaseUnits;
  readonly reference: string;
}

/** Bytes kept under a tag, durable and found again by anyone. */
export interface RecordPart {
  readonly tag: Uint8Array;
  readonly bytes: Uint8Array;
}

/** A record on the ledger. What it says is a stranger's word; that `author` put it there was checked by the ledger. */
export interface LedgerRecord extends RecordPart {
  readonly transactionId: string;
  readonly outputIndex: number;
  readonly outputId: string;
  /** Null where the ledger does not know (Tangle: an output without the sender feature, or of an alias or NFT). */
  readonly author: Address | null;
  readonly height: number;
  /** Unix milliseconds of the ledger. */
  readonly confirmedAt: number;
}

/** Null fits everything. */
export interface RecordFilter {
  readonly tag: Uint8Array | null;
  readonly author: Address | null;
}

export interface RecordPage {
  readonly records: readonly LedgerRecord[];
  readonly cursor: Cursor;
  readonly height: number;
  readonly ledgerTime: number;
  readonly reached: boolean;
}

export interface TransactionRequest {
  readonly from: Address;
  readonly payments: readonly PaymentPart[];
  readonly records: readonly RecordPart[];
  /** Ids of conditional outputs to take in; they come in addition to the inputs. */
  readonly claims: readonly string[];
}

export interface PreparedTransaction {
  /** Opaque bytes that {@link Ledger.seal} understands. */
  readonly essence: Uint8Array;
  /** What Ed25519 signs. */
  readonly signingHash: Uint8Array;
  readonly inputs: readonly string[];
  /** Outputs that come back to us, by index within the transaction. */
  readonly change: readonly { readonly index: number; readonly amount: BaseUnits }[];
  /** Base units that the network takes (0n where it is feeless). */
  readonly fee: BaseUnits;
  /** The last epoch in which the network may execute it; absent where transactions do not expire (Tangle). */
  readonly expiresEpoch?: number;
}

export interface TransactionSignature {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SealedTransaction {
  readonly transactionId: string;
  readonly bytes: Uint8Array;
  /** What comes back to us, where output ids are known before execution (Tangle); else `read` tells. */
  readonly change?: readonly (SpendableOutput & { readonly index: number })[];
}

export interface SubmittedTransaction {
  readonly transactionId: string;
  readonly inputs: readonly string[];
  readonly expiresEpoch?: number;
}

/**
 * - `final`: in the ledger for good.
 * - `dead`: it can never be executed; `conflictingId` names the transaction that took an input, where there is one.
 * - `pending`: the network has it and has not decided.
 * - `unknown`: this node does not know it; that proves nothing, the same bytes are sent again.
 */
export type Outcome =
  | { readonly state: 'final'; readonly height: number; readonly confirmedAt: number; readonly node: string }
  | {
      readonly state: 'dead';
      readonly height: number;
      readonly conflictingId: string | null;
      readonly reason: string;
      readonly node: string;
    }
  | { readonly state: 'pending' | 'unknown'; readonly height: number; readonly node: string };

export type SpendState =
  | { readonly state: 'unspent' }
  | { readonly state: 'spent'; readonly by: string }
  /** The node does not know the output. */
  | { readonly state: 'unknown' };

/** An output that came to an address. Times are Unix milliseconds of the ledger, not of this machine. */
export interface ReceivedOutput extends SpendableOutput {
  readonly transactionId: string;
  readonly outputIndex: number;
  /** Who says to have sent it (the ledger checked it), or null. */
  readonly from: Address | null;
  readonly reference: string | null;
  /** Present on a record, also on one that others sent here. */
  readonly tag: Uint8Array | null;
  readonly height: number;
  readonly confirmedAt: number;
  /** False for what is locked by a condition (expiry, deposit return, time lock) or carries more than the base token. */
  readonly spendable: boolean;
}

export interface Holdings {
  readonly outputs: readonly ReceivedOutput[];
  readonly cursor: Cursor;
  readonly height: number;
  /** Unix milliseconds of the ledger at that height. */
  readonly ledgerTime: number;
}

export interface LedgerPage {
  readonly received: readonly ReceivedOutput[];
  readonly spent: readonly { readonly outputId: string; readonly by: string }[];
  readonly cursor: Cursor;
  readonly height: number;
  readonly ledgerTime: number;
  readonly reached: boolean;
}

/** What an adapter tells without being asked. `wake` means "there may be something new": a hint, never the truth. */
export type LedgerSignal =
  | { readonly kind: 'wake'; readonly height: number }
  | { readonly kind: 'up'; readonly network: NetworkInfo }
  | {
      readonly kind: 'down';
      readonly code: 'LEDGER_UNREACHABLE' | 'LEDGER_OUT_OF_SYNC' | 'LEDGER_WRONG_NETWORK';
      readonly message: string;
    };
