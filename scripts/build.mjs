/**
 * Builds `dist/`, flat, because Node-RED looks for html, icons and locales beside a node's JavaScript.
 *
 * All of `lib/` that the main thread needs is bundled once, into `runtime.js`; a node's bundle holds only its own folder
 * and requires that file. Two bundles with a module each would have two of its singletons: two engines, two locks.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { licenceTexts } from './licences.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');

/** Bundled on their own: they run in another thread or process and share no state with the runtime. */
const STANDALONE = {
  'vault-worker': 'lib/vault/vault-worker.ts',
  'stardust-worker': 'lib/ledger/stardust-worker.ts',
  'evidence-worker': 'lib/evidence/evidence-worker.ts',
  'market-worker': 'lib/market/channel/market-worker.ts',
  'sandbox-worker': 'lib/sandbox/tangle-worker.ts',
  'machine-economy': 'lib/cli/machine-economy.ts',
};
const RUNTIME = 'lib/runtime/index.ts';

/** Node-RED 4 requires a node and Node-RED 5 imports it: for both, the module is the function. */
const NODE_FOOTER = { js: 'module.exports = module.exports.default;' };

/** Not bundled: WASM that is found beside its own code, and packages that users should see in their audit. */
const EXTERNAL = ['@iota/sdk', '@iota/sdk-wasm', '@iota/sdk-wasm/*', 'node-sqlite3-wasm', 'mqtt', 'ajv', 'ajv/*'];

/** @type {esbuild.BuildOptions} */
const common = {
  absWorkingDir: root,
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  charset: 'utf8',
  legalComments: 'none',
  external: EXTERNAL,
  logLevel: 'silent',
  // Error classes and methods keep their names in stack traces; only white space and dead code go.
  minifySyntax: true,
  keepNames: false,
};

/** Builds what can be built and tells what could not. */
export async function build() {
  const written = new Set();
  const inputs = new Set();
  const put = async (name, contents) => {
    written.add(name);
    await replaceFile(join(dist, name), contents);
  };
  const bundle = async (name, entry, options = {}) => {
    const result = await esbuild.build({
      ...common,
      ...options,
      entryPoints: [entry],
      outfile: join(dist, `${name}.js`),
    });
    for (const input of Object.keys(result.metafile.inputs)) inputs.add(input);
    await put(`${name}.js`, result.outputFiles[0].contents);
  };
  const copy = async (from, name) => put(name, await readFile(join(root, from)));

  const types = await nodeTypes();
  const doors = exportedNames(RUNTIME).catch(() => []);
  const problems = [];
  const results = await Promise.allSettled([
    bundle('runtime', RUNTIME),
    ...Object.entries(STANDALONE).map(([name, entry]) =>
      bundle(name, entry, name === 'machine-economy' ? { banner: { js: '#!/usr/bin/env node' } } : {}),
    ),
    ...types.map(async (type) =>
      bundle(type, `nodes/${type}/${type}.ts`, { plugins: [libraryThroughTheDoor(await doors)], footer: NODE_FOOTER }),
    ),
    ...types.map((type) => copy(`nodes/${type}/${type}.html`, `${type}.html`)),
    copyTree('icons', put),
    copyTree('locales', put),
  ]);
  for (const result of results) if (result.status === 'rejected') problems.push(result.reason);
  if (problems.length === 0) {
    await put('LICENSES.txt', await licenceTexts(root, inputs));
    await removeAllBut(written);
  }
  return { files: [...written].sort(), problems };
}

/** A node is a folder with a file of its own name. */
async function nodeTypes() {
  const folders = await readdir(join(root, 'nodes'), { withFileTypes: true });
  return folders
    .filter((folder) => folder.isDirectory() && existsSync(join(root, 'nodes', folder.name, `${folder.name}.ts`)))
    .map((folder) => folder.name)
    .sort();
}

/** Names that others can import from a module, as esbuild sees them (types are gone). */
async function exportedNames(entry) {
  const { metafile } = await esbuild.build({ ...common, entryPoints: [entry], format: 'esm', outdir: dist });
  return Object.values(metafile.outputs).flatMap((output) => (output.entryPoint === entry ? output.exports : []));
}

/** Whatever a node imports from `lib/` comes from `./runtime.js`; a name that is not exported there fails the build. */
function libraryThroughTheDoor(names) {
  const library = join(root, 'lib') + sep;
  return {
    name: 'library-through-the-door',
    setup(setup) {
      setup.onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir, namespace }) => {
        if (namespace === 'door') return { path: './runtime.js', external: true };
        if (!resolve(resolveDir, path).startsWith(library)) return undefined;
        return { path: RUNTIME, namespace: 'door' };
      });
      setup.onLoad({ filter: /./, namespace: 'door' }, () => ({
        contents: `export { ${names.join(', ')} } from './runtime.js';`,
        loader: 'js',
      }));
    },
  };
}

async function copyTree(folder, put) {
  const from = join(root, folder);
  if (!existsSync(from)) return;
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await put(relative(root, path), await readFile(path));
  }
}

/** Written aside and renamed, and only if it differs: a test or an editor that is running keeps a whole file. */
async function replaceFile(path, contents) {
  const bytes = Buffer.from(contents);
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(bytes)) return;
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.${process.pid}.tmp`;
  await writeFile(aside, bytes, { mode: path.endsWith('machine-economy.js') ? 0o755 : 0o644 });
  await rename(aside, path);
}

async function removeAllBut(names) {
  for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.tmp')) continue;
    const path = join(entry.parentPath, entry.name);
    if (!names.has(relative(dist, path))) await rm(path);
  }
}

async function print(problems) {
  for (const problem of problems) {
    if (!problem.errors) process.stderr.write(`${problem.message}\n`);
    else process.stderr.write((await esbuild.formatMessages(problem.errors, { kind: 'error' })).join(''));
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = performance.now();
  const { files, problems } = await build();
  await print(problems);
  if (problems.length > 0) process.exitCode = 1;
  console.log(`built ${files.length} files into dist in ${Math.round(performance.now() - started)} ms`);
}
