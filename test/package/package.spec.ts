import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import mqtt from 'mqtt';
import { MESSAGE_TYPES } from '../../lib/market';
import {
  install,
  nodeOf,
  nodeRedOf,
  PACKAGE,
  type Packed,
  pack,
  ROOT,
  removeFolder,
  temporaryFolder,
} from './installation';
import { freePorts, type RunningNodeRed, startNodeRed } from './running-node-red';

const TYPES = [
  'iota-ledger',
  'iota-machine',
  'iota-wallet',
  'iota-pay',
  'iota-listen',
  'iota-sign-data',
  'iota-verify-data',
  'iota-offer',
  'iota-buy',
];

/** What may be in the tarball; everything else is ours alone. */
const SHIPPED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^dist\/[a-z-]+\.(js|html)$/,
  /^dist\/LICENSES\.txt$/,
  /^dist\/icons\/[a-z-]+\.svg$/,
  /^dist\/locales\/(en-US|de)\/[a-z-]+\.(json|html)$/,
  /^examples\/[a-z-]+\.json$/,
  /^schemas\/[a-z]+\.json$/,
];

describe('the package', function () {
  this.timeout(5 * 60_000);
  let folder: string;
  let packed: Packed;
  let userDir: string;
  let installed: string;

  before(async () => {
    folder = await temporaryFolder();
    packed = await pack(folder);
    userDir = join(folder, 'node-20');
    await install(await nodeOf(20), packed.tarball, userDir);
    installed = join(userDir, 'node_modules', PACKAGE);
  });

  after(async () => removeFolder(folder));

  it('holds what a user needs and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    const needed = [
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'dist/LICENSES.txt',
      'dist/runtime.js',
      'dist/machine-economy.js',
      'examples/parking.json',
      ...['envelope', 'contract', ...MESSAGE_TYPES].map((name) => `schemas/${name}.json`),
      ...TYPES.flatMap((type) => [`dist/${type}.js`, `dist/${type}.html`, `examples/${type}.json`]),
      ...TYPES.flatMap((type) => ['en-US', 'de'].map((language) => `dist/locales/${language}/${type}.json`)),
    ];
    assert.deepEqual(
      needed.filter((path) => !paths.includes(path)),
      [],
      'missing',
    );
    assert.deepEqual(
      paths.filter((path) => !SHIPPED.some((pattern) => pattern.test(path))),
      [],
      'not for users',
    );
  });

  it('ships the licence of everything that is bundled into it', async () => {
    const texts = await readFile(join(installed, 'dist', 'LICENSES.txt'), 'utf8');
    const bundled = new Set<string>();
    for (const file of (await readdir(join(installed, 'dist'))).filter((name) => name.endsWith('.js'))) {
      const text = await readFile(join(installed, 'dist', file), 'utf8');
      // esbuild writes where each module came from.
      for (const [, name] of text.matchAll(/^\s*\/\/ .*node_modules\/((?:@[^/]+\/)?[^/]+)\//gm))
        bundled.add(name as string);
    }
    assert.ok(bundled.size > 0, 'nothing is bundled');
    for (const name of bundled) assert.match(texts, new RegExp(`^${name} \\d`, 'm'));
  });

  it('runs no script and compiles nothing when it is installed', async () => {
    const suspicious: string[] = [];
    for (const path of await readdir(join(userDir, 'node_modules'), { recursive: true })) {
      if (/\.node$|binding\.gyp$/.test(path)) suspicious.push(path);
      if (!/(^|node_modules\/)(@[^/]+\/)?[^/@]+\/package\.json$/.test(path)) continue;
      const { scripts = {} } = JSON.parse(await readFile(join(userDir, 'node_modules', path), 'utf8')) as Manifest;
      for (const name of ['preinstall', 'install', 'postinstall'])
        if (scripts[name]) suspicious.push(`${path}: ${name}`);
    }
    assert.deepEqual(suspicious, []);
  });

  it('has one engine, whichever nodes are loaded', async () => {
    const script = `
      const files = ${JSON.stringify(TYPES)}.map((type) => require.resolve('${PACKAGE}/dist/' + type + '.js'));
      for (const file of files) require(file);
      const loaded = Object.values(require.cache);
      console.log(JSON.stringify({
        runtimes: loaded.filter(({ filename }) => filename.endsWith('runtime.js') && filename.includes('machine-economy')).length,
        users: files.filter((file) => require.cache[file].children.some(({ filename }) => filename.endsWith('runtime.js'))).length,
      }));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: userDir });
    assert.deepEqual(JSON.parse(stdout), { runtimes: 1, users: TYPES.length });
    for (const type of TYPES) {
      const text = await readFile(join(installed, 'dist', `${type}.js`), 'utf8');
      assert.doesNotMatch(text, /^\s*\/\/ lib\//m, `${type} has a part of the library inside`);
    }
  });

  it('has its command line on the path of npx', async () => {
    assert.ok(existsSync(join(userDir, 'node_modules', '.bin', 'machine-economy')));
  });

  for (const { nodeRedMajor, nodeMajor } of [
    { nodeRedMajor: 4, nodeMajor: 20 },
    { nodeRedMajor: 5, nodeMajor: 24 },
  ]) {
    describe(`in Node-RED ${nodeRedMajor} on Node.js ${nodeMajor}`, () => {
      let nodeRed: RunningNodeRed;

      before(async () => {
        const node = await nodeOf(nodeMajor);
        const own = join(folder, `node-${nodeMajor}`);
        if (!existsSync(own)) await install(node, packed.tarball, own);
        nodeRed = await startNodeRed(node, await nodeRedOf(nodeRedMajor), own);
      });

      after(async () => nodeRed?.stop());

      it('loads every node', async () => {
        const sets = await nodeRed.get<NodeSet[]>('/nodes', { accept: 'application/json' });
        const ours = sets.filter(({ module }) => module === PACKAGE);
        assert.deepEqual(ours.flatMap(({ types }) => types).sort(), [...TYPES].sort());
        assert.deepEqual(
          ours.filter(({ enabled, err }) => !enabled || err),
          [],
          nodeRed.log(),
        );
        const { version } = await nodeRed.get<{ version: string }>('/settings');
        assert.ok(version.startsWith(`${nodeRedMajor}.`), version);
      });

      it('serves an icon for every node', async () => {
        const icons = (await nodeRed.get<Record<string, string[]>>('/icons'))[PACKAGE] ?? [];
        const html = await nodeRed.get<string>('/nodes', { accept: 'text/html' });
        const wanted = [...html.matchAll(/icon: *['"]([^'"]+)['"]/g)].map(([, icon]) => icon as string);
        const used = wanted.filter((icon) => icons.includes(icon));
        assert.ok(icons.length > 0);
        assert.ok(used.length >= TYPES.length - 2, `of ${icons.join(', ')} are used: ${used.join(', ')}`);
        for (const icon of icons) {
          const response = await fetch(`${nodeRed.url}/icons/${PACKAGE}/${icon}`);
          assert.equal(response.headers.get('content-type')?.split(';')[0], 'image/svg+xml', icon);
        }
      });

      for (const language of ['en-US', 'de']) {
        it(`speaks ${language}`, async () => {
          for (const type of TYPES) {
            const catalog = await nodeRed.get<object>(`/nodes/${PACKAGE}/${type}/messages?lng=${language}`);
            const shipped = JSON.parse(
              await readFile(join(installed, 'dist', 'locales', language, `${type}.json`), 'utf8'),
            ) as object;
            assert.deepEqual(catalog, shipped, type);
          }
          const html = await nodeRed.get<string>('/nodes', { accept: 'text/html', 'accept-language': language });
          for (const type of TYPES) assert.match(html, new RegExp(`data-help-name=["']${type}["']`), `help of ${type}`);
        });
      }

      it('offers its examples in the import menu', async () => {
        const entries = await nodeRed.get<{ fn: string }[]>(`/library/examples/flows/${PACKAGE}`);
        const names = entries.map(({ fn }) => fn);
        assert.deepEqual(
          ['parking', 'signed-sensor', 'auditor', ...TYPES].filter((name) => !names.includes(name)),
          [],
        );
        for (const name of names) {
          const flow = await nodeRed.get<object[]>(`/library/examples/flows/${PACKAGE}/${name}`);
          assert.ok(flow.length > 0, name);
        }
      });

      it('runs the parking example to its end', async () => {
        const [ledgerPort, devicePort] = (await freePorts(2)) as [number, number];
        const example = JSON.parse(await readFile(join(installed, 'examples', 'parking.json'), 'utf8')) as FlowNode[];
        const flow = example.map((node) => {
          if (node.type === 'iota-ledger') return { ...node, port: ledgerPort, deviceBrokerPort: devicePort };
          return node.type === 'mqtt-broker' ? { ...node, port: String(devicePort) } : node;
        });
        await nodeRed.post('/flows', flow);
        const taxed = published(devicePort, 'tax-office/received', () => true);
        await published(devicePort, 'parking/7/barrier', ({ state }) => state === 'open');
        await published(devicePort, 'parking/7/barrier', ({ state }) => state === 'closed');
        await taxed;
      });
    });
  }
});

describe('the scorecard', () => {
  let manifest: Manifest;

  before(async () => {
    manifest = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as Manifest;
  });

  it('finds a licence, a repository and a place for bugs', async () => {
    assert.equal(manifest.license, 'Apache-2.0');
    assert.match(await readFile(join(ROOT, 'LICENSE'), 'utf8'), /Apache License\s+Version 2\.0/);
    assert.match(manifest.repository.url, /^git\+https:\/\/github\.com\//);
    assert.match(manifest.bugs.url, /^https:\/\//);
  });

  it('finds a scoped name, the keyword and lower bounds only', () => {
    assert.match(manifest.name, /^@[^/]+\/node-red-/);
    assert.ok(manifest.keywords.includes('node-red'));
    assert.equal(manifest.engines.node, '>=20');
    assert.equal(manifest['node-red'].version, '>=4.0.0');
  });

  it('finds each node type once, registered where it can be read', async () => {
    assert.deepEqual(manifest['node-red'].nodes, Object.fromEntries(TYPES.map((type) => [type, `dist/${type}.js`])));
    for (const type of TYPES) {
      const html = await readFile(join(ROOT, 'nodes', type, `${type}.html`), 'utf8');
      const script = /<script type="text\/javascript">([\s\S]*?)<\/script>/.exec(html)?.[1] ?? '';
      assert.match(script, new RegExp(`registerType\\(\\s*'${type}',\\s*\\{`), type);
    }
  });

  it('finds every node that has a place in a flow in an example', async () => {
    const used = new Set<string>();
    for (const file of await readdir(join(ROOT, 'examples'))) {
      const flow = JSON.parse(await readFile(join(ROOT, 'examples', file), 'utf8')) as FlowNode[];
      for (const { type } of flow) used.add(type);
    }
    assert.deepEqual(
      TYPES.filter((type) => !used.has(type)),
      [],
    );
  });

  it('finds at most six dependencies, none of them outdated', async function () {
    this.timeout(60_000);
    assert.ok(Object.keys(manifest.dependencies).length <= 6);
    const latest = await Promise.all(Object.keys(manifest.dependencies).map(latestVersion));
    if (latest.includes(undefined)) this.skip();
    const lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    for (const [index, name] of Object.keys(manifest.dependencies).entries()) {
      assert.equal(releaseLine(lock.packages[`node_modules/${name}`]?.version), releaseLine(latest[index]), name);
    }
  });
});

interface Manifest {
  readonly name: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly repository: { readonly url: string };
  readonly bugs: { readonly url: string };
  readonly engines: { readonly node: string };
  readonly 'node-red': { readonly version: string; readonly nodes: Record<string, string> };
  readonly dependencies: Record<string, string>;
  readonly scripts?: Record<string, string>;
}

interface NodeSet {
  readonly module: string;
  readonly types: readonly string[];
  readonly enabled: boolean;
  readonly err?: unknown;
}

interface FlowNode {
  readonly id: string;
  readonly type: string;
}

/** What a caret does not step over: the major version, or below 1.0 the minor one. */
function releaseLine(version: string | undefined): string | undefined {
  return version && /^(0\.\d+|\d+)/.exec(version)?.[0];
}

/** Undefined where the registry does not answer. */
async function latestVersion(name: string): Promise<string | undefined> {
  const command = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { stdout } = await promisify(execFile)(command, ['view', name, 'version'], { timeout: 30_000 }).catch(() => ({
    stdout: '',
  }));
  return stdout.trim() || undefined;
}

/** Resolves when a device says what is awaited. */
async function published(
  port: number,
  topic: string,
  awaited: (message: Record<string, unknown>) => boolean,
): Promise<void> {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 200 });
  client.on('error', () => undefined);
  client.subscribe(topic);
  await new Promise<void>((done) => {
    client.on('message', (_, payload) => {
      if (awaited(JSON.parse(payload.toString()) as Record<string, unknown>)) done();
    });
  });
  await client.endAsync(true);
}
