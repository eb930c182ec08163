import type { Clock } from '../../payments';
import { MOST_MESSAGE_BYTES } from '../messages/limits';
import type { SignedMessage } from '../messages/message';
import type { Check, RefusedReason } from './channels';
import { FairQueue } from './fair-queue';
import { glanceAt } from './glance';
import { RecentlySeen } from './recently-seen';
import { type Rate, TokenBucket, TokenBuckets } from './token-bucket';
import type { Lane } from './turns';

export interface InboxGuardPorts {
  readonly check: Check;
  readonly clock: Clock;
  readonly random: () => number;
  readonly wake: () => void;
  readonly onMessage: (message: SignedMessage) => void;
  readonly onCall: (call: SignedMessage<'call'>) => void;
  readonly onRefused: (refused: Refused) => void;
  readonly limits?: Partial<GuardLimits>;
}

interface Refused {
  readonly contractId: string;
  readonly from: string | null;
  readonly reason: RefusedReason;
}

export interface GuardLimits {
  /** Valid calls of one sender, and of all together, that are passed on. */
  readonly callsOfOne: Rate;
  readonly calls: Rate;
  /** Valid messages of one sender in one contract, and in one contract of all that we have not written to. */
  readonly messagesOfOne: Rate;
  readonly messagesOfStrangers: Rate;
  /** What is told about messages that were refused. */
  readonly refusals: Rate;
}

const LIMITS: GuardLimits = {
  callsOfOne: { burst: 60, perSecond: 20 },
  calls: { burst: 400, perSecond: 200 },
  messagesOfOne: { burst: 40, perSecond: 2 },
  messagesOfStrangers: { burst: 400, perSecond: 40 },
  refusals: { burst: 20, perSecond: 5 },
};
const SENDERS = 4_096;
/** At most 64 KiB each, and mostly 1 or 2. */
const WAITING = { items: 512, itemsPerKey: 32 };

interface Waiting {
  readonly bytes: Uint8Array;
  readonly service?: string;
}

/**
 * Stands between everybody and the vault. What costs nothing comes first: a message that names no contract of ours is dropped
 * unread. What is left waits in four lanes, in each of them one for every sender in turn: those we are dealing with, those
 * who want to deal with us in a contract that we know, calls of those we know, and calls of others. So nobody's flood holds
 * up a deal that is under way, or keeps out a customer.
 */
export class InboxGuard {
  readonly #ports: InboxGuardPorts;
  readonly #limits: GuardLimits;
  /** Contract -> those we have written to in it. */
  readonly #partners = new Map<string, Set<string>>();
  #known: ReadonlySet<string> = new Set();
  readonly #dealing: FairQueue<Waiting>;
  readonly #unknown: FairQueue<Waiting>;
  readonly #callingAgain: FairQueue<Waiting>;
  readonly #calling: FairQueue<Waiting>;
  readonly #seen: RecentlySeen;
  readonly #calls: TokenBucket;
  readonly #callsOfKnown: TokenBucket;
  readonly #callsOfOne: TokenBuckets;
  readonly #messagesOfOne: TokenBuckets;
  readonly #messagesOfStrangers: TokenBuckets;
  readonly #refusals: TokenBucket;
  readonly lanes: readonly Lane[];

  constructor(ports: InboxGuardPorts) {
    const { clock, random } = ports;
    this.#ports = ports;
    this.#limits = { ...LIMITS, ...ports.limits };
    this.#dealing = new FairQueue(WAITING, random);
    this.#unknown = new FairQueue(WAITING, random);
    this.#callingAgain = new FairQueue(WAITING, random);
    this.#calling = new FairQueue(WAITING, random);
    this.#seen = new RecentlySeen(clock);
    this.#calls = new TokenBucket(this.#limits.calls, clock);
    this.#callsOfKnown = new TokenBucket(this.#limits.calls, clock);
    this.#callsOfOne = new TokenBuckets(this.#limits.callsOfOne, clock, SENDERS);
    this.#messagesOfOne = new TokenBuckets(this.#limits.messagesOfOne, clock, SENDERS);
    this.#messagesOfStrangers = new TokenBuckets(this.#limits.messagesOfStrangers, clock, SENDERS);
    this.#refusals = new TokenBucket(this.#limits.refusals, clock);
    this.lanes = [
      lane(8, this.#dealing, (waiting) => this.#readMessage(waiting)),
      lane(4, this.#unknown, (waiting) => this.#readMessage(waiting)),
      lane(4, this.#callingAgain, (waiting) => this.#readCall(waiting, this.#callsOfKnown)),
      // Not even read, while no more calls may be passed on.
      lane(
        2,
        this.#calling,
        (waiting) => this.#readCall(waiting, this.#calls),
        () => this.#calls.hasOne(),
      ),
    ];
  }

  expect(contractIds: readonly string[]): void {
    const before = new Map(this.#partners);
    this.#partners.clear();
    for (const contractId of contractIds) this.#partners.set(contractId, before.get(contractId) ?? new Set());
  }

  expectAlso(contractId: string): void {
    if (!this.#partners.has(contractId)) this.#partners.set(contractId, new Set());
  }

  expectNoMore(contractId: string): void {
    this.#partners.delete(contractId);
  }

  /** We have written to somebody, and want to hear the answer. */
  dealWith(contractId: string, did: string): void {
    this.#partners.get(contractId)?.add(did);
  }

  /** Calls of these wait in a lane of their own. Who pretends to be one of them fails at the signature. */
  know(dids: readonly string[]): void {
    this.#known = new Set(dids);
  }

  heardInInbox(bytes: Uint8Array): void {
    const { contractIds, sender } = glanceAt(bytes.subarray(0, MOST_MESSAGE_BYTES));
    const contractId = contractIds.find((id) => this.#partners.has(id));
    if (contractId === undefined) return;
    if (bytes.length > MOST_MESSAGE_BYTES) {
      this.#refuse({ contractId, from: sender === '' ? null : sender, reason: 'too-large' });
      return;
    }
    const isPartner = contractIds.some((id) => this.#partners.get(id)?.has(sender));
    const isIn = (isPartner ? this.#dealing : this.#unknown).put(sender, { bytes });
    if (!isIn) this.#refuse({ contractId, from: sender === '' ? null : sender, reason: 'flood' });
    this.#ports.wake();
  }

  heardCall(service: string, bytes: Uint8Array): void {
    if (bytes.length > MOST_MESSAGE_BYTES) return;
    const { sender } = glanceAt(bytes);
    if (sender === '') return;
    (this.#known.has(sender) ? this.#callingAgain : this.#calling).put(sender, { bytes, service });
    this.#ports.wake();
  }

  #readMessage({ bytes }: Waiting): void {
    if (this.#seen.isRecent(bytes)) return;
    const read = this.#ports.check(bytes);
    if ('refused' in read) {
      const { contractId, from = null } = read.claimed;
      if (typeof contractId === 'string') this.#refuse({ contractId, from, reason: read.refused });
      return;
    }
    const { contractId, from } = read.message;
    const partners = contractId === null ? undefined : this.#partners.get(contractId);
    if (contractId === null || !partners) return;
    // Signed by whom it says, so nobody uses up what others may say. What matters comes again.
    if (!this.#messagesOfOne.take(`${contractId} ${from}`)) return;
    if (partners.has(from) || this.#messagesOfStrangers.take(contractId)) this.#ports.onMessage(read);
  }

  #readCall({ bytes, service }: Waiting, all: TokenBucket): void {
    if (this.#seen.isRecent(bytes)) return;
    const read = this.#ports.check(bytes);
    if ('refused' in read || read.message.type !== 'call') return;
    const call = read as SignedMessage<'call'>;
    if (call.message.body.service !== service) return;
    if (!this.#callsOfOne.take(call.message.from) || !all.take()) return;
    this.#ports.onCall(call);
  }

  #refuse(refused: Refused): void {
    if (this.#partners.has(refused.contractId) && this.#refusals.take()) this.#ports.onRefused(refused);
  }
}

function lane(
  weight: number,
  queue: FairQueue<Waiting>,
  work: (waiting: Waiting) => void,
  may: () => boolean = () => true,
): Lane {
  return {
    weight,
    get size() {
      return queue.size;
    },
    take() {
      const waiting = queue.size > 0 && may() ? queue.take() : undefined;
      return waiting && (() => work(waiting));
    },
  };
}
