import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../errors';

/** Held until released, or until its process ends for whatever reason: the kernel closes the socket. */
export interface ProcessLock {
  release(): Promise<void>;
}

// A unix socket's path has room for 108 bytes on Linux and 104 elsewhere, with the final zero; longer ones are cut off
// silently or refused.
const LONGEST_SOCKET_PATH = 100;
const SOCKET_NAME = /^lock-(\d{1,15})\.sock$/;
const CONNECT_TIMEOUT = 5_000;
/** Every round that does not settle it means that another newcomer got further. */
const MOST_ROUNDS = 100;
/** What file systems answer that have no sockets or no hard links (FAT, some network and desktop-container mounts). */
const NO_SOCKET_FILES = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

/**
 * Lets one process at a time use a directory. The lock is a listening local socket: whoever can connect knows that its
 * holder lives; a refused connect means that it died. Process ids are not looked at: they repeat in containers.
 *
 * @throws CodedError `CONFIG_INVALID` (`directory-in-use`), (`directory-lock`) when the lock cannot be made at all
 */
export async function acquireProcessLock(directory: string): Promise<ProcessLock> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const real = realpathSync(directory);
    if (process.platform === 'win32') return await lockName(`\\\\.\\pipe\\${nameOf(real.toLowerCase())}`, real);
    try {
      return await lockSocket(real);
    } catch (error) {
      if (process.platform !== 'linux' || !NO_SOCKET_FILES.has(codeOf(error))) throw error;
      // Without a file: cannot see a holder in another container, but is better than no lock.
      return await lockName(`\0${nameOf(real)}`, real);
    }
  } catch (error) {
    if (error instanceof CodedError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new CodedError(
      'CONFIG_INVALID',
      'directory-lock',
      `cannot lock ${directory}: ${reason}`,
      { directory, reason },
      { cause: error },
    );
  }
}

/**
 * Sockets are named `lock-<number>.sock`; the highest number is the lock. A newcomer listens under a name of its own
 * first, then links its socket to the number after the highest, if nobody listens there. A link never replaces, so one of
 * many newcomers gets a number, and it is listening by then. The highest socket is never removed, only lower ones, and
 * whoever finds a higher one than its own (it slept between looking and linking) gives way: so two can never hold it,
 * however slow one of them is.
 */
async function lockSocket(directory: string): Promise<ProcessLock> {
  const short = shortened(directory);
  const ownName = `lock-${randomBytes(8).toString('hex')}.new`;
  try {
    const server = await listen(join(short.path, ownName));
    try {
      for (let round = 0; round < MOST_ROUNDS; round += 1) {
        const highest = highestSocket(directory);
        if (highest > 0 && (await answers(join(short.path, socketName(highest))))) throw inUse(directory);
        const mine = highest + 1;
        if (!linked(join(directory, ownName), join(directory, socketName(mine)))) continue;
        if (highestSocket(directory) !== mine) {
          rmSync(join(directory, socketName(mine)), { force: true });
          continue;
        }
        removeLowerSockets(directory, mine);
        return { release: () => close(server) };
      }
      throw new Error(`no free number for a lock in ${MOST_ROUNDS} rounds`);
    } catch (error) {
      await close(server);
      throw error;
    } finally {
      rmSync(join(directory, ownName), { force: true });
    }
  } finally {
    short.remove();
  }
}

/**
 * A name without a file (named pipe on Windows, abstract socket on Linux): only the first one gets it, and it is gone
 * with its process.
 */
async function lockName(name: string, directory: string): Promise<ProcessLock> {
  try {
    const server = await listen(name);
    return { release: () => close(server) };
  } catch (error) {
    if (['EADDRINUSE', 'EACCES'].includes(codeOf(error))) throw inUse(directory);
    throw error;
  }
}

function nameOf(directory: string): string {
  return `machine-economy-${createHash('sha256').update(directory).digest('hex').slice(0, 32)}`;
}

/** The directory by a path that is short enough for sockets: itself, or a private link to it. */
function shortened(directory: string): { readonly path: string; remove(): void } {
  const longestName = 'lock-0123456789abcdef.new'.length + 1;
  if (Buffer.byteLength(directory) + longestName <= LONGEST_SOCKET_PATH) return { path: directory, remove: () => {} };
  const parent = Buffer.byteLength(tmpdir()) > 50 ? '/tmp' : tmpdir();
  const holder = mkdtempSync(join(parent, 'me-lock-'));
  const path = join(holder, 'd');
  symlinkSync(directory, path);
  return { path, remove: () => rmSync(holder, { recursive: true, force: true }) };
}

function socketName(number: number): string {
  return `lock-${number}.sock`;
}

function socketNumbers(directory: string): number[] {
  return readdirSync(directory).flatMap((name) => {
    const match = SOCKET_NAME.exec(name);
    return match ? [Number(match[1])] : [];
  });
}

function highestSocket(directory: string): number {
  return Math.max(0, ...socketNumbers(directory));
}

function removeLowerSockets(directory: string, mine: number): void {
  for (const number of socketNumbers(directory)) {
    if (number < mine) rmSync(join(directory, socketName(number)), { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      // The lock must not keep a process alive, and a failed accept must not end it.
      server.on('error', () => {});
      server.unref();
      resolve(server);
    });
  });
}

/** Only a refusal means that nobody is there; a full backlog, another user's socket or silence means somebody is. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    const settle = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(CONNECT_TIMEOUT, () => settle(true));
    socket.once('connect', () => settle(true));
    socket.once('error', (error) => settle(!['ECONNREFUSED', 'ENOENT', 'ENOTSOCK'].includes(codeOf(error))));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? '';
}

function inUse(directory: string): CodedError {
  return new CodedError('CONFIG_INVALID', 'directory-in-use', `another process uses ${directory}`, { directory });
}
