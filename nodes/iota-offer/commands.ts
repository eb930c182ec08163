import type { OfferCommand } from '../../lib/market/market-order';
import { contractIdOf, contractMeant } from '../contract-id';
import { configInvalid } from '../failure';
import type { IncomingMessage } from '../node-red';

/**
 * What a message tells an offer: `msg.topic` says what, `msg.contractId` of which contract.
 *
 * @throws CodedError `CONFIG_INVALID` (`offer-topic`, `contract-id`)
 */
export function commandOf(message: IncomingMessage): OfferCommand {
  const { topic, payload } = message;
  switch (topic) {
    case 'price':
      return { command: 'price', price: given(payload, 'price'), contractId: contractIdOf(message) };
    case 'pause':
    case 'resume':
      return { command: topic };
    case 'withdraw':
      return { command: 'withdraw', contractId: contractIdOf(message) };
    case 'meter':
      return { command: 'meter', contractId: contractMeant(message), quantity: given(payload, 'quantity') };
    case 'delivered':
      return { command: 'delivered', contractId: contractMeant(message) };
    case 'failed':
      return { command: 'failed', contractId: contractMeant(message), text: textOf(given(payload, 'text')) };
    default: {
      const value = String(topic ?? '').slice(0, 40);
      throw configInvalid('offer-topic', `an offer cannot "${value}"`, { value });
    }
  }
}

/** The payload itself, or its member of that name. */
function given(payload: unknown, name: string): unknown {
  if (typeof payload !== 'object' || payload === null) return payload;
  return Object.hasOwn(payload, name) ? (payload as Record<string, unknown>)[name] : undefined;
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
