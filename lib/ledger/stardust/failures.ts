import { CodedError, type ErrorCode, type ErrorParameters } from '../../errors';

/** What the ledger says of itself reaches messages and logs only as a short line of printable ASCII. */
export function printable(text: string, longest = 160): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return line.length > longest ? `${line.slice(0, longest - 1)}~` : line;
}

/** The node cannot be used for this call. `detail`: `default` (no connection), `timeout`, `busy`, `denied`, `refused`, `answer`. */
export function unreachable(
  detail: string,
  message: string,
  parameters: ErrorParameters = {},
  cause?: unknown,
): CodedError {
  return failure('LEDGER_UNREACHABLE', detail, message, parameters, cause);
}

/** The node answers, but not with the present. `detail`: `unhealthy`, `stale`, `behind` (our cursor), `history`. */
export function outOfSync(detail: string, message: string, parameters: ErrorParameters = {}): CodedError {
  return failure('LEDGER_OUT_OF_SYNC', detail, message, parameters);
}

/** The node is not what it must be: its answer has a wrong shape, size or type. */
export function nonsense(what: string): CodedError {
  return unreachable('answer', `the node's answer makes no sense: ${printable(what)}`);
}

function failure(
  code: ErrorCode,
  detail: string,
  message: string,
  parameters: ErrorParameters,
  cause?: unknown,
): CodedError {
  return new CodedError(code, detail, message, parameters, cause === undefined ? {} : { cause });
}
