import type { EmbeddedNodeRed, Message } from './embedded-node-red';

export interface FleetOptions {
  readonly machines: number;
  readonly ledger: Readonly<Record<string, unknown>>;
  /** The last machine also listens. */
  readonly listens?: boolean;
}

/** A node without a place is taken for a config node. */
const PLACE = { z: 'bench', x: 100, y: 100 };

const POLICY = JSON.stringify({
  maxPerPayment: '1 IOTA',
  budgets: [{ amount: '900 IOTA', window: '24h' }],
  payees: ['*'],
});

/** Machines with a wallet and a pay node each, and nothing else in the flow. */
export function fleetFlow({ machines, ledger, listens = false }: FleetOptions): object[] {
  const sink = (id: string) => ({ id, type: 'bench-sink', ...PLACE, wires: [] });
  const each = Array.from({ length: machines }, (_, n) => [
    {
      id: `machine-${n}`,
      type: 'iota-machine',
      ledger: 'ledger',
      // Its id: a property that equals the id of a config node would be taken for a reference to it.
      key: '',
      accountIndex: 0,
      policy: POLICY,
      contacts: '{}',
    },
    {
      id: `wallet-${n}`,
      type: 'iota-wallet',
      ...PLACE,
      machine: `machine-${n}`,
      action: '',
      wires: [['answer'], []],
    },
    { id: `pay-${n}`, type: 'iota-pay', ...PLACE, machine: `machine-${n}`, wires: [['receipt'], ['progress']] },
  ]).flat();
  const last = `machine-${machines - 1}`;
  return [
    { id: 'bench', type: 'tab', label: 'Bench' },
    { id: 'ledger', type: 'iota-ledger', ...ledger },
    ...['answer', 'receipt', 'progress', 'problem', 'received'].map(sink),
    { id: 'catch', type: 'catch', ...PLACE, scope: null, uncaught: false, wires: [['problem']] },
    ...each,
    ...(listens
      ? [
          {
            id: 'listen',
            type: 'iota-listen',
            ...PLACE,
            machine: last,
            source: 'payments',
            from: 'beginning',
            wires: [['received']],
          },
        ]
      : []),
  ];
}

/** Asks the nodes of a fleet and waits for what they answer. */
export class Fleet {
  #asked = 0;
  readonly #waiting = new Map<
    number,
    { answer(message: Message): void; fail(error: Error): void; submitted(): void }
  >();

  constructor(private readonly nodeRed: EmbeddedNodeRed) {
    nodeRed.onSink((sinkId, message) => {
      const waiting = this.#waiting.get(message.bench as number);
      if (!waiting || sinkId === 'received') return;
      if (sinkId === 'progress') {
        waiting.submitted();
        return;
      }
      this.#waiting.delete(message.bench as number);
      if (sinkId !== 'problem') waiting.answer(message);
      else
        waiting.fail(
          Object.assign(new Error((message.error as Error).message), {
            code: (message.error as { code?: string }).code,
          }),
        );
    });
  }

  async address(machine: number): Promise<string> {
    const { payload } = await this.untilItWorks(`wallet-${machine}`, { topic: 'address' });
    return (payload as { address: string }).address;
  }

  /** Waits until the faucet's money is there. */
  async funded(machine: number): Promise<void> {
    for (;;) {
      const { payload } = await this.untilItWorks(`wallet-${machine}`, { topic: 'balance' });
      if (BigInt((payload as { available: string }).available) > 0n) return;
      await new Promise((again) => setTimeout(again, 200));
    }
  }

  /** Pays, and tells when the transaction was on its way and when the receipt came (both `performance.now()`). */
  async pay(
    machine: number,
    to: string,
    amount = '0.1 IOTA',
  ): Promise<{ sent: number; submitted: number; received: number }> {
    const sent = performance.now();
    let submitted = sent;
    await this.ask(`pay-${machine}`, { payload: { to, amount, reference: 'bench' } }, () => {
      submitted = performance.now();
    });
    return { sent, submitted, received: performance.now() };
  }

  private ask(node: string, message: Message, submitted = () => {}): Promise<Message> {
    this.#asked += 1;
    const bench = this.#asked;
    return new Promise((answer, fail) => {
      this.#waiting.set(bench, { answer, fail, submitted });
      this.nodeRed.send(node, { ...message, bench });
    });
  }

  /** A machine that is still starting says so as an error. */
  private async untilItWorks(node: string, message: Message): Promise<Message> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      try {
        return await this.ask(node, message);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await new Promise((again) => setTimeout(again, 200));
      }
    }
  }
}
