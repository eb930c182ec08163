import { Worker } from 'node:worker_threads';
import { CodedError } from '../errors';

export interface RunningSandbox {
  readonly url: string;
  readonly faucetUrl: string;
  readonly mqttUrl: string;
  /** Something a person should know although the ledger works: the device broker's port was taken. */
  readonly warning?: CodedError;
  /** Calls back when our own sandbox stopped by itself; never for one that we only joined. */
  onExit(listener: () => void): void;
  close(): Promise<void>;
}

interface SandboxOptions {
  readonly port: number;
  readonly deviceBrokerPort: number;
  readonly dataDir: string;
}

/** `info.name` of our embedded Tangle: what is told over the network, like everything we know of a sandbox. */
const SANDBOX_NODE_NAME = 'machine-economy-sandbox';
const INFO_LIMIT_MS = 3_000;
const CLOSE_LIMIT_MS = 5_000;

/**
 * Starts the embedded Tangle in a worker of its own, or joins the one that already holds the port.
 *
 * @param workerFile the bundled `sandbox-worker.js`
 * @throws CodedError `CONFIG_INVALID` when something else holds the port
 */
export async function startSandbox(workerFile: string, options: SandboxOptions): Promise<RunningSandbox> {
  const url = `http://127.0.0.1:${options.port}`;
  const worker = new Worker(workerFile, { workerData: { ...options, host: '127.0.0.1' } });
  const answer = await firstAnswer(worker);
  if ('error' in answer) {
    await worker.terminate();
    if (answer.error.code !== 'EADDRINUSE') {
      throw new CodedError('CONFIG_INVALID', 'sandbox-failed', `the sandbox did not start: ${answer.error.message}`, {
        reason: answer.error.message,
      });
    }
    await assertOurSandbox(url, options.port);
    return {
      url,
      faucetUrl: `${url}/api/enqueue`,
      mqttUrl: `${url.replace('http', 'ws')}/api/mqtt/v1`,
      onExit: () => {},
      close: async () => {},
    };
  }
  // It must not keep a process alive that has nothing else to do.
  worker.unref();
  let closing = false;
  const exitListeners: (() => void)[] = [];
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', () => {
      resolve();
      if (!closing) for (const listener of exitListeners) listener();
    });
  });
  worker.on('error', () => {}); // "exit" follows and is what we act on
  const { ready } = answer;
  return {
    url: ready.url,
    faucetUrl: ready.faucetUrl,
    mqttUrl: ready.mqttUrl,
    ...(ready.deviceBrokerError && {
      warning: new CodedError(
        'CONFIG_INVALID',
        'device-broker-port',
        `the device broker's port ${options.deviceBrokerPort} is taken`,
        {
          port: options.deviceBrokerPort,
        },
      ),
    }),
    onExit: (listener) => exitListeners.push(listener),
    async close() {
      closing = true;
      worker.ref();
      worker.postMessage('close');
      const limit = setTimeout(() => void worker.terminate(), CLOSE_LIMIT_MS);
      await exited;
      clearTimeout(limit);
    },
  };
}

type Answer =
  | {
      readonly ready: {
        readonly url: string;
        readonly faucetUrl: string;
        readonly mqttUrl: string;
        readonly deviceBrokerError?: string;
      };
    }
  | { readonly error: { readonly code?: string; readonly message: string } };

function firstAnswer(worker: Worker): Promise<Answer> {
  return new Promise((resolve) => {
    // It may also tell warnings, before or after.
    worker.on('message', (answer: Answer | { readonly warning: string }) => {
      if (!('warning' in answer)) resolve(answer);
    });
    worker.once('error', (error: Error) => resolve({ error: { message: error.message } }));
    worker.once('exit', (code) => resolve({ error: { message: `it stopped with code ${code}` } }));
  });
}

/** A port held by another of our sandboxes is joined as a client; joining anything else would pay into the unknown. */
async function assertOurSandbox(url: string, port: number): Promise<void> {
  const taken = new CodedError('CONFIG_INVALID', 'port-taken', `port ${port} is used by another program`, { port });
  let name: unknown;
  try {
    const response = await fetch(`${url}/api/core/v2/info`, {
      signal: AbortSignal.timeout(INFO_LIMIT_MS),
      redirect: 'error',
    });
    const info: unknown = await response.json();
    name = typeof info === 'object' && info !== null && 'name' in info ? info.name : undefined;
  } catch {
    throw taken;
  }
  if (name !== SANDBOX_NODE_NAME) throw taken;
}
