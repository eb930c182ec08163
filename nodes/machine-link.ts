import { type CodedError, isCodedError } from '../lib/errors';
import type { LedgerConnection, Machine, MachineIdentity, MachineState } from '../lib/runtime';
import { configInvalid } from './failure';
import { flowsStarted } from './flows-started';
import { type Api, type Node, runningNode } from './node-red';
import { failed, type Status, type StatusLine, statusLine } from './status';

/** What other nodes see of an `iota-machine` node. */
export interface MachineNode extends Node {
  /** The account, or why there is none. */
  readonly account: { readonly machine: Machine } | { readonly problem: CodedError };
  /** Where it lives. @throws CodedError `CONFIG_INVALID` */
  ledger(): LedgerConnection;
  addUser(node: Node): void;
  removeUser(node: Node): void;
}

export interface MachineLink {
  /** @throws CodedError `CONFIG_INVALID` when no machine is chosen or its settings are wrong */
  machine(): Machine;
  readonly status: StatusLine;
  /** Runs when the node closes. */
  onClose(stop: () => void): void;
}

export interface LinkOptions {
  /** What the status line says while the machine can work. */
  readonly ready: (state: MachineState & { phase: 'ready' }) => Status;
  readonly starting: Status;
  /** What it says while the machine cannot, where that is not simply why. */
  readonly down?: (error: CodedError) => Status;
  /** Called once the flows run, so that what it sends arrives; returns how to stop. */
  readonly whenStarted?: (machine: Machine) => () => void;
}

/**
 * Binds a flow node to the machine it was given: shows the machine's state under the node, starts what the node wants to
 * hear when all flows run, and undoes everything when the node closes.
 */
export type LinkMachine = (node: Node, machineId: string | undefined, options: LinkOptions) => MachineLink;

/** Made once per node type. */
export function machineLinks(RED: Api): LinkMachine {
  const whenFlowsStarted = flowsStarted(RED);

  return (node, machineId, { whenStarted, ...look }) => {
    const status = statusLine(node);
    const stops: (() => void)[] = [() => status.close()];
    node.on('close', () => {
      for (const stop of stops.splice(0).reverse()) stop();
    });

    const machineNode = machineId ? runningNode<MachineNode>(RED, machineId, 'iota-machine') : undefined;
    const machine = (): Machine => {
      if (!machineNode) throw configInvalid('machine-missing', 'no machine is chosen');
      if ('problem' in machineNode.account) throw machineNode.account.problem;
      return machineNode.account.machine;
    };
    if (machineNode) {
      machineNode.addUser(node);
      stops.push(() => machineNode.removeUser(node));
    }
    try {
      const opened = machine();
      stops.push(opened.watch((state) => status.show(statusOf(state, look))));
      if (whenStarted) stops.push(whenFlowsStarted(() => stops.push(whenStarted(opened))));
    } catch (error) {
      if (!isCodedError(error)) throw error;
      status.show(failed(error));
    }
    return { machine, status, onClose: (stop) => void stops.push(stop) };
  };
}

function statusOf(state: MachineState, options: Pick<LinkOptions, 'ready' | 'starting' | 'down'>): Status {
  switch (state.phase) {
    case 'ready':
      return options.ready(state);
    case 'starting':
      return options.starting;
    case 'down':
      return options.down ? options.down(state.error) : failed(state.error);
  }
}

/** Waits out the start of a machine. @throws CodedError the machine's own when it is down */
export function identityOf(machine: Machine): Promise<MachineIdentity> {
  return new Promise((resolve, reject) => {
    let answered = false;
    let stop = () => {};
    stop = machine.watch((state) => {
      if (answered || state.phase === 'starting') return;
      answered = true;
      if (state.phase === 'ready') resolve(state.identity);
      else reject(state.error);
      // Called at once, `watch` has not returned its stop yet.
      queueMicrotask(() => stop());
    });
  });
}
