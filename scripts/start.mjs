/**
 * `npm start`: Node-RED with the palette and the parking example, and its business events, one line each.
 * `npm start -- --once`: in a fresh temporary folder on free ports, until the first car has come, paid, parked and left.
 */
import { spawn } from 'node:child_process';
import { existsSync, lstatSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import mqtt from 'mqtt';
import { build } from './build.mjs';
import { ParkingStory } from './parking-story.mjs';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const PACKAGE = '@machine-economy/node-red-iota';
const EDITOR_PORT = 1880;
const ONCE_SECONDS = 120;
/** How much of Node-RED's log is shown when something went wrong. */
const LOG_LINES = 40;

class Refusal extends Error {}

function readArguments() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        ledger: { type: 'string', default: 'sandbox-tangle' },
        port: { type: 'string' },
      },
    }));
  } catch (error) {
    throw new Refusal(`${error.message}\nusage: npm start [-- --once] [--ledger NETWORK] [--port N]`);
  }
  if (values.ledger !== 'sandbox-tangle') {
    throw new Refusal(`--ledger ${values.ledger}: the parking demo runs on sandbox-tangle only so far`);
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65536)) {
    throw new Refusal(`--port ${values.port}: not a port number`);
  }
  return { once: values.once, ledger: values.ledger, port };
}

/** Ports that were free a moment ago; asked for together, so that they differ. */
async function freePorts(count) {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise((listening, failed) => server.once('error', failed).listen(0, '127.0.0.1', listening));
      return server;
    }),
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))));
  return ports;
}

/** @throws Refusal when something listens there already */
async function demandFree(port) {
  const server = createServer();
  await new Promise((free, taken) => server.once('error', taken).listen(port, '127.0.0.1', free)).catch((error) => {
    throw new Refusal(`port ${port} is taken (${error.code}): npm start -- --port N uses another one`);
  });
  await new Promise((closed) => server.close(closed));
}

/** A user directory that has this project installed, as if by npm, and the parking example as its flow. */
async function prepareUserDir(userDir, { flow, port }) {
  const scope = join(userDir, 'node_modules', dirname(PACKAGE));
  await mkdir(scope, { recursive: true });
  const link = join(userDir, 'node_modules', PACKAGE);
  if (!lstatSync(link, { throwIfNoEntry: false })) await symlink(root, link, 'junction');
  const settings = {
    uiPort: port,
    uiHost: '127.0.0.1',
    flowFile: 'flows.json',
    credentialSecret: false,
    // The device broker starts with the flows: do not wait 15 s for the second try.
    mqttReconnectTime: 1000,
    telemetry: { enabled: false, updateNotification: false },
    editorTheme: { tours: false, projects: { enabled: false } },
    logging: { console: { level: 'info' } },
  };
  await writeFile(join(userDir, 'settings.js'), `module.exports = ${JSON.stringify(settings, null, 2)};\n`);
  const flows = join(userDir, 'flows.json');
  if (!existsSync(flows)) await writeFile(flows, `${JSON.stringify(flow, null, 2)}\n`);
  return JSON.parse(await readFile(flows, 'utf8'));
}

/** The example with other ports; everything else stays as it is shipped. */
function withPorts(flow, { ledger, devices }) {
  return flow.map((node) => {
    if (node.type === 'iota-ledger') return { ...node, port: ledger, deviceBrokerPort: devices };
    if (node.type === 'mqtt-broker') return { ...node, port: String(devices) };
    return node;
  });
}

function startNodeRed(userDir) {
  const child = spawn(
    process.execPath,
    [
      join(root, 'node_modules', 'node-red', 'red.js'),
      '--userDir',
      userDir,
      '--settings',
      join(userDir, 'settings.js'),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  const lastLines = [];
  const started = new Promise((ready) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        if (/Started flows/.test(line)) ready();
        if (/\[error\]|Error:/.test(line)) console.error(line);
        lastLines.push(line);
        if (lastLines.length > LOG_LINES) lastLines.shift();
      });
    }
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(killer);
  };
  return { ended, started, stop, lastLines };
}

async function main() {
  const { once, port: wanted } = readArguments();
  const [freeEditor, freeLedger, freeDevices] = once ? await freePorts(3) : [];
  const port = wanted ?? freeEditor ?? EDITOR_PORT;
  await demandFree(port);
  const { problems } = await build();
  if (problems.length > 0) throw new Refusal('the build failed: npm run build tells why');

  const example = JSON.parse(await readFile(join(root, 'examples', 'parking.json'), 'utf8'));
  const userDir = once ? await mkdtemp(join(tmpdir(), 'machine-economy-')) : join(root, '.node-red');
  const flow = await prepareUserDir(userDir, {
    flow: once ? withPorts(example, { ledger: freeLedger, devices: freeDevices }) : example,
    port,
  });

  const nodeRed = startNodeRed(userDir);
  const story = new ParkingStory((line) => console.log(line));
  const broker = flow.find((node) => node.id === 'parking-devices');
  const devices = broker && mqtt.connect(`mqtt://${broker.broker}:${broker.port}`, { reconnectPeriod: 200 });
  devices?.on('error', () => {});
  devices?.subscribe(['parking/7/#', 'car/#', 'tax-office/#'], { qos: 1 });
  devices?.on('message', (topic, payload) => story.tell(topic, payload.toString()));

  const interrupted = new Promise((stop) => {
    process.once('SIGINT', () => stop({ code: 130 })).once('SIGTERM', () => stop({ code: 143 }));
  });
  void nodeRed.started.then(() => console.log(`Node-RED runs at http://127.0.0.1:${port}`));
  const endings = [
    interrupted,
    nodeRed.ended.then((why) => ({ code: 1, reason: `Node-RED has ended by itself (${why})` })),
  ];
  if (once) {
    endings.push(
      story.complete.then(() => ({ code: 0 })),
      after(ONCE_SECONDS).then(() => ({
        code: 1,
        reason: `not within ${ONCE_SECONDS} s: ${story.missing().join(', ')}`,
      })),
    );
  }
  const { code, reason } = await Promise.race(endings);
  if (reason) console.error([...nodeRed.lastLines, '', reason].join('\n'));
  devices?.end(true);
  await nodeRed.stop();
  if (once) await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
  return code;
}

function after(seconds) {
  return new Promise((done) => setTimeout(done, seconds * 1000).unref());
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  process.exitCode = 2;
}
