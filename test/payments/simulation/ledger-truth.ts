import { createHash } from 'node:crypto';
import type { Address } from '../../../lib/values';

/** A signed transaction as it lies on the simulated ledger. Its id is the hash of its bytes. */
export interface TruthTransaction {
  readonly id: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly TruthOutput[];
  readonly expiresEpoch: number | undefined;
}

export interface TruthOutput {
  readonly to: Address;
  readonly amount: bigint;
  readonly reference: string | null;
  readonly from: Address | null;
  /** False: under a condition, like an expiring payment. */
  readonly spendable: boolean;
  /** Kept under a tag, both in hex. */
  readonly record?: TruthRecord;
}

export interface TruthRecord {
  readonly tag: string;
  readonly bytes: string;
}

export interface PlacedOutput extends TruthOutput {
  readonly outputId: string;
  readonly transactionId: string;
  readonly index: number;
  readonly height: number;
}

interface Executed {
  readonly transaction: TruthTransaction;
  readonly height: number;
}

/** What really is: one ledger that executes every transaction at most once and no input twice. */
export class LedgerTruth {
  height = 1;
  readonly outputs = new Map<string, PlacedOutput>();
  /** outputId → who spent it, at which height. */
  readonly spent = new Map<string, { readonly by: string; readonly height: number }>();
  readonly executed = new Map<string, Executed>();
  /** Everything that ever reached a node, executed or not. */
  readonly submitted = new Map<string, TruthTransaction>();
  readonly #pool = new Map<string, TruthTransaction>();
  /** height → when it was made, Unix milliseconds. */
  readonly times: number[];
  minted = 0n;

  constructor(
    readonly epochLength: number | undefined,
    start: number,
  ) {
    this.times = [start, start];
  }

  epochAt(height: number): number {
    return this.epochLength === undefined ? 0 : Math.floor(height / this.epochLength);
  }

  mint(to: Address, amount: bigint): void {
    const id = hashOf(`mint ${this.minted} ${to}`);
    this.minted += amount;
    this.#execute(
      {
        id,
        inputs: [],
        outputs: [{ to, amount, reference: null, from: null, spendable: true }],
        expiresEpoch: undefined,
      },
      this.height,
    );
  }

  submit(transaction: TruthTransaction): void {
    this.submitted.set(transaction.id, transaction);
    if (!this.executed.has(transaction.id)) this.#pool.set(transaction.id, transaction);
  }

  /** The next milestone: takes what `includes` lets in, and forgets what `forgets` says. */
  advance(now: number, includes: () => boolean, forgets: () => boolean): void {
    this.height += 1;
    this.times[this.height] = now;
    for (const transaction of [...this.#pool.values()]) {
      if (this.isDead(transaction, this.height)) this.#pool.delete(transaction.id);
      else if (transaction.inputs.every((input) => this.outputs.has(input)) && includes()) {
        this.#pool.delete(transaction.id);
        this.#execute(transaction, this.height);
      } else if (forgets()) this.#pool.delete(transaction.id);
    }
  }

  /** Whether a transaction can never be executed, as seen at a height. */
  isDead(
    { id, inputs, expiresEpoch }: Pick<TruthTransaction, 'id' | 'inputs' | 'expiresEpoch'>,
    height: number,
  ): boolean {
    const executed = this.executed.get(id);
    if (executed && executed.height <= height) return false;
    if (expiresEpoch !== undefined && this.epochAt(height) > expiresEpoch) return !executed;
    return this.conflictOf(inputs, id, height) !== undefined;
  }

  conflictOf(inputs: readonly string[], id: string, height: number): string | undefined {
    for (const input of inputs) {
      const spent = this.spent.get(input);
      if (spent && spent.height <= height && spent.by !== id) return spent.by;
    }
    return undefined;
  }

  isPooled(id: string): boolean {
    return this.#pool.has(id);
  }

  /** Unspent outputs of an address at a height. */
  unspentOf(address: Address, height: number): PlacedOutput[] {
    return [...this.outputs.values()].filter(
      (output) => output.to === address && output.height <= height && !this.isSpentAt(output.outputId, height),
    );
  }

  isSpentAt(outputId: string, height: number): boolean {
    const spent = this.spent.get(outputId);
    return spent !== undefined && spent.height <= height;
  }

  #execute(transaction: TruthTransaction, height: number): void {
    const { id, inputs, outputs } = transaction;
    const sum = inputs.reduce((total, input) => total + (this.outputs.get(input)?.amount ?? 0n), 0n);
    if (inputs.length > 0 && sum !== outputs.reduce((total, { amount }) => total + amount, 0n))
      throw new Error('money made or lost by a transaction');
    for (const input of inputs) {
      if (this.spent.has(input)) throw new Error('an input spent twice');
      this.spent.set(input, { by: id, height });
    }
    for (const [index, output] of outputs.entries()) {
      const outputId = `${id}.${index}`;
      this.outputs.set(outputId, { ...output, outputId, transactionId: id, index, height });
    }
    this.executed.set(id, { transaction, height });
  }
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}
