import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';

const FLOW = JSON.parse(readFileSync(join(__dirname, '..', '..', 'examples', 'parking.json'), 'utf8')) as FlowNode[];

describe('the parking example', () => {
  const quote = { reference: 'parking-7-a', minutes: 2, iota: 2 };
  const payment = { status: 'confirmed', reference: 'parking-7-a', amount: '1620000', decimals: 6 };

  it('opens the barrier for the confirmed payment of the quote, once', () => {
    const check = functionOf('parking-check', { quote });
    assert.deepEqual(check({ payload: payment }), [{ payload: { state: 'open', minutes: 2 } }, null]);
    assert.equal(opened(check({ payload: payment })), false);
  });

  for (const [what, change] of Object.entries({
    'that is not confirmed yet': { status: 'pending' },
    'with another reference': { reference: 'parking-7-b' },
    'without a reference': { reference: null },
    'that is one base unit short': { amount: '1619999' },
    'of as many units of a token with more decimals': { decimals: 9 },
  })) {
    it(`does not open it for a payment ${what}`, () => {
      assert.equal(opened(functionOf('parking-check', { quote })({ payload: { ...payment, ...change } })), false);
    });
  }

  it('does not open it for a payment that nobody was asked for', () => {
    assert.equal(opened(functionOf('parking-check', {})({ payload: payment })), false);
  });

  it('quotes for one car at a time', () => {
    const gate = functionOf('parking-gate', { quote: { ...quote, expires: Date.now() + 1000 } });
    assert.equal(gate({ payload: { occupied: true, minutes: 2 } }), null);
    assert.deepEqual(gate({ payload: { occupied: false } }), [null, { payload: { state: 'closed' } }]);
    assert.deepEqual(gate({ payload: { occupied: true, minutes: 3 } }), [{ minutes: 3 }, null]);
  });

  it('pays a quote under its reference, with the share of the tax office, and not after it has expired', () => {
    const order = functionOf('parking-order', {});
    const tax = { to: 'tax', share: '19%' };
    const now = Date.now();
    const offered = { ...quote, to: 'space', tax, expires: now + 60_000 };
    assert.deepEqual((order({ payload: offered }) as { payload: unknown }).payload, {
      to: 'space',
      amount: '2 IOTA',
      reference: 'parking-7-a',
      paymentId: 'parking-7-a',
      splits: [tax],
    });
    assert.equal(order({ payload: { ...offered, expires: now - 1 } }), null);
  });

  it('has nothing to fill in, and limits what its car can spend', () => {
    const car = FLOW.find(({ id }) => id === 'parking-car');
    const policy = JSON.parse(String(car?.policy)) as { maxPerPayment: string; budgets: unknown[] };
    assert.equal(policy.maxPerPayment, '3 IOTA');
    assert.equal(policy.budgets.length, 1);
    const machines = FLOW.filter(({ type }) => type === 'iota-machine');
    assert.equal(machines.length, 3);
    for (const { key } of machines) assert.equal(key, '');
  });
});

interface FlowNode {
  readonly id: string;
  readonly type: string;
  readonly [property: string]: unknown;
}

/** The code of a function node, with a flow context that starts with these values. */
function functionOf(id: string, values: Record<string, unknown>): (msg: object) => unknown {
  const code = String(FLOW.find((node) => node.id === id)?.func);
  const context = new Map(Object.entries(values));
  const flow = {
    get: (key: string) => context.get(key),
    set: (key: string, value: unknown) => context.set(key, value),
  };
  const run = runInContext(`(flow, msg) => { ${code} }`, createContext({ Date })) as (
    flow: object,
    msg: object,
  ) => unknown;
  // What came from another realm has other prototypes.
  return (msg) => structuredClone(run(flow, msg));
}

function opened(outputs: unknown): boolean {
  return Array.isArray(outputs) && Boolean(outputs[0]);
}
