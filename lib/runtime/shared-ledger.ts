import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { CodedError, isCodedError } from '../errors';
import { type Ledger, type LedgerSignal, type NetworkInfo, RemoteLedger, SupervisedLedger } from '../ledger';
import type { LedgerPlan } from './ledger-configuration';
import type { LedgerState } from './runtime';
import { type RunningSandbox, startSandbox } from './sandbox-host';
import type { VaultHost } from './vault-host';

const SANDBOX_RESTART_MS = 1_000;

export interface SharedLedgerDoors {
  /** Where the bundled worker entries lie. */
  readonly workerDirectory: string;
  /** `<userDir>/machine-economy` */
  readonly dataDirectory: string;
  readonly vaultHost: VaultHost;
  /** The predecessor with the same key has let go of its port. */
  readonly free: Promise<void>;
}

/** One ledger of this process, whatever number of nodes use it: its sandbox (if it is one), its worker, its state. */
export class SharedLedger {
  readonly #watchers = new Set<(state: LedgerState) => void>();
  readonly #remote = new RemoteLedger();
  #plan: LedgerPlan;
  #state: LedgerState = { phase: 'starting' };
  #starting: Promise<void>;
  #sandbox: RunningSandbox | undefined;
  #supervised: SupervisedLedger | undefined;
  #workerData: Record<string, string> = {};
  #stops: (() => void)[] = [];
  #disconnectVault = () => {};
  #restart: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    plan: LedgerPlan,
    private readonly doors: SharedLedgerDoors,
  ) {
    this.#plan = plan;
    this.#stops.push(this.#remote.onSignal((signal) => this.#hear(signal)));
    this.#stops.push(doors.vaultHost.onRestart(() => this.#connectVault()));
    this.#starting = doors.free.then(() => this.#start());
  }

  /** Under this name the vault knows the ledger. */
  get ledgerId(): string {
    return this.#plan.shareKey;
  }

  get state(): LedgerState {
    return this.#state;
  }

  /** For reading, from this thread. */
  get ledger(): Ledger {
    return this.#remote.ledger;
  }

  /** Calls back when the ledger may have grown. Returns how to stop. */
  onWake(listener: () => void): () => void {
    return this.#remote.onSignal(({ kind }) => {
      if (kind === 'wake') listener();
    });
  }

  /** A port for another thread, as soon as the ledger has been reached once, and again whenever it changes. */
  connect(onPort: (port: MessagePort) => void): () => void {
    return this.#supervised?.connect(onPort) ?? (() => {});
  }

  watch(listener: (state: LedgerState) => void): () => void {
    this.#watchers.add(listener);
    listener(this.#state);
    return () => this.#watchers.delete(listener);
  }

  /** A redeploy may give a sandbox another device broker; everybody finds the ledger again on its port. */
  replan(plan: LedgerPlan): void {
    const before = this.#plan;
    if (plan.kind !== 'sandbox-tangle' || before.kind !== 'sandbox-tangle') return;
    if (plan.deviceBrokerPort === before.deviceBrokerPort) return;
    this.#plan = plan;
    this.#starting = this.#starting.then(async () => {
      clearTimeout(this.#restart);
      await this.#sandbox?.close();
      this.#sandbox = undefined;
      await this.#start();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    for (const stop of this.#stops) stop();
    this.#disconnectVault();
    this.#remote.close();
    this.#watchers.clear();
    await this.#supervised?.close();
    await this.#starting;
    await this.#sandbox?.close();
  }

  #startIn(milliseconds: number): void {
    this.#restart = setTimeout(() => {
      this.#starting = this.#starting.then(() => this.#start());
    }, milliseconds);
    this.#restart.unref();
  }

  async #start(): Promise<void> {
    if (this.#closed) return;
    try {
      const plan = this.#plan;
      if (plan.kind === 'sandbox-tangle') {
        const sandbox = await startSandbox(join(this.doors.workerDirectory, 'sandbox-worker.js'), {
          port: plan.port,
          deviceBrokerPort: plan.deviceBrokerPort,
          dataDir: join(this.doors.dataDirectory, `sandbox-tangle-${plan.port}`),
        });
        if (this.#closed) {
          await sandbox.close();
          return;
        }
        this.#sandbox = sandbox;
        // Our client finds it again by itself: it comes back on the same port with the same data.
        sandbox.onExit(() => this.#startIn(SANDBOX_RESTART_MS));
        this.#supervise({ url: sandbox.url, mqttUrl: sandbox.mqttUrl, faucetUrl: sandbox.faucetUrl });
        return;
      }
      const { url, mqttUrl, faucetUrl, indexerUrl, authToken } = plan;
      this.#supervise({ url, mqttUrl, faucetUrl, indexerUrl, authToken });
    } catch (error) {
      this.#set({
        phase: 'down',
        error: isCodedError(error)
          ? error
          : new CodedError(
              'CONFIG_INVALID',
              'sandbox-failed',
              String(error),
              { reason: String(error) },
              { cause: error },
            ),
      });
      // The port may become free: another program, or a Node-RED that is still stopping.
      if (this.#closed) return;
      this.#startIn(SANDBOX_RESTART_MS * 5);
    }
  }

  #supervise(options: Readonly<Record<string, string | undefined>>): void {
    if (this.#supervised) {
      // What a person should know of the sandbox may have changed.
      if (this.#state.phase === 'up') this.#up(this.#state.network);
      return;
    }
    for (const [name, value] of Object.entries(options)) if (value !== undefined) this.#workerData[name] = value;
    this.#supervised = new SupervisedLedger({
      workerPath: join(this.doors.workerDirectory, 'stardust-worker.js'),
      workerData: this.#workerData,
    });
    this.#supervised.connect((port) => {
      port.unref();
      this.#remote.use(port);
      port.unref();
    });
    this.#connectVault();
  }

  /** The vault talks to the ledger's worker directly; a new vault needs a new port. */
  #connectVault(): void {
    this.#disconnectVault();
    const { supervised, ledgerId, vaultHost } = {
      supervised: this.#supervised,
      ledgerId: this.ledgerId,
      vaultHost: this.doors.vaultHost,
    };
    if (supervised) this.#disconnectVault = supervised.connect((port) => vaultHost.attachLedger(ledgerId, port));
  }

  #hear(signal: LedgerSignal): void {
    if (signal.kind === 'up') {
      // Accounts are open on this network: a worker that is started again must not take another one for it.
      this.#workerData.expectedNetworkId = signal.network.networkId;
      this.#up(signal.network);
    } else if (signal.kind === 'down') {
      this.#set({ phase: 'down', error: new CodedError(signal.code, 'default', signal.message) });
    }
  }

  #up(network: NetworkInfo): void {
    const warning = this.#sandbox?.warning;
    const url = this.#plan.kind === 'tangle' ? this.#plan.url : (this.#sandbox?.url ?? '');
    this.#set({ phase: 'up', network, url, ...(warning && { warning }) });
  }

  #set(state: LedgerState): void {
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}
