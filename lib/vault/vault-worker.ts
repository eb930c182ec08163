import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { serve, signal } from '../threads';
import { VaultService } from './vault';
import type { AttachLedger, AttachMarket, Vault, VaultWorkerData } from './vault-contract';

/** Entry of the `vault` worker: keys, journals, policies and payments, and no ledger SDK. */
const main = parentPort;
if (!main) throw new Error('this file is the entry of a worker thread');

const { directory } = workerData as VaultWorkerData;
const vault = new VaultService(directory, (news) => signal(main, news));

main.on('message', (message: unknown) => {
  if (typeof message !== 'object' || message === null) return;
  if ('attachMarket' in message) {
    vault.attachMarket((message as AttachMarket<MessagePort>).port);
  } else if ('attachLedger' in message) {
    const { attachLedger, port } = message as AttachLedger<MessagePort>;
    vault.attachLedger(attachLedger, port);
  }
});
serve<Vault>(main, vault);
