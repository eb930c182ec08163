import { nonsense, printable, unreachable } from './failures';

/** How long one exchange may take from the first byte to the last, and how much may come back. */
export interface ExchangeLimits {
  readonly milliseconds: number;
  readonly bytes: number;
}

export interface Exchange {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/**
 * One request without redirects, within its limits.
 *
 * @throws CodedError `LEDGER_UNREACHABLE` (`default`, `timeout`, `answer`)
 */
export async function exchange(
  url: URL,
  limits: ExchangeLimits,
  what: Exchange = {},
): Promise<{ status: number; body: string }> {
  const signal = AbortSignal.timeout(limits.milliseconds);
  try {
    const response = await fetch(url, { method: what.method ?? 'GET', redirect: 'error', signal, ...pick(what) });
    const bytes = await bodyWithin(response, limits.bytes);
    return { status: response.status, body: new TextDecoder().decode(bytes) };
  } catch (error) {
    throw asUnreachable(error, url);
  }
}

function pick({ headers, body }: Exchange): { headers?: Record<string, string>; body?: string } {
  return { ...(headers ? { headers: { ...headers } } : {}), ...(body === undefined ? {} : { body }) };
}

function asUnreachable(error: unknown, url: URL): Error {
  if (error instanceof Error && 'code' in error && error.code === 'LEDGER_UNREACHABLE') return error;
  const name = error instanceof Error ? error.name : '';
  if (name === 'TimeoutError')
    return unreachable('timeout', `no answer in time from ${url.host}`, { host: url.host }, error);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason = cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : String(cause);
  return unreachable('default', `cannot reach ${url.host}: ${printable(reason)}`, { host: url.host }, error);
}

async function bodyWithin(response: Response, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  if (!response.body) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop by a throw cancels the stream, and with it the connection.
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += chunk.length;
    if (length > limit) throw nonsense(`more than ${limit} bytes`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

const guarded = new Map<string, { limits: ExchangeLimits; users: number }>();
let unguardedFetch: typeof fetch | undefined;

/**
 * The WASM build of the SDK has no time-outs of its own and calls the global `fetch`: this puts ours in front of it, for
 * requests to this origin only. Returns how to take it away.
 */
export function guardFetchTo(origin: string, limits: ExchangeLimits): () => void {
  const known = guarded.get(origin);
  guarded.set(origin, { limits, users: (known?.users ?? 0) + 1 });
  if (!unguardedFetch) {
    unguardedFetch = globalThis.fetch;
    globalThis.fetch = guardedFetch;
  }
  let released = false;
  return () => {
    if (released) return;
    released = true;
    const entry = guarded.get(origin);
    if (entry && entry.users > 1) guarded.set(origin, { ...entry, users: entry.users - 1 });
    else guarded.delete(origin);
    if (guarded.size === 0 && unguardedFetch && globalThis.fetch === guardedFetch) {
      globalThis.fetch = unguardedFetch;
      unguardedFetch = undefined;
    }
  };
}

async function guardedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const send = unguardedFetch ?? globalThis.fetch;
  const url = new URL(input instanceof Request ? input.url : input);
  const entry = guarded.get(url.origin);
  if (!entry) return send(input, init);
  const timeout = AbortSignal.timeout(entry.limits.milliseconds);
  const own = init?.signal ?? (input instanceof Request ? input.signal : undefined);
  const response = await send(input, {
    ...init,
    redirect: 'error',
    signal: own ? AbortSignal.any([own, timeout]) : timeout,
  });
  const bytes = await bodyWithin(response, entry.limits.bytes);
  const headers = new Headers(response.headers);
  // The body is decoded already.
  headers.delete('content-encoding');
  headers.delete('content-length');
  const whole = new Response(bytes.length === 0 ? null : bytes, {
    status: response.status,
    statusText: response.statusText,
    headers,
  });
  // The SDK parses this, and a Response made here has none.
  Object.defineProperty(whole, 'url', { value: response.url });
  return whole;
}
