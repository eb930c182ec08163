import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { SandboxAnswer, SandboxReady } from '../../lib/sandbox/tangle-worker';

/** The embedded Tangle on its own: it outlives every Node-RED that is killed. */
export class SandboxLedger {
  private constructor(
    readonly url: string,
    readonly faucetUrl: string,
    readonly stop: () => Promise<void>,
  ) {}

  static async start(): Promise<SandboxLedger> {
    const dataDir = mkdtempSync(join(tmpdir(), 'machine-economy-ledger-'));
    const worker = new Worker(resolve(__dirname, '..', '..', 'dist', 'sandbox-worker.js'), {
      workerData: { host: '127.0.0.1', port: 0, deviceBrokerPort: 0, dataDir },
    });
    const ready = await new Promise<SandboxReady>((resolve, reject) => {
      worker.once('error', reject).on('message', (answer: SandboxAnswer) => {
        if ('ready' in answer) resolve(answer.ready);
        if ('error' in answer) reject(new Error(answer.error.message));
      });
    });
    return new SandboxLedger(ready.url, ready.faucetUrl, async () => {
      await worker.terminate();
      rmSync(dataDir, { recursive: true, force: true });
    });
  }
}

/** What the ledger says an address owns. */
export async function balanceOnLedger(ledgerUrl: string, address: string): Promise<bigint> {
  const get = async (path: string): Promise<unknown> => (await fetch(`${ledgerUrl}/api/${path}`)).json();
  let sum = 0n;
  let cursor = '';
  do {
    const query = `address=${address}&pageSize=500${cursor && `&cursor=${cursor}`}`;
    const page = (await get(`indexer/v1/outputs/basic?${query}`)) as { items: string[]; cursor?: string };
    const outputs = await Promise.all(page.items.map((id) => get(`core/v2/outputs/${id}`)));
    for (const { output } of outputs as { output: { amount: string } }[]) sum += BigInt(output.amount);
    cursor = page.cursor ?? '';
  } while (cursor);
  return sum;
}
