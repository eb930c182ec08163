import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Verification } from '../../lib/evidence';
import { freePorts, type NodeRedProcess, UserDirectory } from './node-red-process';

const EXAMPLES = join(__dirname, '..', '..', 'examples');
const LIMIT_MS = 60_000;
const POLL_MS = 100;

export interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly wires?: readonly (readonly string[])[];
  readonly [property: string]: unknown;
}

/** What came out of a node. */
export interface Told {
  readonly payload: unknown;
  readonly verification?: Verification;
  readonly evidence?: { readonly type: string; readonly anchor: { readonly transactionId: string } };
  readonly topic?: string;
  readonly _msgid?: string;
  readonly redelivered?: boolean;
  readonly error?: { readonly code?: string; readonly message: string };
  readonly [property: string]: unknown;
}

export const example = (name: string): FlowNode[] =>
  JSON.parse(readFileSync(join(EXAMPLES, `${name}.json`), 'utf8')) as FlowNode[];

/** A flow in a real Node-RED with a sandbox of its own, and what leaves its watched outputs. */
export class ObservedFlow {
  /** Told before the last restart. */
  #before: readonly Entry[] = [];
  #now: readonly Entry[] = [];

  private constructor(
    readonly directory: UserDirectory,
    public nodeRed: NodeRedProcess,
    readonly ledgerUrl: string,
  ) {}

  /** @param watch names for `<node id>:<output>` */
  static async start(flow: readonly FlowNode[], watch: Readonly<Record<string, string>>): Promise<ObservedFlow> {
    const [ledgerPort, devicePort] = (await freePorts(2)) as [number, number];
    const directory = await UserDirectory.create();
    const moved = flow.map((node) => {
      if (node.type === 'iota-ledger') return { ...node, port: ledgerPort, deviceBrokerPort: devicePort };
      if (node.type === 'mqtt-broker') return { ...node, port: String(devicePort) };
      const wires = node.wires?.map((to, output) => {
        const name = watch[`${node.id}:${output}`];
        return name === undefined ? to : [...to, `tell-${name}`];
      });
      return { ...node, ...(wires && { wires }) };
    });
    const z = flow.find(({ type }) => type === 'tab')?.id;
    await directory.writeFlows([...moved, ...teller(z, Object.values(watch))]);
    return new ObservedFlow(directory, await directory.start(), `http://127.0.0.1:${ledgerPort}`);
  }

  /** Everything that was told under this name so far. */
  async heard(name: string): Promise<Told[]> {
    this.#now = (await (await fetch(`${this.directory.url}/told`)).json()) as Entry[];
    return [...this.#before, ...this.#now].filter((entry) => entry.name === name).map(({ told }) => told);
  }

  /** The first that was told under this name and fits. */
  async hears(name: string, fits: (told: Told, index: number) => boolean = () => true): Promise<Told> {
    const deadline = Date.now() + LIMIT_MS;
    while (Date.now() < deadline) {
      const found = (await this.heard(name)).find(fits);
      if (found) return found;
      await new Promise((again) => setTimeout(again, POLL_MS));
    }
    const all = JSON.stringify([...this.#before, ...this.#now]).slice(0, 4000);
    throw new Error(`"${name}" was not told; heard: ${all}\n${this.nodeRed.log.slice(-4000)}`);
  }

  async press(button: string): Promise<void> {
    const response = await fetch(`${this.directory.url}/inject/${button}`, { method: 'POST' });
    if (!response.ok) throw new Error(`no button ${button}: ${response.status}`);
  }

  /** As by a power cut; the same user directory comes up again. */
  async killAndRestart(): Promise<void> {
    await this.nodeRed.kill();
    this.#before = [...this.#before, ...this.#now];
    this.nodeRed = await this.directory.start();
  }

  async stop(): Promise<void> {
    await this.nodeRed.stop();
    await this.directory.remove();
  }
}

interface Entry {
  readonly name: string;
  readonly told: Told;
}

/** Nodes that keep what they get, each under a name of its own, and tell all of it when asked. */
function teller(z: string | undefined, names: readonly string[]): object[] {
  const at = { z, x: 0, y: 0 };
  const keep = `const { req, res, ...told } = msg;
const all = global.get('told') || [];
all.push({ name, told: RED.util.cloneMessage(told) });
global.set('told', all);`;
  return [
    ...names.map((name) => ({
      ...at,
      id: `tell-${name}`,
      type: 'function',
      func: `const name = ${JSON.stringify(name)};\n${keep}`,
      outputs: 0,
      libs: [],
      wires: [],
    })),
    { ...at, id: 'tell-in', type: 'http in', url: '/told', method: 'get', wires: [['tell-all']] },
    {
      ...at,
      id: 'tell-all',
      type: 'function',
      func: "msg.payload = global.get('told') || [];\nreturn msg;",
      outputs: 1,
      libs: [],
      wires: [['tell-out']],
    },
    { ...at, id: 'tell-out', type: 'http response', statusCode: '', wires: [] },
  ];
}
