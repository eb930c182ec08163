import { type CodedError, isCodedError } from '../../lib/errors';
import type { ListenFrom } from '../../lib/payments/order';
import type { DataEvent, LedgerConnection } from '../../lib/runtime';
import { configInvalid, failure } from '../failure';
import type { WhenFlowsStarted } from '../flows-started';
import type { LedgerNode } from '../ledger-node';
import type { MachineNode } from '../machine-link';
import { type Api, type Node, runningNode } from '../node-red';
import { failed, statusLine } from '../status';
import { LISTENING, type ListenConfig, RECEIVED, STARTING } from './listening';

/** Sends a message for every record on a ledger with the tag, each at least once. */
export function listenForData(RED: Api, node: Node, config: ListenConfig, whenFlowsStarted: WhenFlowsStarted): void {
  const status = statusLine(node);
  const stops: (() => void)[] = [() => status.close()];
  node.on('close', () => {
    for (const stop of stops.splice(0).reverse()) stop();
  });

  let trouble: CodedError | undefined;
  const report = (error: unknown) => {
    if (isCodedError(error)) status.show(failed(error));
    // With a message, so that a Catch node hears of it.
    node.error(failure(RED, error), {});
  };

  const event = (data: DataEvent, redelivered: boolean) => {
    status.show(RECEIVED);
    node.send({ topic: 'data', payload: data, eventId: data.eventId, redelivered });
  };

  const listen = (ledger: LedgerConnection) => {
    stops.push(
      ledger.watch((state) => {
        if (state.phase === 'down') status.show(failed(state.error));
        else if (trouble) status.show(failed(trouble));
        else status.show(state.phase === 'up' ? LISTENING : STARTING);
      }),
    );
    const order = { listenerId: node.id, from: (config.from || 'now') as ListenFrom, tag: tagOf(config) };
    stops.push(
      whenFlowsStarted(() => {
        try {
          stops.push(
            ledger.listenData(order, {
              event,
              trouble(error) {
                trouble = error;
                if (error) report(error);
                else status.show(LISTENING);
              },
            }),
          );
        } catch (error) {
          report(error);
        }
      }),
    );
  };

  try {
    listen(ledgerOf(RED, node, config, stops));
  } catch (error) {
    if (isCodedError(error)) status.show(failed(error));
    stops.push(whenFlowsStarted(() => report(error)));
  }
}

/** Node-RED leaves `${NAME}` as it is when there is no such variable. @throws CodedError `CONFIG_INVALID` */
function tagOf({ tag = '' }: ListenConfig): string {
  if (/^\$\{.*\}$/.test(tag)) throw configInvalid('data-tag', `there is no variable ${tag}`, { value: tag, limit: 64 });
  return tag;
}

/** The one that was chosen, or that of the machine. @throws CodedError `CONFIG_INVALID` */
function ledgerOf(RED: Api, node: Node, { ledger, machine }: ListenConfig, stops: (() => void)[]): LedgerConnection {
  if (ledger) {
    const ledgerNode = runningNode<LedgerNode>(RED, ledger, 'iota-ledger');
    if (!ledgerNode) throw configInvalid('listen-ledger', 'the ledger that was chosen is not running');
    ledgerNode.addUser(node);
    stops.push(() => ledgerNode.removeUser(node));
    const connected = ledgerNode.connect();
    if ('problem' in connected) throw connected.problem;
    return connected.ledger;
  }
  const machineNode = machine ? runningNode<MachineNode>(RED, machine, 'iota-machine') : undefined;
  if (!machineNode) throw configInvalid('listen-ledger', 'neither a ledger nor a machine is chosen');
  machineNode.addUser(node);
  stops.push(() => machineNode.removeUser(node));
  return machineNode.ledger();
}
