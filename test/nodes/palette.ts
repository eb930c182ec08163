/** The nodes in Node-RED's test helper, on a {@link FakeRuntime} that stands in for `lib/runtime`. */
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Node, NodeAPI, NodeMessage } from 'node-red';
import { SafeState } from '../../lib/runtime/safe-state';
import { FakeRuntime } from './fake-runtime';

const requireHere = createRequire(__filename);

export const fake = new FakeRuntime();

// What nodes take from lib/runtime besides types. In its place before any node is loaded.
const runtimePath = requireHere.resolve('../../lib/runtime/index.ts');
const before = requireHere.cache[runtimePath];
requireHere.cache[runtimePath] = {
  ...(before ?? ({ id: runtimePath, filename: runtimePath, loaded: true } as NodeJS.Module)),
  exports: { runtimeOf: () => fake, SafeState },
};
export const TYPES = [
  'iota-ledger',
  'iota-machine',
  'iota-wallet',
  'iota-pay',
  'iota-listen',
  'iota-sign-data',
  'iota-verify-data',
  'iota-offer',
  'iota-buy',
] as const;
const nodes = TYPES.map((type) => {
  const module = requireHere(`../../nodes/${type}/${type}.ts`) as { default: (RED: NodeAPI) => void };
  return module.default;
});
// Node-RED's own broker node: it stays unconnected, since none of its MQTT nodes is there.
nodes.push(requireHere('@node-red/nodes/core/network/10-mqtt.js') as (RED: NodeAPI) => void);
// Other spec files of this process get the real one.
if (before) requireHere.cache[runtimePath] = before;
else delete requireHere.cache[runtimePath];

/** What of node-red-node-test-helper is used here. */
interface Helper {
  init(path: string, settings: object): void;
  load(nodes: readonly ((RED: NodeAPI) => void)[], flow: readonly object[], credentials?: object): Promise<void>;
  setFlows(flow: readonly object[], type: 'full' | 'nodes' | 'flows', credentials?: object): Promise<void>;
  unload(): Promise<void>;
  getNode(id: string): Node;
  request(): {
    get(url: string): Test;
    post(url: string): Test;
  };
  readonly _events: NodeJS.EventEmitter;
}
interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Record<string, string>;
}
interface Test extends PromiseLike<Answer> {
  send(body: object | string): Test;
  set(name: string, value: string): Test;
}

export const helper = requireHere('node-red-node-test-helper') as Helper;
helper.init(join(dirname(requireHere.resolve('node-red/package.json')), 'lib', 'red.js'), {
  logging: { console: { level: 'off' } },
});

export async function start(flow: readonly object[], credentials: object = {}): Promise<void> {
  fake.reset();
  // The helper's promise is that of the flows having been started.
  await helper.load(nodes, placed(flow), credentials);
}

export async function deploy(flow: readonly object[], type: 'full' | 'nodes' | 'flows'): Promise<void> {
  await helper.setFlows(placed(flow), type);
}

/** Node-RED takes a node without a place for a config node. */
function placed(flow: readonly object[]): object[] {
  return flow.map((node) => ('z' in node ? { x: 100, y: 100, wires: [], ...node } : node));
}

export async function stop(): Promise<void> {
  await helper.unload();
}

export const redEvents = (): NodeJS.EventEmitter => helper._events;

/** The next message that a helper node receives. */
export async function nextMessage(id: string): Promise<Received> {
  const [message] = (await once(helper.getNode(id), 'input')) as [Received];
  return message;
}

export interface Received extends NodeMessage {
  readonly error?: { readonly code?: string; readonly message: string };
  readonly status?: { readonly text?: string; readonly fill?: string };
}

/** All messages that a helper node receives from now on. */
export function messagesOf(id: string): Received[] {
  const received: Received[] = [];
  helper.getNode(id).on('input', (message) => received.push(message as Received));
  return received;
}

/** The next status that a node shows and that fits. */
export function nextStatus(id: string, text: string | RegExp): Promise<{ text: string; fill: string }> {
  const node = helper.getNode(id);
  return new Promise((resolve) => {
    const listener = (call: { args: [{ text: string; fill: string }] }) => {
      const [status] = call.args;
      if (typeof status.text !== 'string') return;
      if (typeof text === 'string' ? status.text !== text : !text.test(status.text)) return;
      node.removeListener('call:status', listener);
      resolve(status);
    };
    (node as unknown as NodeJS.EventEmitter).on('call:status', listener);
  });
}

/** Lets everything run that is ready to. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export const LEDGER = { id: 'ledger', type: 'iota-ledger', network: 'sandbox-tangle' };
export const MACHINE = {
  id: 'machine',
  type: 'iota-machine',
  name: 'm',
  ledger: 'ledger',
  key: '',
  policy: { payees: ['*'] },
};
export const BROKER = { id: 'broker', type: 'mqtt-broker', name: '', broker: '127.0.0.1', port: '1885', usetls: false };
/** What nodes make of {@link BROKER}. */
export const CHANNEL = { kind: 'mqtt', url: 'mqtt://127.0.0.1:1885', version: 4, keepalive: 60 } as const;
export const TAB = { id: 'tab', type: 'tab', label: 'Flow' };
export const sink = (id: string) => ({ id, type: 'helper', z: 'tab' });

/** What a node writes into the log as warnings from now on. */
export function warningsOf(id: string): string[] {
  const said: string[] = [];
  (helper.getNode(id) as unknown as NodeJS.EventEmitter).on('call:warn', (call: { args: [string] }) =>
    said.push(call.args[0]),
  );
  return said;
}
