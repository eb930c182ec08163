import type { StardustOptions } from '../../../lib/ledger/stardust';
import { type SandboxTangleOptions, startTangle } from '../../../lib/sandbox';

/** A ledger that runs somewhere, and how to reach it. */
export interface RunningNetwork {
  readonly url: string;
  readonly faucetUrl: string;
  readonly mqttUrl?: string;
  close(): Promise<void>;
}

export interface TestNetwork {
  readonly name: string;
  start(): Promise<RunningNetwork>;
}

/** Every Tangle that can be started here, and the one that `TANGLE_URL` names. */
export function tangles(): TestNetwork[] {
  const url = process.env.TANGLE_URL;
  // With the deposit of a HORNET private Tangle, and milestones that do not make us wait.
  const embedded = embeddedTangle({ milestoneInterval: 200, vByteCost: 500 });
  return url === undefined || url === '' ? [embedded] : [embedded, externalTangle(url)];
}

export function optionsFor(network: RunningNetwork): StardustOptions {
  const { url, faucetUrl, mqttUrl } = network;
  return { url, faucetUrl, ...(mqttUrl === undefined ? {} : { mqttUrl }) };
}

function embeddedTangle(options: SandboxTangleOptions): TestNetwork {
  return { name: 'the embedded Tangle', start: () => startTangle({ ...options, port: 0 }) };
}

function externalTangle(url: string): TestNetwork {
  return {
    name: `the Tangle at ${new URL(url).host}`,
    async start() {
      const mqttUrl = process.env.TANGLE_MQTT_URL;
      return {
        url,
        // Where the faucet of a HORNET private Tangle listens.
        faucetUrl: process.env.TANGLE_FAUCET_URL ?? `http://${new URL(url).hostname}:8091/api/enqueue`,
        ...(mqttUrl === undefined ? {} : { mqttUrl }),
        async close() {},
      };
    },
  };
}
