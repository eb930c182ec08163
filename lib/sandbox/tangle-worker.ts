import { parentPort, workerData } from 'node:worker_threads';
import { type Sandbox, type SandboxOptions, startSandbox } from './sandbox-tangle';

/**
 * The sandbox in a thread of its own. `workerData` is {@link SandboxOptions}; it posts `{ ready }` or `{ error }` once, and
 * `{ warning }` whenever something goes wrong that will be tried again; the message `close` ends it.
 */
export interface SandboxReady {
  readonly url: string;
  readonly faucetUrl: string;
  readonly mqttUrl: string;
  readonly networkName: string;
  readonly deviceBrokerUrl?: string;
  readonly deviceBrokerError?: string;
}

export type SandboxAnswer =
  | { readonly ready: SandboxReady }
  | { readonly error: { readonly code?: string; readonly message: string } }
  | { readonly warning: string };

const port = parentPort;
if (!port) throw new Error('this file is the entry of a worker thread');
const post = (answer: SandboxAnswer) => port.postMessage(answer);

async function run(port: NonNullable<typeof parentPort>): Promise<void> {
  const options = workerData as Omit<SandboxOptions, 'now' | 'onWarning'>;
  let sandbox: Sandbox | undefined;
  let closing = false;
  const close = async () => {
    closing = true;
    await sandbox?.close();
    if (sandbox) port.close();
  };
  port.on('message', (message: unknown) => {
    if (message === 'close') void close();
  });
  try {
    sandbox = await startSandbox({ ...options, onWarning: (warning) => post({ warning }) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    post({ error: { message, ...(code !== undefined && { code }) } });
    port.close();
    return;
  }
  if (closing) {
    await close();
    return;
  }
  const { url, faucetUrl, mqttUrl, networkName } = sandbox.tangle;
  const { deviceBroker, deviceBrokerError } = sandbox;
  post({
    ready: {
      url,
      faucetUrl,
      mqttUrl,
      networkName,
      ...(deviceBroker && { deviceBrokerUrl: deviceBroker.url }),
      ...(deviceBrokerError !== undefined && { deviceBrokerError }),
    },
  });
}

void run(port);
