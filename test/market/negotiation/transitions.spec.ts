import assert from 'node:assert/strict';
import {
  BUYER_STATES,
  BUYER_TRANSITIONS,
  type BuyerEvent,
  type Effect,
  knows,
  SELLER_STATES,
  SELLER_TRANSITIONS,
  type SellerEvent,
  step,
} from '../../../lib/market/negotiation/transitions';

interface Row {
  readonly state: string;
  readonly event: string;
  readonly to: string;
  readonly effects: readonly Effect[];
}

function rowsOf(table: {
  readonly [state: string]: { readonly [event: string]: { readonly to: string; readonly effects: readonly Effect[] } };
}): Row[] {
  return Object.entries(table).flatMap(([state, events]) =>
    Object.entries(events).map(([event, step]) => ({ state, event, ...step })),
  );
}

/** States that can follow a state, itself not unless there is a way back. */
function reachableFrom(state: string, rows: readonly Row[], without?: string): Set<string> {
  const found = new Set<string>();
  const look = (from: string) => {
    for (const { state, event, to } of rows) {
      if (state !== from || event === without || found.has(to)) continue;
      found.add(to);
      look(to);
    }
  };
  look(state);
  return found;
}

const rowsWith = (effect: Effect, rows: readonly Row[]) =>
  rows.filter(({ effects }) => effects.includes(effect)).map(({ state, event }) => `${state} ${event}`);

const BUYER_EVENTS = Object.keys({
  call: true,
  choose: true,
  'give up': true,
  confirm: true,
  refuse: true,
  pay: true,
  deliver: true,
  stop: true,
  lateness: true,
  refund: true,
  despair: true,
  cancel: true,
} satisfies Record<BuyerEvent, true>);

const SELLER_EVENTS = Object.keys({
  inquire: true,
  propose: true,
  accept: true,
  end: true,
  cover: true,
  start: true,
  fulfil: true,
  stop: true,
  fail: true,
  complete: true,
  owe: true,
  refund: true,
} satisfies Record<SellerEvent, true>);

const BUYER = rowsOf(BUYER_TRANSITIONS);
const SELLER = rowsOf(SELLER_TRANSITIONS);

/** Verdicts: contract.md. A seller that owes has not ended. */
const BUYER_ENDS = ['COMPLETED', 'REFUNDED', 'CANCELLED', 'FAILED'];
const SELLER_ENDS = ['COMPLETED', 'REFUNDED', 'CANCELLED'];

for (const { side, states, events, rows, ends } of [
  { side: 'buyer', states: BUYER_STATES, events: BUYER_EVENTS, rows: BUYER, ends: BUYER_ENDS },
  { side: 'seller', states: SELLER_STATES, events: SELLER_EVENTS, rows: SELLER, ends: SELLER_ENDS },
]) {
  describe(`the table of the ${side}`, () => {
    it('comes to every state, and uses every event', () => {
      assert.deepEqual([...reachableFrom('NEW', rows)].sort(), [...states].sort());
      assert.deepEqual([...new Set(rows.map(({ event }) => event))].sort(), [...events].sort());
    });

    it('has a way to an end out of every state that is none', () => {
      for (const state of ['NEW', ...states].filter((state) => !ends.includes(state))) {
        assert.ok(
          ends.some((end) => reachableFrom(state, rows).has(end)),
          `${state} never ends`,
        );
      }
    });

    it('has ends only where a contract may rest, and comes back from them to nothing but a verdict', () => {
      const dead = states.filter((state) => reachableFrom(state, rows).size === 0);
      assert.ok(dead.every((state) => ends.includes(state)));
      const verdicts = [...ends, ...(side === 'seller' ? ['REFUNDING'] : [])];
      for (const end of ends)
        for (const next of reachableFrom(end, rows)) assert.ok(verdicts.includes(next), `${end}: ${next}`);
    });

    it('refuses what it does not list', () => {
      const table = (side === 'buyer' ? BUYER_TRANSITIONS : SELLER_TRANSITIONS) as typeof BUYER_TRANSITIONS;
      for (const state of ['NEW', ...states]) {
        for (const event of events) {
          const listed = rows.find((row) => row.state === state && row.event === event);
          const asked = [state as 'NEW', event as BuyerEvent] as const;
          assert.equal(knows(table, ...asked), listed !== undefined);
          if (listed) assert.equal(step(table, ...asked).to, listed.to);
          else assert.throws(() => step(table, ...asked), /no transition/);
        }
      }
    });
  });
}

describe('the money of a contract', () => {
  it('is ordered by the buyer once, when the seller has countersigned and not before', () => {
    assert.deepEqual(rowsWith('hand order to the payment engine', BUYER), ['ACCEPTING confirm']);
    assert.ok(!reachableFrom('PAYING', BUYER).has('ACCEPTING') && !reachableFrom('PAYING', BUYER).has('CALLING'));
  });

  it('is not forgotten by the buyer: what was paid ends completed, refunded or failed, and never cancelled', () => {
    assert.ok(!reachableFrom('PAID', BUYER).has('CANCELLED'));
    // What the engine has is not taken back: only its own refusal ends it without money.
    assert.deepEqual(
      BUYER.filter(({ state }) => state === 'PAYING').map(({ event }) => event),
      ['pay', 'refuse'],
    );
    assert.ok(
      !reachableFrom('NEW', BUYER, 'pay').has('COMPLETED') && !reachableFrom('NEW', BUYER, 'pay').has('FAILED'),
    );
  });

  it('is not called back by the buyer once it is back', () => {
    assert.equal(reachableFrom('REFUNDED', BUYER).size, 0);
    assert.ok(['PAID', 'LATE', 'COMPLETED', 'FAILED'].every((state) => reachableFrom(state, BUYER).has('REFUNDED')));
  });

  it('is there before the seller starts', () => {
    assert.deepEqual(rowsWith('start', SELLER), ['ACCEPTED cover']);
    const unpaid = reachableFrom('NEW', SELLER, 'cover');
    for (const state of ['STARTING', 'DELIVERING', 'DELIVERED', 'COMPLETED']) assert.ok(!unpaid.has(state), state);
  });

  it('is owed by the seller until it is paid back, and owed only for what was not delivered', () => {
    assert.deepEqual(
      SELLER.filter(({ state }) => state === 'REFUNDING').map(({ event, to }) => [event, to]),
      [['refund', 'REFUNDED']],
    );
    assert.deepEqual(
      SELLER.filter(({ to }) => to === 'REFUNDING').map(({ state, event }) => `${state} ${event}`),
      rowsWith('owe refund', SELLER),
    );
    assert.ok(!reachableFrom('DELIVERED', SELLER).has('REFUNDING'));
    // Money for what was called off, and for a proposal that nobody has accepted.
    assert.ok(knows(SELLER_TRANSITIONS, 'CANCELLED', 'owe') && knows(SELLER_TRANSITIONS, 'PROPOSED', 'owe'));
    // Money in hand is no reason for `end`: it would be kept.
    for (const state of ['STARTING', 'DELIVERING', 'DELIVERED'])
      assert.ok(!reachableFrom(state, SELLER).has('CANCELLED'));
  });

  it('moves no machine any more where a delivery ends', () => {
    const running = ['STARTING', 'DELIVERING'];
    for (const { state, event, to, effects } of SELLER) {
      if (running.includes(state) && !running.includes(to)) assert.ok(effects.includes('stop'), `${state} ${event}`);
    }
  });
});

describe('what the sides tell', () => {
  it('is the contract or an error wherever the buyer comes to an end', () => {
    for (const { state, event, to, effects } of BUYER) {
      if (!BUYER_ENDS.includes(to)) continue;
      const told = effects.includes('hand over the contract') || effects.includes('raise an error');
      assert.ok(told, `${state} ${event}`);
    }
  });

  it('lets nobody who was accepted wait for a payment that does not come', () => {
    const left = BUYER.filter(({ state, to }) => ['ACCEPTING', 'PAYING'].includes(state) && to === 'CANCELLED');
    assert.ok(left.length > 0 && left.every(({ effects }) => effects.includes('send cancel')));
  });
});
