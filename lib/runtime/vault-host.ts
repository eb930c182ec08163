import { type MessagePort, Worker } from 'node:worker_threads';
import { CodedError } from '../errors';
import { ReconnectingCaller } from '../threads';
import type { AccountId, AttachLedger, AttachMarket, Vault, VaultSignal, VaultWorkerData } from '../vault';

const RESTART_DELAYS_MS = [100, 500, 2_000, 10_000];
/** A worker that ran this long did not die of its start. */
const SOUND_AFTER_MS = 60_000;

/**
 * The one vault worker of this process. Should it ever die, it is started again and everything goes on through the
 * journal: `onStart` tells those who must attach their ledgers and reopen their accounts.
 */
export class VaultHost {
  readonly #caller: ReconnectingCaller<Vault, VaultSignal>;
  readonly #startListeners = new Set<() => void>();
  readonly #routes = new Map<AccountId, (signal: VaultSignal) => void>();
  /** What arrived before its account had a route: the answer to `openAccount` comes after what opening set free. */
  readonly #backlog = new Map<AccountId, VaultSignal[]>();
  #worker: Worker | undefined;
  #restarts = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    private readonly workerFile: string,
    private readonly data: VaultWorkerData,
  ) {
    this.#caller = new ReconnectingCaller<Vault, VaultSignal>(
      () => new CodedError('LEDGER_UNREACHABLE', 'vault-restarting', 'the vault is restarting'),
      (signal) => this.#deliver(signal),
    );
    this.#start();
  }

  get vault(): Vault {
    return this.#caller.remote;
  }

  /** Called at every start of a worker after the first. */
  onRestart(listener: () => void): () => void {
    this.#startListeners.add(listener);
    return () => this.#startListeners.delete(listener);
  }

  /** Everything the vault tells of this account goes here from now on. */
  route(accountId: AccountId, listener: (signal: VaultSignal) => void): void {
    this.#routes.set(accountId, listener);
    const backlog = this.#backlog.get(accountId) ?? [];
    this.#backlog.delete(accountId);
    for (const signal of backlog) listener(signal);
  }

  attachLedger(ledgerId: string, port: MessagePort): void {
    this.#worker?.postMessage({ attachLedger: ledgerId, port } satisfies AttachLedger<MessagePort>, [port]);
  }

  /** The vault's end of a connection with the market worker. */
  attachMarket(port: MessagePort): void {
    this.#worker?.postMessage({ attachMarket: true, port } satisfies AttachMarket<MessagePort>, [port]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restartTimer);
    const worker = this.#worker;
    if (!worker) return;
    worker.ref();
    await this.vault.shutdown().catch(() => {}); // a worker that just died has nothing left to commit
    await worker.terminate();
  }

  #deliver(signal: VaultSignal): void {
    const listener = this.#routes.get(signal.accountId);
    if (listener) listener(signal);
    else this.#backlog.set(signal.accountId, [...(this.#backlog.get(signal.accountId) ?? []), signal]);
  }

  #start(): void {
    const worker = new Worker(this.workerFile, { workerData: this.data });
    const startedAt = Date.now();
    this.#worker = worker;
    this.#caller.connect(worker);
    worker.unref();
    worker.on('error', () => {}); // "exit" follows and is what we act on
    worker.once('exit', () => {
      this.#caller.disconnect();
      this.#worker = undefined;
      if (this.#closed) return;
      if (Date.now() - startedAt > SOUND_AFTER_MS) this.#restarts = 0;
      const delay = RESTART_DELAYS_MS[Math.min(this.#restarts, RESTART_DELAYS_MS.length - 1)];
      this.#restarts += 1;
      this.#restartTimer = setTimeout(() => {
        this.#start();
        for (const listener of [...this.#startListeners]) listener();
      }, delay);
      this.#restartTimer.unref();
    });
  }
}
