/** Readings signed by a machine in a Node-RED of its own, and their evidence: how many, how fast, what it takes. */
import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { EmbeddedNodeRed, type Message, removeUserDirectory, userDirectory } from '../embedded-node-red';
import { freePort, scenario } from '../scenario';
import { signingFlow } from '../signing-flow';

export interface SigningParameters {
  readonly readings: number;
  readonly format: 'data-integrity' | 'jws';
  /** Evidence is wanted, and waited for. */
  readonly anchor: boolean;
}

export interface SigningMeasured {
  readonly signedPerSecond: number;
  /** `crypto.sign` of the same bytes on one core, before and after. */
  readonly rawSignPerSecond: number;
  readonly evidencePerSecond: number;
  readonly eventLoopDelay: number;
  readonly idleDelay: number;
  readonly evidenceBytes: number;
  readonly documentBytes: number;
  readonly transactions: number;
  readonly seconds: number;
  readonly diskBytes: number;
  readonly residentBytes: number;
}

const RESOLUTION_MS = 1;
/** Messages that are in the flow at once: a flow that reads sensors does not push a million at the same moment. */
const IN_FLIGHT = 2000;
const RAW_MS = 1500;

function reading(n: number): object {
  return {
    sensor: 'press-7/hydraulics',
    at: new Date(1_790_000_000_000 + n * 100).toISOString(),
    temperature: 40 + (n % 300) / 10,
    pressure: { value: 180 + (n % 77), unit: 'bar' },
    state: n % 2 === 0 ? 'pressing' : 'idle',
  };
}

scenario<SigningParameters, SigningMeasured>(async ({ readings, format, anchor }) => {
  const port = await freePort();
  const userDir = await userDirectory(signingFlow({ port, format, anchor }));
  const rawBefore = rawSignatures();
  const nodeRed = await EmbeddedNodeRed.start(userDir);
  let residentBytes = 0;
  const resident = setInterval(() => {
    residentBytes = Math.max(residentBytes, process.memoryUsage.rss());
  }, 250);

  let signed = 0;
  let proved = 0;
  let documentBytes = 0;
  let evidenceBytes = 0;
  const transactions = new Set<string>();
  let progress = () => {};
  nodeRed.onSink((sink, message) => {
    if (sink === 'signed') {
      signed += 1;
      if (signed % 100 === 0) documentBytes += textOf(message.payload).length * 100;
    } else if (sink === 'proved') {
      proved += 1;
      const evidence = message.evidence as { anchor: { transactionId: string } };
      transactions.add(evidence.anchor.transactionId);
      if (proved % 100 === 0) evidenceBytes += textOf(evidence).length * 100;
    }
    progress();
  });
  const until = (done: () => boolean) =>
    new Promise<void>((resolve) => {
      progress = () => {
        if (done()) resolve();
      };
      progress();
    });
  const send = (n: number) => nodeRed.send('sign', { topic: 'bench', payload: reading(n) } as Message);

  // The first one waits for the key, the vault and the ledger.
  send(0);
  await until(() => signed === 1 && (!anchor || proved === 1));

  const idle = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  idle.enable();
  await new Promise((rested) => setTimeout(rested, 2000));
  idle.disable();

  const loaded = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  loaded.enable();
  const started = performance.now();
  for (let sent = 1; sent < readings; ) {
    const room = Math.min(IN_FLIGHT - (sent - signed), readings - sent, 200);
    for (let i = 0; i < room; i += 1) send(sent++);
    await new Promise((next) => setImmediate(next));
  }
  await until(() => signed === readings);
  const signingSeconds = (performance.now() - started) / 1000;
  if (anchor) await until(() => proved === readings);
  const seconds = (performance.now() - started) / 1000;
  loaded.disable();
  clearInterval(resident);
  const diskBytes = await sizeOf(join(userDir, 'machine-economy', 'machines'));
  await nodeRed.stop();
  const rawAfter = rawSignatures();
  await removeUserDirectory(userDir);
  return {
    signedPerSecond: readings / signingSeconds,
    rawSignPerSecond: Math.max(rawBefore, rawAfter),
    evidencePerSecond: anchor ? readings / seconds : 0,
    eventLoopDelay: loaded.percentile(99) / 1e6 - RESOLUTION_MS,
    idleDelay: idle.percentile(99) / 1e6 - RESOLUTION_MS,
    evidenceBytes: anchor ? evidenceBytes / Math.floor(proved / 100) / 100 : 0,
    documentBytes: documentBytes / Math.floor(signed / 100) / 100,
    transactions: transactions.size,
    seconds,
    diskBytes,
    residentBytes,
  };
});

/** Per second, on this core and this moment. */
function rawSignatures(): number {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const bytes = Array.from({ length: 100 }, (_, n) => Buffer.from(JSON.stringify(reading(n))));
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < RAW_MS) {
    for (const document of bytes) sign(null, document, key);
    count += bytes.length;
  }
  return (count * 1000) / (performance.now() - started);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

async function sizeOf(directory: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) total += (await stat(join(entry.parentPath, entry.name))).size;
  }
  return total;
}
