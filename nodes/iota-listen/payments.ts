import { isCodedError } from '../../lib/errors';
import type { ListenFrom, ReceivedPayment } from '../../lib/payments/order';
import type { Machine } from '../../lib/runtime';
import { failure } from '../failure';
import type { LinkMachine } from '../machine-link';
import type { Api, Node } from '../node-red';
import { failed } from '../status';
import { beginningOf, LISTENING, type ListenConfig, RECEIVED, STARTING } from './listening';

/** Sends a message for every payment that reached the machine, each at least once. */
export function listenForPayments(RED: Api, node: Node, config: ListenConfig, linkMachine: LinkMachine): void {
  const link = linkMachine(node, config.machine, {
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
    node.error(failure(RED, error), {});
  };

  const handOver = (payment: ReceivedPayment, redelivered: boolean) => {
    link.status.show(RECEIVED);
    node.send({ topic: 'payment', payload: payment, eventId: payment.eventId, redelivered });
  };

  /** Listens as soon as the machine is there, and tries again whenever it comes back if that failed. */
  const listen = (machine: Machine, from: ListenFrom) => {
    let listening: Promise<() => void> | undefined;
    let stopped = false;
    const stopWatching = machine.watch((state) => {
      if (state.phase !== 'ready' || listening) return;
      const attempt = machine.listen({ listenerId: node.id, from }, handOver);
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
