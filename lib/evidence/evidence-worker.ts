import { type MessagePort, parentPort } from 'node:worker_threads';
import { serve } from '../threads';
import { type AttachLedgerMessage, VerificationService, type VerificationWorker } from './verification-service';

/** Entry of the `evidence` worker: verifies what came from strangers. Has no key, and no ledger SDK. */
const main = parentPort;
if (!main) throw new Error('this file is the entry of a worker thread');

const service = new VerificationService();

main.on('message', (message: unknown) => {
  if (typeof message !== 'object' || message === null || !('attachLedger' in message)) return;
  const { attachLedger, port } = message as AttachLedgerMessage<MessagePort>;
  service.attachLedger(attachLedger, port);
});

/** What is called from outside, and nothing else of the service. */
serve<VerificationWorker>(main, {
  verify: (request, ledgerId) => service.verify(request, ledgerId),
  deliver: (delivery, piece) => service.deliver(delivery, piece),
  discard: (delivery) => service.discard(delivery),
  detachLedger: (ledgerId) => service.detachLedger(ledgerId),
});
