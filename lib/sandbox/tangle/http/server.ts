import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Answer, BINARY, errorAnswer, HttpError, json } from './answer';
import { type Request, type Route, route } from './router';

/** As HORNET's default; a block has at most 32 KiB. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * A client may work for minutes on a block's proof of work and then use the connection it has: one that was closed
 * meanwhile makes its request fail.
 */
const KEEP_ALIVE_MS = 10 * 60_000;
const HEADERS_MS = 20_000;
const REQUEST_MS = 30_000;
const MAX_CONNECTIONS = 1_000;

/** @param routes read anew for each request: a node listens before it can answer */
export function createNodeServer(routes: () => readonly Route[]): Server {
  const server = createServer({ connectionsCheckingInterval: 5_000 }, (incoming, response) => {
    answer(routes(), incoming).then(
      (result) => send(incoming, response, result),
      (error: unknown) => send(incoming, response, errorAnswer(error)),
    );
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}

async function answer(routes: readonly Route[], incoming: IncomingMessage): Promise<Answer> {
  if (incoming.method === 'OPTIONS') {
    const headers = {
      'access-control-allow-methods': 'GET,HEAD,POST',
      'access-control-allow-headers': 'content-type,accept,authorization',
    };
    return { status: 204, headers };
  }
  if (routes.length === 0) throw new HttpError(503, 'the node is starting');
  const url = urlOf(incoming);
  const body = await bodyOf(incoming);
  const { method = 'GET', headers } = incoming;
  const request: Request = { method, path: url.pathname, query: url.searchParams, headers, body };
  return route(routes, request);
}

function urlOf(incoming: IncomingMessage): URL {
  try {
    return new URL(incoming.url ?? '/', 'http://node');
  } catch {
    throw new HttpError(400, 'invalid URL');
  }
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) throw new HttpError(413);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(incoming: IncomingMessage, response: ServerResponse, { status, body, bytes, headers }: Answer): void {
  if (response.destroyed || response.headersSent) return;
  const content = bytes ?? (body === undefined ? Buffer.alloc(0) : Buffer.from(JSON.stringify(body)));
  const type = bytes ? BINARY : 'application/json; charset=UTF-8';
  // What was not read of a request must not be taken for the next one.
  if (!incoming.complete) response.shouldKeepAlive = false;
  response.writeHead(status, {
    'access-control-allow-origin': '*',
    ...(content.length > 0 && { 'content-type': type }),
    'content-length': content.length,
    ...headers,
  });
  response.end(incoming.method === 'HEAD' ? undefined : content);
}

/** `GET /health` and `GET /api/routes`. */
export function nodeRoutes(isHealthy: () => boolean): Route[] {
  return [
    { method: 'GET', path: /^\/health$/, answer: () => ({ status: isHealthy() ? 200 : 503 }) },
    { method: 'GET', path: /^\/api\/routes$/, answer: () => json({ routes: ['core/v2', 'indexer/v1', 'mqtt/v1'] }) },
  ];
}
