import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { serve, signal } from '../threads';
import type { Ledger } from './ledger';
import { StardustLedger, type StardustOptions } from './stardust';
import type { LedgerWorkerCommand, LedgerWorkerNews } from './supervised-ledger';

/** Entry of the `stardust` worker: a Tangle behind message ports. Holds no key and no state that must survive. */
const main = parentPort;
if (!main) throw new Error('this file is the entry of a worker thread');

const ledger = new StardustLedger(workerData as StardustOptions);

const METHODS = [
  'network',
  'holdings',
  'minimumAmounts',
  'prepare',
  'seal',
  'submit',
  'outcome',
  'spends',
  'read',
  'recordsOf',
  'latestRecords',
  'previousRecord',
  'readRecords',
  'recordsCursor',
  'requestFunds',
] as const satisfies readonly (keyof Ledger)[];

/** The port's methods and nothing else of the adapter. */
const served = Object.fromEntries(
  METHODS.map((name) => [name, dieOnPanic(ledger[name].bind(ledger) as AnyMethod)]),
) as unknown as Ledger;

type AnyMethod = (...parameters: unknown[]) => Promise<unknown>;

/** After a panic nothing in the SDK's memory can be trusted: this thread ends, and its supervisor starts another. */
function dieOnPanic(method: AnyMethod): AnyMethod {
  return async (...parameters) => {
    try {
      return await method(...parameters);
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) process.exit(70);
      throw error;
    }
  };
}

function attach(port: MessagePort): void {
  const stopServing = serve<Ledger>(port, served);
  const stopSignals = ledger.onSignal((news) => signal(port, news));
  port.once('close', () => {
    stopServing();
    stopSignals();
  });
}

main.on('message', (command: LedgerWorkerCommand) => {
  if ('attach' in command) attach(command.attach);
  else void ledger.close().finally(() => process.exit(0));
});
main.postMessage({ started: { sdk: ledger.sdkBuild } } satisfies LedgerWorkerNews);
