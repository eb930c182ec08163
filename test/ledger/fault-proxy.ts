import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * - `pass`: what comes goes through.
 * - `half-open`: requests arrive at the node, its answers never come back, nobody hangs up.
 * - `reset`: the connection breaks as soon as something is sent.
 * - `cut`: the connection ends in the middle of the answer.
 * - `garbage`: a captive portal answers instead.
 * - `busy`: HTTP 503.
 * - `trickle`: a byte of the answer now and then.
 */
export type Fault = 'pass' | 'half-open' | 'reset' | 'cut' | 'garbage' | 'busy' | 'trickle';

const PORTAL = 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 24\r\n\r\n<html>please log in</html>';
const BUSY = 'HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n';

/** Stands between client and node on the TCP level, and misbehaves on demand: also on connections that are open already. */
export class FaultProxy {
  #fault: Fault = 'pass';
  #port = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;

  constructor(target: string) {
    this.#target = new URL(target);
  }

  static async before(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.open();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Half-open connections stay open: that is their point. Every other change begins with new connections. */
  set fault(fault: Fault) {
    this.#fault = fault;
    if (fault !== 'half-open') this.#hangUp();
  }

  /** The node is there again, under the address it had. */
  async open(): Promise<void> {
    const server = createServer({ noDelay: true }, (client) => this.#accept(client));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address === 'object' && address) this.#port = address.port;
    this.#server = server;
  }

  /** The node is gone: connections break and new ones are refused. */
  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    this.#hangUp();
    await closed;
  }

  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    const node = connect({ port: Number(this.#target.port || 80), host: this.#target.hostname, noDelay: true });
    for (const socket of [client, node]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        node.destroy();
      });
    }
    client.on('data', (request) => this.#onRequest(client, node, request));
    node.on('data', (answer) => this.#onAnswer(client, answer));
  }

  #onRequest(client: Socket, node: Socket, request: Buffer): void {
    if (this.#fault === 'reset') client.resetAndDestroy();
    else if (this.#fault === 'garbage') client.end(PORTAL);
    else if (this.#fault === 'busy') client.end(BUSY);
    else node.write(request);
  }

  #onAnswer(client: Socket, answer: Buffer): void {
    if (this.#fault === 'half-open') return;
    if (this.#fault === 'cut') client.end(answer.subarray(0, Math.floor(answer.length / 2)));
    else if (this.#fault === 'trickle') this.#trickle(client, answer);
    else client.write(answer);
  }

  #trickle(client: Socket, answer: Buffer): void {
    let at = 0;
    const timer = setInterval(() => {
      if (client.destroyed || at >= answer.length) clearInterval(timer);
      else client.write(answer.subarray(at, ++at));
    }, 100);
    client.once('close', () => clearInterval(timer));
  }
}
