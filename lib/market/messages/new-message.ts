import { CodedError } from '../../errors';
import { type SignableDocument, signableDocument } from '../../evidence';
import { newPaymentId } from '../../payments';
import { MOST_MESSAGE_BYTES } from './limits';
import type { Envelope, MessageBodies, MessageOf, MessageType } from './message';

/** A proof takes some 420 bytes. */
const PROOF_BYTES = 1_024;

export interface MessageParts<T extends MessageType> {
  readonly from: string;
  readonly to: Envelope<T>['to'];
  readonly network: string;
  readonly contractId: Envelope<T>['contractId'];
  readonly previous: Envelope<T>['previous'];
  /** Unix milliseconds. */
  readonly at: number;
  /** Unix milliseconds, at most {@link LONGEST_VALIDITY} after `at`. */
  readonly expires: number;
  readonly body: MessageBodies[T];
}

/** A message of our own, not signed yet. */
export function newMessage<T extends MessageType>(
  type: T,
  { from, to, network, contractId, previous, at, expires, body }: MessageParts<T>,
  random: (length: number) => Uint8Array,
): MessageOf<T> {
  return {
    v: 1,
    type,
    id: newPaymentId(at, random),
    contractId,
    from,
    to,
    network,
    previous,
    at: new Date(at).toISOString(),
    expires: new Date(expires).toISOString(),
    body,
  };
}

/**
 * A message in the form in which it is signed.
 *
 * @throws CodedError `DATA_TOO_LARGE` (`message`), `DATA_NOT_CANONICAL`: parameters of a flow can be anything
 */
export function messageDocument(message: MessageOf<MessageType>): SignableDocument {
  const document = signableDocument(message);
  if (Buffer.byteLength(document.text) > MOST_MESSAGE_BYTES - PROOF_BYTES) {
    const limit = MOST_MESSAGE_BYTES / 1_024;
    throw new CodedError('DATA_TOO_LARGE', 'message', `a message of more than ${limit} KiB`, { limit });
  }
  return document;
}
