import assert from 'node:assert/strict';
import type {
  Ledger,
  LedgerSignal,
  NetworkInfo,
  Outcome,
  PaymentPart,
  ReceivedOutput,
  SpendableOutput,
} from '../../../lib/ledger';
import { StardustLedger, type StardustOptions } from '../../../lib/ledger/stardust';
import type { Address } from '../../../lib/values';
import { Purse, type SignedTransaction } from '../purse';
import { optionsFor, type RunningNetwork, type TestNetwork } from './networks';

/** Longest time that anything on a Tangle may take: some milestones of 10 s, and a queue at the faucet. */
export const PATIENCE = 90_000;

/** A transaction that nobody made: its outcome is unknown, at the height that the node has confirmed. */
const NOBODY = { transactionId: `0x${'5a'.repeat(32)}`, inputs: [] };

export type Connected = Ledger & {
  onSignal(listener: (signal: LedgerSignal) => void): () => void;
  close(): Promise<void>;
};

/** One running ledger, a well-filled purse on it, and the means to wait for what the ledger does in its own time. */
export class Scene {
  readonly #connections = new Set<Connected>();
  #funds: SpendableOutput[] = [];
  #bank: Purse | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(
    readonly running: RunningNetwork,
    readonly ledger: Connected,
    readonly network: NetworkInfo,
  ) {
    this.#connections.add(ledger);
  }

  static async open(network: TestNetwork): Promise<Scene> {
    const running = await network.start();
    const ledger = new StardustLedger(optionsFor(running));
    const scene = new Scene(running, ledger, await ledger.network());
    await scene.#fill();
    return scene;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#connections].map((ledger) => ledger.close()));
    await this.running.close();
  }

  /** A further connection of its own, e.g. through a proxy; closed with the scene. */
  connect(options: Partial<StardustOptions> = {}): Connected {
    const ledger = new StardustLedger({ ...optionsFor(this.running), ...options });
    this.#connections.add(ledger);
    return ledger;
  }

  async disconnect(ledger: Connected): Promise<void> {
    this.#connections.delete(ledger);
    await ledger.close();
  }

  purse(): Purse {
    return new Purse(this.network.addressForm);
  }

  /** A purse with these amounts, each in an output of its own. */
  async filledPurse(...amounts: bigint[]): Promise<{ purse: Purse; outputs: ReceivedOutput[] }> {
    const purse = this.purse();
    await this.pay(amounts.map((amount) => ({ to: purse.address, amount, reference: '' })));
    const { outputs } = await this.ledger.holdings(purse.address);
    assert.equal(outputs.length, amounts.length);
    return { purse, outputs: [...outputs] };
  }

  /** An amount that is easily enough for any output of these tests. */
  get plenty(): bigint {
    return this.network.minimumChange * 2n;
  }

  async minimum(to: Address, reference: string): Promise<bigint> {
    const [amount] = await this.ledger.minimumAmounts([{ to, amount: 0n, reference }]);
    assert.ok(amount !== undefined);
    return amount;
  }

  /** The bank pays; resolves when the ledger has it. One at a time, like an account. */
  pay(payments: PaymentPart[]): Promise<SignedTransaction> {
    const paid = this.#queue.then(() => this.#pay(payments));
    this.#queue = paid.catch(() => {});
    return paid;
  }

  /** Waits until the ledger has decided, and until who reads its history sees it. */
  async settle(
    transaction: SignedTransaction,
    ledger: Ledger = this.ledger,
  ): Promise<Outcome & { state: 'final' | 'dead' }> {
    const settled = await this.until(`the outcome of ${transaction.transactionId}`, async () => {
      const outcome = await ledger.outcome(transaction);
      return outcome.state === 'final' || outcome.state === 'dead' ? outcome : undefined;
    });
    for (let height = 0; height < settled.height; ) ({ height } = await ledger.outcome(NOBODY));
    return settled;
  }

  /** Asks again whenever the ledger has grown, until there is an answer. */
  async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const growth = this.#growth();
      try {
        const answer = await ask();
        if (answer !== undefined) return answer;
        assert.ok(Date.now() < deadline, `waited too long for ${what}`);
        await growth.happened;
      } finally {
        growth.forget();
      }
    }
  }

  /** The next `wake`, or a while: a signal is a hint that may get lost. */
  #growth(): { happened: Promise<void>; forget: () => void } {
    let forget = () => {};
    const happened = new Promise<void>((resolve) => {
      const late = setTimeout(resolve, 10_000);
      const stop = this.ledger.onSignal(({ kind }) => {
        if (kind === 'wake') resolve();
      });
      forget = () => {
        clearTimeout(late);
        stop();
      };
    });
    return { happened, forget };
  }

  async #fill(): Promise<void> {
    const bank = this.purse();
    this.#bank = bank;
    await this.ledger.requestFunds(bank.address);
    const outputs = await this.until('money from the faucet', async () => {
      const holdings = await this.ledger.holdings(bank.address);
      return holdings.outputs.length > 0 ? holdings.outputs : undefined;
    });
    this.#funds = [...outputs];
  }

  async #pay(payments: PaymentPart[]): Promise<SignedTransaction> {
    assert.ok(this.#bank);
    const transaction = await this.#bank.sign(this.ledger, { payments }, this.#funds);
    await this.ledger.submit(transaction.sealed);
    assert.equal((await this.settle(transaction)).state, 'final');
    this.#funds = [...(transaction.sealed.change ?? [])];
    return transaction;
  }
}

/** Reads on from a cursor until the ledger's present, as a listener does. */
export async function readOn(
  ledger: Ledger,
  address: Address,
  from: string,
): Promise<{ received: ReceivedOutput[]; spent: { outputId: string; by: string }[]; cursor: string; height: number }> {
  const received: ReceivedOutput[] = [];
  const spent: { outputId: string; by: string }[] = [];
  let cursor = from;
  for (;;) {
    const page = await ledger.read(address, cursor);
    received.push(...page.received);
    spent.push(...page.spent);
    cursor = page.cursor;
    if (page.reached) return { received, spent, cursor, height: page.height };
  }
}

export function outputIdOf(transactionId: string, index: number): string {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(index);
  return `${transactionId}${bytes.toString('hex')}`;
}
