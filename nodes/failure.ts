import { CodedError, type ErrorCode, isCodedError } from '../lib/errors';
import type { Api } from './node-red';

/** Errors are worded once for all nodes. Node-RED loads a catalogue per node type, so one node's catalogue holds them. */
const CATALOGUE = '@machine-economy/node-red-iota/iota-ledger:';

const LONGEST_PARAMETER = 200;

/** What Catch and the log see: `code` to route on, `message` in the language of Node-RED. */
export class NodeFailure extends Error {
  readonly code: ErrorCode;

  constructor(cause: CodedError, message: string) {
    super(message);
    this.code = cause.code;
    // Node-RED prints `name: message`; the code is what a reader can look up.
    this.name = cause.code;
    if (cause.stack !== undefined) this.stack = cause.stack;
  }
}

/** The error as a flow should see it; one without a code is a defect of ours and passes unchanged. */
export function failure(RED: Api, error: unknown): Error {
  if (isCodedError(error)) return new NodeFailure(error, sentence(RED, error));
  return error instanceof Error ? error : new Error(String(error));
}

/** The sentence that says what to do, in the language of Node-RED; the English fallback if the catalogue has none. */
export function sentence(RED: Api, error: CodedError): string {
  const parameters = shownParameters(error);
  for (const detail of [error.detail, 'default']) {
    const text = translated(RED, `${CATALOGUE}errors.${error.code}.${detail}`, parameters);
    if (text !== undefined) return text;
  }
  return error.message;
}

/** A text of a catalogue in the language of Node-RED; undefined where it has none. */
export function translated(
  RED: Api,
  key: string,
  parameters: Readonly<Record<string, string | number>>,
): string | undefined {
  const text: unknown = RED._(key, parameters);
  // What is not found comes back as the key, with or without its catalogue.
  const [, path = key] = key.split(':');
  return typeof text === 'string' && text !== '' && !text.endsWith(path) ? text : undefined;
}

/** Message key of the few words that fit under a node. */
export function shortKey(error: CodedError): string {
  return `${CATALOGUE}short.${error.code}`;
}

/** Values may come from a flow or a ledger: no markup, no control characters, no novel. */
export function shownParameters(error: CodedError): Record<string, string | number> {
  const shown: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(error.parameters)) {
    shown[name] = typeof value === 'number' ? value : value.replace(/[\p{Cc}<>]/gu, ' ').slice(0, LONGEST_PARAMETER);
  }
  return shown;
}

/** A setting or an input that can never work. */
export function configInvalid(
  detail: string,
  message: string,
  parameters: Record<string, string | number> = {},
): CodedError {
  return new CodedError('CONFIG_INVALID', detail, message, parameters);
}
