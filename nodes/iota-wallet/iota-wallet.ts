import { isCodedError } from '../../lib/errors';
import type { Machine, MachineEvent } from '../../lib/runtime';
import { formatAmount } from '../../lib/values';
import { configInvalid } from '../failure';
import { onInput } from '../input';
import { identityOf, machineLinks } from '../machine-link';
import { type Api, type IncomingMessage, type Node, type NodeDef, sendOn } from '../node-red';
import { failed, type Status } from '../status';
import { paymentRequest } from './payment-request';

interface WalletConfig extends NodeDef {
  readonly machine?: string;
  /** What every message does; empty: what `msg.topic` says. */
  readonly action?: string;
}

type Action = (machine: Machine, message: IncomingMessage) => Promise<unknown>;

const HISTORY_LIMIT = 100;
const LONGEST_HISTORY = 10_000;

const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-wallet.status.starting' };
const READY: Status = { fill: 'green', shape: 'ring', text: 'iota-wallet.status.ready' };
const UNPROTECTED: Status = { fill: 'green', shape: 'ring', text: 'iota-wallet.status.unprotected' };
const DONE: Status = { fill: 'green', shape: 'dot', text: 'iota-wallet.status.done' };

/** What a wallet can be asked. Each answers with the payload of output 1. */
const ACTIONS: Readonly<Record<string, Action>> = {
  balance: (machine) => machine.balance(),
  address: async (machine) => {
    const { address, did, network } = await identityOf(machine);
    return { address, did, network: network.networkId };
  },
  history: (machine, message) => machine.history({ limit: historyLimit(member(message, 'limit')) }),
  request: async (machine, message) =>
    paymentRequest(await identityOf(machine), {
      amount: member(message, 'amount'),
      reference: member(message, 'reference'),
    }),
  fund: async (machine) => {
    await machine.fund();
    return { address: (await identityOf(machine)).address, requested: true };
  },
};

/** Tells what a machine owns, and everything that happens to it. */
export default function iotaWallet(RED: Api): void {
  const linkMachine = machineLinks(RED);

  function WalletNode(this: Node, config: WalletConfig): void {
    RED.nodes.createNode(this, config);
    const link = linkMachine(this, config.machine, {
      starting: STARTING,
      ready: ({ identity }) => (identity.protected ? READY : UNPROTECTED),
      whenStarted: (machine) => machine.onEvent((event) => sendOn(this, [null, tell(event)])),
    });

    onInput(
      RED,
      this,
      async (message, send) => {
        const machine = link.machine();
        const name = actionOf(config, message);
        const result = await (ACTIONS[name] as Action)(machine, message);
        link.status.show(name === 'balance' ? balanceStatus(result) : DONE);
        message.payload = result;
        send([message, null]);
      },
      (error) => {
        if (isCodedError(error)) link.status.show(failed(error));
      },
    );
  }

  RED.nodes.registerType('iota-wallet', WalletNode);
}

function actionOf({ action }: WalletConfig, { topic }: IncomingMessage): string {
  const name = action || (typeof topic === 'string' ? topic : '');
  if (Object.hasOwn(ACTIONS, name)) return name;
  throw configInvalid('action', `a wallet cannot "${name.slice(0, 40)}"`, {
    value: name.slice(0, 40),
    actions: Object.keys(ACTIONS).join(', '),
  });
}

function tell(event: MachineEvent): { topic: string; payload: unknown } {
  const topic = event.event;
  if (event.event === 'receipt') return { topic, payload: event.receipt };
  return { topic, payload: event.event === 'contract' ? event.contract : event };
}

function historyLimit(value: unknown): number {
  if (value === undefined) return HISTORY_LIMIT;
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= LONGEST_HISTORY) return value;
  throw configInvalid('history-limit', `limit is a whole number from 1 to ${LONGEST_HISTORY}`, {
    limit: LONGEST_HISTORY,
  });
}

function balanceStatus(result: unknown): Status {
  const { available, decimals } = result as Awaited<ReturnType<Machine['balance']>>;
  return { fill: 'green', shape: 'dot', text: formatAmount(BigInt(available), decimals) };
}

/** A member of `msg.payload`, if that is an object that has it. */
function member({ payload }: IncomingMessage, name: string): unknown {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, name)) return undefined;
  return (payload as Record<string, unknown>)[name] ?? undefined;
}
