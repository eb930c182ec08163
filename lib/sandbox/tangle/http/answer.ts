import { InvalidBlockError } from '../codec';
import { NodeBusyError } from '../tangle';

/** What a route answers. */
export interface Answer {
  readonly status: number;
  readonly body?: unknown;
  readonly bytes?: Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

export const BINARY = 'application/vnd.iota.serializer-v1';

const STATUS_TEXT = {
  400: 'invalid parameter',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Request Entity Too Large',
  415: 'Unsupported Media Type',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
} as const;

export type ErrorStatus = keyof typeof STATUS_TEXT;

/** A request that is answered with an error. */
export class HttpError extends Error {
  override readonly name = 'HttpError';

  constructor(
    readonly status: ErrorStatus,
    message?: string,
  ) {
    super(message ?? STATUS_TEXT[status]);
  }
}

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return { status, body, headers };
}

export function bytes(content: Buffer): Answer {
  return { status: 200, bytes: content };
}

/** An error in the form in which HORNET sends it. */
export function errorAnswer(error: unknown): Answer {
  const { status, message } = httpErrorOf(error);
  const text = STATUS_TEXT[status];
  const full = message === text ? text : `${text}, error: ${message}: code=${status}, message=${text}`;
  return plainError(status, full);
}

/** The same without the node's wrapping: what the faucet's users read. */
export function plainError(status: ErrorStatus, message: string): Answer {
  return { status, body: { error: { code: String(status), message } } };
}

function httpErrorOf(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof InvalidBlockError)
    return new HttpError(400, `failed to attach block: invalid block: ${error.message}`);
  if (error instanceof NodeBusyError) return new HttpError(503, `failed to attach block: ${error.message}`);
  return new HttpError(500, error instanceof Error ? error.message : String(error));
}
