import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { install, nodeOf, PACKAGE, pack, removeFolder, temporaryFolder } from '../test/package/installation';
import { type Figure, median } from './figure';

const RUNS = 9;
const TYPES = ['iota-ledger', 'iota-machine', 'iota-wallet', 'iota-pay', 'iota-listen'];

/** What it costs to have the package: bytes to download, bytes on disk, and time and memory to load it unused. */
export async function sizeAndStart(): Promise<Figure[]> {
  const folder = await temporaryFolder();
  try {
    const { tarball, packedBytes, unpackedBytes } = await pack(folder);
    const userDir = join(folder, 'user');
    await install(await nodeOf(20), tarball, userDir);
    const installed = await bytesIn(join(userDir, 'node_modules'));
    const sdk = await bytesIn(join(userDir, 'node_modules', '@iota', 'sdk-wasm'));
    const ours = await loaded(
      userDir,
      TYPES.map((type) => `${PACKAGE}/dist/${type}.js`),
    );
    // What Node-RED users have loaded anyway.
    const mqtt = await loaded(userDir, ['mqtt']);
    return [
      {
        name: 'require-palette',
        value: ours.milliseconds,
        unit: 'ms',
        baseline: mqtt.milliseconds,
        against: "require('mqtt')",
      },
      { name: 'rss-palette', value: ours.megabytes, unit: 'MB', baseline: mqtt.megabytes, against: "require('mqtt')" },
      { name: 'packed-size', value: packedBytes / 1e6, unit: 'MB', baseline: unpackedBytes / 1e6, against: 'unpacked' },
      {
        name: 'installed-size',
        value: installed / 1e6,
        unit: 'MB',
        baseline: sdk / 1e6,
        against: 'the IOTA SDK in it',
      },
    ];
  } finally {
    await removeFolder(folder);
  }
}

/** Median time and memory to require modules in a fresh process, as Node-RED does when it starts. */
async function loaded(cwd: string, modules: readonly string[]): Promise<{ milliseconds: number; megabytes: number }> {
  const registered =
    '{ nodes: { registerType() {}, createNode() {} }, auth: { needsPermission() {} }, events: { on() {}, once() {} },' +
    ' httpAdmin: { get() {}, post() {}, delete() {} }, hooks: { add() {} }, plugins: { registerPlugin() {} }, settings: {}, log: {}, _: String }';
  const script = `
    const files = ${JSON.stringify(modules)}.map((name) => require.resolve(name));
    const before = process.memoryUsage.rss();
    const started = performance.now();
    for (const file of files) {
      const loaded = require(file);
      if (typeof loaded === 'function') loaded(${registered});
    }
    const milliseconds = performance.now() - started;
    console.log(JSON.stringify({ milliseconds, megabytes: (process.memoryUsage.rss() - before) / 1e6 }));`;
  const runs: { milliseconds: number; megabytes: number }[] = [];
  for (let n = 0; n < RUNS; n += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd });
    runs.push(JSON.parse(stdout) as { milliseconds: number; megabytes: number });
  }
  return {
    milliseconds: median(runs.map(({ milliseconds }) => milliseconds)),
    megabytes: median(runs.map(({ megabytes }) => megabytes)),
  };
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
