import { canonicalJson, parseSignedJson, readSigned } from '../../evidence';
import type { RefusedReason } from '../channel/channels';
import { LONGEST_VALIDITY, MOST_MESSAGE_BYTES } from './limits';
import { MESSAGE_TYPES, type Message, type MessageType, type SignedMessage } from './message';
import { schemaProblem } from './message-schemas';
import { hashOf } from './names';

/** What a message is held against. */
export interface Reader {
  /** Whom it has to be for. Our own messages are not for us. */
  readonly did: string;
  readonly network: string;
  /** Unix milliseconds. */
  readonly now: number;
  /** Milliseconds that clocks of two machines may differ by. */
  readonly skew: number;
  /** Others have no business where it was found. Default: all. */
  readonly types?: readonly MessageType[];
}

export interface RefusedMessage {
  readonly refused: RefusedReason;
  /** What it says of itself, where that has the right form: nothing in it is proven. */
  readonly claimed: Partial<Message>;
}

/**
 * Checks one message from outside. What is cheap to find comes first, and the signature last. Never throws.
 *
 * Whether it fits its contract (`previous`, state, amounts), and whether it was seen before, is for the desks to judge.
 */
export function readMessage(
  bytes: Uint8Array,
  { did, network, now, skew, types = MESSAGE_TYPES }: Reader,
): SignedMessage | RefusedMessage {
  const read = parseMessage(bytes);
  if ('refused' in read) return read;
  const { message } = read;
  const refused = (reason: RefusedReason): RefusedMessage => ({ refused: reason, claimed: claimsOf(message) });
  if (message.network !== network) return refused('network');
  if (!types.includes(message.type)) return refused('not-for-us');
  if (message.from === did || (message.to !== null && message.to !== did)) return refused('not-for-us');
  if (Date.parse(message.expires) + skew < now) return refused('expired');
  if (Date.parse(message.at) > now + skew) return refused('clock');
  return isSigned(read.document, message.from) ? { hash: read.hash, text: read.text, message } : refused('signature');
}

/**
 * The same without asking for whom and when: what is read again out of a contract that is over.
 */
export function readOldMessage(document: unknown): SignedMessage | RefusedMessage {
  let text: string;
  try {
    text = canonicalJson(document);
  } catch {
    return { refused: 'not-json', claimed: {} };
  }
  const read = parseMessage(Buffer.from(text));
  if ('refused' in read) return read;
  const { message, hash } = read;
  if (!isSigned(read.document, message.from)) return { refused: 'signature', claimed: claimsOf(message) };
  return { hash, text, message };
}

interface ReadMessage {
  readonly document: object;
  readonly message: Message;
  readonly hash: string;
  readonly text: string;
}

/** Size, form and schema; nobody's signature yet. */
function parseMessage(bytes: Uint8Array): ReadMessage | RefusedMessage {
  if (bytes.length > MOST_MESSAGE_BYTES) return { refused: 'too-large', claimed: {} };
  let document: unknown;
  let text: string;
  try {
    document = parseSignedJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    text = canonicalJson(document);
  } catch {
    return { refused: 'not-json', claimed: {} };
  }
  if (typeof document !== 'object' || document === null) return { refused: 'not-json', claimed: {} };
  const claimed = claimsOf(document);
  const { v } = document as { v?: unknown };
  if (typeof v === 'number' && v !== 1) return { refused: 'version', claimed };
  if (schemaProblem(document) !== undefined) return { refused: 'schema', claimed };
  const { proof: _, ...message } = document as Message & { proof: object };
  const validity = Date.parse(message.expires) - Date.parse(message.at);
  if (validity <= 0 || validity > LONGEST_VALIDITY) return { refused: 'schema', claimed };
  return { document, message: message as Message, hash: hashOf(text), text };
}

/** By this key. That it is one proof, and covers everything, the schema says: no list of proofs, no `@context`. */
function isSigned(document: object, from: string): boolean {
  try {
    const [signature] = readSigned(document).signatures;
    return signature?.signer === from && signature.verify();
  } catch {
    return false;
  }
}

const HASH = /^[0-9a-f]{64}$/;
const DID = /^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/;

function claimsOf(document: object): Partial<Message> {
  const { type, contractId, from } = document as { readonly [member: string]: unknown };
  return {
    ...(MESSAGE_TYPES.includes(type as MessageType) && { type }),
    ...(typeof contractId === 'string' && HASH.test(contractId) && { contractId }),
    ...(typeof from === 'string' && DID.test(from) && { from }),
  } as Partial<Message>;
}
