import type { MessagePort } from 'node:worker_threads';
import { CodedError } from '../errors';
import { ReconnectingCaller } from '../threads';
import type { Ledger, LedgerSignal } from './ledger';

/**
 * A ledger that lives in another thread, reached through whatever port is good at the moment. When its worker dies, pending
 * calls reject with `LEDGER_UNREACHABLE` and listeners hear `down`; a later {@link use} makes it work again.
 */
export class RemoteLedger {
  readonly #caller = new ReconnectingCaller<Ledger, LedgerSignal>(gone, (signal) => this.#tell(signal));
  readonly #listeners = new Set<(signal: LedgerSignal) => void>();
  #port: MessagePort | undefined;
  #state: LedgerSignal | undefined;

  constructor(port?: MessagePort) {
    if (port) this.use(port);
  }

  /** One object for ever, whatever happens to the worker. */
  get ledger(): Ledger {
    return this.#caller.remote;
  }

  /** From now on calls go through this port; what was pending on the one before fails. */
  use(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    this.#caller.connect(port);
    port.once('close', () => {
      if (this.#port !== port) return;
      this.#port = undefined;
      this.#caller.disconnect();
      if (this.#state?.kind !== 'down')
        this.#tell({ kind: 'down', code: 'LEDGER_UNREACHABLE', message: gone().message });
    });
  }

  /** Calls back at once with the last `up` or `down`, then with every signal. Returns how to stop. */
  onSignal(listener: (signal: LedgerSignal) => void): () => void {
    this.#listeners.add(listener);
    if (this.#state) listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    this.#caller.disconnect();
    this.#port?.close();
    this.#port = undefined;
  }

  #tell(signal: LedgerSignal): void {
    if (signal.kind !== 'wake') this.#state = signal;
    for (const listener of this.#listeners) listener(signal);
  }
}

function gone(): CodedError {
  return new CodedError('LEDGER_UNREACHABLE', 'restarting', 'the connection to the ledger is being restarted');
}
