/** Brokers of two makes, started for one test each: aedes in this process, mosquitto as it is installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { pbkdf2Sync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createServer as createTlsServer } from 'node:tls';
import { Aedes } from 'aedes';

export interface TestBroker {
  readonly url: string;
  /** Ends it, and with it all its connections. */
  stop(): Promise<void>;
  /** On the same port, with nothing in its memory. */
  start(): Promise<void>;
  /** Takes it away for good. */
  remove(): Promise<void>;
}

export interface BrokerOptions {
  readonly password?: { readonly username: string; readonly password: string };
  readonly tls?: { readonly cert: string; readonly key: string };
}

export type StartBroker = (options?: BrokerOptions) => Promise<TestBroker>;

const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find(existsSync);

if (!MOSQUITTO) {
  const loud =
    '!!! NO MOSQUITTO FOUND: the marketplace was tested with one make of broker only. Install mosquitto. !!!';
  if (process.env['CI'] || process.env['REQUIRE_BROKER'] === '1') throw new Error(loud);
  console.error(`\n${loud}\n`);
}

export interface Make {
  readonly make: string;
  readonly start: StartBroker;
  readonly versions: readonly (3 | 4 | 5)[];
}

/** mosquitto only where it is installed; aedes does not know MQTT 5. */
export const MAKES: readonly Make[] = [
  { make: 'aedes', start: startAedes, versions: [3, 4] },
  ...(MOSQUITTO ? [{ make: 'mosquitto', start: startMosquitto, versions: [3, 4, 5] } as const] : []),
];

export async function startAedes({ password, tls }: BrokerOptions = {}): Promise<TestBroker> {
  const port = await freePort();
  let running: { readonly server: Server; readonly aedes: Aedes; readonly sockets: Set<Socket> } | undefined;
  const broker: TestBroker = {
    url: `${tls ? 'mqtts' : 'mqtt'}://localhost:${port}`,
    async start() {
      const aedes = await Aedes.createBroker();
      if (password) {
        aedes.authenticate = (_client, username, given, done) => {
          done(null, username === password.username && given?.toString() === password.password);
        };
      }
      const sockets = new Set<Socket>();
      const handle = (socket: Socket) => {
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.on('error', () => socket.destroy());
        socket.setNoDelay(true);
        aedes.handle(socket);
      };
      const server = tls ? createTlsServer(tls, handle) : createServer(handle);
      server.listen(port, 'localhost');
      await once(server, 'listening');
      running = { server, aedes, sockets };
    },
    async stop() {
      if (!running) return;
      const { server, aedes, sockets } = running;
      running = undefined;
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await closed;
    },
    async remove() {
      await broker.stop();
    },
  };
  await broker.start();
  return broker;
}

export async function startMosquitto({ password, tls }: BrokerOptions = {}): Promise<TestBroker> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), 'machine-economy-mosquitto-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const lines = [`listener ${port} localhost`, 'persistence false', 'set_tcp_nodelay true', 'user root'];
  if (password) {
    lines.push('allow_anonymous false', `password_file ${file('passwords', passwordLine(password))}`);
  } else lines.push('allow_anonymous true');
  if (tls) lines.push(`certfile ${file('cert.pem', tls.cert)}`, `keyfile ${file('key.pem', tls.key)}`);
  const configuration = file('mosquitto.conf', `${lines.join('\n')}\n`);

  let child: ChildProcess | undefined;
  const broker: TestBroker = {
    url: `${tls ? 'mqtts' : 'mqtt'}://localhost:${port}`,
    async start() {
      const started = spawn(MOSQUITTO as string, ['-c', configuration], { stdio: ['ignore', 'ignore', 'pipe'] });
      child = started;
      const said: string[] = [];
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: started.stderr as NodeJS.ReadableStream }).on('line', (line) => {
          said.push(line);
          if (/ running$/.test(line)) resolve();
        });
        started.once('exit', () => reject(new Error(`mosquitto ended: ${said.join('\n')}`)));
        started.once('error', reject);
      });
    },
    async stop() {
      if (!child) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      child = undefined;
      await ended;
    },
    async remove() {
      await broker.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await broker.start();
  return broker;
}

/** As `mosquitto_passwd` writes it. */
function passwordLine({ username, password }: { readonly username: string; readonly password: string }): string {
  const salt = Buffer.from('0123456789ab');
  const hash = pbkdf2Sync(password, salt, 101, 64, 'sha512');
  return `${username}:$7$101$${salt.toString('base64')}$${hash.toString('base64')}\n`;
}

/** An authority of our own and what it says about `localhost`. */
export function certificates(): { readonly ca: string; readonly cert: string; readonly key: string } {
  const folder = mkdtempSync(join(tmpdir(), 'machine-economy-certificates-'));
  const openssl = (...parameters: string[]) => execFileSync('openssl', parameters, { cwd: folder, stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  try {
    openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=authority');
    openssl('req', ...curve, '-keyout', 'key.pem', '-out', 'request.pem', '-subj', '/CN=localhost');
    writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:localhost\n');
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'];
    openssl('x509', '-req', '-in', 'request.pem', ...by, '-out', 'cert.pem', '-days', '2', '-extfile', 'names');
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    return { ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, 'localhost');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A wire to a broker that can be cut, or go dead without anybody being told. */
export interface Wire {
  readonly url: string;
  cut(): void;
  goDead(): void;
  remove(): Promise<void>;
}

export async function wireTo(broker: TestBroker): Promise<Wire> {
  const { port } = new URL(broker.url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), 'localhost');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.on('data', (bytes) => other.write(bytes));
    }
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `mqtt://localhost:${(server.address() as AddressInfo).port}`,
    cut,
    goDead() {
      for (const socket of sockets) {
        socket.removeAllListeners('data');
        socket.resume();
      }
    },
    async remove() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}
