import type { Append, Sql } from '../../journal';
import type { Contract, OfferEvent } from '../market-order';
import type { CancelReason, MessageBodies, SignedMessage } from '../messages/message';
import { addressOfDid } from '../messages/names';
import { SELLER_TRANSITIONS, type SellerEvent, step } from '../negotiation/transitions';
import type { FinishedRow } from './contract-book';
import { verdictOf } from './contract-listeners';
import { type Draft, draft, type Posted } from './correspondence';
import type { Floor } from './floor';
import type { Refunds } from './refunds';
import { asFacts, factsOf, offerEvent, type SellerFacts, type SellerRow } from './seller-facts';

/** What one write of the seller's does. */
export interface SellerAct {
  /** Null: the state stays. */
  readonly event: SellerEvent | null;
  readonly deadline?: number | null;
  readonly facts?: Partial<SellerFacts>;
  readonly drafts?: readonly Draft[];
  /** The message that this decides on. */
  readonly answers?: SignedMessage;
  /** Told until the flow has it, made of the contract as it is then. */
  readonly tell?: readonly ((row: SellerRow) => OfferEvent)[];
  /** Told once, if the node is there. */
  readonly say?: readonly ((row: SellerRow) => OfferEvent)[];
  /** More in the same write. */
  readonly within?: (append: Append, sql: Sql, posted: readonly Posted[]) => void;
}

/** How the seller's desk changes contracts, and what follows from each change. */
export class SellerActs {
  constructor(
    readonly floor: Floor,
    readonly refunds: Refunds,
    /** How an offer stands has changed. */
    private readonly stands: (nodeId: string) => void,
  ) {}

  /**
   * One step of a contract, with everything that belongs to it, in one write; then the messages, and the flow.
   * @throws Error when the state does not have that event any more
   */
  async act(row: SellerRow, { event, deadline, facts, drafts = [], answers, tell = [], say = [], within }: SellerAct) {
    const { floor } = this;
    const { book, letters, notices } = floor;
    const key = { contractId: row.contractId, side: 'seller' as const };
    const change = { ...(deadline !== undefined && { deadline }), ...(facts && { facts: asFacts(facts) }) };
    const stops = event !== null && step(SELLER_TRANSITIONS, row.state, event).effects.includes('stop');
    const told: string[] = [];
    const hushed: string[] = [];
    let after = row;
    await letters.post(
      { ...key, nodeId: row.nodeId },
      drafts,
      (append, sql, _contractId, posted) => {
        if (event === null) book.note(append, key, change);
        else book.move(append, key, event, change);
        if (answers) {
          const { previous } = answers.message;
          if (previous !== null) hushed.push(...letters.answeredUpTo(sql, key, previous));
        }
        // What we said before is done with; that it was delivered is repeated until the buyer says so.
        if (event !== null && event !== 'complete') hushed.push(...letters.answeredAll(sql, key, posted));
        if (stops) notices.withdrawStart(sql, row.nodeId, row.contractId);
        within?.(append, sql, posted);
        after = this.row(row.contractId);
        for (const make of tell)
          told.push(
            notices.post(sql, { nodeId: row.nodeId, contractId: row.contractId, body: { offer: make(after) } }),
          );
      },
      answers ? [answers] : [],
    );
    letters.hush(row.nodeId, hushed);
    if (stops) this.say(row.nodeId, offerEvent(after, 'stop', reasonOf(after)));
    notices.tell(told);
    for (const make of say) this.say(row.nodeId, make(after));
    if (event !== null) this.stands(row.nodeId);
    this.refunds.pay(row.contractId);
    return after;
  }

  /** Tells a flow once, if its node is there. */
  say(nodeId: string, offer: OfferEvent): void {
    if (!this.floor.closed && this.floor.notices.attends(nodeId))
      this.floor.ports.emit({ nodeId, offer, noticeId: null, redelivered: false });
  }

  row(contractId: string): SellerRow {
    const row = this.floor.book.contract(contractId, 'seller');
    if (!row) throw new Error(`no contract ${contractId}`);
    return row;
  }

  /** An answer to the last message of the buyer; none where its messages are gone. */
  drafts<T extends 'reject' | 'cancel' | 'delivered' | 'accept'>(
    row: SellerRow,
    type: T,
    body: MessageBodies[T],
    { once = true, previous, expires }: { once?: boolean; previous?: string; expires?: number } = {},
  ): readonly Draft[] {
    const { letters, ports, now } = this.floor;
    const answered = previous ?? letters.lastOf(row, 'in')?.hash;
    if (row.peer === null || answered === undefined) return [];
    return [
      draft(type, {
        to: row.peer,
        previous: answered,
        expires: expires ?? now() + ports.times.message,
        body,
        once,
      }) as Draft,
    ];
  }

  /** Before any money came: the contract is off. What came of a part of it goes back. */
  async end(
    row: SellerRow,
    how: Pick<SellerAct, 'drafts' | 'answers' | 'facts'> & {
      readonly event: OfferEvent['event'];
      readonly why: string;
    },
  ): Promise<void> {
    const isContract = row.state === 'ACCEPTED';
    const event = (ended: SellerRow) => offerEvent(ended, how.event, { reason: how.why });
    await this.act(row, {
      event: 'end',
      ...(how.drafts && { drafts: how.drafts }),
      ...(how.answers && { answers: how.answers }),
      ...(how.facts && { facts: how.facts }),
      ...(isContract ? { tell: [event] } : { say: [event] }),
      within: (append) => {
        if (this.refunds.oweAll(append, row.contractId)) this.floor.book.move(append, row, 'owe');
      },
    });
  }

  /** After the money came: it will not be delivered, and all that counted goes back. */
  async fail(
    row: SellerRow,
    reason: CancelReason,
    text: string | null = null,
    answers: SignedMessage | undefined = undefined,
  ): Promise<void> {
    const previous = answers?.hash;
    await this.act(row, {
      event: 'fail',
      facts: { reason, text, endedAt: this.floor.now() },
      drafts: this.drafts(row, 'cancel', { reason, text, refund: null }, previous === undefined ? {} : { previous }),
      ...(answers && { answers }),
      within: (append) => {
        this.refunds.oweAll(append, row.contractId);
      },
    });
  }

  contractOf(row: SellerRow, { state, at }: Pick<FinishedRow, 'state' | 'at'>): Contract {
    const { identity, network } = this.floor.ports;
    const facts = factsOf(row);
    const receipts = this.refunds
      .ofContract(row.contractId)
      .flatMap(({ kind, receipt }) => (kind === 'agreed' && receipt ? [receipt] : []));
    return {
      contractId: row.contractId,
      status: verdictOf(state),
      side: 'seller',
      network: network.networkId,
      service: row.service,
      buyer: { did: row.peer ?? '', address: row.peer === null ? '' : addressOfDid(row.peer, network.addressForm) },
      seller: { did: identity.did, address: identity.address },
      price: facts.price,
      unit: facts.unit,
      quantity: facts.quantity,
      amount: facts.amount,
      token: network.token,
      decimals: network.decimals,
      chosenBecause: null,
      reason: facts.reason ?? facts.text,
      metered: facts.metered,
      receipts,
      messages: this.floor.letters.signedMessages(row),
      endedAt: new Date(at).toISOString(),
    };
  }

  /** The contract as it ends now. */
  contractNow(row: SellerRow): Contract {
    return this.contractOf(row, { state: row.state, at: row.endedAt ?? this.floor.now() });
  }
}

export function reasonOf(row: SellerRow): { reason?: string } {
  const { reason, text } = factsOf(row);
  const words = text ?? reason;
  return words === null ? {} : { reason: words };
}
