import { isCodedError } from '../../lib/errors';
import type { FinishedContract } from '../../lib/runtime';
import { failure } from '../failure';
import type { LinkMachine } from '../machine-link';
import type { Api, Node } from '../node-red';
import { failed, type Status } from '../status';
import { beginningOf, LISTENING, type ListenConfig, RECEIVED, STARTING } from './listening';

/** Sends a message for every contract of the machine that has ended, whichever side it was on, each at least once. */
export function listenForContracts(RED: Api, node: Node, config: ListenConfig, linkMachine: LinkMachine): void {
  let wrong: Status | undefined;
  const link = linkMachine(node, config.machine, {
    starting: STARTING,
    ready: () => wrong ?? LISTENING,
    whenStarted: ({ marketplace }) => {
      try {
        return marketplace.listenContracts({ listenerId: node.id, from: beginningOf(config) }, handOver);
      } catch (error) {
        if (isCodedError(error)) {
          wrong = failed(error);
          link.status.show(wrong);
        }
        // With a message, so that a Catch node hears of it.
        node.error(failure(RED, error), {});
        return () => undefined;
      }
    },
  });

  const handOver = ({ eventId, contract }: FinishedContract, redelivered: boolean) => {
    link.status.show(RECEIVED);
    const { contractId } = contract;
    node.send({ topic: 'contract', payload: contract, contractId, eventId, redelivered });
  };
}
