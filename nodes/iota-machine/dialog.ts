import { renderSVG } from 'uqr';
import { CodedError } from '../../lib/errors';
import { type KeyDescription, type Machine, runtimeOf } from '../../lib/runtime';
import { formatAmount } from '../../lib/values';
import { answer, optionalTextOf, problemOf, smallJson, textOf } from '../admin';
import { configInvalid } from '../failure';
import type { MachineNode } from '../machine-link';
import { type Api, credentialsOf, runningNode } from '../node-red';

const NAME_LIMIT = 128;
const WORDS_LIMIT = 512;
const PASSPHRASE_LIMIT = 1024;
/** What the editor shows in place of a stored secret. */
const STORED = '__PWRD__';

/** What the machine's dialog asks for. No answer holds a secret, except the words of a key that was made this moment. */
export function serveMachineDialog(RED: Api): void {
  const mayRead = RED.auth.needsPermission('iota-machine.read');
  const mayWrite = RED.auth.needsPermission('iota-machine.write');
  const keystore = () => runtimeOf(RED).keystore;

  RED.httpAdmin.get(
    '/iota-machine/keys',
    mayRead,
    answer(RED, async () => ({ keys: (await keystore().list()).map(shownKey) })),
  );

  RED.httpAdmin.post(
    '/iota-machine/keys',
    mayWrite,
    smallJson,
    answer(RED, async ({ body }) => {
      const { words, description } = await keystore().create(keyIn(body), passphraseIn(RED, body));
      return { words, key: shownKey(description) };
    }),
  );

  RED.httpAdmin.post(
    '/iota-machine/keys/import',
    mayWrite,
    smallJson,
    answer(RED, async ({ body }) => {
      const words = tidyWords(textOf(body, 'words', WORDS_LIMIT));
      return { key: shownKey(await keystore().import(keyIn(body), words, passphraseIn(RED, body))) };
    }),
  );

  RED.httpAdmin.post(
    '/iota-machine/keys/backup',
    mayWrite,
    smallJson,
    answer(RED, async ({ body }) => {
      const words = tidyWords(textOf(body, 'words', WORDS_LIMIT));
      return { confirmed: await keystore().confirmBackup(keyIn(body), words, passphraseIn(RED, body)) };
    }),
  );

  RED.httpAdmin.get(
    '/iota-machine/:id/account',
    mayRead,
    answer(RED, async ({ params }) => {
      const id = String(params.id);
      // Not an error: the dialog of a machine that is being made asks too.
      if (!runningNode<MachineNode>(RED, id, 'iota-machine')) return { phase: 'not-deployed' };
      return accountOf(RED, deployedMachine(RED, id));
    }),
  );

  RED.httpAdmin.post(
    '/iota-machine/:id/fund',
    mayWrite,
    smallJson,
    answer(RED, async ({ params }) => {
      await deployedMachine(RED, String(params.id)).fund();
      return { requested: true };
    }),
  );

  RED.httpAdmin.post(
    '/iota-machine/:id/succeed',
    mayWrite,
    smallJson,
    answer(RED, async ({ params, body }) => {
      const passphrase = optionalTextOf(body, 'passphrase', PASSPHRASE_LIMIT);
      const successor = { key: keyIn(body), ...(passphrase !== undefined && { passphrase }) };
      return { statement: await deployedMachine(RED, String(params.id)).succeed(successor) };
    }),
  );
}

async function accountOf(RED: Api, machine: Machine): Promise<object> {
  const { state } = machine;
  if (state.phase === 'starting') return { phase: 'starting' };
  if (state.phase === 'down') return { phase: 'down', problem: problemOf(RED, state.error) };
  const { address, did, network, protected: isProtected } = state.identity;
  const account = {
    phase: 'ready',
    address,
    did,
    network: network.networkId,
    token: network.token,
    faucet: network.faucet,
    protected: isProtected,
    qr: renderSVG(address, { border: 2 }),
  };
  try {
    const { total, available, reserved, pending, decimals } = await machine.balance();
    const shown = (amount: string) => formatAmount(BigInt(amount), decimals);
    return {
      ...account,
      balance: {
        total: shown(total),
        available: shown(available),
        reserved: shown(reserved),
        pending: shown(pending),
      },
    };
  } catch (error) {
    if (error instanceof CodedError) return { ...account, problem: problemOf(RED, error) };
    throw error;
  }
}

function deployedMachine(RED: Api, id: string): Machine {
  const node = runningNode<MachineNode>(RED, id, 'iota-machine');
  if (!node) throw configInvalid('machine-not-deployed', 'this machine is not deployed yet');
  if ('problem' in node.account) throw node.account.problem;
  return node.account.machine;
}

/** Member by member: whatever a key may carry some day, only this leaves. */
function shownKey({ key, did, protected: isProtected, backedUp }: KeyDescription): KeyDescription {
  return { key, did, protected: isProtected, backedUp };
}

function keyIn(body: unknown): string {
  return textOf(body, 'key', NAME_LIMIT);
}

/** The passphrase as typed; where the dialog still shows the stored one, that of the deployed node. */
function passphraseIn(RED: Api, body: unknown): string | undefined {
  const typed = optionalTextOf(body, 'passphrase', PASSPHRASE_LIMIT);
  if (typed !== STORED) return typed;
  const { machinePassphrase } = credentialsOf(RED, textOf(body, 'id', NAME_LIMIT));
  return typeof machinePassphrase === 'string' ? machinePassphrase : undefined;
}

function tidyWords(words: string): string {
  return words.trim().toLowerCase().split(/\s+/).join(' ');
}
