import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(__dirname, '..', '..');
const PACKAGE = '@machine-economy/node-red-iota';
const START_LIMIT_MS = 60_000;

/** A user directory of a real Node-RED with this package in it, as built in `dist/`. */
export class UserDirectory {
  private constructor(
    readonly path: string,
    readonly port: number,
  ) {}

  static async create(): Promise<UserDirectory> {
    const path = await mkdtemp(join(tmpdir(), 'machine-economy-flows-'));
    const [port] = await freePorts(1);
    const scope = join(path, 'node_modules', dirname(PACKAGE));
    await mkdir(scope, { recursive: true });
    await symlink(ROOT, join(path, 'node_modules', PACKAGE), 'junction');
    const settings = {
      uiPort: port,
      uiHost: '127.0.0.1',
      flowFile: 'flows.json',
      credentialSecret: false,
      telemetry: { enabled: false, updateNotification: false },
      editorTheme: { tours: false, projects: { enabled: false } },
      logging: { console: { level: 'info' } },
    };
    // `process` lets a function node count what is open.
    const text = `module.exports = { ...${JSON.stringify(settings)}, functionGlobalContext: { process } };\n`;
    await writeFile(join(path, 'settings.js'), text);
    return new UserDirectory(path, port as number);
  }

  async writeFlows(flows: readonly object[]): Promise<void> {
    await writeFile(join(this.path, 'flows.json'), JSON.stringify(flows));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts Node-RED here and waits until its flows run. */
  async start(): Promise<NodeRedProcess> {
    const child = spawn(
      process.execPath,
      [
        join(ROOT, 'node_modules', 'node-red', 'red.js'),
        '--userDir',
        this.path,
        '--settings',
        join(this.path, 'settings.js'),
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const nodeRed = new NodeRedProcess(child, join(this.path, 'node-red.log'));
    await nodeRed.started;
    return nodeRed;
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class NodeRedProcess {
  readonly ended: Promise<void>;
  readonly started: Promise<void>;
  #log = '';

  constructor(
    private readonly child: ChildProcess,
    logFile: string,
  ) {
    const file = createWriteStream(logFile, { flags: 'a' });
    this.ended = new Promise((resolve) => child.once('close', () => file.end(resolve)));
    this.started = new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`Node-RED did not start:\n${this.#log}`)), START_LIMIT_MS);
      for (const stream of [child.stdout, child.stderr]) {
        stream?.setEncoding('utf8').on('data', (text: string) => {
          file.write(text);
          this.#log += text;
          if (this.#log.includes('Started flows')) {
            clearTimeout(limit);
            resolve();
          }
        });
      }
      child.once('close', (code, signal) => {
        clearTimeout(limit);
        reject(new Error(`Node-RED ended (${signal ?? code}):\n${this.#log}`));
      });
    });
    this.started.catch(() => {});
  }

  get log(): string {
    return this.#log;
  }

  /** What a power cut or the OOM killer does. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }

  async stop(): Promise<void> {
    this.child.kill('SIGTERM');
    const limit = setTimeout(() => this.child.kill('SIGKILL'), 20_000);
    await this.ended;
    clearTimeout(limit);
  }
}

/** Ports that were free a moment ago; asked for together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}
