import { failure } from './failure';
import type { Api, IncomingMessage, Node, Send } from './node-red';

/**
 * Takes messages with an async handler. A handler that rejects would end Node-RED (unhandled rejection); here its error
 * goes to Catch, translated and with its code. `onFailure` hears of it too, for the status line.
 */
export function onInput(
  RED: Api,
  node: Node,
  handler: (message: IncomingMessage, send: Send) => Promise<void>,
  onFailure: (error: unknown) => void = () => undefined,
): void {
  node.on('input', (message, send, done) => {
    const settled = (async () => handler(message, (outputs) => send([...outputs])))();
    settled.then(
      () => done(),
      (error: unknown) => {
        onFailure(error);
        done(failure(RED, error));
      },
    );
  });
}
