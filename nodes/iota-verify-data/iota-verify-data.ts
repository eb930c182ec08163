import { type CodedError, type ErrorCode, isCodedError } from '../../lib/errors';
import type { EncryptedPayload, Verification } from '../../lib/evidence';
import { type LedgerConnection, type Machine, runtimeOf } from '../../lib/runtime';
import { configInvalid, failure } from '../failure';
import { inOrder } from '../in-order';
import { onInput } from '../input';
import type { LedgerNode } from '../ledger-node';
import { identityOf, type MachineNode } from '../machine-link';
import { namesIn } from '../names';
import { type Api, type IncomingMessage, type Node, type NodeDef, runningNode } from '../node-red';
import { settings } from '../settings';
import { failed, type Status, statusLine } from '../status';
import { opened } from './opened';
import { worded } from './worded';

interface VerifyConfig extends NodeDef {
  /** Empty: nothing is asked, only the evidence itself is checked. */
  readonly ledger?: string;
  /** Opens what is encrypted for it, and lends its contacts. */
  readonly machine?: string;
  readonly requireAnchor?: boolean;
  /** Who may have signed: dids, contacts of the machine, ids of machine nodes; none: anyone. */
  readonly trusted?: unknown;
  /** Statements by which machines handed over to others, as JSON text. */
  readonly successions?: unknown;
}

const READY: Status = { fill: 'green', shape: 'ring', text: 'iota-verify-data.status.ready' };
const ANYONE: Status = { fill: 'yellow', shape: 'ring', text: 'iota-verify-data.status.anyone' };
const VALID: Status = { fill: 'green', shape: 'dot', text: 'iota-verify-data.status.valid' };
const VALID_OF_ANYONE: Status = { fill: 'yellow', shape: 'dot', text: 'iota-verify-data.status.validOfAnyone' };
const INVALID: Status = { fill: 'red', shape: 'dot', text: 'iota-verify-data.status.invalid' };

/** What is wrong with something encrypted itself; everything else is wrong with the reader. */
const DAMAGED: readonly ErrorCode[] = ['SIGNATURE_INVALID', 'DATA_NOT_CANONICAL', 'DATA_TOO_LARGE'];

/** Says whether documents are as their machine signed them, and where they stand in its log and on the ledger. */
export default function iotaVerifyData(RED: Api): void {
  function VerifyDataNode(this: Node, config: VerifyConfig): void {
    RED.nodes.createNode(this, config);
    const status = statusLine(this);
    const ledgerNode = config.ledger ? runningNode<LedgerNode>(RED, config.ledger, 'iota-ledger') : undefined;
    const machineNode = config.machine ? runningNode<MachineNode>(RED, config.machine, 'iota-machine') : undefined;
    ledgerNode?.addUser(this);
    machineNode?.addUser(this);

    const terms = settings(() => ({
      trusted: namesIn(config.trusted, 'trusted'),
      successions: statementsIn(config.successions),
      ledger: ledgerOf(config, ledgerNode),
    }));
    if (terms.problem) this.error(failure(RED, terms.problem));
    const anyone = !terms.problem && terms.value().trusted.length === 0;
    const atRest = terms.problem ? failed(terms.problem) : anyone ? ANYONE : READY;
    status.show(atRest);

    let isDown = false;
    const stopWatching = terms.problem
      ? undefined
      : terms.value().ledger?.watch((state) => {
          if (state.phase === 'down') status.show(failed(state.error));
          else if (isDown) status.show(atRest);
          isDown = state.phase === 'down';
        });

    this.on('close', () => {
      stopWatching?.();
      ledgerNode?.removeUser(this);
      machineNode?.removeUser(this);
      status.close();
    });

    const didOf = trustedDids(RED, () => machineOf(machineNode));
    const turn = inOrder();

    const judge = async (message: IncomingMessage): Promise<{ payload: unknown; verification: Verification }> => {
      const { trusted, successions, ledger } = terms.value();
      const dids = await Promise.all(trusted.map(didOf));
      const sealed: CodedError[] = [];
      const open = async (encrypted: object) => {
        try {
          return await machineOf(machineNode).decrypt(encrypted as EncryptedPayload);
        } catch (error) {
          // Whoever sent it did something to it: not this flow's error, but a document that is not valid.
          if (!isCodedError(error) || !DAMAGED.includes(error.code)) throw error;
          sealed.push(error);
          return encrypted;
        }
      };
      const payload = config.machine ? await opened(message.payload, open) : message.payload;
      const verification = await runtimeOf(RED).verify(
        {
          payload,
          trusted: dids,
          requireAnchor: config.requireAnchor === true,
          ...(message.evidence !== undefined && { evidence: message.evidence }),
          ...statements(successions, message.successions),
        },
        ledger,
      );
      return { payload, verification: worded(RED, verification, sealed) };
    };

    onInput(
      RED,
      this,
      async (message, send) => {
        const { payload, verification } = await turn(judge(message));
        message.payload = payload;
        message.verification = verification;
        const { valid } = verification;
        status.show(!valid ? INVALID : anyone ? VALID_OF_ANYONE : VALID);
        send(valid ? [message, null] : [null, message]);
      },
      (error) => {
        if (isCodedError(error)) status.show(failed(error));
      },
    );
  }

  RED.nodes.registerType('iota-verify-data', VerifyDataNode);
}

/** A ledger that was chosen is asked, or nothing is judged. */
function ledgerOf({ ledger }: VerifyConfig, node: LedgerNode | undefined): LedgerConnection | undefined {
  if (!ledger) return undefined;
  if (!node) throw configInvalid('verify-ledger', 'the ledger that was chosen is not running');
  const connected = node.connect();
  if ('problem' in connected) throw connected.problem;
  return connected.ledger;
}

function machineOf(node: MachineNode | undefined): Machine {
  if (!node) throw configInvalid('machine-missing', 'no machine is chosen');
  if ('problem' in node.account) throw node.account.problem;
  return node.account.machine;
}

/**
 * The did that an entry of `trusted` stands for. What a machine node once told about itself is kept: its ledger may be away
 * while documents are verified without one.
 */
function trustedDids(RED: Api, lender: () => Machine): (name: string) => Promise<string> {
  const known = new WeakMap<Machine, string>();
  return async (name) => {
    if (name.startsWith('did:')) return name;
    const node = runningNode<MachineNode>(RED, name, 'iota-machine');
    if (!node) return lender().didOf(name);
    const machine = machineOf(node);
    const did = known.get(machine) ?? (await identityOf(machine)).did;
    known.set(machine, did);
    return did;
  };
}

function statementsIn(text: unknown): readonly unknown[] {
  if (text === undefined || text === null || text === '') return [];
  try {
    return listOf(typeof text === 'string' ? JSON.parse(text) : text);
  } catch (cause) {
    throw configInvalid('successions', 'the statements of succession are no JSON', {
      reason: cause instanceof Error ? cause.message : '',
    });
  }
}

/** All of them together: two that contradict each other must meet. */
function statements(configured: readonly unknown[], given: unknown): { successions?: readonly unknown[] } {
  const all = given === undefined || given === null ? configured : [...configured, ...listOf(parsed(given))];
  return all.length > 0 ? { successions: all } : {};
}

function parsed(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given);
  } catch {
    // The text of a JWS, or nothing that can be a statement: verification says so.
    return given;
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}
