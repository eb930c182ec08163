import { CodedError, type ErrorCode, type ErrorParameters } from '../errors';

/**
 * Typed calls between threads over a `MessagePort`. Our own and not a library, because errors must keep their `code`,
 * calls must fail when the other side dies, and neither may cost a proxy per call.
 */
export interface Port {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  off(event: 'message', listener: (message: unknown) => void): unknown;
}

/** The methods of an interface as {@link serve} and {@link callerOf} see them. */
export type Methods<T> = { [K in keyof T]: T[K] };

type CallMessage = { readonly call: number; readonly method: string; readonly parameters: readonly unknown[] };
type ReplyMessage = { readonly reply: number; readonly result?: unknown; readonly error?: SentError };
type SignalMessage = { readonly signal: unknown };

interface SentError {
  readonly code?: ErrorCode;
  readonly detail?: string;
  readonly parameters?: ErrorParameters;
  readonly message: string;
  readonly stack?: string | undefined;
}

/** Answers calls that arrive on the port with the methods of `target`, until the returned function is called. */
export function serve<T extends object>(port: Port, target: Methods<T>): () => void {
  const methods = new Map(
    methodNames(target).map((name) => [name, target[name as keyof T] as unknown as (...p: unknown[]) => unknown]),
  );
  const onMessage = (message: unknown) => {
    if (!isCall(message)) return;
    const { call, method, parameters } = message;
    void (async () => {
      const implementation = methods.get(method);
      if (!implementation) throw new TypeError(`no such method: ${method}`);
      return implementation.apply(target, [...parameters]);
    })().then(
      (result) => port.postMessage({ reply: call, result } satisfies ReplyMessage),
      (error: unknown) => port.postMessage({ reply: call, error: sendable(error) } satisfies ReplyMessage),
    );
  };
  port.on('message', onMessage);
  return () => port.off('message', onMessage);
}

export interface Caller<T> {
  /** The other side's methods. */
  readonly remote: T;
  /** The other side is gone: every pending and later call rejects with this error. */
  fail(error: Error): void;
}

/** Calls the methods that the other end of the port serves. */
export function callerOf<T extends object>(port: Port): Caller<T> {
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void }>();
  let last = 0;
  let gone: Error | undefined;
  port.on('message', (message) => {
    if (!isReply(message)) return;
    const waiter = waiting.get(message.reply);
    waiting.delete(message.reply);
    if (message.error) waiter?.reject(received(message.error));
    else waiter?.resolve(message.result);
  });
  const call =
    (method: string) =>
    (...parameters: unknown[]): Promise<unknown> =>
      new Promise((resolve, reject) => {
        if (gone) {
          reject(gone);
          return;
        }
        last += 1;
        // Throws for what cannot be cloned; nobody waits for that then.
        port.postMessage({ call: last, method, parameters } satisfies CallMessage);
        waiting.set(last, { resolve, reject });
      });
  const calls = new Map<string, (...parameters: unknown[]) => Promise<unknown>>();
  const remote = new Proxy(Object.create(null) as T, {
    get: (_, method) => {
      // A promise resolved with `remote` must not find a `then` here.
      if (typeof method !== 'string' || method === 'then') return undefined;
      let found = calls.get(method);
      if (!found) {
        found = call(method);
        calls.set(method, found);
      }
      return found;
    },
  });
  return {
    remote,
    fail(error) {
      gone = error;
      for (const waiter of waiting.values()) waiter.reject(error);
      waiting.clear();
    },
  };
}

/** Sends something nobody asked for; the other side hears it with {@link onSignal}. */
export function signal(port: Port, value: unknown): void {
  port.postMessage({ signal: value } satisfies SignalMessage);
}

export function onSignal<S>(port: Port, listener: (value: S) => void): () => void {
  const onMessage = (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'signal' in message) listener(message.signal as S);
  };
  port.on('message', onMessage);
  return () => port.off('message', onMessage);
}

function methodNames(target: object): string[] {
  const names = new Set<string>();
  for (let o = target; o && o !== Object.prototype; o = Object.getPrototypeOf(o)) {
    for (const name of Object.getOwnPropertyNames(o)) {
      if (name !== 'constructor' && typeof (target as Record<string, unknown>)[name] === 'function') names.add(name);
    }
  }
  return [...names];
}

function isCall(message: unknown): message is CallMessage {
  return typeof message === 'object' && message !== null && 'call' in message;
}

function isReply(message: unknown): message is ReplyMessage {
  return typeof message === 'object' && message !== null && 'reply' in message;
}

function sendable(error: unknown): SentError {
  if (error instanceof CodedError) {
    const { code, detail, parameters, message, stack } = error;
    return { code, detail, parameters, message, stack };
  }
  return error instanceof Error ? { message: error.message, stack: error.stack } : { message: String(error) };
}

function received(sent: SentError): Error {
  const error =
    sent.code === undefined
      ? new Error(sent.message)
      : new CodedError(sent.code, sent.detail ?? 'default', sent.message, sent.parameters);
  if (sent.stack !== undefined) error.stack = sent.stack;
  return error;
}
