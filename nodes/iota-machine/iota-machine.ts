import { isCodedError } from '../../lib/errors';
import { type AnchoringSettings, type LedgerConnection, type MachineConfiguration, runtimeOf } from '../../lib/runtime';
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
  /** When and under which tag the checkpoints of its log go to the ledger. */
  readonly tag?: string;
  readonly batchCount?: string | number;
  readonly batchSeconds?: string | number;
}

interface ThisMachine extends MachineNode {
  account: MachineNode['account'];
  users: Users;
  readonly credentials: { readonly machinePassphrase?: string };
}

const DEFAULT_ANCHORING: AnchoringSettings = { tag: 'me1:log', batchCount: 1000, batchSeconds: 60 };

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
    this.ledger = () => ledgerOf(ledgerNode);
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
    anchoring: anchoringOf(config),
    ...(passphrase && { machinePassphrase: passphrase }),
  };
}

function keyOf(node: ThisMachine, { key }: MachineConfig): string {
  if (!key) return node.id;
  const variable = unsetVariable(key);
  if (variable !== undefined)
    throw configInvalid('key-variable', `there is no variable ${variable}`, { name: variable });
  return key;
}

/** Node-RED leaves `${NAME}` as it is when there is no such variable: a fleet must not silently share that as a name. */
function unsetVariable(value: string): string | undefined {
  return /^\$\{(.*)\}$/.exec(value)?.[1];
}

function accountIndexOf(value: string | number | undefined): number {
  const index = value === undefined || value === '' ? 0 : Number(value);
  if (Number.isInteger(index) && index >= 0 && index < 2 ** 31) return index;
  throw configInvalid('account-index', 'the account index is a whole number from 0', {
    value: String(value).slice(0, 40),
  });
}

/** A flow that was made before there were logs has none of these. The runtime checks them. */
function anchoringOf({ tag, batchCount, batchSeconds }: MachineConfig): AnchoringSettings {
  const variable = tag && unsetVariable(tag);
  if (variable) throw configInvalid('tag-variable', `there is no variable ${variable}`, { name: variable });
  return {
    tag: tag || DEFAULT_ANCHORING.tag,
    batchCount: numberOf(batchCount) ?? DEFAULT_ANCHORING.batchCount,
    batchSeconds: numberOf(batchSeconds) ?? DEFAULT_ANCHORING.batchSeconds,
  };
}

function numberOf(value: string | number | undefined): number | undefined {
  return value === undefined || value === '' ? undefined : Number(value);
}
