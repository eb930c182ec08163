import { configInvalid } from './failure';
import type { IncomingMessage } from './node-red';

/**
 * The contract that a message is about; null where it names none. What is there but can be no contract's id is refused: it
 * must not turn "this contract" into "everything".
 *
 * @throws CodedError `CONFIG_INVALID` (`contract-id`)
 */
export function contractIdOf(message: IncomingMessage): string | null {
  const { contractId } = message as { contractId?: unknown };
  if (contractId === undefined || contractId === null) return null;
  if (typeof contractId === 'string' && contractId !== '') return contractId;
  throw missing(message);
}

/** @throws CodedError `CONFIG_INVALID` (`contract-id`) */
export function contractMeant(message: IncomingMessage): string {
  const contractId = contractIdOf(message);
  if (contractId === null) throw missing(message);
  return contractId;
}

function missing({ topic }: IncomingMessage) {
  const value = String(topic ?? '').slice(0, 40);
  return configInvalid('contract-id', `"${value}" needs the contractId of a contract`, { value });
}
