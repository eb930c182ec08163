import { createHash } from 'node:crypto';
import { mkdirSync, realpathSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface DataLock {
  release(): Promise<void>;
}

/**
 * Holds a directory for this process by listening on a local socket that is named after it: a process that is gone does
 * not listen, whatever it left behind, and process ids, which repeat in containers, decide nothing.
 *
 * @throws Error when another process holds it
 */
export async function lockDirectory(directory: string): Promise<DataLock> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = socketPath(realpathSync(directory));
  let server = await listen(path);
  if (!server && path.endsWith('.lock') && !(await answers(path))) {
    rmSync(path, { force: true });
    server = await listen(path);
  }
  if (!server) throw new Error(`the sandbox data in ${directory} is used by another process`);
  const held = server;
  return { release: () => new Promise((resolve) => held.close(() => resolve())) };
}

// Where the system has sockets without files, nothing is left behind and only one process can have the name. Elsewhere
// the path of a socket has at most some hundred bytes, so it can not lie in just any directory.
function socketPath(directory: string): string {
  const name = `machine-economy-sandbox-${createHash('sha256').update(directory).digest('hex').slice(0, 24)}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return process.platform === 'linux' ? `\0${name}` : join(tmpdir(), `${name}.lock`);
}

function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(path, () => {
      // It must not keep a process alive that has nothing else to do.
      server.unref();
      resolve(server);
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
