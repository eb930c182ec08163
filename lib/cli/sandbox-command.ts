import { parseArgs } from 'node:util';
import { DEFAULT_PORT, startTangle } from '../sandbox';

export const SANDBOX_USAGE = `Usage: machine-economy sandbox [--protocol tangle|iota] [--port N] [--data DIR] [--host ADDR]

Runs the embedded ledger on its own. Prints one line of JSON when it is ready:
{ "url", "faucetUrl", "mqttUrl", "network" }. Ctrl-C ends it.

  --protocol  tangle (default)
  --port      where node, MQTT websocket and faucet listen; 0 takes a free one (default ${DEFAULT_PORT})
  --data      directory in which the ledger is kept; without it, it is gone at the end
  --host      address to listen on (default 127.0.0.1: this machine only)
`;

interface SandboxParameters {
  readonly port: number;
  readonly dataDir?: string;
  readonly host?: string;
}

/**
 * Runs until it is told to stop.
 *
 * @returns the exit code: 0 after Ctrl-C, 1 when it could not start, 2 when it was called wrongly
 */
export async function runSandbox(parameters: readonly string[]): Promise<number> {
  const parsed = parse(parameters);
  if (typeof parsed === 'number') return parsed;
  const stopped = untilStopped();
  const tangle = await startTangle({ ...parsed, onWarning: (warning) => complain(warning) }).catch((error: unknown) => {
    complain(startFailure(error, parsed.port));
    return undefined;
  });
  if (!tangle) return 1;
  const { url, faucetUrl, mqttUrl, networkName } = tangle;
  process.stdout.write(`${JSON.stringify({ url, faucetUrl, mqttUrl, network: networkName })}\n`);
  await stopped;
  await tangle.close();
  return 0;
}

function parse(parameters: readonly string[]): SandboxParameters | number {
  let values: { protocol?: string; port?: string; data?: string; host?: string; help?: boolean };
  try {
    const string = { type: 'string' } as const;
    const options = {
      protocol: string,
      port: string,
      data: string,
      host: string,
      help: { type: 'boolean', short: 'h' },
    } as const;
    ({ values } = parseArgs({ args: [...parameters], options }));
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
  if (values.help) {
    process.stdout.write(SANDBOX_USAGE);
    return 0;
  }
  const { protocol = 'tangle', port = String(DEFAULT_PORT), data, host } = values;
  if (protocol === 'iota') {
    complain('the embedded ledger for the IOTA protocol is not available yet; use --protocol tangle');
    return 2;
  }
  if (protocol !== 'tangle') return wrong(`--protocol is tangle or iota, not ${JSON.stringify(protocol)}`);
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    return wrong(`--port is a number up to 65535, not ${JSON.stringify(port)}`);
  if (data === '' || host === '') return wrong('--data and --host need a value');
  return { port: Number(port), ...(data !== undefined && { dataDir: data }), ...(host !== undefined && { host }) };
}

function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
}

function startFailure(error: unknown, port: number): string {
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return `port ${port} is in use`;
  return error instanceof Error ? error.message : String(error);
}

function wrong(message: string): number {
  complain(`${message}\n\n${SANDBOX_USAGE}`);
  return 2;
}

function complain(message: string): void {
  process.stderr.write(`machine-economy sandbox: ${message}\n`);
}
