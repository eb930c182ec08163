import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** File systems without hard links (FAT, some network mounts) answer one of these to `link`. */
const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK']);

/**
 * Writes a new file (0600) that is there completely and durably, or not at all, whenever the power goes.
 *
 * @throws Error `EEXIST` when there is one already: it stays as it is
 */
export function createDurableFile(file: string, content: Uint8Array): void {
  const unfinished = unfinishedName(file);
  writeNewFile(unfinished, content);
  try {
    // Unlike rename, link never replaces.
    linkSync(unfinished, file);
  } catch (error) {
    if (!NO_HARD_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    writeNewFile(file, content);
  } finally {
    rmSync(unfinished, { force: true });
  }
  syncDirectory(dirname(file));
}

/** Replaces a file (or makes it): afterwards there is the old content or the new one, whenever the power goes. */
export function replaceDurableFile(file: string, content: Uint8Array): void {
  const unfinished = unfinishedName(file);
  writeNewFile(unfinished, content);
  try {
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  syncDirectory(dirname(file));
}

/** Makes names in a directory durable: created, renamed and removed files. */
export function syncDirectory(directory: string): void {
  // Windows cannot open a directory, and its file systems keep names in order with data.
  if (process.platform === 'win32') return;
  const descriptor = openSync(directory, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Makes a directory durable that may be new, as may those above it. */
export function syncDirectoryAndAbove(directory: string): void {
  syncDirectory(directory);
  for (let child = directory, parent = dirname(child); parent !== child; child = parent, parent = dirname(child)) {
    try {
      syncDirectory(parent);
    } catch {
      // Not ours to read, so not made by us.
      return;
    }
  }
}

/** `write` may write less than it was given. */
export function writeFully(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(descriptor, bytes, done, bytes.length - done, position + done);
    if (written === 0) throw Object.assign(new Error('the disk took nothing'), { code: 'EIO' });
    done += written;
  }
}

function writeNewFile(file: string, content: Uint8Array): void {
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    writeFully(descriptor, content, 0);
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

function unfinishedName(file: string): string {
  return `${file}.${randomBytes(6).toString('hex')}.new`;
}
