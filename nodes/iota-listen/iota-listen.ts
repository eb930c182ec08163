import { configInvalid, failure } from '../failure';
import { flowsStarted } from '../flows-started';
import { machineLinks } from '../machine-link';
import type { Api, Node } from '../node-red';
import { failed } from '../status';
import { listenForContracts } from './contracts';
import { listenForData } from './data';
import type { ListenConfig } from './listening';
import { listenForOffers } from './offers';
import { listenForPayments } from './payments';

/** Sends a message for what happens: payments to a machine, data under a tag, contracts that end, offers of other machines. */
export default function iotaListen(RED: Api): void {
  const linkMachine = machineLinks(RED);
  const whenFlowsStarted = flowsStarted(RED);

  function ListenNode(this: Node, config: ListenConfig): void {
    RED.nodes.createNode(this, config);
    const { source = 'payments' } = config;
    if (source === 'payments') listenForPayments(RED, this, config, linkMachine);
    else if (source === 'data') listenForData(RED, this, config, whenFlowsStarted);
    else if (source === 'contracts') listenForContracts(RED, this, config, linkMachine);
    else if (source === 'offers') listenForOffers(RED, this, config, linkMachine);
    else refuse(this, source);
  }

  function refuse(node: Node, source: string): void {
    const problem = configInvalid('not-available', `source ${source} is not available yet`, { name: source });
    node.status(failed(problem));
    node.on(
      'close',
      whenFlowsStarted(() => node.error(failure(RED, problem), {})),
    );
  }

  RED.nodes.registerType('iota-listen', ListenNode);
}
