import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Balance, Receipt } from '../../lib/payments';
import { fleetFlow } from './fleet-flow';
import { freePorts, type NodeRedProcess, UserDirectory } from './node-red-process';

const MACHINES = 10;
const AT_ONCE = 60;
const POLICY = { maxPerPayment: '2 IOTA', budgets: [{ amount: '900 IOTA', window: '24h' }], payees: ['*'] };

interface Order {
  readonly from: number;
  readonly to: number;
  readonly amount: bigint;
  readonly id: string;
}

interface ReceivedLine {
  readonly eventId: string;
  readonly reference: string | null;
  readonly to: string;
  readonly amount: string;
  readonly redelivered: boolean;
}

/** The same orders for the same seed: a failure can be run again. */
function ordersOf(count: number, seed: number): Order[] {
  let state = seed;
  const next = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state % below;
  };
  return Array.from({ length: count }, (_, n) => {
    const from = next(MACHINES);
    return {
      from,
      to: (from + 1 + next(MACHINES - 1)) % MACHINES,
      amount: 100_000n + BigInt(next(400_000)),
      id: `order-${seed}-${n}`,
    };
  });
}

describe('ten machines that pay each other in a real Node-RED', function () {
  this.timeout(240_000);
  let directory: UserDirectory;
  let nodeRed: NodeRedProcess;
  let ledgerUrl: string;

  beforeEach(async () => {
    const [ledgerPort] = await freePorts(1);
    ledgerUrl = `http://127.0.0.1:${ledgerPort}`;
    const receivedFile = join(process.env.TMPDIR ?? '/tmp', `received-${process.pid}-${ledgerPort}.jsonl`);
    directory = await UserDirectory.create(
      fleetFlow({ machines: MACHINES, ledgerPort: ledgerPort as number, receivedFile, policy: POLICY }),
    );
    received = receivedFile;
    nodeRed = await directory.start();
  });
  let received: string;
  afterEach(async () => {
    await nodeRed.stop();
    await directory.remove();
  });

  const balance = async (machine: number): Promise<Balance> => {
    const response = await fetch(`${directory.url}/wallet/${machine}/balance`, { signal: AbortSignal.timeout(10_000) });
    const body = (await response.json()) as Balance & { code?: string };
    if (!response.ok) throw new Error(body.code);
    return body;
  };

  const eventually = async <T>(what: string, look: () => Promise<T | undefined>, limitMs = 60_000): Promise<T> => {
    const limit = Date.now() + limitMs;
    let last: unknown;
    while (Date.now() < limit) {
      try {
        const found = await look();
        if (found !== undefined) return found;
      } catch (error) {
        last = error;
      }
      await pause(50);
    }
    throw new Error(`not within ${limitMs} ms: ${what} (${String(last)})\n${nodeRed.log.slice(-2_000)}`);
  };

  const funded = () =>
    Promise.all(
      Array.from({ length: MACHINES }, (_, machine) =>
        eventually(`machine ${machine} is funded`, async () => {
          const found = await balance(machine);
          return BigInt(found.available) > 0n ? found : undefined;
        }),
      ),
    );

  /** Asks until it is answered, as an upstream that delivers at least once does. */
  const pay = async (order: Order, to: string): Promise<Receipt> => {
    const body = JSON.stringify({ to, amount: Number(order.amount), reference: order.id, paymentId: order.id });
    for (;;) {
      let response: Response;
      try {
        response = await fetch(`${directory.url}/pay/${order.from}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
      } catch {
        await pause(50); // Node-RED is not there: it was killed, or has not started yet
        continue;
      }
      const answer = (await response.json().catch(() => ({}))) as Receipt & { code?: string };
      if (response.ok && answer.status === 'confirmed') return answer;
      // Flows answer 404 while they start; a ledger or machine that is still starting answers with these.
      if (response.status === 404 || ['LEDGER_UNREACHABLE', 'LEDGER_OUT_OF_SYNC'].includes(String(answer.code))) {
        await pause(50);
        continue;
      }
      throw new Error(`${order.id}: ${response.status} ${JSON.stringify(answer)}`);
    }
  };

  const payAll = async (orders: readonly Order[], addresses: readonly string[], answered: (done: number) => void) => {
    const receipts = new Map<string, Receipt>();
    const queue = [...orders];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let order = queue.shift(); order; order = queue.shift()) {
          receipts.set(order.id, await pay(order, addresses[order.to] as string));
          answered(receipts.size);
        }
      }),
    );
    return receipts;
  };

  const unspentOnLedger = async (address: string): Promise<bigint> => {
    let sum = 0n;
    let cursor = '';
    do {
      const page = (await (
        await fetch(
          `${ledgerUrl}/api/indexer/v1/outputs/basic?address=${address}&pageSize=500${cursor && `&cursor=${cursor}`}`,
        )
      ).json()) as { items: string[]; cursor?: string };
      const outputs = await Promise.all(
        page.items.map(
          async (id) =>
            (await (await fetch(`${ledgerUrl}/api/core/v2/outputs/${id}`)).json()) as { output: { amount: string } },
        ),
      );
      for (const { output } of outputs) sum += BigInt(output.amount);
      cursor = page.cursor ?? '';
    } while (cursor);
    return sum;
  };

  const receivedLines = (): ReceivedLine[] =>
    existsSync(received)
      ? readFileSync(received, 'utf8')
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line) as ReceivedLine)
      : [];

  const settle = async (
    orders: readonly Order[],
    receipts: ReadonlyMap<string, Receipt>,
    before: readonly Balance[],
  ) => {
    assert.equal(receipts.size, orders.length, 'every order has its receipt');
    for (const [machine, { address, total }] of before.entries()) {
      const out = orders.filter(({ from }) => from === machine).reduce((sum, { amount }) => sum + amount, 0n);
      const income = orders.filter(({ to }) => to === machine).reduce((sum, { amount }) => sum + amount, 0n);
      const expected = BigInt(total) - out + income;
      await eventually(`machine ${machine} owns ${expected}`, async () => {
        const onLedger = await unspentOnLedger(address);
        assert.equal(onLedger, expected, 'on the ledger');
        const known = await balance(machine);
        assert.equal(BigInt(known.total), expected, 'in the journal');
        assert.equal(BigInt(known.available), expected, 'nothing stays reserved');
        return true;
      });
    }
  };

  it('1,000 payments, 60 at once: sums exact, none lost, none doubled', async () => {
    const before = await funded();
    const orders = ordersOf(1_000, 1);
    const receipts = await payAll(
      orders,
      before.map(({ address }) => address),
      () => {},
    );
    await settle(orders, receipts, before);
    const references = new Set(orders.map(({ id }) => id));
    await eventually('every payee heard of every payment', async () => {
      const heard = receivedLines().filter(({ reference }) => reference !== null && references.has(reference));
      return new Set(heard.map(({ reference }) => reference)).size === orders.length ? heard : undefined;
    });
    const heard = receivedLines().filter(({ reference }) => reference !== null && references.has(reference));
    assert.equal(heard.length, orders.length, 'each payment is heard of once');
    assert.equal(new Set(heard.map(({ eventId }) => eventId)).size, orders.length, 'under an id of its own');
  });

  it('the same while Node-RED is killed and started again in the middle', async () => {
    const before = await funded();
    const orders = ordersOf(1_000, 2);
    const kills = [200, 500, 800];
    let restart = Promise.resolve();
    const receipts = await payAll(
      orders,
      before.map(({ address }) => address),
      (done) => {
        if (done !== kills[0]) return;
        kills.shift();
        restart = restart.then(async () => {
          await nodeRed.kill();
          nodeRed = await directory.start();
        });
      },
    );
    await restart;
    await settle(orders, receipts, before);
    const references = new Set(orders.map(({ id }) => id));
    const ids = new Map<string, Set<string>>();
    for (const { eventId, reference } of receivedLines()) {
      if (reference !== null && references.has(reference))
        ids.set(reference, (ids.get(reference) ?? new Set()).add(eventId));
    }
    for (const [reference, events] of ids) assert.equal(events.size, 1, `${reference} has one event id`);
    assert.equal(kills.length, 0, 'Node-RED was killed three times');
  });
});
