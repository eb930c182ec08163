import type { CodedError } from '../../errors';
import type { Receipt, ReceivedPayment } from '../../payments';
import type { RejectReason, SignedMessage } from '../messages/message';
import type { BuyerEvent } from '../negotiation/transitions';
import { durationOf } from '../quantity';
import type { Chosen, NoneLeft } from './choosing';
import { allows, type ContractChange } from './contract-book';
import type { Draft } from './correspondence';
import type { Floor } from './floor';
import type { Failure } from './market-ports';
import {
  type Agreed,
  chosenBecause,
  factsOf,
  factsToKeep,
  isRefunded,
  type PurchaseFacts,
  type PurchaseRow,
  type Told,
} from './purchase';
import { purchaseContract } from './purchase-contract';
import { PurchaseLetters } from './purchase-letters';

/** How soon is asked again what could not be answered. */
const A_LITTLE = 1_000;
const A_MINUTE = 60_000;

interface Step {
  /** Null: only what is known changes. */
  readonly event: BuyerEvent | null;
  readonly drafts?: readonly Draft[];
  /** Given the hash of the last of them, which is only known once it is signed. */
  readonly change?: (lastHash: string) => ContractChange;
  readonly answers?: readonly (SignedMessage | undefined)[];
  /** Our documents that need no answer any more. */
  readonly answered?: readonly (string | undefined)[];
  /** What the flow hears of it, whenever its node is there. */
  readonly notice?: 'contract' | Failure;
}

/** The steps of a purchase: each is one durable write, with the messages that tell it, and only then does anybody hear. */
export class PurchaseSteps {
  readonly #letters: PurchaseLetters;

  constructor(private readonly floor: Floor) {
    this.#letters = new PurchaseLetters(floor);
  }

  /** Takes the candidate; whoever was asked before and did not confirm hears that it is off. */
  async accept(row: PurchaseRow, { candidate, facts }: Chosen, no?: SignedMessage): Promise<void> {
    const { seller, hash: proposal, unit, price, amount } = candidate;
    const deadline = this.floor.now() + this.floor.ports.times.confirm;
    const agreed = (accept: string): Agreed => ({ seller, proposal, accept, unit, price, amount, payBy: null });
    await this.#take(row, {
      event: 'choose',
      drafts: [
        ...this.#letters.callsOff(row, no ? 'withdrawn' : 'silent', no),
        this.#letters.accept(seller, proposal, amount, deadline),
      ],
      change: (hash) => ({ deadline, peer: seller, facts: factsToKeep({ ...facts, agreed: agreed(hash) }) }),
      answers: [no],
      answered: [row.contractId, factsOf(row).agreed?.accept],
    });
    this.#tell(row, { event: 'accepted', seller, price, unit, amount, because: chosenBecause(facts) });
  }

  /** There is nobody (left) who can be taken. */
  async giveUp(row: PurchaseRow, { error, facts }: NoneLeft, no?: SignedMessage): Promise<void> {
    await this.#take(row, {
      event: 'give up',
      drafts: [
        ...this.#letters.callsOff(row, no ? 'withdrawn' : 'silent', no),
        ...this.#letters.rejectsOthers(row, facts.leftOut),
      ],
      change: () => ({ facts: factsToKeep({ ...facts, reason: error.message }) }),
      answers: [no],
      answered: [row.contractId, factsOf(row).agreed?.accept],
      notice: error,
    });
  }

  /** It cannot be decided now. */
  async waitALittle(row: PurchaseRow, no?: SignedMessage): Promise<void> {
    const now = this.floor.now();
    // The longer it has waited the less often: each time is a line in the journal.
    const pause = Math.min(Math.max((now - row.beganAt) / 4, A_LITTLE), A_MINUTE);
    const deadline = Math.trunc(now + pause);
    await this.#take(row, { event: null, change: () => ({ deadline }), answers: [no] });
  }

  /** The seller is bound, and so are we: the others are free. */
  async confirm(row: PurchaseRow, accept: SignedMessage<'accept'>, payBy: number): Promise<void> {
    const { agreed, leftOut } = factsOf(row);
    const { seller, amount } = agreed as Agreed;
    await this.#take(row, {
      event: 'confirm',
      drafts: this.#letters.rejectsOthers(row, leftOut),
      change: () => ({ facts: factsToKeep({ agreed: { ...(agreed as Agreed), payBy } }) }),
      answers: [accept],
      answered: [agreed?.accept],
    });
    this.#tell(row, { event: 'confirmed', seller, amount, payBy: new Date(payBy).toISOString() });
  }

  /** The engine will never pay it. */
  async refuse(row: PurchaseRow, failure: Failure): Promise<void> {
    await this.#take(row, {
      event: 'refuse',
      drafts: this.#letters.cancels(row, 'not-payable', true),
      change: () => ({ facts: factsToKeep({ reason: failure.message }) }),
      notice: failure,
    });
  }

  async pay(row: PurchaseRow, receipt: Receipt): Promise<void> {
    const { agreed, deliverWithin, quantity } = factsOf(row);
    const { seller, unit, amount } = agreed as Agreed;
    const { transactionId } = receipt;
    const { times } = this.floor.ports;
    const duration = durationOf(unit, quantity);
    const usual = duration === null ? times.deliver : times.deliverTimed;
    const patience = (deliverWithin === null ? usual : deliverWithin * 1_000) + (duration ?? 0);
    await this.#take(row, {
      event: 'pay',
      drafts: [this.#letters.paid(row, amount, seller, transactionId)],
      change: () => ({ deadline: this.floor.now() + patience, facts: factsToKeep({ receipt }) }),
    });
    this.#tell(row, { event: 'paid', seller, amount, transactionId });
  }

  async deliver(row: PurchaseRow, delivered: SignedMessage<'delivered'>): Promise<void> {
    const { from, body } = delivered.message;
    await this.#take(row, {
      event: 'deliver',
      drafts: [this.#letters.complete(from, delivered.hash, null)],
      change: () => ({ facts: factsToKeep({ metered: body.quantity }) }),
      answers: [delivered],
      answered: this.#letters.ours(row, 'cancel'),
      notice: 'contract',
    });
  }

  /** It says that it has delivered what was stopped already. */
  async completeAgain(row: PurchaseRow, delivered: SignedMessage<'delivered'>): Promise<void> {
    await this.#take(row, {
      event: null,
      drafts: [this.#letters.complete(delivered.message.from, delivered.hash, null)],
      answers: [delivered],
      answered: this.#letters.ours(row, 'complete'),
    });
  }

  /** A reading on the way: what it says is kept, and not the message. */
  async meter(row: PurchaseRow, { hash, message }: SignedMessage<'delivered'>): Promise<void> {
    const { ports, letters, book } = this.floor;
    await ports.journal.write((append, sql) => {
      letters.remember(sql, hash, Date.parse(message.expires));
      book.note(append, row, { facts: factsToKeep({ metered: message.body.quantity, meteredAt: this.floor.now() }) });
    });
  }

  async stop(row: PurchaseRow): Promise<void> {
    const { seller } = factsOf(row).agreed as Agreed;
    await this.#take(row, {
      event: 'stop',
      drafts: [this.#letters.complete(seller, this.#letters.lastFrom(row, seller), this.floor.now())],
      change: () => ({ facts: factsToKeep({ reason: 'stopped' }) }),
      notice: 'contract',
    });
  }

  async cancel(row: PurchaseRow): Promise<void> {
    const { agreed, leftOut } = factsOf(row);
    await this.#take(row, {
      event: 'cancel',
      drafts: [...this.#letters.callsOff(row, 'withdrawn'), ...this.#letters.rejectsOthers(row, leftOut)],
      change: () => ({ facts: factsToKeep({ reason: 'withdrawn' }) }),
      answered: [row.contractId, agreed?.accept],
      notice: 'contract',
    });
  }

  /** @param cancel the seller's, when it was the one who gave up */
  async beLate(row: PurchaseRow, error: CodedError, cancel?: SignedMessage): Promise<void> {
    const deadline = this.floor.now() + this.floor.ports.times.refund;
    await this.#take(row, {
      event: 'lateness',
      drafts: cancel ? this.#letters.cancels(row, 'late', true, cancel) : this.#letters.late(row),
      change: () => ({ deadline, facts: factsToKeep({ reason: error.message }) }),
      answers: [cancel],
      notice: error,
    });
    this.#tell(row, { event: 'late', seller: row.peer, reason: error.detail });
  }

  async despair(row: PurchaseRow): Promise<void> {
    await this.#take(row, { event: 'despair', notice: 'contract' });
  }

  /** Counts a refund, and if with it all has come back, that is how it ended. */
  async receiveRefund(row: PurchaseRow, { eventId, transactionId, amount }: ReceivedPayment): Promise<void> {
    const { refunds } = factsOf(row);
    if (refunds.some((known) => known.eventId === eventId)) return;
    const facts = factsToKeep({ refunds: [...refunds, { eventId, transactionId, amount }] });
    const after = { ...row, facts: { ...row.facts, ...facts } };
    if (isRefunded(factsOf(after)) && allows(row, 'refund')) await this.refund(after);
    else await this.#take(row, { event: null, change: () => ({ facts }) });
  }

  /** @param row with all refunds that came */
  async refund(row: PurchaseRow): Promise<void> {
    const { refunds, reason } = factsOf(row);
    await this.#take(row, {
      event: 'refund',
      change: () => ({ facts: factsToKeep({ refunds, reason: reason ?? 'refunded' }) }),
      answered: [...this.#letters.ours(row, 'cancel'), ...this.#letters.ours(row, 'complete')],
      notice: 'contract',
    });
  }

  /** A proposal that is none, or comes too late. */
  async reject(
    row: PurchaseRow,
    proposal: SignedMessage<'proposal'>,
    reason: RejectReason,
    facts: Partial<PurchaseFacts> = {},
  ): Promise<void> {
    await this.#take(row, {
      event: null,
      drafts: [this.#letters.reject(proposal.message.from, proposal.hash, reason)],
      change: () => ({ facts: factsToKeep(facts) }),
      answers: [proposal],
    });
  }

  /** The confirmation of an accept that is not waited for any more. */
  async callOff(row: PurchaseRow, accept: SignedMessage<'accept'>, lateAnswers: number): Promise<void> {
    await this.#take(row, {
      event: null,
      drafts: [this.#letters.cancel(accept.message.from, accept.hash, 'silent', true)],
      change: () => ({ facts: factsToKeep({ lateAnswers }) }),
      answers: [accept],
    });
  }

  /** It is part of the contract, and changes nothing now. */
  async keep(row: PurchaseRow, message: SignedMessage): Promise<void> {
    await this.#take(row, { event: null, answers: [message] });
  }

  async #take(
    row: PurchaseRow,
    { event, drafts = [], change, answers = [], answered = [], notice }: Step,
  ): Promise<void> {
    const { book, letters, notices } = this.floor;
    const done = answered.filter((hash) => hash !== undefined);
    const told: string[] = [];
    await letters.post(
      row,
      drafts,
      (append, sql, _contractId, posted) => {
        // Tried again, a write must not tell what it undid.
        told.length = 0;
        const changed = change?.(posted.at(-1)?.hash ?? '') ?? {};
        if (event !== null) book.move(append, row, event, changed);
        else if (change) book.note(append, row, changed);
        for (const hash of done) letters.answered(sql, row, hash);
        if (notice !== undefined) told.push(this.#notice(sql, row, notice));
      },
      answers.filter((message) => message !== undefined),
    );
    letters.hush(row.nodeId, done);
    notices.tell(told);
  }

  /** Inside a write. */
  #notice(
    sql: Parameters<Floor['notices']['post']>[0],
    { contractId, nodeId }: PurchaseRow,
    notice: 'contract' | Failure,
  ): string {
    const { book, notices } = this.floor;
    const row = book.contract(contractId, 'buyer') as PurchaseRow;
    const contract = purchaseContract(row, { state: row.state, at: row.endedAt ?? this.floor.now() }, this.floor);
    const { origin } = factsOf(row);
    if (notice === 'contract') return notices.post(sql, { nodeId, contractId, body: { contract, origin } });
    const { code, detail, message, parameters } = notice;
    const failure = { code, detail, message, parameters };
    return notices.post(sql, { nodeId, contractId, body: { failure, contract, origin } });
  }

  #tell(row: PurchaseRow, progress: Told): void {
    const { contractId, nodeId } = row;
    this.floor.ports.emit({
      nodeId,
      progress: { contractId, ...progress },
      origin: factsOf(row).origin,
    });
  }
}
