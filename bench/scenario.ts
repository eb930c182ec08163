import { fork } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';

const LIMIT_MINUTES = 10;

/** Runs a scenario of `bench/scenarios/` in a process of its own and returns what it measured. */
export function runScenario<T>(name: string, parameters: object = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(join(__dirname, 'scenarios', `${name}.ts`), [JSON.stringify(parameters)], {
      execArgv: ['--import', 'tsx'],
    });
    const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MINUTES * 60_000);
    let measured: T | undefined;
    child.on('message', (message) => {
      measured = message as T;
    });
    child.once('close', (code, signal) => {
      clearTimeout(limit);
      if (measured === undefined) reject(new Error(`${name} ended without a result (${signal ?? code})`));
      else resolve(measured);
    });
  });
}

/** The other side: measures, tells, ends. */
export function scenario<P, T extends object>(measure: (parameters: P) => Promise<T>): void {
  measure(JSON.parse(process.argv[2] ?? '{}') as P).then(
    (measured) => process.send?.(measured, () => process.exit(0)),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  await new Promise((closed) => server.close(closed));
  if (!address || typeof address === 'string') throw new Error('no port');
  return address.port;
}
