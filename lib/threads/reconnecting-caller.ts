import { type Caller, callerOf, onSignal, type Port } from './remote-calls';

/**
 * One stable object for a peer that may die and come back on a fresh port: calls go to the present port, or fail with
 * `unreachable()` while there is none.
 */
export class ReconnectingCaller<T extends object, S = unknown> {
  readonly remote: T;
  #caller: Caller<T> | undefined;
  #stopSignals: (() => void) | undefined;

  constructor(
    private readonly unreachable: () => Error,
    private readonly hear: (signal: S) => void,
  ) {
    this.remote = new Proxy(Object.create(null) as T, {
      get: (_, method) => {
        if (typeof method !== 'string' || method === 'then') return undefined;
        return (...parameters: unknown[]): Promise<unknown> => {
          const remote = this.#caller?.remote as Record<string, (...p: unknown[]) => Promise<unknown>> | undefined;
          const call = remote?.[method];
          return call ? call(...parameters) : Promise.reject(this.unreachable());
        };
      },
    });
  }

  connect(port: Port): void {
    this.disconnect();
    this.#caller = callerOf<T>(port);
    this.#stopSignals = onSignal<S>(port, this.hear);
  }

  /** Pending calls fail now; later ones until the next {@link connect}. */
  disconnect(): void {
    this.#stopSignals?.();
    this.#caller?.fail(this.unreachable());
    this.#caller = undefined;
    this.#stopSignals = undefined;
  }
}
