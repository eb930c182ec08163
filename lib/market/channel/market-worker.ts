import { randomInt } from 'node:crypto';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { systemClock } from '../../payments';
import { serve, signal } from '../../threads';
import { prepareSchemas } from '../messages/message-schemas';
import { TIMES } from '../negotiation/terms-of-time';
import { ChannelService } from './channel-service';
import type { Channels } from './channels';
import type { AttachVaultMessage } from './remote-channels';

/** Entry of the `market` worker: sockets, and whatever strangers say until it was checked. Has no key. */
const main = parentPort;
if (!main) throw new Error('this file is the entry of a worker thread');

let detach = () => {};
prepareSchemas();

main.on('message', (message: unknown) => {
  if (typeof message !== 'object' || message === null || !('attachVault' in message)) return;
  // There is one vault at a time, and another one has told us nothing yet.
  detach();
  const { port } = message as AttachVaultMessage<MessagePort>;
  const service = new ChannelService({
    emit: (news) => signal(port, news),
    clock: systemClock,
    random: () => randomInt(2 ** 47) / 2 ** 47,
    skew: TIMES.skew,
  });
  const stopServing = serve<Channels>(port, service);
  detach = () => {
    detach = () => {};
    stopServing();
    port.close();
    void service.end();
  };
  port.once('close', () => {
    stopServing();
    void service.end();
  });
});
