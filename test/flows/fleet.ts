import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Balance, Receipt } from '../../lib/payments';
import { fleetFlow } from './fleet-flow';
import { freePorts, type NodeRedProcess, UserDirectory } from './node-red-process';
import { balanceOnLedger } from './sandbox-ledger';

const POLICY = { maxPerPayment: '2 IOTA', budgets: [{ amount: '900 IOTA', window: '24h' }], payees: ['*'] };
const AT_ONCE = 60;

export interface Order {
  readonly from: number;
  readonly to: number;
  /** Base units. */
  readonly amount: bigint;
  readonly id: string;
}

export interface ReceivedLine {
  readonly eventId: string;
  readonly reference: string | null;
  readonly redelivered: boolean;
}

/** Machines in a real Node-RED that pay each other, driven over HTTP, and everything needed to settle accounts after. */
export class Fleet {
  nodeRed: NodeRedProcess;
  readonly #received: string;

  private constructor(
    readonly machines: number,
    readonly flow: readonly object[],
    readonly directory: UserDirectory,
    private readonly ledgerUrl: string,
    received: string,
    nodeRed: NodeRedProcess,
  ) {
    this.#received = received;
    this.nodeRed = nodeRed;
  }

  static async start(machines: number): Promise<Fleet> {
    const [ledgerPort] = (await freePorts(1)) as [number];
    const directory = await UserDirectory.create();
    const receivedFile = join(directory.path, 'received.jsonl');
    const flow = fleetFlow({ machines, ledgerPort, receivedFile, policy: POLICY });
    await directory.writeFlows(flow);
    return new Fleet(
      machines,
      flow,
      directory,
      `http://127.0.0.1:${ledgerPort}`,
      receivedFile,
      await directory.start(),
    );
  }

  async stop(): Promise<void> {
    await this.nodeRed.stop();
    await this.directory.remove();
  }

  /** What a power cut does, and what follows it. */
  async killAndRestart(): Promise<void> {
    await this.nodeRed.kill();
    this.nodeRed = await this.directory.start();
  }

  /** The same orders for the same seed: a failure can be run again. */
  orders(count: number, seed: number): Order[] {
    let state = seed;
    const next = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return state % below;
    };
    return Array.from({ length: count }, (_, n) => {
      const from = next(this.machines);
      const to = (from + 1 + next(this.machines - 1)) % this.machines;
      return { from, to, amount: 100_000n + BigInt(next(400_000)), id: `order-${seed}-${n}` };
    });
  }

  /** What each machine owns once the faucet has paid. */
  funded(): Promise<Balance[]> {
    return Promise.all(
      Array.from({ length: this.machines }, (_, machine) =>
        this.eventually(`machine ${machine} is funded`, async () => {
          const found = await this.balance(machine);
          return BigInt(found.available) > 0n ? found : undefined;
        }),
      ),
    );
  }

  async balance(machine: number): Promise<Balance> {
    const url = `${this.directory.url}/wallet/${machine}/balance`;
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
    const body = (await response.json()) as Balance & { code?: string };
    if (!response.ok) throw new Error(body.code);
    return body;
  }

  /** Pays all of them, 60 at once; `answered` is called after each receipt. */
  async payAll(orders: readonly Order[], before: readonly Balance[], answered: (done: number) => void = () => {}) {
    const receipts = new Map<string, Receipt>();
    const queue = [...orders];
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let order = queue.shift(); order; order = queue.shift()) {
          receipts.set(order.id, await this.#pay(order, before[order.to]?.address ?? ''));
          answered(receipts.size);
        }
      }),
    );
    return receipts;
  }

  /** Every order has its receipt, and every machine owns exactly what follows from them: on the ledger and in its journal. */
  async settle(orders: readonly Order[], receipts: ReadonlyMap<string, Receipt>, before: readonly Balance[]) {
    assert.equal(receipts.size, orders.length, 'every order has its receipt');
    for (const [machine, { address, total }] of before.entries()) {
      const sum = (chosen: readonly Order[]) => chosen.reduce((all, { amount }) => all + amount, 0n);
      const out = sum(orders.filter(({ from }) => from === machine));
      const income = sum(orders.filter(({ to }) => to === machine));
      const expected = BigInt(total) - out + income;
      await this.eventually(`machine ${machine} owns ${expected}`, async () => {
        assert.equal(await balanceOnLedger(this.ledgerUrl, address), expected, 'on the ledger');
        const known = await this.balance(machine);
        assert.equal(BigInt(known.total), expected, 'in the journal');
        assert.equal(BigInt(known.available), expected, 'nothing stays reserved');
        return true;
      });
    }
  }

  /** What the listen nodes told about these orders. */
  heardOf(orders: readonly Order[]): ReceivedLine[] {
    if (!existsSync(this.#received)) return [];
    const references = new Set(orders.map(({ id }) => id));
    return readFileSync(this.#received, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as ReceivedLine)
      .filter(({ reference }) => reference !== null && references.has(reference));
  }

  async eventually<T>(what: string, look: () => Promise<T | undefined>, limitMs = 60_000): Promise<T> {
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
    throw new Error(`not within ${limitMs} ms: ${what} (${String(last)})\n${this.nodeRed.log.slice(-2_000)}`);
  }

  /** Asks until it is answered, under the same id, as an upstream that delivers at least once does. */
  async #pay({ from, amount, id }: Order, to: string): Promise<Receipt> {
    const body = JSON.stringify({ to, amount: Number(amount), reference: id, paymentId: id });
    for (;;) {
      let response: Response;
      try {
        response = await fetch(`${this.directory.url}/pay/${from}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          // A redeploy takes the answer away with the node that would have sent it.
          signal: AbortSignal.timeout(6_000),
        });
      } catch {
        await pause(50);
        continue;
      }
      const answer = (await response.json().catch(() => ({}))) as Receipt & { code?: string };
      if (response.ok && answer.status === 'confirmed') return answer;
      // Flows answer 404 while they start; a ledger or machine that is still starting answers with these.
      if (response.status !== 404 && !['LEDGER_UNREACHABLE', 'LEDGER_OUT_OF_SYNC'].includes(String(answer.code))) {
        throw new Error(`${id}: ${response.status} ${JSON.stringify(answer)}`);
      }
      await pause(50);
    }
  }
}
