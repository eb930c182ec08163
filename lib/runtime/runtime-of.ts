import { join } from 'node:path';
import { ProcessRuntime } from './process-runtime';
import type { Runtime } from './runtime';

/** What we need of the `RED` that Node-RED hands to every node. */
interface NodeRedApi {
  readonly settings: { readonly userDir?: string | undefined };
  readonly events: { on(event: 'flows:started', listener: () => void): unknown };
}

const runtimes = new Map<string, ProcessRuntime>();

/** The one runtime of this process for Node-RED's user directory; nodes of every type share it. */
export function runtimeOf(RED: NodeRedApi): Runtime {
  const userDir = RED.settings.userDir ?? process.cwd();
  let runtime = runtimes.get(userDir);
  if (!runtime) {
    const made = new ProcessRuntime(join(userDir, 'machine-economy'), __dirname);
    RED.events.on('flows:started', () => made.flowsStarted());
    runtimes.set(userDir, made);
    runtime = made;
  }
  return runtime;
}

/** Ends all threads and forgets all runtimes: for tests that want to start afresh in the same process. */
export async function closeRuntimes(): Promise<void> {
  const open = [...runtimes.values()];
  runtimes.clear();
  await Promise.all(open.map((runtime) => runtime.close()));
}
