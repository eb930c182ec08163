import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';

export interface SupervisedLedgerOptions {
  /** The worker's entry: `dist/stardust-worker.js`. */
  readonly workerPath: string;
  /** Plain data for the worker, e.g. `StardustOptions`. */
  readonly workerData: unknown;
  /** The worker runs; which build of the SDK it uses. */
  readonly onStarted?: (info: LedgerWorkerInfo) => void;
  /** The worker died and will be started again after this many milliseconds. */
  readonly onCrash?: (error: Error, pause: number) => void;
}

export interface LedgerWorkerInfo {
  readonly sdk: 'wasm' | 'native';
}

/** What the main thread tells the worker. */
export type LedgerWorkerCommand = { readonly attach: MessagePort } | { readonly close: true };
/** What the worker tells the main thread. */
export type LedgerWorkerNews = { readonly started: LedgerWorkerInfo };

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
// A worker that ran this long did not die of its start.
const SOUND_AFTER = 60_000;
const CLOSING_TIME = 2_000;

/**
 * Keeps a ledger's worker alive. The SDK can panic and take its thread with it: a dead worker is started again, and every
 * consumer gets a fresh port to the new one. Calls go through those ports directly, without this thread in between.
 */
export class SupervisedLedger {
  #worker: Worker | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #startedAt = 0;
  #closing: Promise<void> | undefined;
  readonly #consumers = new Set<(port: MessagePort) => void>();

  constructor(private readonly options: SupervisedLedgerOptions) {
    this.#start();
  }

  /**
   * Hands the consumer a port to the ledger, at once and again after every restart: for a `RemoteLedger` here, or to be
   * transferred to the thread that has one. Returns how to stop getting more; the consumer closes its ports itself.
   */
  connect(onPort: (port: MessagePort) => void): () => void {
    this.#consumers.add(onPort);
    if (this.#worker) this.#attach(this.#worker, onPort);
    return () => this.#consumers.delete(onPort);
  }

  /** Ends the worker; pending calls fail. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  #start(): void {
    const worker = new Worker(this.options.workerPath, { workerData: this.options.workerData, name: 'ledger' });
    let death: Error | undefined;
    this.#worker = worker;
    this.#startedAt = Date.now();
    worker.on('message', (news: LedgerWorkerNews) => this.options.onStarted?.(news.started));
    worker.on('error', (error) => {
      death = error;
    });
    worker.once('exit', (code) =>
      this.#ended(worker, death ?? new Error(`the ledger's worker ended with code ${code}`)),
    );
    for (const onPort of this.#consumers) this.#attach(worker, onPort);
  }

  #attach(worker: Worker, onPort: (port: MessagePort) => void): void {
    const { port1, port2 } = new MessageChannel();
    worker.postMessage({ attach: port2 } satisfies LedgerWorkerCommand, [port2]);
    onPort(port1);
  }

  #ended(worker: Worker, death: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    if (this.#closing) return;
    if (Date.now() - this.#startedAt > SOUND_AFTER) this.#pause = FIRST_PAUSE;
    const pause = this.#pause;
    this.#pause = Math.min(pause * 2, LONGEST_PAUSE);
    this.#restart = setTimeout(() => this.#start(), pause);
    this.options.onCrash?.(death, pause);
  }

  async #end(): Promise<void> {
    clearTimeout(this.#restart);
    this.#consumers.clear();
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ close: true } satisfies LedgerWorkerCommand);
    // It may be in the middle of a proof of work and deaf.
    const impatience = setTimeout(() => void worker.terminate(), CLOSING_TIME);
    await ended;
    clearTimeout(impatience);
  }
}
