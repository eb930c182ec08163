import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Evidence, Verification } from '../../lib/evidence';
import { freePorts, type NodeRedProcess, UserDirectory } from './node-red-process';

const LIMIT_MS = 60_000;

/** What a sign node has let out, as it stands in the files of those who took it. */
export interface Line {
  readonly document: { readonly n: number; readonly proof: { readonly sequence: number } };
  readonly evidence?: Evidence;
  readonly redelivered: boolean;
}

/** One after the other into a file, synced: what is there was let out, whatever happens to the process after. */
interface Files {
  readonly signed: string;
  readonly evidence: string;
  readonly errors: string;
}

type FlowNode = { readonly id: string; readonly [property: string]: unknown };

const keeper = (id: string, file: string) => ({
  id,
  type: 'function',
  z: 'tab',
  func: `const { appendFileSync } = global.get('process').mainModule.require('fs');
const { payload: document, evidence, redelivered } = msg;
appendFileSync(${JSON.stringify(file)}, JSON.stringify({ document, evidence, redelivered: redelivered === true }) + '\\n');`,
  outputs: 0,
  libs: [],
  wires: [],
});

/** A machine that signs what is posted, and a verifier that reads all its evidence and asks the ledger. */
function flow(ledgerPort: number, files: Files): FlowNode[] {
  const nodes = [
    { id: 'tab', type: 'tab', label: 'Evidence' },
    { id: 'ledger', type: 'iota-ledger', name: '', network: 'sandbox-tangle', port: ledgerPort, deviceBrokerPort: 0 },
    {
      id: 'sensor',
      type: 'iota-machine',
      name: 'Sensor',
      ledger: 'ledger',
      key: 'press',
      accountIndex: 0,
      policy: null,
      contacts: {},
      tag: 'test:kill',
      batchCount: 200,
      batchSeconds: 1,
    },
    { id: 'button', type: 'inject', z: 'tab', props: [{ p: 'payload' }], payloadType: 'date', wires: [['burst']] },
    {
      id: 'burst',
      type: 'function',
      z: 'tab',
      func: `const { first, count } = msg.payload;
for (let n = first; n < first + count; n += 1) node.send({ topic: 'press', payload: { n, bar: n % 7 } });`,
      outputs: 1,
      libs: [],
      wires: [['sign']],
    },
    {
      id: 'sign',
      type: 'iota-sign-data',
      z: 'tab',
      machine: 'sensor',
      format: 'data-integrity',
      anchor: true,
      schema: '',
      readers: [],
      wires: [['keep-signed'], ['keep-evidence']],
    },
    keeper('keep-signed', files.signed),
    keeper('keep-evidence', files.evidence),
    { id: 'catch', type: 'catch', z: 'tab', scope: null, wires: [['keep-error']] },
    {
      id: 'keep-error',
      type: 'function',
      z: 'tab',
      func: `const { appendFileSync } = global.get('process').mainModule.require('fs');
appendFileSync(${JSON.stringify(files.errors)}, JSON.stringify(msg.error) + '\\n');`,
      outputs: 0,
      libs: [],
      wires: [],
    },
    { id: 'verify-in', type: 'http in', z: 'tab', url: '/verify', method: 'get', wires: [['read']] },
    {
      id: 'read',
      type: 'function',
      z: 'tab',
      func: `const { readFileSync } = global.get('process').mainModule.require('fs');
const lines = readFileSync(${JSON.stringify(files.evidence)}, 'utf8').trim().split('\\n').map((line) => JSON.parse(line));
const once = new Map(lines.map(({ document, evidence }) => [document.proof.sequence, { document, evidence }]));
msg.payload = [...once].sort(([a], [b]) => a - b).map(([, line]) => line);
return msg;`,
      outputs: 1,
      libs: [],
      wires: [['verify']],
    },
    {
      id: 'verify',
      type: 'iota-verify-data',
      z: 'tab',
      ledger: 'ledger',
      machine: '',
      requireAnchor: true,
      trusted: ['sensor'],
      successions: '',
      wires: [['verdict'], ['verdict']],
    },
    {
      id: 'verdict',
      type: 'function',
      z: 'tab',
      func: 'msg.payload = msg.verification;\nreturn msg;',
      outputs: 1,
      libs: [],
      wires: [['verdict-out']],
    },
    { id: 'verdict-out', type: 'http response', z: 'tab', statusCode: '', wires: [] },
    { id: 'resources-in', type: 'http in', z: 'tab', url: '/resources', method: 'get', wires: [['resources']] },
    {
      id: 'resources',
      type: 'function',
      z: 'tab',
      func: `const process = global.get('process');
const active = {};
for (const kind of process.getActiveResourcesInfo()) active[kind] = (active[kind] || 0) + 1;
const { events } = process.mainModule.require('@node-red/util');
msg.payload = { active, flowsStartedListeners: events.listenerCount('flows:started') };
return msg;`,
      outputs: 1,
      libs: [],
      wires: [['verdict-out']],
    },
  ];
  // What has no place in the editor is taken for a config node.
  return nodes.map((node) => ('z' in node ? { ...node, x: 0, y: 0 } : node));
}

/** A Node-RED in which a machine signs thousands of readings, and files of all that has left it. */
export class Load {
  nodeRed: NodeRedProcess;
  /** Readings are numbered as they are asked for. */
  asked = 0;
  readonly #files: Files;

  private constructor(
    readonly directory: UserDirectory,
    readonly flow: readonly FlowNode[],
    files: Files,
    nodeRed: NodeRedProcess,
  ) {
    this.#files = files;
    this.nodeRed = nodeRed;
  }

  static async start(): Promise<Load> {
    const directory = await UserDirectory.create();
    const [ledgerPort] = (await freePorts(1)) as [number];
    const files = {
      signed: join(directory.path, 'signed.jsonl'),
      evidence: join(directory.path, 'evidence.jsonl'),
      errors: join(directory.path, 'errors.jsonl'),
    };
    const nodes = flow(ledgerPort, files);
    await directory.writeFlows(nodes);
    return new Load(directory, nodes, files, await directory.start());
  }

  get signed(): Line[] {
    return linesIn(this.#files.signed);
  }

  get evidence(): Line[] {
    return linesIn(this.#files.evidence);
  }

  get errors(): unknown[] {
    return linesIn(this.#files.errors);
  }

  async post(count: number): Promise<void> {
    const first = this.asked;
    this.asked += count;
    const payload = { p: 'payload', v: JSON.stringify({ first, count }), vt: 'json' };
    // It may be killed before it answers.
    await fetch(`${this.directory.url}/inject/button`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ __user_inject_props__: [payload] }),
    }).catch(() => {});
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = Date.now() + LIMIT_MS;
    while (!holds()) {
      if (Date.now() > deadline) {
        const counts = `${this.signed.length} signed, ${this.evidence.length} with evidence`;
        throw new Error(`${what} has not come: ${counts}\n${this.nodeRed.log.slice(-3000)}`);
      }
      await new Promise((again) => setTimeout(again, 100));
    }
  }

  /** The last reading was signed, and there is evidence for everything that was. */
  async finish(): Promise<void> {
    const last = this.asked - 1;
    await this.until('the last reading', () => this.signed.some(({ document }) => document.n === last));
    await this.until('all evidence', () => {
      const have = new Set(this.evidence.map(({ document }) => document.proof.sequence));
      return this.signed.every(({ document }) => have.has(document.proof.sequence));
    });
  }

  /** Of all evidence together, by Node-RED and with the ledger. */
  async verdict(): Promise<Verification> {
    return (await fetch(`${this.directory.url}/verify`)).json() as Promise<Verification>;
  }

  async resources(): Promise<{ active: Record<string, number>; flowsStartedListeners: number }> {
    return (await fetch(`${this.directory.url}/resources`)).json() as never;
  }

  /** Resolves when the nodes run again: until then Node-RED drops messages to those that are not made yet. */
  async deploy(type: 'full' | 'nodes' | 'flows', nodes: readonly object[]): Promise<void> {
    const starts = () => this.nodeRed.log.match(/Started (modified )?(flows|nodes)/g)?.length ?? 0;
    const before = starts();
    const response = await fetch(`${this.directory.url}/flows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'node-red-deployment-type': type },
      body: JSON.stringify(nodes),
    });
    if (response.status !== 204) throw new Error(`not deployed: ${response.status}`);
    await this.until('the start after a deploy', () => starts() > before);
  }

  async stop(): Promise<void> {
    await this.nodeRed.stop();
    await this.directory.remove();
  }
}

/** Whole lines: the last one may have been cut off by the kill. */
function linesIn(file: string): Line[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => parsed(line));
}

function parsed(line: string): Line[] {
  try {
    return [JSON.parse(line) as Line];
  } catch {
    return [];
  }
}
