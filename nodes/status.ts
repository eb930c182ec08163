import type { CodedError } from '../lib/errors';
import { shortKey } from './failure';
import type { Node } from './node-red';

// Sending a status for every message costs a node a quarter of its throughput.
const QUIET_MS = 250;

export interface Status {
  readonly fill: 'red' | 'green' | 'yellow' | 'blue' | 'grey';
  readonly shape: 'dot' | 'ring';
  /** A message key of the node's catalogue, or digits. */
  readonly text: string;
}

/** The line under a node: throttled, never repeated, gone when the node closes. */
export interface StatusLine {
  show(status: Status): void;
  close(): void;
}

export function statusLine(node: Node): StatusLine {
  let shown = '';
  let waiting: Status | undefined;
  let timer: NodeJS.Timeout | undefined;
  let closed = false;

  const send = (status: Status) => {
    const text = JSON.stringify(status);
    if (text === shown) return;
    shown = text;
    node.status(status);
    timer = setTimeout(() => {
      timer = undefined;
      const next = waiting;
      waiting = undefined;
      if (next) send(next);
    }, QUIET_MS);
  };

  return {
    show(status) {
      if (closed) return;
      if (timer) waiting = status;
      else send(status);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      node.status({});
    },
  };
}

export function failed(error: CodedError): Status {
  return { fill: 'red', shape: 'ring', text: shortKey(error) };
}
