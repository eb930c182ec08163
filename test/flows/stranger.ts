import { randomBytes } from 'node:crypto';
import { signDocument } from '../../lib/evidence';
import { MachineKey } from '../../lib/machine';
import {
  hashOf,
  type MessageBodies,
  type MessageParts,
  type MessageType,
  messageDocument,
  newMessage,
} from '../../lib/market';
import type { Overheard } from './meeting-place';

const MINUTE_MS = 60_000;

/** A signed message as it goes over the broker. */
export interface Signed {
  readonly topic: string;
  readonly text: string;
  readonly hash: string;
}

/**
 * Somebody with a key that was made a moment ago, who signs whatever it likes. It keeps no log, and no promise either: its
 * messages are well formed, and as good as a real machine's to whoever looks at the signature only.
 */
export class Stranger {
  readonly #key = new MachineKey(randomBytes(32), { protected: false, backedUp: false });

  constructor(readonly network: string) {}

  get did(): string {
    return this.#key.did;
  }

  /** Signs a message to one machine, about a contract. */
  say<T extends Exclude<MessageType, 'offer' | 'call'>>(
    type: T,
    parts: {
      readonly to: string;
      readonly contractId: string;
      readonly previous: string;
      readonly body: MessageBodies[T];
    },
  ): Signed {
    return { topic: `me/1/inbox/${parts.to}`, ...this.#signed(type, parts as Partial<MessageParts<T>>) };
  }

  call(body: MessageBodies['call']): Signed {
    return {
      topic: `me/1/calls/${body.service}`,
      ...this.#signed('call', { to: null, contractId: null, previous: null, body }),
    };
  }

  card(body: MessageBodies['offer']): Signed {
    return {
      topic: `me/1/offers/${body.service}/${this.did}`,
      ...this.#signed('offer', { to: null, contractId: null, previous: null, body }),
    };
  }

  /** Somebody else's message with members of its own, under its own signature. */
  resigned({ message, topic }: Overheard, change: object = {}): Signed {
    const { proof: _, ...own } = { ...message, ...change, from: this.did };
    const text = this.#sign(messageDocument(own as never));
    return { topic, text, hash: hashOf(text) };
  }

  #signed<T extends MessageType>(type: T, parts: Partial<MessageParts<T>>): Omit<Signed, 'topic'> {
    const now = Date.now();
    const message = newMessage(
      type,
      { from: this.did, network: this.network, at: now, expires: now + MINUTE_MS, ...parts } as MessageParts<T>,
      randomBytes,
    );
    const text = this.#sign(messageDocument(message));
    return { text, hash: hashOf(text) };
  }

  #sign(document: ReturnType<typeof messageDocument>): string {
    return signDocument(document, 'data-integrity', { signer: this.#key, created: Date.now() });
  }
}

/** The proposal of a call, as somebody would make it who means business. */
export function proposalBody(price: bigint, quantity: bigint, service: string): MessageBodies['proposal'] {
  return {
    service,
    title: 'A stranger',
    unit: 'second',
    price: String(price),
    quantity: String(quantity),
    amount: String(price * quantity),
    token: 'IOTA',
    decimals: 6,
    place: null,
    leadSeconds: null,
    payWithin: 60,
  };
}
