import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { CodedError, isCodedError } from '../errors';
import { acquireProcessLock, type Journal, openJournal, type ProcessLock } from '../journal';
import { type LedgerSignal, type NetworkInfo, RemoteLedger } from '../ledger';
import { type MachineKey, type MachineKeystore, openKeystore } from '../machine';
import {
  type AcceptedPayment,
  Account,
  type Balance,
  book,
  type HistoryEntry,
  type ListenFrom,
  type PaymentOrder,
  systemClock,
} from '../payments';
import { type Address, addressHash, writeAddress } from '../values';
import type { AccountId, AccountOpening, OpenedAccount, Vault, VaultSignal } from './vault-contract';

const RELEASE_GRACE_MS = 10_000;
const FAUCET_RETRY_MS = 10_000;
const FAUCET_TRIES = 10;

/** One identity with its journal, shared by its accounts on several networks. */
interface OpenIdentity {
  readonly key: MachineKey;
  readonly journal: Journal;
  accounts: number;
}

interface OpenAccount {
  readonly account: Account;
  readonly identity: OpenIdentity;
  readonly ledgerId: string;
  readonly network: NetworkInfo;
  readonly address: Address;
  /** Policy and contacts as they were given, to tell whether a second machine node carries the same. */
  settings: string;
  users: number;
  releaseTimer: NodeJS.Timeout | undefined;
}

/** All that holds keys and moves money, composed for one directory; lives in a worker of its own. */
export class VaultService implements Vault {
  readonly #ledgers = new Map<string, RemoteLedger>();
  readonly #identities = new Map<string, OpenIdentity>();
  readonly #accounts = new Map<AccountId, OpenAccount>();
  /** Shared by everyone who asks meanwhile: the lock is ours once, and a second try would meet the first. */
  #lock: Promise<ProcessLock> | undefined;
  #keystore: MachineKeystore | undefined;
  /** Opening and closing accounts happens one after the other: two nodes may name the same key. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly directory: string,
    private readonly tell: (signal: VaultSignal) => void,
  ) {}

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
      const settings = JSON.stringify([opening.policy ?? null, opening.contacts ?? null]);
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

  async shutdown(): Promise<void> {
    this.#closed = true;
    await this.#inTurn(async () => {
      for (const [accountId, open] of this.#accounts) await this.#close(accountId, open);
      for (const ledger of this.#ledgers.values()) ledger.close();
      this.#ledgers.clear();
      await (await this.#lock?.catch(() => undefined))?.release();
    });
  }

  async #openKeystore(): Promise<MachineKeystore> {
    if (this.#closed) throw new CodedError('CONFIG_INVALID', 'shutting-down', 'Node-RED is stopping');
    this.#lock ??= acquireProcessLock(this.directory).catch((error: unknown) => {
      this.#lock = undefined; // its holder may end
      throw error;
    });
    await this.#lock;
    this.#keystore ??= openKeystore({ directory: this.directory });
    return this.#keystore;
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
    const identity = this.#identities.get(key.did) ?? { key, journal: this.#openJournal(key.did), accounts: 0 };
    if (identity.key !== key) key.wipe();
    this.#identities.set(key.did, identity);
    identity.accounts += 1;
    try {
      const { publicKey, did } = identity.key;
      const address = writeAddress(addressHash(publicKey), network.addressForm);
      const account = await Account.open(
        {
          identity: { did, address, publicKey },
          network,
          journal: identity.journal,
          ledger: (this.#ledgers.get(opening.ledgerId) as RemoteLedger).ledger,
          sign: (bytes) => identity.key.sign(bytes),
          clock: systemClock,
          random: (length) => new Uint8Array(randomBytes(length)),
          emit: (signal) => this.tell({ accountId, ...signal }),
        },
        { policy: opening.policy, contacts: opening.contacts },
      );
      const open: OpenAccount = {
        account,
        identity,
        ledgerId: opening.ledgerId,
        network,
        address,
        settings,
        users: 1,
        releaseTimer: undefined,
      };
      this.#accounts.set(accountId, open);
      return open;
    } catch (error) {
      await this.#releaseIdentity(identity);
      throw error;
    }
  }

  #openJournal(did: string): Journal {
    const folder = join(this.directory, 'machines', did.slice('did:key:'.length));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return openJournal({ file: join(folder, 'journal.db'), projections: [book] });
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
    await open.account.close();
    await this.#releaseIdentity(open.identity);
  }

  async #releaseIdentity(identity: OpenIdentity): Promise<void> {
    identity.accounts -= 1;
    if (identity.accounts > 0) return;
    this.#identities.delete(identity.key.did);
    await identity.journal.close();
    identity.key.wipe();
  }

  #hearLedger(ledgerId: string, signal: LedgerSignal): void {
    for (const open of this.#accounts.values()) {
      if (open.ledgerId !== ledgerId) continue;
      if (signal.kind === 'wake') open.account.wake(signal.height);
      else if (signal.kind === 'up') open.account.ledgerUp();
      else open.account.ledgerDown(new CodedError(signal.code, 'default', signal.message));
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
