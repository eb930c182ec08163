import { isCodedError } from '../../lib/errors';
import {
  type LedgerConfiguration,
  type LedgerConnection,
  type LedgerState,
  type Network,
  runtimeOf,
} from '../../lib/runtime';
import { answer, optionalTextOf, problemOf, smallJson, textOf } from '../admin';
import { configInvalid, sentence } from '../failure';
import type { LedgerNode } from '../ledger-node';
import { type Api, credentialsOf, hideSecrets, type NodeDef, registerWithSecrets, runningNode } from '../node-red';
import { addUser, removeUser, type Users } from '../users';

interface LedgerConfig extends NodeDef {
  readonly network?: string;
  readonly url?: string;
  readonly port?: string | number;
  readonly deviceBrokerPort?: string | number;
  readonly mqttUrl?: string;
  readonly faucetUrl?: string;
  readonly indexerUrl?: string;
}

interface Credentials {
  readonly ledgerAuthToken?: string;
}

interface ThisLedger extends LedgerNode {
  users: Users;
  readonly credentials: Credentials;
  /** Everything that a stored token may be sent to. */
  addresses: string;
}

const TEST_TIMEOUT_MS = 15_000;
const URL_LIMIT = 2048;
/** What the editor shows in place of a stored secret. */
const STORED = '__PWRD__';

/** Where value moves: one ledger, shared by all machines that name it. */
export default function iotaLedger(RED: Api): void {
  function LedgerNodeType(this: ThisLedger, config: LedgerConfig): void {
    RED.nodes.createNode(this, config);
    hideSecrets(this);
    this.users = {};
    this.addresses = addressesOf(config);
    this.addUser = (node) => addUser(this.users, node);
    this.removeUser = (node) => removeUser(this.users, node);

    let opened: ReturnType<LedgerNode['connect']> | undefined;
    let stopWatching = () => {};
    this.connect = () => {
      if (opened) return opened;
      try {
        const ledger = runtimeOf(RED).openLedger(configurationOf(this.id, config, this.credentials?.ledgerAuthToken));
        opened = { ledger };
        stopWatching = ledger.watch(reporter(this));
      } catch (error) {
        if (!isCodedError(error)) throw error;
        opened = { problem: error };
        this.error(sentence(RED, error));
      }
      return opened;
    };

    this.on('close', (_removed: boolean, done: () => void) => {
      stopWatching();
      const closing = opened && 'ledger' in opened ? opened.ledger.close() : Promise.resolve();
      closing.catch((error: unknown) => this.warn(String(error))).finally(done);
    });
  }

  /** Says each change once in the log: flows see it under their nodes. */
  function reporter(node: LedgerNode): (state: LedgerState) => void {
    let said = '';
    return (state) => {
      const problem = state.phase === 'down' ? state.error : state.phase === 'up' ? state.warning : undefined;
      const text = problem ? sentence(RED, problem) : '';
      if (text !== said && text !== '') node.warn(text);
      if (state.phase !== 'starting') said = text;
    };
  }

  registerWithSecrets(RED, 'iota-ledger', LedgerNodeType, ['ledgerAuthToken']);

  RED.httpAdmin.post(
    '/iota-ledger/test',
    RED.auth.needsPermission('iota-ledger.write'),
    smallJson,
    answer(RED, async ({ body }) => {
      const id = textOf(body, 'id', 64);
      const config: Record<string, string> = {};
      for (const name of ['network', 'url', 'port', 'deviceBrokerPort', 'mqttUrl', 'faucetUrl', 'indexerUrl']) {
        const value = optionalTextOf(body, name, URL_LIMIT);
        if (value !== undefined) config[name] = value;
      }
      const token = tokenFor(id, addressesOf(config), optionalTextOf(body, 'ledgerAuthToken', URL_LIMIT));
      const state = await tryLedger(configurationOf(`${id}:test`, config, token));
      if (state.phase !== 'up') return { ok: false, problem: problemOf(RED, state.error) };
      const { networkId, token: unit, decimals, faucet } = state.network;
      return {
        ok: true,
        network: networkId,
        token: unit,
        decimals,
        faucet,
        url: state.url,
        ...(state.warning && { warning: problemOf(RED, state.warning) }),
      };
    }),
  );

  /** A stored token goes only to the addresses it was stored for. */
  function tokenFor(id: string, addresses: string, typed: string | undefined): string | undefined {
    if (typed !== STORED) return typed;
    if (runningNode<ThisLedger>(RED, id, 'iota-ledger')?.addresses !== addresses) {
      throw configInvalid('token-again', 'type the access token again to test another address');
    }
    const { ledgerAuthToken } = credentialsOf(RED, id);
    return typeof ledgerAuthToken === 'string' ? ledgerAuthToken : undefined;
  }

  async function tryLedger(configuration: LedgerConfiguration): Promise<Exclude<LedgerState, { phase: 'starting' }>> {
    const ledger = runtimeOf(RED).openLedger(configuration);
    try {
      return await settled(ledger);
    } finally {
      await ledger.close();
    }
  }
}

/** Node-RED hands properties over as they were typed; the runtime checks them. */
function configurationOf(
  nodeId: string,
  config: Partial<LedgerConfig>,
  token: string | undefined,
): LedgerConfiguration {
  const { network = 'sandbox-tangle', url, port, deviceBrokerPort, mqttUrl, faucetUrl, indexerUrl } = config;
  return {
    nodeId,
    network: network as Network,
    ...(url && { url }),
    ...portOf('port', port),
    ...portOf('deviceBrokerPort', deviceBrokerPort),
    ...(mqttUrl && { mqttUrl }),
    ...(faucetUrl && { faucetUrl }),
    ...(indexerUrl && { indexerUrl }),
    ...(token && { ledgerAuthToken: token }),
  };
}

function addressesOf({ url, mqttUrl, faucetUrl, indexerUrl }: Partial<LedgerConfig>): string {
  return JSON.stringify([url, mqttUrl, faucetUrl, indexerUrl].map((address) => address || null));
}

function portOf(name: string, value: string | number | undefined): Record<string, number> {
  return value === undefined || value === '' ? {} : { [name]: Number(value) };
}

/** The first answer of a ledger that is being tried. */
function settled(ledger: LedgerConnection): Promise<Exclude<LedgerState, { phase: 'starting' }>> {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(configInvalid('test-timeout', 'the ledger did not answer in time'));
    }, TEST_TIMEOUT_MS);
    let answered = false;
    stop = ledger.watch((state) => {
      if (state.phase === 'starting' || answered) return;
      answered = true;
      clearTimeout(timer);
      // Called at once, `watch` has not returned its stop yet.
      queueMicrotask(() => stop());
      resolve(state);
    });
  });
}
