import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './node-red-process';

const PROGRAM = ['/usr/sbin/mosquitto', '/usr/local/sbin/mosquitto', '/opt/homebrew/sbin/mosquitto'].find((path) =>
  existsSync(path),
);
const START_LIMIT_MS = 10_000;

/** A Mosquitto of its own that keeps nothing over a restart. */
export class Mosquitto {
  #process: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly folder: string,
  ) {}

  /** Undefined where there is none. @throws Error where there has to be one */
  static async start(): Promise<Mosquitto | undefined> {
    if (PROGRAM === undefined) {
      if (process.env['REQUIRE_BROKER'] === '1' || process.env['CI']) throw new Error('no mosquitto was found');
      console.error('!!! NO MOSQUITTO FOUND: nothing was tested with it !!!');
      return undefined;
    }
    const [port] = (await freePorts(1)) as [number];
    const folder = await mkdtemp(join(tmpdir(), 'machine-economy-mosquitto-'));
    await writeFile(
      join(folder, 'mosquitto.conf'),
      `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\n`,
    );
    const broker = new Mosquitto(port, folder);
    await broker.open();
    return broker;
  }

  async open(): Promise<void> {
    this.#process = spawn(PROGRAM as string, ['-c', join(this.folder, 'mosquitto.conf')], { stdio: 'ignore' });
    const limit = Date.now() + START_LIMIT_MS;
    while (!(await accepts(this.port))) {
      if (Date.now() > limit) throw new Error('mosquitto did not start');
      await new Promise((again) => setTimeout(again, 50));
    }
  }

  async close(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
