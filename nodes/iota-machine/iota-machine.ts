import { isCodedError } from '../../lib/errors';
import { type LedgerConnection, type MachineConfiguration, runtimeOf } from '../../lib/runtime';
import { configInvalid, failure } from '../failure';
import type { LedgerNode } from '../ledger-node';
import type { MachineNode } from '../machine-link';
import { type Api, hideSecrets, type NodeDef, registerWithSecrets, runningNode } from '../node-red';
import { addUser, removeUser, type Users } from '../users';
import { serveMachineDialog } from './dialog';

interface MachineConfig extends NodeDef {
  readonly ledger?: string;
  readonly key?: string;
  readonly accountIndex?: string | number;
  readonly policy?: unknown;
  readonly contacts?: unknown;
}

interface ThisMachine extends MachineNode {
  account: MachineNode['account'];
  users: Users;
  readonly credentials: { readonly machinePassphrase?: string };
}

/** An identity with its account and its policy. The account belongs to the runtime: a deploy closes this node, not payments. */
export default function iotaMachine(RED: Api): void {
  function MachineNodeType(this: ThisMachine, config: MachineConfig): void {
    RED.nodes.createNode(this, config);
    hideSecrets(this);
    this.users = {};
    this.addUser = (node) => addUser(this.users, node);
    this.removeUser = (node) => removeUser(this.users, node);

    const ledgerNode = config.ledger ? runningNode<LedgerNode>(RED, config.ledger, 'iota-ledger') : undefined;
    ledgerNode?.addUser(this);
    try {
      const machine = runtimeOf(RED).openMachine(configurationOf(this, config), ledgerOf(ledgerNode));
      this.account = { machine };
    } catch (error) {
      if (!isCodedError(error)) throw error;
      this.account = { problem: error };
      this.error(failure(RED, error));
    }

    this.on('close', (_removed: boolean, done: () => void) => {
      ledgerNode?.removeUser(this);
      const closing = 'machine' in this.account ? this.account.machine.close() : Promise.resolve();
      closing.catch((error: unknown) => this.warn(String(error))).finally(done);
    });
  }

  registerWithSecrets(RED, 'iota-machine', MachineNodeType, ['machinePassphrase']);
  serveMachineDialog(RED);
}

function ledgerOf(node: LedgerNode | undefined): LedgerConnection {
  if (!node) throw configInvalid('ledger-missing', 'no ledger is chosen');
  const connected = node.connect();
  if ('problem' in connected) throw connected.problem;
  return connected.ledger;
}

function configurationOf(node: ThisMachine, config: MachineConfig): MachineConfiguration {
  const passphrase = node.credentials?.machinePassphrase;
  return {
    nodeId: node.id,
    key: keyOf(node, config),
    accountIndex: accountIndexOf(config.accountIndex),
    policy: config.policy ?? null,
    contacts: config.contacts ?? null,
    ...(passphrase && { machinePassphrase: passphrase }),
  };
}

/** Node-RED leaves `${NAME}` as it is when there is no such variable: a fleet must not silently share that as a name. */
function keyOf(node: ThisMachine, { key }: MachineConfig): string {
  if (!key) return node.id;
  const variable = /^\$\{(.*)\}$/.exec(key)?.[1];
  if (variable !== undefined)
    throw configInvalid('key-variable', `there is no variable ${variable}`, { name: variable });
  return key;
}

function accountIndexOf(value: string | number | undefined): number {
  const index = value === undefined || value === '' ? 0 : Number(value);
  if (Number.isInteger(index) && index >= 0 && index < 2 ** 31) return index;
  throw configInvalid('account-index', 'the account index is a whole number from 0', {
    value: String(value).slice(0, 40),
  });
}
