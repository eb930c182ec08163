import { CodedError, isCodedError } from '../errors';
import { type EncryptedPayload, type Evidence, PROOF_TYPE, type SignedPayload, signableDocument } from '../evidence';
import type { JsonObject } from '../journal';
import { contactTarget } from '../payments';
import { publicKeyOfDidKey } from '../values';
import type { EvidencePage, LogId, ReadingToSign, Refusal } from '../vault';
import type { AccountDoor } from './account-door';
import type {
  EvidencedReading,
  LogStatus,
  MachineConfiguration,
  SignedReading,
  SignOrder,
  SuccessorOrder,
} from './runtime';
import { isVaultRestarting, SigningDesk } from './signing-desk';
import type { VaultHost } from './vault-host';

const REOPEN_MS = 5_000;
/** How long a document waits for a log that cannot be opened yet. */
const PATIENCE_MS = 30_000;
const STATUS_MS = 250;
/** What may come twice after a crash. */
const MOST_UNACKNOWLEDGED = 1000;
/** No node's id: evidence for the machine's owner, told by its wallet. */
const OWNER = '';

interface Taker {
  readonly listener: (reading: EvidencedReading) => void;
  /** Sequence of the last document that it was handed. */
  after: number;
  /** Handed over, and not acknowledged yet. */
  untaken: number[];
  pulling: boolean;
  again: boolean;
}

/**
 * The main thread's side of a machine's log: opened by the key alone, so that a machine signs while its ledger is out of
 * reach; evidence comes once an account says on which ledger the checkpoints are.
 */
export class MachineLog {
  readonly #desk: SigningDesk;
  /** By node id. */
  readonly #takers = new Map<string, Taker>();
  readonly #watchers = new Set<(status: LogStatus) => void>();
  /** First sequence that was signed for a node while it has been here: its messages are still in memory. */
  readonly #signedHere = new Map<string, number>();
  readonly #waitingForLog = new Set<(logId: LogId) => void>();
  #logId: LogId | undefined;
  #opening: Promise<void> | undefined;
  #problem: CodedError | undefined;
  #account: { readonly accountId: string; readonly door: AccountDoor } | undefined;
  #mayHaveOrphans = false;
  #retry: NodeJS.Timeout | undefined;
  #statusTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly host: VaultHost,
    private readonly configuration: Pick<
      MachineConfiguration,
      'key' | 'accountIndex' | 'machinePassphrase' | 'contacts'
    >,
    /** All machines of this process: several may have the same log. */
    private readonly machines: () => Iterable<MachineLog>,
  ) {
    this.#desk = new SigningDesk((readings) => this.#sign(readings));
    this.open();
  }

  /** Tries to open the log, if it is not open; there may be a key now. */
  open(): void {
    if (this.#opening || this.#logId !== undefined || this.#closed) return;
    clearTimeout(this.#retry);
    this.#opening = this.#openOnce().finally(() => {
      this.#opening = undefined;
    });
  }

  /** The machine's account is open: it says on which ledger the checkpoints are. Returns how to let go of it. */
  attach(door: AccountDoor): () => void {
    this.open();
    this.#account = { accountId: door.accountId, door };
    const stop = door.onLog(() => this.#changed());
    this.#changed();
    return () => {
      stop();
      this.#account = undefined;
    };
  }

  vaultRestarted(): void {
    this.#logId = undefined;
    this.open();
  }

  async sign({ payload, format, readers, origin }: SignOrder): Promise<SignedReading> {
    const reading: ReadingToSign = {
      document: signableDocument(payload),
      format,
      readers: readers.map((name) => this.didOf(name)),
      ...(origin && { origin }),
    };
    const { payload: text, sequence } = await this.#desk.sign(reading);
    if (origin && !this.#signedHere.has(origin.nodeId)) this.#signedHere.set(origin.nodeId, sequence);
    this.#statusSoon();
    return { payload: payloadOf(text), sequence };
  }

  onEvidence(nodeId: string, listener: (reading: EvidencedReading) => void): () => void {
    const taker: Taker = { listener, after: -1, untaken: [], pulling: false, again: false };
    this.#takers.set(nodeId, taker);
    void this.#pull(nodeId, taker);
    return () => {
      if (this.#takers.get(nodeId) !== taker) return;
      this.#takers.delete(nodeId);
      this.#signedHere.delete(nodeId);
      // At once: whoever takes its place asks after this.
      if (this.#logId !== undefined) this.#acknowledge(this.#logId, taker).catch(() => {});
    };
  }

  /** Whether a node of this machine takes what waits for it in the log of that key. */
  takes(nodeId: string, { key, accountIndex }: Pick<MachineConfiguration, 'key' | 'accountIndex'>): boolean {
    const mine = this.configuration;
    return mine.key === key && mine.accountIndex === accountIndex && this.#takers.has(nodeId);
  }

  /** Node-RED runs its flows: every node that wants evidence has said so by now. */
  flowsStarted(): void {
    this.#mayHaveOrphans = true;
    this.#changed();
  }

  async status(): Promise<LogStatus> {
    const facts = await this.host.vault.logFacts(await this.#opened(), this.#account?.accountId);
    const { problem, stopped, ...rest } = facts;
    return {
      ...rest,
      ...(problem && { problem: errorOf(problem) }),
      ...(stopped && { stopped: errorOf(stopped) }),
    };
  }

  watch(listener: (status: LogStatus) => void): () => void {
    this.#watchers.add(listener);
    this.#statusSoon();
    return () => this.#watchers.delete(listener);
  }

  async decrypt(payload: EncryptedPayload): Promise<SignedPayload> {
    return payloadOf(await this.host.vault.decryptData(await this.#opened(), payload));
  }

  async succeed({ key, passphrase }: SuccessorOrder): Promise<JsonObject> {
    const successor = { key, accountIndex: this.configuration.accountIndex, ...(passphrase && { passphrase }) };
    const statement = payloadOf(await this.host.vault.succeed(await this.#opened(), successor));
    return statement as JsonObject;
  }

  didOf(name: string): string {
    const target = contactTarget(this.configuration.contacts, name) ?? name;
    try {
      publicKeyOfDidKey(target);
    } catch (cause) {
      const shown = name.slice(0, 120);
      throw new CodedError(
        'CONFIG_INVALID',
        'reader',
        `${shown} is no did:key and no contact with one`,
        { value: shown },
        { cause },
      );
    }
    return target;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#statusTimer);
    for (const taker of this.#takers.values()) {
      if (this.#logId !== undefined) this.#acknowledge(this.#logId, taker).catch(() => {});
    }
    this.#takers.clear();
    this.#watchers.clear();
    await this.#opening;
    if (this.#logId !== undefined) await this.host.vault.releaseLog(this.#logId).catch(() => {});
  }

  async #openOnce(): Promise<void> {
    const { key, accountIndex, machinePassphrase } = this.configuration;
    try {
      const passphrase = machinePassphrase === undefined ? {} : { passphrase: machinePassphrase };
      const logId = await this.host.vault.openLog({ key, accountIndex, ...passphrase });
      this.#logId = logId;
      this.#problem = undefined;
      for (const found of this.#waitingForLog) found(logId);
      this.#waitingForLog.clear();
      this.#changed();
    } catch (error) {
      this.#problem = isCodedError(error)
        ? error
        : new CodedError('CONFIG_INVALID', 'machine-failed', String(error), {}, { cause: error });
      // A key that is made when the account is opened, a passphrase file, a Node-RED that still holds the directory.
      if (this.#closed) return;
      this.#retry = setTimeout(() => this.open(), REOPEN_MS);
      this.#retry.unref();
    }
  }

  #opened(): Promise<LogId> {
    if (this.#logId !== undefined) return Promise.resolve(this.#logId);
    return new Promise((resolve, reject) => {
      const found = (logId: LogId) => {
        clearTimeout(patience);
        resolve(logId);
      };
      const patience = setTimeout(() => {
        this.#waitingForLog.delete(found);
        reject(this.#problem ?? new CodedError('LEDGER_UNREACHABLE', 'starting', 'the machine is still starting'));
      }, PATIENCE_MS);
      patience.unref();
      this.#waitingForLog.add(found);
    });
  }

  /** A vault that died may have signed them already: those numbers are in the log, and nobody has seen the documents. */
  async #sign(readings: readonly ReadingToSign[]) {
    for (;;) {
      const logId = await this.#opened();
      try {
        return await this.host.vault.signData(logId, readings);
      } catch (error) {
        if (!isVaultRestarting(error)) throw error;
        if (this.#logId === logId) this.#logId = undefined;
      }
    }
  }

  #changed(): void {
    for (const [nodeId, taker] of this.#takers) void this.#pull(nodeId, taker);
    if (this.#account?.door.hasListeners) this.#pullForOwner();
    if (this.#mayHaveOrphans && this.#logId !== undefined && this.#account) void this.#adoptOrphans(this.#logId);
    this.#statusSoon();
  }

  /** Documents of nodes that are gone are the wallet's, and nobody's where there is none: they were sent when they were signed. */
  async #adoptOrphans(logId: LogId): Promise<void> {
    this.#mayHaveOrphans = false;
    try {
      for (const nodeId of await this.host.vault.nodesAwaited(logId)) {
        if (nodeId !== OWNER && !this.#isTaken(nodeId)) this.onEvidence(nodeId, (reading) => this.#tellOwner(reading));
      }
    } catch {
      this.#mayHaveOrphans = true; // the vault is gone for the moment
    }
  }

  /** Hands over page after page; what was handed over and not acknowledged when the process ends comes again. */
  async #pull(nodeId: string, taker: Taker): Promise<void> {
    taker.again = true;
    if (taker.pulling) return;
    taker.pulling = true;
    try {
      while (taker.again) {
        taker.again = false;
        for (;;) {
          const [logId, account] = [this.#logId, this.#account];
          if (logId === undefined || !account) return;
          // Each acknowledgement is on disk before it counts: as often would cost more than the evidence.
          if (taker.untaken.length >= MOST_UNACKNOWLEDGED) await this.#acknowledge(logId, taker);
          const page = await this.host.vault.evidence(account.accountId, nodeId, taker.after);
          if (!page || this.#takers.get(nodeId) !== taker) {
            await this.#acknowledge(logId, taker);
            break;
          }
          for (const reading of this.#readings(page)) {
            taker.listener(reading);
            taker.after = reading.sequence;
            taker.untaken.push(reading.sequence);
          }
          // Node-RED brings a message to the next node a turn later: what is acknowledged has arrived there.
          await new Promise((turn) => setImmediate(turn));
          this.#statusSoon();
        }
      }
    } catch {
      // The vault or the account is gone for the moment: pulled again when it is back.
    } finally {
      taker.pulling = false;
    }
  }

  async #acknowledge(logId: LogId, taker: Taker): Promise<void> {
    const sequences = taker.untaken;
    if (sequences.length === 0) return;
    taker.untaken = [];
    try {
      await this.host.vault.evidenceTaken(logId, sequences);
    } catch (error) {
      taker.untaken = [...sequences, ...taker.untaken];
      throw error;
    }
  }

  #readings({ anchor, documents }: EvidencePage): EvidencedReading[] {
    return documents.map(({ sequence, payload, proof, origin }) => {
      const evidence: Evidence = { type: PROOF_TYPE, proof, anchor };
      const since = this.#signedHere.get(origin.nodeId);
      const redelivered = since === undefined || sequence < since;
      return { sequence, payload: payloadOf(payload), evidence, origin, redelivered };
    });
  }

  #pullForOwner(): void {
    if (this.#isTaken(OWNER)) return;
    this.onEvidence(OWNER, (reading) => this.#tellOwner(reading));
  }

  /** By a node of any machine that has this log. */
  #isTaken(nodeId: string): boolean {
    for (const machine of this.machines()) if (machine.takes(nodeId, this.configuration)) return true;
    return false;
  }

  #tellOwner({ payload, evidence }: EvidencedReading): void {
    this.#account?.door.tell({ event: 'evidence', document: payload, evidence });
  }

  #statusSoon(): void {
    if (this.#statusTimer || this.#watchers.size === 0 || this.#closed) return;
    this.#statusTimer = setTimeout(() => {
      this.#statusTimer = undefined;
      if (this.#logId === undefined) return;
      this.status().then(
        (status) => {
          for (const watcher of [...this.#watchers]) watcher(status);
        },
        () => {}, // told again when the vault is back
      );
    }, STATUS_MS);
    this.#statusTimer.unref();
  }
}

function errorOf({ code, detail, message, parameters }: Refusal['refused']): CodedError {
  return new CodedError(code, detail, message, parameters);
}

/** The text of a JWS as it is; every other payload is an object. What the vault wrote is canonical: nothing hides in it. */
function payloadOf(text: string): SignedPayload | JsonObject {
  return text.startsWith('{') ? (JSON.parse(text) as JsonObject) : text;
}
