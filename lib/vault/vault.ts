import type { MessagePort } from 'node:worker_threads';
import { CodedError, isCodedError } from '../errors';
import { decryptWith } from '../evidence';
import { type LedgerSignal, type NetworkInfo, RemoteLedger } from '../ledger';
import type { MachineKey } from '../machine';
import { RemoteChannels } from '../market';
import type { AcceptedPayment, Account, Balance, HistoryEntry, ListenFrom, PaymentOrder } from '../payments';
import { plain, type ReadingToSign, type SigningResult } from './data-signing';
import { evidencePage } from './evidence-page';
import { Identities, type OpenIdentity } from './identities';
import { MachineAccount } from './machine-account';
import { type ListenerPosition, RecordListeners } from './record-listeners';
import { succeed } from './succeed';
import type {
  AccountId,
  AccountOpening,
  EvidencePage,
  LogFacts,
  LogId,
  LogOpening,
  MarketCalls,
  OpenedAccount,
  Vault,
  VaultSignal,
} from './vault-contract';
import { VaultDirectory } from './vault-directory';

const RELEASE_GRACE_MS = 10_000;
const FAUCET_RETRY_MS = 10_000;
const FAUCET_TRIES = 10;

interface OpenAccount {
  readonly machine: MachineAccount;
  readonly ledgerId: string;
  /** As they were given, to tell whether a second machine node carries the same. */
  settings: string;
  users: number;
  releaseTimer: NodeJS.Timeout | undefined;
}

/** All that holds keys and moves money, composed for one directory; lives in a worker of its own. */
export class VaultService implements Vault {
  readonly #ledgers = new Map<string, RemoteLedger>();
  readonly #directory: VaultDirectory;
  readonly #identities: Identities;
  readonly #recordListeners: RecordListeners;
  readonly #market = new RemoteChannels();
  readonly #accounts = new Map<AccountId, OpenAccount>();
  /** How many opened each log. */
  readonly #logs = new Map<LogId, number>();
  /** Opening and closing accounts happens one after the other: two nodes may name the same key. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    directory: string,
    private readonly tell: (signal: VaultSignal) => void,
  ) {
    this.#directory = new VaultDirectory(directory);
    this.#identities = new Identities(directory);
    this.#recordListeners = new RecordListeners(directory);
    this.#market.onSignal((signal) => {
      for (const { machine } of this.#accounts.values()) machine.market.hearChannel(signal);
    });
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

  /** Another market worker, or the first: it knows nothing of what was said to the one before. */
  attachMarket(port: MessagePort): void {
    this.#market.use(port);
    for (const { machine } of this.#accounts.values()) machine.market.channelsRestarted();
  }

  async isLedgerIdle(ledgerId: string): Promise<boolean> {
    return ![...this.#accounts.values()].some((open) => open.ledgerId === ledgerId);
  }

  async detachLedger(ledgerId: string): Promise<void> {
    this.#ledgers.get(ledgerId)?.close();
    this.#ledgers.delete(ledgerId);
  }

  async listKeys() {
    return (await this.#directory.keystore()).list();
  }

  async createKey(key: string, passphrase: string | undefined) {
    return (await this.#directory.keystore()).create(key, passphrase);
  }

  async importKey(key: string, words: string, passphrase: string | undefined) {
    return (await this.#directory.keystore()).import(key, words, passphrase);
  }

  async confirmBackup(key: string, words: string, passphrase: string | undefined) {
    return (await this.#directory.keystore()).confirmBackup(key, words, passphrase);
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
      await opened.machine.account.firstLook();
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
    this.#accounts.get(accountId)?.machine.account.stopListening(listenerId);
  }

  async openLog({ key, accountIndex, passphrase }: LogOpening): Promise<LogId> {
    return this.#inTurn(async () => {
      const keystore = await this.#directory.keystore();
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
    const { identity, network } = this.#opened(accountId).machine;
    return evidencePage(identity.log, network, { nodeId, after });
  }

  async evidenceTaken(logId: LogId, sequences: readonly number[]): Promise<void> {
    await this.#identity(logId).log.settled(sequences);
    for (const { machine } of this.#accounts.values()) if (machine.identity.key.did === logId) machine.tellLog();
  }

  async nodesAwaited(logId: LogId): Promise<string[]> {
    return this.#identity(logId).log.waitingNodes();
  }

  async logFacts(logId: LogId, accountId: AccountId | undefined): Promise<LogFacts> {
    const { log, signing } = this.#identity(logId);
    const account = accountId === undefined ? undefined : this.#accounts.get(accountId)?.machine;
    const { count, bytes } = log.backlog();
    const problem = account?.anchoring.problem;
    const stopped = signing.stopped ?? log.refusal;
    return {
      size: log.size,
      anchored: account ? (log.lastAnchor(account.network.networkId)?.size ?? 0) : null,
      waiting: count,
      waitingBytes: bytes,
      ...(problem && { problem: plain(problem) }),
      ...(stopped && { stopped: plain(stopped) }),
    };
  }

  async decryptData(logId: LogId, payload: unknown): Promise<string> {
    return decryptWith(this.#identity(logId).key.agreementKey(), payload);
  }

  async succeed(logId: LogId, successor: LogOpening): Promise<string> {
    const keystore = await this.#directory.keystore();
    const next = await keystore.open(successor.key, successor.passphrase, successor.accountIndex);
    try {
      return await succeed(this.#identity(logId), next);
    } finally {
      next.wipe();
    }
  }

  async market<M extends keyof MarketCalls>(
    accountId: AccountId,
    method: M,
    parameters: Readonly<Parameters<MarketCalls[M]>>,
  ): Promise<Awaited<ReturnType<MarketCalls[M]>>> {
    return this.#opened(accountId).machine.market.call(method, parameters);
  }

  async listenerPosition(network: string, listenerId: string): Promise<ListenerPosition | undefined> {
    await this.#directory.locked();
    return this.#recordListeners.position(network, listenerId);
  }

  async moveListener(network: string, listenerId: string, position: ListenerPosition): Promise<void> {
    await this.#directory.locked();
    await this.#recordListeners.move(network, listenerId, position);
  }

  async shutdown(): Promise<void> {
    this.#directory.refuse();
    await this.#inTurn(async () => {
      for (const [accountId, open] of this.#accounts) await this.#close(accountId, open);
      for (const [logId, users] of this.#logs) {
        for (let user = 0; user < users; user += 1) await this.#identities.release(this.#identity(logId));
      }
      this.#logs.clear();
      for (const ledger of this.#ledgers.values()) ledger.close();
      this.#ledgers.clear();
      this.#market.close();
      await this.#recordListeners.close();
      await this.#directory.release();
    });
  }

  /** A machine without a key makes one, so that an imported example runs at once; never where money is real. */
  async #keyFor({ key, passphrase, accountIndex }: AccountOpening): Promise<MachineKey> {
    const keystore = await this.#directory.keystore();
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
        'two machines with the same key must carry the same policy, contacts and settings of the log',
        {
          key: opening.key,
        },
      );
    }
    // Nobody else uses it: this is a redeploy, perhaps with a changed policy.
    if (open.settings !== settings) {
      open.machine.configure(opening);
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
  ): Promise<void> {
    const identity = this.#identities.use(key);
    const { ledger } = this.#ledgers.get(opening.ledgerId) as RemoteLedger;
    try {
      const machine = await MachineAccount.open(
        { identity, network, ledger, channels: this.#market.channels },
        opening,
        (told) => this.tell({ accountId, ...told }),
      );
      const { ledgerId } = opening;
      this.#accounts.set(accountId, { machine, ledgerId, settings, users: 1, releaseTimer: undefined });
    } catch (error) {
      await this.#identities.release(identity);
      throw error;
    }
  }

  #closeWhenSettled(accountId: AccountId, open: OpenAccount): void {
    clearTimeout(open.releaseTimer);
    open.releaseTimer = setTimeout(() => {
      this.#inTurn(async () => {
        if (open.users > 0 || this.#accounts.get(accountId) !== open) return;
        if (!open.machine.unsettled) await this.#close(accountId, open);
        else this.#closeWhenSettled(accountId, open);
      }).catch(() => {}); // a journal that failed on closing is told by whoever opens it next
    }, RELEASE_GRACE_MS);
    open.releaseTimer.unref();
  }

  async #close(accountId: AccountId, open: OpenAccount): Promise<void> {
    clearTimeout(open.releaseTimer);
    this.#accounts.delete(accountId);
    await open.machine.close();
    await this.#identities.release(open.machine.identity);
  }

  #hearLedger(ledgerId: string, signal: LedgerSignal): void {
    for (const open of this.#accounts.values()) {
      if (open.ledgerId !== ledgerId) continue;
      const { machine } = open;
      if (signal.kind === 'wake') machine.account.wake(signal.height);
      else if (signal.kind === 'up') machine.ledgerUp();
      else machine.account.ledgerDown(new CodedError(signal.code, 'default', signal.message));
    }
  }

  /** A machine that never had anything asks the faucet, so that an example runs with nothing to fill in. */
  async #fundIfNew(open: OpenAccount, tries: number): Promise<void> {
    const { network, account } = open.machine;
    if (!network.faucet || open.users === 0 || tries === 0) return;
    try {
      if (account.balance().total !== '0' || account.history({ limit: 1 }).length > 0) return;
      await this.#askFaucet(open);
    } catch {
      setTimeout(() => void this.#fundIfNew(open, tries - 1), FAUCET_RETRY_MS).unref();
    }
  }

  async #askFaucet({ ledgerId, machine }: OpenAccount): Promise<void> {
    const ledger = this.#ledgers.get(ledgerId)?.ledger;
    if (!ledger) throw new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger is not connected');
    await ledger.requestFunds(machine.address);
  }

  #identity(logId: LogId): OpenIdentity {
    const identity = this.#identities.get(logId);
    if (!identity) throw new CodedError('LEDGER_UNREACHABLE', 'log-closed', 'the log is not open yet');
    return identity;
  }

  #account(accountId: AccountId): Account {
    return this.#opened(accountId).machine.account;
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

function describe(accountId: AccountId, { machine: { identity, address } }: OpenAccount): OpenedAccount {
  return { accountId, did: identity.key.did, address, protected: identity.key.protected };
}
