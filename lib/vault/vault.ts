import { randomBytes } from 'node:crypto';
import type { MessagePort } from 'node:worker_threads';
import { CodedError, isCodedError } from '../errors';
import { decryptWith } from '../evidence';
import { acquireProcessLock, type ProcessLock } from '../journal';
import { type LedgerSignal, type NetworkInfo, RemoteLedger } from '../ledger';
import { type MachineKey, type MachineKeystore, openKeystore } from '../machine';
import {
  type AcceptedPayment,
  Account,
  type AccountSignal,
  type Balance,
  type HistoryEntry,
  type ListenFrom,
  type PaymentOrder,
  systemClock,
} from '../payments';
import { type Address, addressHash, writeAddress } from '../values';
import { Anchoring } from './anchoring';
import { plain, type ReadingToSign, type SigningResult } from './data-signing';
import { evidencePage } from './evidence-page';
import { Identities, type OpenIdentity } from './identities';
import { type ListenerPosition, RecordListeners } from './record-listeners';
import { succeed } from './succeed';
import type {
  AccountId,
  AccountOpening,
  EvidencePage,
  LogFacts,
  LogId,
  LogOpening,
  OpenedAccount,
  Vault,
  VaultSignal,
} from './vault-contract';

const RELEASE_GRACE_MS = 10_000;
const FAUCET_RETRY_MS = 10_000;
const FAUCET_TRIES = 10;
const LOG_SIGNAL_MS = 250;

interface OpenAccount {
  readonly account: Account;
  readonly anchoring: Anchoring;
  readonly identity: OpenIdentity;
  readonly ledgerId: string;
  readonly network: NetworkInfo;
  readonly address: Address;
  /** As they were given, to tell whether a second machine node carries the same. */
  settings: string;
  stopWatching: () => void;
  users: number;
  releaseTimer: NodeJS.Timeout | undefined;
}

/** All that holds keys and moves money, composed for one directory; lives in a worker of its own. */
export class VaultService implements Vault {
  readonly #ledgers = new Map<string, RemoteLedger>();
  readonly #identities: Identities;
  readonly #recordListeners: RecordListeners;
  readonly #accounts = new Map<AccountId, OpenAccount>();
  /** How many opened each log. */
  readonly #logs = new Map<LogId, number>();
  readonly #logTimers = new Map<AccountId, NodeJS.Timeout>();
  /** Reports of accounts that are being opened. */
  readonly #early = new Map<AccountId, AccountSignal[]>();
  /** Shared by everyone who asks meanwhile: the lock is ours once, and a second try would meet the first. */
  #lock: Promise<ProcessLock> | undefined;
  #keystore: MachineKeystore | undefined;
  /** Opening and closing accounts happens one after the other: two nodes may name the same key. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly directory: string,
    private readonly tell: (signal: VaultSignal) => void,
  ) {
    this.#identities = new Identities(directory);
    this.#recordListeners = new RecordListeners(directory);
  }

  attachLedger(ledgerId: string, port: MessagePort): void {
    const known = this.#ledgers.get(ledgerId);
    if (known) {
      known.use(port);
      return;
    }
    const ledger = new RemoteLedger(port);
    this.#ledgers.set(ledgerId, ledger);
    ledger.onSignal((signal) => this.#hearLedger(ledgerId, signal));
  }

  async isLedgerIdle(ledgerId: string): Promise<boolean> {
    return ![...this.#accounts.values()].some((open) => open.ledgerId === ledgerId);
  }

  async detachLedger(ledgerId: string): Promise<void> {
    this.#ledgers.get(ledgerId)?.close();
    this.#ledgers.delete(ledgerId);
  }

  async listKeys() {
    return (await this.#openKeystore()).list();
  }

  async createKey(key: string, passphrase: string | undefined) {
    return (await this.#openKeystore()).create(key, passphrase);
  }

  async importKey(key: string, words: string, passphrase: string | undefined) {
    return (await this.#openKeystore()).import(key, words, passphrase);
  }

  async confirmBackup(key: string, words: string, passphrase: string | undefined) {
    return (await this.#openKeystore()).confirmBackup(key, words, passphrase);
  }

  async openAccount(opening: AccountOpening): Promise<OpenedAccount> {
    const ledger = this.#ledgers.get(opening.ledgerId)?.ledger;
    if (!ledger) throw new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger is not connected');
    const network = await ledger.network();
    if (network.live) throw new CodedError('LIVE_MONEY_OFF', 'default', 'real money is not supported yet');
    const accountId = await this.#inTurn(async () => {
      const key = await this.#keyFor(opening);
      const { policy = null, contacts = null, anchoring } = opening;
      const settings = JSON.stringify([policy, contacts, anchoring]);
      const accountId = `${network.networkId}/${key.did}`;
      let open = this.#accounts.get(accountId);
      // A redeploy that reaches the network through another node: payments that are under way go on there.
      if (open?.users === 0 && open.ledgerId !== opening.ledgerId) {
        await this.#close(accountId, open);
        open = undefined;
      }
      if (open) {
        key.wipe();
        this.#join(open, opening, settings);
      } else {
        await this.#open(accountId, opening, settings, key, network);
      }
      return accountId;
    });
    try {
      const opened = this.#opened(accountId);
      await opened.account.firstLook();
      void this.#fundIfNew(opened, FAUCET_TRIES);
      return describe(accountId, opened);
    } catch (error) {
      await this.releaseAccount(accountId);
      throw error;
    }
  }

  async releaseAccount(accountId: AccountId): Promise<void> {
    const open = this.#accounts.get(accountId);
    if (!open) return;
    open.users -= 1;
    if (open.users === 0) this.#closeWhenSettled(accountId, open);
  }

  async pay(accountId: AccountId, order: PaymentOrder): Promise<AcceptedPayment> {
    return this.#account(accountId).pay(order);
  }

  async reported(accountId: AccountId, paymentId: string): Promise<void> {
    await this.#account(accountId).reported(paymentId);
  }

  async balance(accountId: AccountId): Promise<Balance> {
    return this.#account(accountId).balance();
  }

  async history(accountId: AccountId, limit: number): Promise<HistoryEntry[]> {
    return this.#account(accountId).history({ limit });
  }

  async fund(accountId: AccountId): Promise<void> {
    await this.#askFaucet(this.#opened(accountId));
  }

  async listen(accountId: AccountId, listenerId: string, from: ListenFrom): Promise<void> {
    await this.#account(accountId).listen({ listenerId, from });
  }

  async delivered(accountId: AccountId, listenerId: string, eventId: string): Promise<void> {
    await this.#account(accountId).delivered(listenerId, eventId);
  }

  async stopListening(accountId: AccountId, listenerId: string): Promise<void> {
    this.#accounts.get(accountId)?.account.stopListening(listenerId);
  }

  async openLog({ key, accountIndex, passphrase }: LogOpening): Promise<LogId> {
    return this.#inTurn(async () => {
      const keystore = await this.#openKeystore();
      const { key: opened } = this.#identities.use(await keystore.open(key, passphrase, accountIndex));
      this.#logs.set(opened.did, (this.#logs.get(opened.did) ?? 0) + 1);
      return opened.did;
    });
  }

  async releaseLog(logId: LogId): Promise<void> {
    await this.#inTurn(async () => {
      const users = this.#logs.get(logId) ?? 0;
      if (users === 0) return;
      this.#logs.set(logId, users - 1);
      await this.#identities.release(this.#identity(logId));
    });
  }

  async signData(logId: LogId, readings: readonly ReadingToSign[]): Promise<SigningResult[]> {
    return this.#identity(logId).signing.sign(readings);
  }

  async evidence(accountId: AccountId, nodeId: string, after: number): Promise<EvidencePage | undefined> {
    const { identity, network } = this.#opened(accountId);
    return evidencePage(identity.log, network, { nodeId, after });
  }

  async evidenceTaken(logId: LogId, sequences: readonly number[]): Promise<void> {
    await this.#identity(logId).log.settled(sequences);
    for (const [accountId, { identity }] of this.#accounts) if (identity.key.did === logId) this.#tellLog(accountId);
  }

  async nodesAwaited(logId: LogId): Promise<string[]> {
    return this.#identity(logId).log.waitingNodes();
  }

  async logFacts(logId: LogId, accountId: AccountId | undefined): Promise<LogFacts> {
    const { log } = this.#identity(logId);
    const account = accountId === undefined ? undefined : this.#accounts.get(accountId);
    const { count, bytes } = log.backlog();
    const problem = account?.anchoring.problem;
    return {
      size: log.size,
      anchored: account ? (log.lastAnchor(account.network.networkId)?.size ?? 0) : null,
      waiting: count,
      waitingBytes: bytes,
      ...(problem && { problem: plain(problem) }),
    };
  }

  async decryptData(logId: LogId, payload: unknown): Promise<string> {
    return decryptWith(this.#identity(logId).key.agreementKey(), payload);
  }

  async succeed(logId: LogId, successor: LogOpening): Promise<string> {
    const keystore = await this.#openKeystore();
    const next = await keystore.open(successor.key, successor.passphrase, successor.accountIndex);
    try {
      return await succeed(this.#identity(logId), next);
    } finally {
      next.wipe();
    }
  }

  async listenerPosition(network: string, listenerId: string): Promise<ListenerPosition | undefined> {
    await this.#locked();
    return this.#recordListeners.position(network, listenerId);
  }

  async moveListener(network: string, listenerId: string, position: ListenerPosition): Promise<void> {
    await this.#locked();
    await this.#recordListeners.move(network, listenerId, position);
  }

  async shutdown(): Promise<void> {
    this.#closed = true;
    await this.#inTurn(async () => {
      for (const [accountId, open] of this.#accounts) await this.#close(accountId, open);
      for (const [logId, users] of this.#logs) {
        for (let user = 0; user < users; user += 1) await this.#identities.release(this.#identity(logId));
      }
      this.#logs.clear();
      for (const ledger of this.#ledgers.values()) ledger.close();
      this.#ledgers.clear();
      await this.#recordListeners.close();
      await (await this.#lock?.catch(() => undefined))?.release();
    });
  }

  async #openKeystore(): Promise<MachineKeystore> {
    await this.#locked();
    this.#keystore ??= openKeystore({ directory: this.directory });
    return this.#keystore;
  }

  /** Whoever reads or writes in the directory has its lock. */
  async #locked(): Promise<void> {
    if (this.#closed) throw new CodedError('CONFIG_INVALID', 'shutting-down', 'Node-RED is stopping');
    this.#lock ??= acquireProcessLock(this.directory).catch((error: unknown) => {
      this.#lock = undefined; // its holder may end
      throw error;
    });
    await this.#lock;
  }

  /** A machine without a key makes one, so that an imported example runs at once; never where money is real. */
  async #keyFor({ key, passphrase, accountIndex }: AccountOpening): Promise<MachineKey> {
    const keystore = await this.#openKeystore();
    try {
      return await keystore.open(key, passphrase, accountIndex);
    } catch (error) {
      if (!isCodedError(error, 'KEY_MISSING')) throw error;
    }
    await keystore.create(key, passphrase);
    return keystore.open(key, passphrase, accountIndex);
  }

  #join(open: OpenAccount, opening: AccountOpening, settings: string): void {
    if (open.users > 0 && open.settings !== settings) {
      throw new CodedError(
        'CONFIG_INVALID',
        'policy-differs',
        'two machines with the same key must carry the same policy and contacts',
        {
          key: opening.key,
        },
      );
    }
    // Nobody else uses it: this is a redeploy, perhaps with a changed policy.
    if (open.settings !== settings) {
      open.account.configure({ policy: opening.policy, contacts: opening.contacts });
      open.anchoring.configure(opening.anchoring);
      open.settings = settings;
    }
    open.users += 1;
    clearTimeout(open.releaseTimer);
  }

  async #open(
    accountId: AccountId,
    opening: AccountOpening,
    settings: string,
    key: MachineKey,
    network: NetworkInfo,
  ): Promise<OpenAccount> {
    const identity = this.#identities.use(key);
    const emit = (signal: AccountSignal) => this.#hearAccount(accountId, signal);
    try {
      const { publicKey, did } = identity.key;
      const address = writeAddress(addressHash(publicKey), network.addressForm);
      const { ledger } = this.#ledgers.get(opening.ledgerId) as RemoteLedger;
      const account = await Account.open(
        {
          identity: { did, address, publicKey },
          network,
          journal: identity.journal,
          ledger,
          sign: (bytes) => identity.key.sign(bytes),
          clock: systemClock,
          random: (length) => new Uint8Array(randomBytes(length)),
          emit,
        },
        { policy: opening.policy, contacts: opening.contacts },
      );
      const anchoring = new Anchoring(
        {
          identity: { did, address },
          networkId: network.networkId,
          log: identity.log,
          account,
          ledger,
          clock: systemClock,
          changed: () => this.#tellLog(accountId),
          damaged: (problem) => {
            identity.signing.stop(problem);
            this.tell({
              accountId,
              event: { event: 'log-stopped', code: 'JOURNAL_DAMAGED', message: problem.message },
            });
          },
        },
        opening.anchoring,
      );
      const appended = () => {
        anchoring.kick();
        this.#tellLog(accountId);
      };
      identity.watchers.add(appended);
      const open: OpenAccount = {
        account,
        anchoring,
        identity,
        ledgerId: opening.ledgerId,
        network,
        address,
        settings,
        stopWatching: () => identity.watchers.delete(appended),
        users: 1,
        releaseTimer: undefined,
      };
      this.#accounts.set(accountId, open);
      anchoring.kick();
      for (const signal of this.#early.get(accountId) ?? []) this.#hearAccount(accountId, signal);
      this.#early.delete(accountId);
      return open;
    } catch (error) {
      this.#early.delete(accountId);
      await this.#identities.release(identity);
      throw error;
    }
  }

  #closeWhenSettled(accountId: AccountId, open: OpenAccount): void {
    clearTimeout(open.releaseTimer);
    open.releaseTimer = setTimeout(() => {
      this.#inTurn(async () => {
        if (open.users > 0 || this.#accounts.get(accountId) !== open) return;
        if (!open.account.unsettled) await this.#close(accountId, open);
        else this.#closeWhenSettled(accountId, open);
      }).catch(() => {}); // a journal that failed on closing is told by whoever opens it next
    }, RELEASE_GRACE_MS);
    open.releaseTimer.unref();
  }

  async #close(accountId: AccountId, open: OpenAccount): Promise<void> {
    clearTimeout(open.releaseTimer);
    this.#accounts.delete(accountId);
    open.stopWatching();
    open.anchoring.close();
    await open.account.close();
    await this.#identities.release(open.identity);
  }

  #hearLedger(ledgerId: string, signal: LedgerSignal): void {
    for (const open of this.#accounts.values()) {
      if (open.ledgerId !== ledgerId) continue;
      if (signal.kind === 'wake') open.account.wake(signal.height);
      else if (signal.kind === 'up') {
        open.account.ledgerUp();
        open.anchoring.kick();
      } else open.account.ledgerDown(new CodedError(signal.code, 'default', signal.message));
    }
  }

  /** A machine that never had anything asks the faucet, so that an example runs with nothing to fill in. */
  async #fundIfNew(open: OpenAccount, tries: number): Promise<void> {
    if (!open.network.faucet || open.users === 0 || tries === 0) return;
    try {
      if (open.account.balance().total !== '0' || open.account.history({ limit: 1 }).length > 0) return;
      await this.#askFaucet(open);
    } catch {
      setTimeout(() => void this.#fundIfNew(open, tries - 1), FAUCET_RETRY_MS).unref();
    }
  }

  async #askFaucet({ ledgerId, address }: OpenAccount): Promise<void> {
    const ledger = this.#ledgers.get(ledgerId)?.ledger;
    if (!ledger) throw new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger is not connected');
    await ledger.requestFunds(address);
  }

  /** Checkpoints are the business of the anchoring; everything else is for the flows. */
  #hearAccount(accountId: AccountId, signal: AccountSignal): void {
    const anchoring = this.#accounts.get(accountId)?.anchoring;
    if ('record' in signal) {
      // Taken up again while the account was being opened: there is nobody yet to tell.
      if (!anchoring) this.#early.set(accountId, [...(this.#early.get(accountId) ?? []), signal]);
      // What goes wrong here comes again after a restart.
      else anchoring.recorded(signal.record).catch(() => {});
      return;
    }
    if ('event' in signal && signal.event.event === 'record-waiting') {
      anchoring?.waits(new CodedError('FUNDS_INSUFFICIENT', 'record', signal.event.message));
    }
    if ('event' in signal && signal.event.event === 'record-failed')
      anchoring?.waits(new CodedError('EVIDENCE_INVALID', 'anchoring', signal.event.message));
    this.tell({ accountId, ...signal });
  }

  /** At most every quarter of a second: documents come by the thousand. */
  #tellLog(accountId: AccountId): void {
    if (this.#logTimers.has(accountId)) return;
    const tell = () => {
      this.#logTimers.delete(accountId);
      this.tell({ accountId, log: 'changed' });
    };
    this.#logTimers.set(accountId, setTimeout(tell, LOG_SIGNAL_MS).unref());
  }

  #identity(logId: LogId): OpenIdentity {
    const identity = this.#identities.get(logId);
    if (!identity) throw new CodedError('LEDGER_UNREACHABLE', 'log-closed', 'the log is not open yet');
    return identity;
  }

  #account(accountId: AccountId): Account {
    return this.#opened(accountId).account;
  }

  #opened(accountId: AccountId): OpenAccount {
    const open = this.#accounts.get(accountId);
    if (!open) throw new CodedError('LEDGER_UNREACHABLE', 'account-closed', 'the account is not open yet');
    return open;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }
}

function describe(accountId: AccountId, { identity, address }: OpenAccount): OpenedAccount {
  return { accountId, did: identity.key.did, address, protected: identity.key.protected };
}
