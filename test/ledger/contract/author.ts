import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Ledger, LedgerRecord, RecordPart, SpendableOutput } from '../../../lib/ledger';
import type { Purse, SignedTransaction } from '../purse';
import type { Scene } from './scene';

/** What one author records: each transaction spends everything it has, the record before included. */
export class Author {
  #funds: readonly SpendableOutput[];

  constructor(
    private readonly scene: Scene,
    readonly purse: Purse,
    funds: readonly SpendableOutput[],
  ) {
    this.#funds = funds;
  }

  static async with(scene: Scene, records: number): Promise<Author> {
    // Deposits of records, and what is left must be enough for an output of its own.
    const { purse, outputs } = await scene.filledPurse(scene.plenty * BigInt(2 + 2 * records));
    return new Author(scene, purse, outputs);
  }

  get address() {
    return this.purse.address;
  }

  get funds(): readonly SpendableOutput[] {
    return this.#funds;
  }

  sign(record: RecordPart, ledger?: Ledger): Promise<SignedTransaction> {
    return this.signed({ records: [record] }, this.#funds, ledger);
  }

  async signed(
    request: Parameters<Purse['sign']>[1],
    inputs: readonly SpendableOutput[],
    ledger: Ledger = this.scene.ledger,
  ): Promise<SignedTransaction> {
    const signed = await this.purse.sign(ledger, request, inputs);
    const used = new Set(inputs.map(({ outputId }) => outputId));
    this.#funds = [...this.#funds.filter(({ outputId }) => !used.has(outputId)), ...(signed.sealed.change ?? [])];
    return signed;
  }

  async record(...records: RecordPart[]): Promise<SignedTransaction & { height: number }> {
    return this.settled(await this.signed({ records }, this.#funds));
  }

  async settled(signed: SignedTransaction): Promise<SignedTransaction & { height: number }> {
    await this.scene.ledger.submit(signed.sealed);
    const outcome = await this.scene.settle(signed);
    assert.equal(outcome.state, 'final');
    return { ...signed, height: outcome.height };
  }
}

export const freshTag = () => Buffer.from(`test-${randomBytes(8).toString('hex')}`);
export const bytes = (text: string) => Buffer.from(text, 'utf8');
export const textOf = (record: LedgerRecord) => Buffer.from(record.bytes).toString('utf8');
