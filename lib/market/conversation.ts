import type { ContractProblemCode } from './contract-problems';
import type { Contract } from './market-order';
import type { Message, MessageOf, MessageType, SignedMessage } from './messages/message';
import { readOldMessage } from './messages/read-message';

type Report = (code: ContractProblemCode, parameters: Readonly<Record<string, string>>, position?: number) => void;

/** What buyer and seller have both put their names to. */
export interface Agreement {
  readonly proposal: SignedMessage<'proposal'>;
  readonly taken: SignedMessage<'accept'>;
  readonly confirmed: SignedMessage<'accept'>;
}

/** The messages of a contract, each held against the others. What does not fit is reported, and spoils all of it. */
export class Conversation {
  readonly call: SignedMessage<'call'> | undefined;
  readonly #byHash = new Map<string, SignedMessage>();

  constructor(
    private readonly contract: Contract,
    private readonly report: Report,
  ) {
    const read = contract.messages.map((document, position) => this.#read(document, position));
    this.call = this.#call();
    if (!this.call) report('CALL_MISSING', {});
    for (const [position, message] of read.entries()) if (message) this.#check(message, position);
  }

  /** The last one with this seller that both sides have accepted. Who sent what the chain says: each answers the other. */
  agreementWith(seller: string): Agreement | undefined {
    let found: Agreement | undefined;
    for (const confirmed of this.#all('accept')) {
      const taken = this.#one(confirmed.message.previous, 'accept');
      const proposal = taken && this.#one(taken.message.previous, 'proposal');
      if (!proposal || confirmed.message.from !== seller) continue;
      const { amount } = proposal.message.body;
      if (taken.message.body.amount === amount && confirmed.message.body.amount === amount)
        found = { proposal, taken, confirmed };
    }
    return found;
  }

  /** Whether buyer and this seller exchanged such a message. */
  has<T extends MessageType>(type: T, wanted: (message: MessageOf<T>) => boolean, seller: string | undefined): boolean {
    return this.#all(type).some(({ message }) => [message.from, message.to].includes(seller ?? '') && wanted(message));
  }

  #read(document: unknown, position: number): SignedMessage | undefined {
    const read = readOldMessage(document);
    if ('refused' in read) {
      this.report('MESSAGE_INVALID', { reason: read.refused }, position);
      return undefined;
    }
    if (this.#byHash.has(read.hash)) {
      this.report('MESSAGE_TWICE', {}, position);
      return undefined;
    }
    this.#byHash.set(read.hash, read);
    return read;
  }

  #call(): SignedMessage<'call'> | undefined {
    const call = this.#one(this.contract.contractId, 'call');
    return call?.message.from === this.contract.buyer.did ? call : undefined;
  }

  #check(signed: SignedMessage, position: number): void {
    const { type, network } = signed.message;
    const problem = this.#problemOf(signed);
    if (network !== this.contract.network) this.report('MESSAGE_NETWORK', { type }, position);
    if (problem) this.report(problem, { type }, position);
  }

  #problemOf(signed: SignedMessage): ContractProblemCode | undefined {
    const { type, contractId } = signed.message;
    if (type === 'call' || type === 'offer') return signed === this.call ? undefined : 'MESSAGE_CONTRACT';
    if (contractId !== this.contract.contractId) return 'MESSAGE_CONTRACT';
    if (!this.#isForItsSender(signed)) return 'MESSAGE_ROLE';
    return this.#isAnswer(signed) ? undefined : 'CHAIN_BROKEN';
  }

  /** A contract is between its buyer and sellers, and each has its own words. */
  #isForItsSender(signed: SignedMessage): boolean {
    const message = signed.message as Message;
    const { did } = this.contract.buyer;
    const isBuyers = message.from === did;
    if (isBuyers === (message.to === did)) return false;
    switch (message.type) {
      case 'proposal':
      case 'delivered':
        return !isBuyers;
      case 'paid':
      case 'complete':
        return isBuyers;
      case 'accept':
        // A buyer says nothing about when it is due: the seller does.
        return isBuyers === (message.body.payBy === null);
      default:
        return true;
    }
  }

  /** What it answers came from the one that it goes to, and was for the one that it comes from. */
  #isAnswer({ message }: SignedMessage): boolean {
    const { type, from, to, previous } = message;
    const answered = this.#byHash.get(previous ?? '');
    if (answered?.message.from !== to || (answered.message.to !== null && answered.message.to !== from)) return false;
    if (type === 'proposal') return answered.message.type === 'call';
    if (type === 'accept') return answered.message.type === (from === this.contract.buyer.did ? 'proposal' : 'accept');
    return true;
  }

  #one<T extends MessageType>(hash: string | null, type: T): SignedMessage<T> | undefined {
    const found = this.#byHash.get(hash ?? '');
    return found?.message.type === type ? (found as unknown as SignedMessage<T>) : undefined;
  }

  #all<T extends MessageType>(type: T): SignedMessage<T>[] {
    return [...this.#byHash.values()].filter(({ message }) => message.type === type) as unknown as SignedMessage<T>[];
  }
}
