import { once } from 'node:events';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import RED from 'node-red';

const ROOT = resolve(__dirname, '..');
const PACKAGE = '@machine-economy/node-red-iota';

/** Where every message of the flow under test ends; the process hears it. */
const SINK = `
module.exports = (RED) => {
  function Sink(config) {
    RED.nodes.createNode(this, config);
    this.on('input', (message, send, done) => { process.emit('bench-sink', config.id, message); done(); });
  }
  RED.nodes.registerType('bench-sink', Sink);
};
`;

export type Message = Record<string, unknown> & { payload?: unknown };
export type SinkListener = (sinkId: string, message: Message) => void;

/** A user directory with the palette as it is built in `dist/`. */
export async function userDirectory(flow: readonly object[]): Promise<string> {
  const userDir = await mkdtemp(join(tmpdir(), 'machine-economy-bench-'));
  await mkdir(join(userDir, 'node_modules', dirname(PACKAGE)), { recursive: true });
  await symlink(ROOT, join(userDir, 'node_modules', PACKAGE), 'junction');
  await mkdir(join(userDir, 'nodes'));
  await writeFile(join(userDir, 'nodes', 'bench-sink.js'), SINK);
  await writeFile(
    join(userDir, 'nodes', 'bench-sink.html'),
    '<script type="text/javascript">RED.nodes.registerType(\'bench-sink\', { defaults: {} })</script>\n',
  );
  await writeFile(join(userDir, 'flows.json'), JSON.stringify(flow));
  return userDir;
}

export async function removeUserDirectory(userDir: string): Promise<void> {
  await rm(userDir, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Node-RED inside this process, because what is measured is the thread it runs on. One per process. The test helper will
 * not do: its proxies make every message dozens of times slower.
 */
export class EmbeddedNodeRed {
  private constructor(private readonly server: Server) {}

  static async start(userDir: string): Promise<EmbeddedNodeRed> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    RED.init(server, {
      uiPort: (server.address() as AddressInfo).port,
      uiHost: '127.0.0.1',
      userDir,
      flowFile: 'flows.json',
      credentialSecret: false,
      httpAdminRoot: false,
      telemetry: { enabled: false },
      logging: { console: { level: 'error', metrics: false, audit: false } },
    } as Parameters<typeof RED.init>[1]);
    const started = once(RED.runtime.events as unknown as NodeJS.EventEmitter, 'flows:started');
    await RED.start();
    await started;
    return new EmbeddedNodeRed(server);
  }

  /** Puts a message into a node, as a wire would. */
  send(nodeId: string, message: Message): void {
    const node = (RED as unknown as { nodes: { getNode(id: string): { receive(message: Message): void } | null } })
      .nodes;
    const target = node.getNode(nodeId);
    if (!target) throw new Error(`no node ${nodeId}`);
    target.receive(message);
  }

  /** Returns how to stop. */
  onSink(listener: SinkListener): () => void {
    const events = process as NodeJS.EventEmitter;
    events.on('bench-sink', listener);
    return () => events.off('bench-sink', listener);
  }

  async stop(): Promise<void> {
    await RED.stop();
    this.server.close();
  }
}
