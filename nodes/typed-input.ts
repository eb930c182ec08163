import { configInvalid } from './failure';
import type { Api, Message, Node } from './node-red';

/** A property that the editor lets a user fill with a value, a message property, an expression … */
export type TypedInput = (message: Message) => Promise<unknown>;

/** Node-RED stores what was typed in `<name>` and how to read it in `<name>Type`. */
export type TypedProperties = Readonly<Record<string, unknown>>;

/**
 * Reads one typed property of a node. Absent (`undefined`) is what was left empty and what a message does not have.
 *
 * @param path where in the message the value is when the node says nothing
 */
export function typedInput(RED: Api, node: Node, config: TypedProperties, name: string, path: string): TypedInput {
  const stored = config[name];
  const type = typeof config[`${name}Type`] === 'string' ? (config[`${name}Type`] as string) : 'msg';
  const value = stored === undefined ? path : String(stored);
  if (value === '') return async () => undefined;
  const evaluate = type === 'jsonata' ? jsonata(RED, node, value) : property(RED, node, type, value);
  return async (message) => {
    try {
      return (await evaluate(message)) ?? undefined;
    } catch (error) {
      throw configInvalid('expression', `cannot evaluate "${name}": ${messageOf(error)}`, {
        name,
        reason: messageOf(error),
      });
    }
  };
}

function property(RED: Api, node: Node, type: string, value: string): TypedInput {
  return (message) =>
    new Promise((resolve, reject) => {
      RED.util.evaluateNodeProperty(value, type, node, message, (error: unknown, result: unknown) => {
        // A path through something that is not there: absent, as everywhere in Node-RED.
        if (error instanceof TypeError && type === 'msg') resolve(undefined);
        else if (error) reject(error);
        else resolve(result);
      });
    });
}

function jsonata(RED: Api, node: Node, value: string): TypedInput {
  // Compiled once: compiling costs far more than evaluating.
  let compiled: ReturnType<Api['util']['prepareJSONataExpression']> | undefined;
  return (message) =>
    new Promise((resolve, reject) => {
      compiled ??= RED.util.prepareJSONataExpression(value, node);
      RED.util.evaluateJSONataExpression(compiled, message, (error: unknown, result: unknown) => {
        if (error) reject(error);
        else resolve(result);
      });
    });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String((error as { message?: unknown } | null)?.message ?? error);
}
