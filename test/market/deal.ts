import { createHash } from 'node:crypto';
import { signDocument } from '../../lib/evidence';
import type { MachineKey } from '../../lib/machine';
import {
  addressOfDid,
  hashOf,
  type MessageBodies,
  type MessageOf,
  type MessageParts,
  type MessageType,
  messageDocument,
  newMessage,
  referenceOf,
  type SignedMessage,
} from '../../lib/market';
import { keyNamed } from '../evidence/formats/signers';

export const NETWORK = 'sandbox-1';
export const FORM = { kind: 'bech32', prefix: 'rms' } as const;
/** When the deal begins. */
export const BEGIN = Date.parse('2026-05-04T12:00:00.000Z');
export const SECOND = 1_000;

/** Somebody on the marketplace, with a log of its own. */
export class Machine {
  readonly did: string;
  readonly address: string;
  #sequence = 0;

  constructor(
    readonly name: string,
    readonly key: MachineKey = keyNamed(name),
  ) {
    this.did = key.did;
    this.address = addressOfDid(key.did, FORM);
  }

  /** Writes and signs a message. What is not said: to everybody, at the beginning, for an hour. */
  says<T extends MessageType>(type: T, body: MessageBodies[T], parts: Partial<MessageParts<T>> = {}): SignedMessage<T> {
    const message = this.message(type, body, parts);
    return { message, ...this.sign(message) };
  }

  message<T extends MessageType>(type: T, body: MessageBodies[T], parts: Partial<MessageParts<T>> = {}): MessageOf<T> {
    const { at = BEGIN, ...more } = parts;
    const defaults = { from: this.did, to: null, network: NETWORK, contractId: null, previous: null };
    return newMessage(
      type,
      { ...defaults, at, expires: at + 3_600 * SECOND, body, ...more } as MessageParts<T>,
      (length) => createHash('sha512').update(`${this.name} ${this.#sequence}`).digest().subarray(0, length),
    );
  }

  /** Signs whatever it is told to. */
  sign(message: MessageOf<MessageType>): { readonly hash: string; readonly text: string } {
    const facts = { signer: this.key, created: Date.parse(message.at) || BEGIN, sequence: this.#sequence++ };
    const text = signDocument(messageDocument(message), 'data-integrity', facts);
    return { hash: hashOf(text), text };
  }
}

export const BUYER = new Machine('a buyer');
export const SELLER = new Machine('a seller');
export const RIVAL = new Machine('another seller');

export const CALL_BODY: MessageBodies['call'] = {
  service: 'parking.hour',
  parameters: { plate: 'B-ME 2026' },
  quantity: '2.5',
  maxPrice: '400000',
  near: { lat: 52.52, lng: 13.405 },
  maxDistance: 3.5,
  deliverWithin: 600,
};

export const PROPOSAL_BODY: MessageBodies['proposal'] = {
  service: 'parking.hour',
  title: 'Parkplatz am Zoo',
  unit: 'hour',
  price: '300001',
  quantity: '2.5',
  amount: '750003',
  token: 'IOTA',
  decimals: 6,
  place: { lat: 52.5, lng: 13.34 },
  leadSeconds: 5,
  payWithin: 120,
};

export const OFFER_BODY: MessageBodies['offer'] = {
  service: 'parking.hour',
  title: 'Parkplatz am Zoo',
  unit: 'hour',
  price: '300001',
  token: 'IOTA',
  decimals: 6,
  place: { lat: 52.5, lng: 13.34 },
  parameters: { type: 'object', required: ['plate'] },
  capacity: 2,
  leadSeconds: null,
};

/** One message of every type, as they follow in a deal that goes well, and those that end one that does not. */
export function messagesOfADeal() {
  const offer = SELLER.says('offer', OFFER_BODY);
  const call = BUYER.says('call', CALL_BODY, { at: BEGIN + SECOND });
  const contractId = call.hash;
  const toSeller = (previous: string, at: number) => ({
    to: SELLER.did,
    contractId,
    previous,
    at: BEGIN + at * SECOND,
  });
  const toBuyer = (previous: string, at: number) => ({ to: BUYER.did, contractId, previous, at: BEGIN + at * SECOND });
  const proposal = SELLER.says('proposal', PROPOSAL_BODY, toBuyer(call.hash, 2));
  const taken = BUYER.says('accept', { amount: '750003', payBy: null }, toSeller(proposal.hash, 5));
  const payBy = new Date(BEGIN + 126 * SECOND).toISOString();
  const confirmed = SELLER.says('accept', { amount: '750003', payBy }, toBuyer(taken.hash, 6));
  const paid = BUYER.says(
    'paid',
    { amount: '750003', reference: referenceOf(contractId), transactionId: `0x${'ab'.repeat(32)}` },
    toSeller(confirmed.hash, 16),
  );
  const startedAt = new Date(BEGIN + 18 * SECOND).toISOString();
  const endedAt = new Date(BEGIN + 9_018 * SECOND).toISOString();
  const reading = SELLER.says(
    'delivered',
    { final: false, quantity: '1', startedAt, endedAt: null },
    toBuyer(paid.hash, 3_618),
  );
  const delivered = SELLER.says(
    'delivered',
    { final: true, quantity: '2.5', startedAt, endedAt },
    toBuyer(paid.hash, 9_018),
  );
  const complete = BUYER.says('complete', { stoppedAt: null }, toSeller(delivered.hash, 9_019));
  const reject = SELLER.says('reject', { reason: 'capacity', text: 'full until noon' }, toBuyer(call.hash, 2));
  const cancel = SELLER.says(
    'cancel',
    {
      reason: 'failed',
      text: null,
      refund: { amount: '750003', transactionId: `0x${'cd'.repeat(32)}`, of: [`0x${'ab'.repeat(32)}`] },
    },
    toBuyer(paid.hash, 60),
  );
  return { offer, call, proposal, taken, confirmed, paid, reading, delivered, complete, reject, cancel };
}
