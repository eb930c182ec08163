import { CodedError, isCodedError } from '../errors';
import type { EncryptedPayload, SignedPayload } from '../evidence';
import type { JsonObject } from '../journal';
import type { Balance, HistoryEntry, PaymentOrder, PaymentReport, Receipt } from '../payments';
import type { OpenedAccount } from '../vault';
import type { AccountDoor } from './account-door';
import { AccountMarketplace } from './account-marketplace';
import { MachineLog } from './machine-log';
import type { Marketplace } from './marketplace';
import type {
  AnchoringSettings,
  EvidencedReading,
  LogStatus,
  Machine,
  MachineConfiguration,
  MachineEvent,
  MachineState,
  SignedReading,
  SignOrder,
  SuccessorOrder,
} from './runtime';
import type { SharedLedger } from './shared-ledger';
import type { VaultHost } from './vault-host';

export interface MachineDoors {
  readonly vaultHost: VaultHost;
  /** The one door of an account in this process. */
  readonly doorOf: (accountId: string) => AccountDoor;
  /** All that are open in this process. */
  readonly machines: () => Iterable<AccountMachine>;
  /** The market worker runs from now on. */
  readonly needMarket: () => void;
  /** This machine's node is gone. */
  readonly closed: (machine: AccountMachine) => void;
}

const REOPEN_MS = 5_000;
/** How long a message waits for a machine that is still starting. */
const PATIENCE_MS = 30_000;

type RedeliveryListener = (report: PaymentReport & { readonly kind: 'confirmed' }) => void;

/** What a machine node holds: opens its account as soon as the ledger is there, and again after the vault had to restart. */
export class AccountMachine implements Machine {
  readonly marketplace: Marketplace;
  /** Holds a passphrase: not to be seen by whoever looks at the node. */
  readonly #configuration: MachineConfiguration;
  readonly #watchers = new Set<(state: MachineState) => void>();
  /** What hangs on the open account, redone whenever it is opened: events, redeliveries, listeners of nodes. */
  readonly #attachments = new Set<(door: AccountDoor) => () => void>();
  readonly #detachers = new Map<(door: AccountDoor) => () => void, () => void>();
  readonly #stops: (() => void)[] = [];
  readonly #log: MachineLog;
  #state: MachineState = { phase: 'starting' };
  #opened: { readonly account: OpenedAccount; readonly door: AccountDoor } | undefined;
  #opening: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    configuration: MachineConfiguration,
    private readonly ledger: SharedLedger,
    private readonly doors: MachineDoors,
  ) {
    this.#configuration = configuration;
    this.#log = new MachineLog(doors.vaultHost, configuration, () => [...doors.machines()].map(({ log }) => log));
    this.#attach((door) => this.#log.attach(door));
    this.marketplace = new AccountMarketplace({
      vaultHost: doors.vaultHost,
      needMarket: doors.needMarket,
      attach: (attachment) => this.#attach(attachment),
      opened: async () => (await this.#account()).door,
    });
    this.#stops.push(ledger.watch(() => this.#ledgerChanged()));
    this.#stops.push(doors.vaultHost.onRestart(() => this.#vaultRestarted()));
  }

  get state(): MachineState {
    return this.#state;
  }

  get log(): MachineLog {
    return this.#log;
  }

  watch(listener: (state: MachineState) => void): () => void {
    this.#watchers.add(listener);
    listener(this.#state);
    return () => this.#watchers.delete(listener);
  }

  onEvent(listener: (event: MachineEvent) => void): () => void {
    return this.#attach((door) => door.onEvent(listener));
  }

  async pay(order: PaymentOrder, progress: (report: PaymentReport) => void, signal?: AbortSignal): Promise<Receipt> {
    const { door } = await this.#account();
    return door.pay(order, progress, signal);
  }

  onRedelivery(nodeId: string, listener: RedeliveryListener): () => void {
    return this.#attach((door) => door.desk.onRedelivery(nodeId, listener));
  }

  async balance(): Promise<Balance> {
    return this.doors.vaultHost.vault.balance((await this.#account()).account.accountId);
  }

  async history({ limit }: { readonly limit: number }): Promise<HistoryEntry[]> {
    return this.doors.vaultHost.vault.history((await this.#account()).account.accountId, limit);
  }

  async fund(): Promise<void> {
    await this.doors.vaultHost.vault.fund((await this.#account()).account.accountId);
  }

  sign(order: SignOrder): Promise<SignedReading> {
    return this.#log.sign(order);
  }

  onEvidence(nodeId: string, listener: (reading: EvidencedReading) => void): () => void {
    return this.#log.onEvidence(nodeId, listener);
  }

  logStatus(): Promise<LogStatus> {
    return this.#log.status();
  }

  watchLog(listener: (status: LogStatus) => void): () => void {
    return this.#log.watch(listener);
  }

  decrypt(payload: EncryptedPayload): Promise<SignedPayload> {
    return this.#log.decrypt(payload);
  }

  succeed(successor: SuccessorOrder): Promise<JsonObject> {
    return this.#log.succeed(successor);
  }

  didOf(name: string): string {
    return this.#log.didOf(name);
  }

  /** Node-RED has started its flows. */
  flowsStarted(): void {
    this.#log.flowsStarted();
  }

  async listen(
    { listenerId, from }: Parameters<Machine['listen']>[0],
    handler: Parameters<Machine['listen']>[1],
  ): Promise<() => void> {
    const { vault } = this.doors.vaultHost;
    return this.#attach((door) => {
      const stop = door.handle(listenerId, handler);
      // A vault that dies meanwhile is asked again when the account is reopened.
      vault.listen(door.accountId, listenerId, from).catch(() => {});
      return () => {
        stop();
        vault.stopListening(door.accountId, listenerId).catch(() => {});
      };
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    for (const stop of this.#stops) stop();
    for (const detach of this.#detachers.values()) detach();
    this.#detachers.clear();
    this.#watchers.clear();
    this.doors.closed(this);
    await this.#log.close();
    // Before the next deploy opens it, so that it may come with another policy. Opening may hang on a slow ledger, and
    // Node-RED does not wait for ever.
    if (this.#opened) await this.#release();
    else void this.#opening?.then(() => this.#release());
  }

  async #release(): Promise<void> {
    const accountId = this.#opened?.account.accountId;
    if (accountId !== undefined) await this.doors.vaultHost.vault.releaseAccount(accountId).catch(() => {});
  }

  /** @throws CodedError of the state when the account cannot be opened */
  #account(): Promise<{ readonly account: OpenedAccount; readonly door: AccountDoor }> {
    if (this.#opened) return Promise.resolve(this.#opened);
    return new Promise((resolve, reject) => {
      let stop = () => {};
      const patience = setTimeout(
        () => settle(new CodedError('LEDGER_UNREACHABLE', 'starting', 'the machine is still starting')),
        PATIENCE_MS,
      );
      patience.unref();
      const settle = (error?: CodedError) => {
        clearTimeout(patience);
        stop();
        if (this.#opened) resolve(this.#opened);
        else reject(error);
      };
      // The first call comes before `stop` is there.
      setImmediate(() => {
        stop = this.watch((state) => {
          if (state.phase === 'starting') return;
          setImmediate(() => settle(state.phase === 'down' ? state.error : undefined));
        });
      });
    });
  }

  #attach(attachment: (door: AccountDoor) => () => void): () => void {
    this.#attachments.add(attachment);
    if (this.#opened) this.#detachers.set(attachment, attachment(this.#opened.door));
    return () => {
      this.#attachments.delete(attachment);
      this.#detachers.get(attachment)?.();
      this.#detachers.delete(attachment);
    };
  }

  #ledgerChanged(): void {
    const { state } = this.ledger;
    if (state.phase === 'down') this.#set({ phase: 'down', error: state.error });
    else if (state.phase === 'up' && this.#opened) this.#set(ready(this.#opened.account, state.network));
    else if (state.phase === 'up') this.#open();
  }

  #vaultRestarted(): void {
    for (const detach of this.#detachers.values()) detach();
    this.#detachers.clear();
    this.#opened = undefined;
    if (this.#closed) return;
    this.#log.vaultRestarted();
    this.#set({ phase: 'starting' });
    this.#open();
  }

  #open(): void {
    if (this.#opening || this.#opened || this.#closed) return;
    clearTimeout(this.#retry);
    this.#opening = this.#openOnce().finally(() => {
      this.#opening = undefined;
    });
  }

  async #openOnce(): Promise<void> {
    const { key, accountIndex, policy, contacts, machinePassphrase, anchoring } = this.#configuration;
    try {
      const account = await this.doors.vaultHost.vault.openAccount({
        key,
        accountIndex,
        policy,
        contacts,
        anchoring: checkedAnchoring(anchoring),
        ledgerId: this.ledger.ledgerId,
        ...(machinePassphrase !== undefined && { passphrase: machinePassphrase }),
      });
      const door = this.doors.doorOf(account.accountId);
      this.#opened = { account, door };
      if (this.#closed) return;
      door.opened();
      for (const attachment of this.#attachments) this.#detachers.set(attachment, attachment(door));
      const { state } = this.ledger;
      if (state.phase === 'up') this.#set(ready(account, state.network));
    } catch (error) {
      if (this.#closed) return;
      this.#set({
        phase: 'down',
        error: isCodedError(error)
          ? error
          : new CodedError('CONFIG_INVALID', 'machine-failed', String(error), {}, { cause: error }),
      });
      // Whatever it was (ledger, passphrase file, a Node-RED that still holds the directory): it may pass.
      this.#retry = setTimeout(() => this.#open(), REOPEN_MS);
      this.#retry.unref();
    }
  }

  #set(state: MachineState): void {
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}

function ready(
  { did, address, protected: isProtected }: OpenedAccount,
  network: Extract<SharedLedger['state'], { phase: 'up' }>['network'],
): MachineState {
  return { phase: 'ready', identity: { did, address, network, protected: isProtected } };
}

/** @throws CodedError `CONFIG_INVALID` (`log-tag`, `log-batch`) */
function checkedAnchoring({ tag, batchCount, batchSeconds }: AnchoringSettings): AnchoringSettings {
  const bytes = Buffer.byteLength(tag, 'utf8');
  if (bytes < 1 || bytes > 64 || /\p{Surrogate}/u.test(tag))
    throw new CodedError('CONFIG_INVALID', 'log-tag', 'the tag of a log has 1 to 64 bytes', { bytes });
  const whole = (value: number, most: number) => Number.isInteger(value) && value >= 1 && value <= most;
  if (!whole(batchCount, 1_000_000) || !whole(batchSeconds, 86_400)) {
    throw new CodedError(
      'CONFIG_INVALID',
      'log-batch',
      'a checkpoint comes after 1 to 1,000,000 documents and after 1 to 86,400 seconds',
    );
  }
  return { tag, batchCount, batchSeconds };
}
