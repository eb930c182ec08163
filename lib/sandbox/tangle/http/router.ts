import type { IncomingHttpHeaders } from 'node:http';
import { type Answer, BINARY, HttpError } from './answer';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  /** @param parameters what the groups of the path caught */
  answer(request: Request, ...parameters: string[]): Answer | Promise<Answer>;
}

/** A pattern in which `:name` stands for one segment. */
export function path(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(/:[A-Za-z]+/g, '([^/]+)')}$`);
}

/** @throws HttpError 404 or 405 */
export async function route(routes: readonly Route[], request: Request): Promise<Answer> {
  let found = false;
  for (const candidate of routes) {
    const match = candidate.path.exec(request.path);
    if (!match) continue;
    found = true;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    if (candidate.method === method) return candidate.answer(request, ...match.slice(1));
  }
  throw new HttpError(found ? 405 : 404);
}

export function wantsBinary({ headers }: Request): boolean {
  return headers.accept?.includes(BINARY) === true;
}

/** Bytes in hex from a path. @throws HttpError 400 */
export function hexParameter(text: string, length: number, name: string): `0x${string}` {
  if (/^0x[0-9a-f]*$/i.test(text) && text.length === 2 + 2 * length) return text.toLowerCase() as `0x${string}`;
  throw new HttpError(400, `invalid ${name}: ${text.slice(0, 100)}`);
}

/** @throws HttpError 400 */
export function numberParameter(text: string, most: number, name: string): number {
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  throw new HttpError(400, `invalid ${name}: ${text.slice(0, 100)}`);
}

/** @throws HttpError 400 */
export function jsonBody({ body }: Request): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new HttpError(400, 'invalid request, error: not JSON');
  }
}
