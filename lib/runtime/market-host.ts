import { MessageChannel, Worker } from 'node:worker_threads';
import type { VaultHost } from './vault-host';

const RESTART_DELAYS_MS = [100, 500, 2_000, 10_000];
/** A worker that ran this long did not die of its start. */
const SOUND_AFTER_MS = 60_000;

/**
 * The one `market` worker of this process: it holds the sockets to brokers, and checks what strangers send before the vault
 * hears of it. Started when the first node offers, buys or searches; one that died is started again.
 */
export class MarketHost {
  #worker: Worker | undefined;
  #restarts = 0;
  #restartTimer: NodeJS.Timeout | undefined;
  #stopVault: (() => void) | undefined;
  #closed = false;

  constructor(
    private readonly workerFile: string,
    private readonly vaultHost: VaultHost,
  ) {}

  /** Starts it, if it is not running. */
  start(): void {
    if (this.#closed || this.#worker || this.#restartTimer) return;
    this.#stopVault ??= this.vaultHost.onRestart(() => this.#connectVault());
    const worker = new Worker(this.workerFile, { name: 'market' });
    const startedAt = Date.now();
    this.#worker = worker;
    worker.unref();
    worker.on('error', () => {}); // "exit" follows and is what we act on
    worker.once('exit', () => {
      this.#worker = undefined;
      if (this.#closed) return;
      if (Date.now() - startedAt > SOUND_AFTER_MS) this.#restarts = 0;
      const delay = RESTART_DELAYS_MS[Math.min(this.#restarts, RESTART_DELAYS_MS.length - 1)];
      this.#restarts += 1;
      this.#restartTimer = setTimeout(() => {
        this.#restartTimer = undefined;
        this.start();
      }, delay);
      this.#restartTimer.unref();
    });
    this.#connectVault();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restartTimer);
    this.#stopVault?.();
    await this.#worker?.terminate();
  }

  /** The vault talks to it directly; whichever of the two is new needs a new pair of ports. */
  #connectVault(): void {
    const worker = this.#worker;
    if (!worker) return;
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ attachVault: true, port: port1 }, [port1]);
    this.vaultHost.attachMarket(port2);
  }
}
