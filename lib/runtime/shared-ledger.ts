import { join } from 'node:path';
import { CodedError, isCodedError } from '../errors';
import { type LedgerSignal, RemoteLedger, SupervisedLedger } from '../ledger';
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
}

/** One ledger of this process, whatever number of nodes use it: its sandbox (if it is one), its worker, its state. */
export class SharedLedger {
  readonly #watchers = new Set<(state: LedgerState) => void>();
  readonly #remote = new RemoteLedger();
  #state: LedgerState = { phase: 'starting' };
  #sandbox: RunningSandbox | undefined;
  #supervised: SupervisedLedger | undefined;
  #stops: (() => void)[] = [];
  #disconnectVault = () => {};
  #restart: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    readonly plan: LedgerPlan,
    private readonly doors: SharedLedgerDoors,
  ) {
    this.#stops.push(this.#remote.onSignal((signal) => this.#hear(signal)));
    this.#stops.push(doors.vaultHost.onRestart(() => this.#connectVault()));
    void this.#start();
  }

  /** Under this name the vault knows the ledger. */
  get ledgerId(): string {
    return this.plan.shareKey;
  }

  get state(): LedgerState {
    return this.#state;
  }

  watch(listener: (state: LedgerState) => void): () => void {
    this.#watchers.add(listener);
    listener(this.#state);
    return () => this.#watchers.delete(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    for (const stop of this.#stops) stop();
    this.#disconnectVault();
    this.#remote.close();
    this.#watchers.clear();
    await this.#supervised?.close();
    await this.#sandbox?.close();
  }

  async #start(): Promise<void> {
    try {
      const { plan } = this;
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
        sandbox.onExit(() => {
          this.#restart = setTimeout(() => void this.#start(), SANDBOX_RESTART_MS);
          this.#restart.unref();
        });
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
      this.#restart = setTimeout(() => void this.#start(), SANDBOX_RESTART_MS * 5);
      this.#restart.unref();
    }
  }

  #supervise(options: Readonly<Record<string, string | undefined>>): void {
    if (this.#supervised) return;
    const workerData = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    this.#supervised = new SupervisedLedger({
      workerPath: join(this.doors.workerDirectory, 'stardust-worker.js'),
      workerData,
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
      const warning = this.#sandbox?.warning;
      this.#set({
        phase: 'up',
        network: signal.network,
        url: this.plan.kind === 'tangle' ? this.plan.url : (this.#sandbox?.url ?? ''),
        ...(warning && { warning }),
      });
    } else if (signal.kind === 'down') {
      this.#set({ phase: 'down', error: new CodedError(signal.code, 'default', signal.message) });
    }
  }

  #set(state: LedgerState): void {
    this.#state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}
