import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Buffer;
}

/** What the proxy does instead of, or with, the node's answer. Nothing: it passes on what it got. */
export interface Alteration {
  /** Answers by itself; the node never sees the request. */
  readonly instead?: { readonly status: number; readonly body: unknown };
  /** Changes the parsed answer. */
  readonly body?: (answer: Record<string, unknown>) => unknown;
  /** Happens before the request goes on to the node. */
  readonly before?: () => Promise<void>;
}

/** An HTTP proxy that counts what is asked of a node, and lies about what it answers. */
export class AlteringProxy {
  readonly seen: SeenRequest[] = [];
  alter: (request: SeenRequest) => Alteration | undefined = () => undefined;
  /** The path at the node. */
  rewrite: (path: string) => string = (path) => path;
  #server: Server | undefined;
  #port = 0;

  private constructor(private readonly target: string) {}

  static async before(target: string): Promise<AlteringProxy> {
    const proxy = new AlteringProxy(target);
    const server = createServer((request, response) => {
      proxy.#answer(request, response).catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address) proxy.#port = address.port;
    proxy.#server = server;
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** How often a path was asked for. */
  count(path: RegExp): number {
    return this.seen.filter((request) => path.test(request.path)).length;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const seen = { method: request.method ?? 'GET', path: request.url ?? '/', body };
    this.seen.push(seen);
    const alteration = this.alter(seen);
    await alteration?.before?.();
    if (alteration?.instead) return send(response, alteration.instead.status, JSON.stringify(alteration.instead.body));
    const headers: Record<string, string> = { accept: request.headers.accept ?? '*/*' };
    if (request.headers['content-type']) headers['content-type'] = request.headers['content-type'];
    const answer = await fetch(new URL(this.rewrite(seen.path), this.target), {
      method: seen.method,
      headers,
      ...(body.length > 0 ? { body } : {}),
    });
    const said = Buffer.from(await answer.arrayBuffer());
    if (!alteration?.body || answer.status !== 200) return send(response, answer.status, said);
    const altered = alteration.body(JSON.parse(said.toString('utf8')) as Record<string, unknown>);
    send(response, 200, typeof altered === 'string' ? altered : JSON.stringify(altered));
  }
}

function send(response: ServerResponse, status: number, body: string | Buffer): void {
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
