import { type ChildProcess, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

const READY_SECONDS = 60;

/** A Node-RED process over its admin HTTP API. */
export interface RunningNodeRed {
  readonly url: string;
  /** What it has printed so far. */
  log(): string;
  get<T>(path: string, headers?: Record<string, string>): Promise<T>;
  post(path: string, body: unknown): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts Node-RED on a user directory and waits until its editor answers.
 * @param node executable of Node.js
 * @param nodeRed folder of the package `node-red`
 */
export async function startNodeRed(node: string, nodeRed: string, userDir: string): Promise<RunningNodeRed> {
  const [port] = await freePorts(1);
  const settings = {
    uiPort: port,
    uiHost: '127.0.0.1',
    flowFile: 'flows.json',
    credentialSecret: false,
    mqttReconnectTime: 1000,
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false },
  };
  const settingsFile = join(userDir, 'settings.js');
  await writeFile(settingsFile, `module.exports = ${JSON.stringify(settings)};\n`);
  const child = spawn(node, [join(nodeRed, 'red.js'), '--userDir', userDir, '--settings', settingsFile], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
  }
  const url = `http://127.0.0.1:${port}`;
  const running: RunningNodeRed = {
    url,
    log: () => log,
    async get<T>(path: string, headers: Record<string, string> = {}) {
      const response = await fetch(`${url}${path}`, { headers, signal: AbortSignal.timeout(20_000) });
      if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
      const text = await response.text();
      return (headers.accept === 'text/html' ? text : JSON.parse(text)) as T;
    },
    async post(path, body) {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(20_000),
      });
      if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
    },
    stop: () => stop(child),
  };
  try {
    await ready(child, running);
  } catch (error) {
    await running.stop();
    throw new Error(`${(error as Error).message}\n${log}`);
  }
  return running;
}

/** Ports that were free a moment ago; asked for together, so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject).listen(0, '127.0.0.1', () => {
            const address = server.address();
            if (address && typeof address === 'object') resolve(address.port);
            else reject(new Error('no port'));
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

async function ready(child: ChildProcess, { url, log }: RunningNodeRed): Promise<void> {
  const deadline = Date.now() + READY_SECONDS * 1000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`Node-RED has ended (${child.exitCode})`);
    const answers = await fetch(`${url}/settings`, { signal: AbortSignal.timeout(5000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (answers && /Started flows/.test(log())) return;
    await new Promise((again) => setTimeout(again, 100));
  }
  throw new Error(`Node-RED was not ready within ${READY_SECONDS} s`);
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(killer);
}
