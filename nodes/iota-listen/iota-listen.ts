import { isCodedError } from '../../lib/errors';
import type { ListenFrom, ReceivedPayment } from '../../lib/payments/order';
import type { Machine } from '../../lib/runtime';
import { configInvalid, failure } from '../failure';
import { machineLinks } from '../machine-link';
import type { Api, Node, NodeDef } from '../node-red';
import { failed, type Status } from '../status';

interface ListenConfig extends NodeDef {
  readonly machine?: string;
  readonly source?: string;
  readonly from?: string;
}

const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-listen.status.starting' };
const LISTENING: Status = { fill: 'green', shape: 'ring', text: 'iota-listen.status.listening' };
const RECEIVED: Status = { fill: 'green', shape: 'dot', text: 'iota-listen.status.received' };

const BEGINNINGS: readonly string[] = ['now', 'last', 'beginning'] satisfies ListenFrom[];

/** Sends a message for every payment that reached the machine, each at least once. */
export default function iotaListen(RED: Api): void {
  const linkMachine = machineLinks(RED);

  function ListenNode(this: Node, config: ListenConfig): void {
    RED.nodes.createNode(this, config);
    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: () => LISTENING,
      whenStarted: (machine) => {
        try {
          return listen(machine, beginningOf(config));
        } catch (error) {
          report(error);
          return () => undefined;
        }
      },
    });

    const report = (error: unknown) => {
      if (isCodedError(error)) link.status.show(failed(error));
      // With a message, so that a Catch node hears of it.
      this.error(failure(RED, error), {});
    };

    const handOver = (payment: ReceivedPayment, redelivered: boolean) => {
      link.status.show(RECEIVED);
      this.send({ topic: 'payment', payload: payment, eventId: payment.eventId, redelivered });
    };

    /** Listens as soon as the machine is there, and tries again whenever it comes back if that failed. */
    const listen = (machine: Machine, from: ListenFrom) => {
      let listening: Promise<() => void> | undefined;
      let stopped = false;
      const stopWatching = machine.watch((state) => {
        if (state.phase !== 'ready' || listening) return;
        const attempt = machine.listen({ listenerId: this.id, from }, handOver);
        listening = attempt;
        attempt.catch((error: unknown) => {
          listening = undefined;
          if (!stopped) report(error);
        });
      });
      return () => {
        stopped = true;
        stopWatching();
        listening?.then(
          (stop) => stop(),
          () => undefined,
        );
      };
    };
  }

  RED.nodes.registerType('iota-listen', ListenNode);
}

function beginningOf(config: ListenConfig): ListenFrom {
  const { source = 'payments', from = 'now' } = config;
  if (source !== 'payments')
    throw configInvalid('not-available', `source ${source} is not available yet`, { name: source });
  if (!BEGINNINGS.includes(from)) throw configInvalid('listen-from', `cannot listen from ${from}`, { value: from });
  return from as ListenFrom;
}
