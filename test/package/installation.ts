import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

export const ROOT = join(__dirname, '..', '..');
export const PACKAGE = '@machine-economy/node-red-iota';

/** What tests install from the registry and keep between runs. */
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'machine-economy-tests');
const MINUTES = 60_000;

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

export interface Packed {
  readonly tarball: string;
  readonly files: readonly PackedFile[];
  readonly packedBytes: number;
  readonly unpackedBytes: number;
}

/** The tarball that `npm publish` would send, with its list of files. */
export async function pack(into: string): Promise<Packed> {
  const output = await npm(process.execPath, ['pack', '--json', '--pack-destination', into], ROOT);
  // What the build prints comes before npm's answer.
  const answer = JSON.parse(output.slice(output.search(/^[[{]/m))) as unknown;
  const [entry] = Object.values(answer as object) as {
    filename: string;
    files: PackedFile[];
    size: number;
    unpackedSize: number;
  }[];
  if (!entry) throw new Error(`npm pack answered ${output}`);
  const { filename, files, size, unpackedSize } = entry;
  return { tarball: join(into, filename), files, packedBytes: size, unpackedBytes: unpackedSize };
}

/** An empty user directory with the tarball installed as Node-RED's palette manager would, by the npm of `node`. */
export async function install(node: string, tarball: string, userDir: string): Promise<void> {
  await mkdir(userDir, { recursive: true });
  await writeFile(join(userDir, 'package.json'), '{ "name": "node-red-project", "private": true }\n');
  await npm(node, ['install', '--omit=dev', '--engine-strict', '--save-prefix=~', tarball], userDir);
}

/** The executable of a Node.js release line: this one, or the npm package `node`. */
export async function nodeOf(major: number): Promise<string> {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath;
  return join(await cached(`node@${major}`), 'node_modules', 'node', 'bin', 'node');
}

/** The folder of a Node-RED release line: the development dependency, or the npm package. */
export async function nodeRedOf(major: number): Promise<string> {
  const own = join(ROOT, 'node_modules', 'node-red');
  const { version } = JSON.parse(await readFile(join(own, 'package.json'), 'utf8')) as { version: string };
  if (version.startsWith(`${major}.`)) return own;
  return join(await cached(`node-red@${major}`), 'node_modules', 'node-red');
}

export async function temporaryFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'machine-economy-package-'));
}

export async function removeFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Installed aside and renamed, so that an interrupted installation is not taken for a whole one. */
async function cached(what: string): Promise<string> {
  const folder = join(CACHE, what);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const aside = await mkdtemp(join(CACHE, 'installing-'));
  await npm(process.execPath, ['install', '--prefix', aside, '--no-save', '--omit=dev', what], aside);
  await rename(aside, folder).catch(async (error: unknown) => {
    // Another run was faster.
    await removeFolder(aside);
    if (!existsSync(folder)) throw error;
  });
  return folder;
}

async function npm(node: string, args: readonly string[], cwd: string): Promise<string> {
  const run = promisify(execFile);
  const { stdout } = await run(node, [npmCli(), ...args, '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    timeout: 5 * MINUTES,
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` },
  });
  return stdout;
}

/** npm as a script, so that it can be run by any Node.js. */
function npmCli(): string {
  const candidates = [
    process.env.npm_execpath ?? '',
    join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js'),
    '/usr/share/nodejs/npm/bin/npm-cli.js',
  ];
  const found = candidates.find((path) => path.endsWith('npm-cli.js') && existsSync(path));
  if (!found) throw new Error('npm was not found beside node');
  return found;
}
