import { join } from 'node:path';
import { CodedError } from '../errors';
import type { Verification, VerificationRequest } from '../evidence';
import { AccountDoor } from './account-door';
import { AccountMachine } from './account-machine';
import { DataListening } from './data-listening';
import { planLedger } from './ledger-configuration';
import { MarketHost } from './market-host';
import type {
  Keystore,
  LedgerConfiguration,
  LedgerConnection,
  Machine,
  MachineConfiguration,
  Runtime,
} from './runtime';
import { SharedLedger } from './shared-ledger';
import { VaultHost } from './vault-host';
import { Verifier } from './verifier';

const RELEASE_GRACE_MS = 15_000;
const LEDGER_PATIENCE_MS = 30_000;

interface LedgerUse {
  readonly ledger: SharedLedger;
  users: number;
  releaseTimer: NodeJS.Timeout | undefined;
}

/** The ledgers and machines of one user directory in this process. Starts threads only when the first ledger is used. */
export class ProcessRuntime implements Runtime {
  readonly #ledgers = new Map<string, LedgerUse>();
  /** Ledgers that are letting go of their port. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #doors = new Map<string, AccountDoor>();
  readonly #machines = new Set<AccountMachine>();
  readonly #connections = new WeakMap<LedgerConnection, SharedLedger>();
  /** How to stop everybody who listens to records. */
  readonly #listeners = new Set<() => void>();
  #vaultHost: VaultHost | undefined;
  #marketHost: MarketHost | undefined;
  #verifier: Verifier | undefined;
  #flowsStarted = false;

  constructor(
    /** `<userDir>/machine-economy` */
    private readonly dataDirectory: string,
    /** Where the bundled worker entries lie. */
    private readonly workerDirectory: string,
  ) {}

  get keystore(): Keystore {
    const { vault } = this.#vault();
    return {
      list: () => vault.listKeys(),
      create: (key, passphrase) => vault.createKey(key, passphrase),
      import: (key, words, passphrase) => vault.importKey(key, words, passphrase),
      confirmBackup: (key, words, passphrase) => vault.confirmBackup(key, words, passphrase),
    };
  }

  openLedger(configuration: LedgerConfiguration): LedgerConnection {
    const plan = planLedger(configuration);
    let use = this.#ledgers.get(plan.shareKey);
    if (!use) {
      const doors = {
        workerDirectory: this.workerDirectory,
        dataDirectory: this.dataDirectory,
        vaultHost: this.#vault(),
        free: this.#closing.get(plan.shareKey) ?? Promise.resolve(),
      };
      use = { ledger: new SharedLedger(plan, doors), users: 0, releaseTimer: undefined };
      this.#ledgers.set(plan.shareKey, use);
    } else if (use.users === 0) {
      use.ledger.replan(plan);
    }
    return this.#connection(use);
  }

  openMachine(configuration: MachineConfiguration, connection: LedgerConnection): Machine {
    const ledger = this.#connections.get(connection);
    if (!ledger) throw new TypeError('not a connection of this runtime');
    const machine = new AccountMachine(configuration, ledger, {
      vaultHost: this.#vault(),
      doorOf: (accountId) => this.#doorOf(accountId),
      machines: () => this.#machines,
      needMarket: () => this.#market().start(),
      closed: (closed) => this.#machines.delete(closed),
    });
    this.#machines.add(machine);
    return machine;
  }

  async verify(request: VerificationRequest, connection?: LedgerConnection): Promise<Verification> {
    const ledger = connection && this.#connections.get(connection);
    if (connection && !ledger) throw new TypeError('not a connection of this runtime');
    if (ledger) await reached(ledger);
    this.#verifier ??= new Verifier(join(this.workerDirectory, 'evidence-worker.js'));
    return this.#verifier.verify(request, ledger);
  }

  /** Node-RED has started (or redeployed) its flows. */
  flowsStarted(): void {
    this.#flowsStarted = true;
    for (const door of this.#doors.values()) door.flowsStarted();
    for (const machine of this.#machines) machine.flowsStarted();
  }

  /** Commits, closes and ends every thread. */
  async close(): Promise<void> {
    for (const stop of [...this.#listeners]) stop();
    for (const door of this.#doors.values()) door.close();
    this.#doors.clear();
    const ledgers = [...this.#ledgers.values()];
    this.#ledgers.clear();
    for (const { releaseTimer } of ledgers) clearTimeout(releaseTimer);
    await this.#marketHost?.close();
    await Promise.all([this.#vaultHost?.close(), this.#verifier?.close()]);
    this.#marketHost = undefined;
    this.#vaultHost = undefined;
    this.#verifier = undefined;
    await Promise.all([...this.#closing.values(), ...ledgers.map(({ ledger }) => ledger.close())]);
  }

  #market(): MarketHost {
    this.#marketHost ??= new MarketHost(join(this.workerDirectory, 'market-worker.js'), this.#vault());
    return this.#marketHost;
  }

  #vault(): VaultHost {
    this.#vaultHost ??= new VaultHost(join(this.workerDirectory, 'vault-worker.js'), { directory: this.dataDirectory });
    return this.#vaultHost;
  }

  #doorOf(accountId: string): AccountDoor {
    let door = this.#doors.get(accountId);
    if (!door) {
      door = new AccountDoor(accountId, this.#vault());
      if (this.#flowsStarted) door.flowsStarted();
      this.#doors.set(accountId, door);
    }
    return door;
  }

  #connection(use: LedgerUse): LedgerConnection {
    use.users += 1;
    clearTimeout(use.releaseTimer);
    const { ledger } = use;
    const stops = new Set<() => void>();
    let open = true;
    const connection: LedgerConnection = {
      get state() {
        return ledger.state;
      },
      watch(listener) {
        const stop = ledger.watch(listener);
        stops.add(stop);
        return () => {
          stop();
          stops.delete(stop);
        };
      },
      listenData: (order, listener) => {
        const listening = new DataListening(ledger, this.#vault().vault, order, listener);
        const stop = () => {
          listening.stop();
          stops.delete(stop);
          this.#listeners.delete(stop);
        };
        stops.add(stop);
        this.#listeners.add(stop);
        return stop;
      },
      close: async () => {
        if (!open) return;
        open = false;
        for (const stop of stops) stop();
        use.users -= 1;
        if (use.users === 0) this.#releaseLater(use);
      },
    };
    this.#connections.set(connection, ledger);
    return connection;
  }

  /** A redeploy takes it up again within moments; payments that are still under way keep it. */
  #releaseLater(use: LedgerUse): void {
    clearTimeout(use.releaseTimer);
    use.releaseTimer = setTimeout(() => {
      void this.#release(use);
    }, RELEASE_GRACE_MS);
    use.releaseTimer.unref();
  }

  async #release(use: LedgerUse): Promise<void> {
    const { ledger } = use;
    const idle = await this.#vault()
      .vault.isLedgerIdle(ledger.ledgerId)
      .catch(() => false);
    if (use.users > 0 || this.#ledgers.get(ledger.ledgerId) !== use) return;
    if (!idle) {
      this.#releaseLater(use);
      return;
    }
    this.#ledgers.delete(ledger.ledgerId);
    this.#verifier?.detachLedger(ledger.ledgerId);
    // At once: whoever opens it again while it closes attaches a port of its own under the same name.
    const detached = this.#vault()
      .vault.detachLedger(ledger.ledgerId)
      .catch(() => {});
    const closed = Promise.all([detached, ledger.close()]).then(() => {
      if (this.#closing.get(ledger.ledgerId) === closed) this.#closing.delete(ledger.ledgerId);
    });
    this.#closing.set(ledger.ledgerId, closed);
    await closed;
  }
}

/** A ledger that is still being started is waited for; one that is down says why. */
function reached(ledger: SharedLedger): Promise<void> {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const starting = new CodedError('LEDGER_UNREACHABLE', 'default', 'the ledger does not answer yet');
    const patience = setTimeout(() => settle(starting), LEDGER_PATIENCE_MS);
    patience.unref();
    const settle = (problem?: CodedError) => {
      clearTimeout(patience);
      stop();
      if (problem) reject(problem);
      else resolve();
    };
    // The first call comes before `stop` is there.
    setImmediate(() => {
      stop = ledger.watch((state) => {
        if (state.phase !== 'starting') setImmediate(() => settle(state.phase === 'down' ? state.error : undefined));
      });
    });
  });
}
