import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type DataLock, lockDirectory } from './data-lock';
import { Faucet } from './faucet';
import { coreRoutes } from './http/core-api';
import { faucetRoutes } from './http/faucet-api';
import { indexerRoutes } from './http/indexer-api';
import type { Route } from './http/router';
import { createNodeServer, nodeRoutes } from './http/server';
import { TangleMqtt } from './mqtt';
import { Tangle } from './tangle';

export interface SandboxTangleOptions {
  /** Where the ledger is kept; absent: in memory only. */
  readonly dataDir?: string | undefined;
  /** 0 takes any free port. */
  readonly port?: number;
  readonly host?: string;
  /** Milliseconds between milestones; 0: only when {@link SandboxTangle.issueMilestone} is called. */
  readonly milestoneInterval?: number;
  readonly minPowScore?: number;
  /** Whether the node does the proof of work for clients that leave it out. */
  readonly remotePow?: boolean;
  /** Base units per virtual byte. */
  readonly vByteCost?: number;
  /** Default: a name made once per data directory. */
  readonly networkName?: string;
  readonly bech32Hrp?: string;
  /** Milestones; how old a block's past may be before it must be reattached. */
  readonly belowMaxDepth?: number;
  /** How many milestones are kept before pruning. */
  readonly milestoneHistory?: number;
  /** Unix milliseconds; for tests that must not wait. */
  readonly now?: () => number;
  /** What went wrong and will be tried again. */
  readonly onWarning?: (message: string) => void;
}

export interface SandboxTangle {
  readonly url: string;
  readonly faucetUrl: string;
  readonly mqttUrl: string;
  readonly networkName: string;
  /** Issues a milestone now. */
  issueMilestone(): IssuedMilestone;
  close(): Promise<void>;
}

export interface IssuedMilestone {
  readonly index: number;
  readonly milestoneId: string;
  /** Unix seconds. */
  readonly timestamp: number;
}

export const DEFAULT_PORT = 14_265;
const DEFAULTS = {
  host: '127.0.0.1',
  milestoneInterval: 1_000,
  bech32Hrp: 'tst',
  vByteCost: 100,
  minPowScore: 0,
  remotePow: false,
  // As long as the 15 milestones of a network that issues one every five seconds.
  belowMaxDepth: 75,
  // Three days of one per second: about 110 MB on disk, at some 430 bytes for one in which nothing happens.
  milestoneHistory: 259_200,
};

/**
 * Starts a Tangle of its own: a node, its indexer, its event interface and its faucet on one port.
 *
 * @throws Error with `code` `EADDRINUSE` when the port is taken, or when the data directory is in use or unreadable
 */
export async function startTangle(options: SandboxTangleOptions = {}): Promise<SandboxTangle> {
  const settings = { ...DEFAULTS, ...withoutUndefined(options) };
  let routes: readonly Route[] = [];
  const server = createNodeServer(() => routes);
  // First the port: who finds it taken joins the sandbox that has it, and must not have touched its data before.
  await listening(server, settings.port ?? DEFAULT_PORT, settings.host);
  let lock: DataLock | undefined;
  let tangle: Tangle | undefined;
  try {
    lock = options.dataDir === undefined ? undefined : await lockDirectory(options.dataDir);
    tangle = openTangle(settings);
    const node = await startNode(tangle, server, settings);
    routes = node.routes;
    return handleOf(server, settings.host, tangle, node, async () => {
      await node.stop();
      await lock?.release();
    });
  } catch (error) {
    await closed(server);
    tangle?.close();
    await lock?.release();
    throw error;
  }
}

type Settings = SandboxTangleOptions & typeof DEFAULTS;

interface RunningNode {
  readonly routes: readonly Route[];
  issueMilestone(): IssuedMilestone;
  stop(): Promise<void>;
}

function openTangle(settings: Settings): Tangle {
  const { bech32Hrp, vByteCost, minPowScore, remotePow, belowMaxDepth, milestoneHistory } = settings;
  return new Tangle({
    directory: settings.dataDir,
    networkName: settings.networkName,
    bech32Hrp,
    vByteCost,
    minPowScore,
    remotePow,
    belowMaxDepth,
    milestoneHistory,
    distinctTimes: settings.milestoneInterval >= 1_000,
    now: settings.now ?? Date.now,
  });
}

async function startNode(tangle: Tangle, server: Server, settings: Settings): Promise<RunningNode> {
  const { milestoneInterval, onWarning = () => undefined } = settings;
  const faucet = new Faucet(tangle);
  tangle.listen({ confirmed: (milestone, mutations) => faucet.confirmed(milestone, mutations) });
  let isHealthy = true;
  const issueMilestone = () => {
    try {
      faucet.flush();
      const { index, id, timestamp } = tangle.issueMilestone();
      isHealthy = true;
      return { index, milestoneId: id, timestamp };
    } catch (error) {
      isHealthy = false;
      throw error;
    }
  };
  if (!tangle.hasMilestone) issueMilestone();
  const mqtt = await TangleMqtt.create(tangle);
  tangle.listen(mqtt);
  mqtt.serve(server);
  const clock = milestoneInterval > 0 ? everyInterval(milestoneInterval, issueMilestone, onWarning) : undefined;
  return {
    routes: [
      ...nodeRoutes(() => isHealthy),
      ...coreRoutes(tangle, { isHealthy: () => isHealthy }),
      ...indexerRoutes(tangle),
      ...faucetRoutes(tangle, faucet),
    ],
    issueMilestone,
    async stop() {
      clock?.stop();
      await mqtt.close();
      await closed(server);
      tangle.close();
    },
  };
}

function handleOf(
  server: Server,
  host: string,
  tangle: Tangle,
  node: RunningNode,
  stop: () => Promise<void>,
): SandboxTangle {
  const { port } = server.address() as AddressInfo;
  const origin = `${hostOf(host)}:${port}`;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${origin}`,
    faucetUrl: `http://${origin}/api/enqueue`,
    mqttUrl: `ws://${origin}/api/mqtt/v1`,
    networkName: tangle.parameters.networkName,
    issueMilestone: () => node.issueMilestone(),
    close() {
      closing ??= stop();
      return closing;
    },
  };
}

function everyInterval(interval: number, act: () => void, onWarning: (message: string) => void): { stop(): void } {
  let due = Date.now() + interval;
  let timer: NodeJS.Timeout;
  const wait = () => {
    timer = setTimeout(tick, Math.max(0, due - Date.now()));
  };
  const tick = () => {
    try {
      act();
    } catch (error) {
      onWarning(`no milestone could be issued: ${error instanceof Error ? error.message : String(error)}`);
    }
    // After a machine slept, or its clock was set, the missed milestones are not made up for.
    due += interval;
    if (due < Date.now() || due > Date.now() + interval) due = Date.now() + interval;
    wait();
  };
  wait();
  return { stop: () => clearTimeout(timer) };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** Where a client on this machine reaches a server that listens on that address. */
function hostOf(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return host.includes(':') ? `[${host}]` : host;
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as T;
}
