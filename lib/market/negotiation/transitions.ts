/**
 * The life of a contract on either side, as data. The journal's tables change by these tables and by nothing else: an event
 * that a state does not list is refused, and with it the whole write. Illegal, late and repeated messages are no events
 * here: whoever reads a message asks {@link knows} first.
 */
export const BUYER_STATES = [
  'CALLING',
  'ACCEPTING',
  'PAYING',
  'PAID',
  'LATE',
  'COMPLETED',
  'REFUNDED',
  'CANCELLED',
  'FAILED',
] as const;
export type BuyerState = (typeof BUYER_STATES)[number];

/**
 * - `call`: the flow needs something
 * - `choose`: the best proposal is taken (the first one, or the next when a seller did not answer)
 * - `give up`: there is no proposal (left) that may be taken
 * - `confirm`: the seller has countersigned our accept
 * - `refuse`: the payment was refused for good, by our policy or for lack of money; nothing was signed
 * - `pay`: the ledger has confirmed the payment
 * - `deliver`: the seller says that it has delivered
 * - `stop`: the flow ends a service before its time
 * - `lateness`: it was not delivered in time, or the seller gave up
 * - `refund`: all of it came back, on the ledger
 * - `despair`: it did not come back in time
 * - `cancel`: the flow wants it no more
 */
export type BuyerEvent =
  | 'call'
  | 'choose'
  | 'give up'
  | 'confirm'
  | 'refuse'
  | 'pay'
  | 'deliver'
  | 'stop'
  | 'lateness'
  | 'refund'
  | 'despair'
  | 'cancel';

export const SELLER_STATES = [
  'INQUIRED',
  'PROPOSED',
  'ACCEPTED',
  'STARTING',
  'DELIVERING',
  'DELIVERED',
  'REFUNDING',
  'COMPLETED',
  'REFUNDED',
  'CANCELLED',
] as const;
export type SellerState = (typeof SELLER_STATES)[number];

/**
 * - `inquire`: a call came that the flow has to answer
 * - `propose`: a proposal is signed, and binds us
 * - `accept`: the buyer took it in time and there is room; we have countersigned
 * - `end`: rejected, withdrawn, expired, cancelled, declined: before anything was paid
 * - `cover`: what was agreed has come in, from the buyer, and is final
 * - `start`: the flow has the message that starts the delivery
 * - `fulfil`: time is up, the quantity is metered, or the flow says so
 * - `stop`: the buyer ended it before its time
 * - `fail`: the flow says so, nobody started it, it was interrupted, withdrawn, or the buyer gave up waiting
 * - `complete`: the buyer confirmed, or had time to object
 * - `owe`: money came for a contract that had ended without any
 * - `refund`: everything that is owed was paid back, on the ledger
 */
export type SellerEvent =
  | 'inquire'
  | 'propose'
  | 'accept'
  | 'end'
  | 'cover'
  | 'start'
  | 'fulfil'
  | 'stop'
  | 'fail'
  | 'complete'
  | 'owe'
  | 'refund';

/** What is done beside the change of state, in the same write or right after it. */
export type Effect =
  | 'send call'
  | 'send accept'
  | 'send proposal'
  | 'send reject'
  | 'send paid'
  | 'send delivered'
  | 'send complete'
  | 'send cancel'
  | 'reject the others'
  | 'hand order to the payment engine'
  | 'owe refund'
  | 'start'
  | 'stop'
  | 'raise an error'
  | 'tell the flow'
  | 'hand over the contract';

export interface Step<S extends string> {
  readonly to: S;
  readonly effects: readonly Effect[];
}

/** `NEW` stands for "not in the journal yet". */
export type ContractTable<S extends string, E extends string> = {
  readonly [state in S | 'NEW']: { readonly [event in E]?: Step<S> };
};

function to<S extends string>(state: S, ...effects: Effect[]): Step<S> {
  return { to: state, effects };
}

export const BUYER_TRANSITIONS: ContractTable<BuyerState, BuyerEvent> = {
  NEW: { call: to('CALLING', 'send call') },
  CALLING: {
    choose: to('ACCEPTING', 'send accept'),
    'give up': to('CANCELLED', 'raise an error'),
    cancel: to('CANCELLED', 'hand over the contract'),
  },
  ACCEPTING: {
    // A seller that was silent or said no hears that it is off.
    choose: to('ACCEPTING', 'send cancel', 'send accept'),
    confirm: to('PAYING', 'hand order to the payment engine', 'reject the others'),
    'give up': to('CANCELLED', 'send cancel', 'raise an error'),
    cancel: to('CANCELLED', 'send cancel', 'hand over the contract'),
  },
  // The engine has the order: it cannot be taken back, and there is no deadline. What is unknown is followed until it is known.
  PAYING: {
    pay: to('PAID', 'send paid', 'tell the flow'),
    refuse: to('CANCELLED', 'send cancel', 'raise an error'),
  },
  PAID: {
    deliver: to('COMPLETED', 'send complete', 'hand over the contract'),
    stop: to('COMPLETED', 'send complete', 'hand over the contract'),
    lateness: to('LATE', 'send cancel', 'raise an error'),
    refund: to('REFUNDED', 'hand over the contract'),
  },
  LATE: {
    deliver: to('COMPLETED', 'send complete', 'hand over the contract'),
    refund: to('REFUNDED', 'hand over the contract'),
    despair: to('FAILED', 'hand over the contract'),
  },
  // The verdict follows the money, however late it comes.
  COMPLETED: { refund: to('REFUNDED', 'hand over the contract') },
  REFUNDED: {},
  CANCELLED: {},
  FAILED: {
    deliver: to('COMPLETED', 'send complete', 'hand over the contract'),
    refund: to('REFUNDED', 'hand over the contract'),
  },
};

export const SELLER_TRANSITIONS: ContractTable<SellerState, SellerEvent> = {
  NEW: { inquire: to('INQUIRED', 'tell the flow'), propose: to('PROPOSED', 'send proposal', 'tell the flow') },
  INQUIRED: {
    propose: to('PROPOSED', 'send proposal', 'tell the flow'),
    end: to('CANCELLED', 'send reject', 'tell the flow'),
  },
  PROPOSED: {
    accept: to('ACCEPTED', 'send accept', 'tell the flow'),
    end: to('CANCELLED', 'send reject', 'tell the flow'),
    owe: to('REFUNDING', 'owe refund'),
  },
  ACCEPTED: {
    cover: to('STARTING', 'start'),
    end: to('CANCELLED', 'send cancel', 'tell the flow'),
  },
  STARTING: {
    start: to('DELIVERING'),
    stop: to('COMPLETED', 'stop', 'hand over the contract'),
    fail: to('REFUNDING', 'stop', 'owe refund', 'send cancel'),
  },
  DELIVERING: {
    fulfil: to('DELIVERED', 'stop', 'send delivered'),
    stop: to('COMPLETED', 'stop', 'hand over the contract'),
    fail: to('REFUNDING', 'stop', 'owe refund', 'send cancel'),
  },
  // A buyer that calls it late hears again that it was delivered.
  DELIVERED: { complete: to('COMPLETED', 'hand over the contract') },
  // For as long as it takes: what is owed is never forgotten.
  REFUNDING: { refund: to('REFUNDED', 'send cancel', 'hand over the contract') },
  // More money for it (twice, too much) is owed, and changes no verdict.
  COMPLETED: {},
  REFUNDED: {},
  // Money that comes too late goes back, and then it is what happened.
  CANCELLED: { owe: to('REFUNDING', 'owe refund') },
};

export function knows<S extends string, E extends string>(
  table: ContractTable<S, E>,
  state: S | 'NEW',
  event: E,
): boolean {
  return table[state][event] !== undefined;
}

/** @throws Error when the state does not know the event */
export function step<S extends string, E extends string>(
  table: ContractTable<S, E>,
  state: S | 'NEW',
  event: E,
): Step<S> {
  const found = table[state][event];
  if (!found) throw new Error(`no transition for "${event}" in state ${state}`);
  return found;
}
