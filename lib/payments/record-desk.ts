import { CodedError, isCodedError } from '../errors';
import type { RecordPart, SpendableOutput } from '../ledger';
import type { BaseUnits } from '../values';
import type { QueuedRecord } from './batch';
import type { PaymentRow } from './book-rows';
import type { Engine } from './engine';
import { recordIdOf } from './payment-id';
import { addedDeposit, hasRoomFor, headsOf, nextRecord, sha256 } from './records';
import { prepare } from './signing';

/** Finds out what the next record takes, and whether that is there. */
export class RecordDesk {
  /** What an output of such a size had to hold, as the ledger said last. */
  #known: { readonly size: string; readonly deposit: BaseUnits } | undefined;
  /** The record that is known to wait for money. */
  #told: string | undefined;

  constructor(private readonly engine: Engine) {}

  /**
   * The next record with everything that a transaction needs to take it; undefined when none may be signed now, and
   * `scattered` when there is money in more outputs than one transaction takes.
   *
   * @param lastTry an error that nobody foresaw counts as the ledger's refusal
   * @throws CodedError what the ledger has against this record
   */
  async next(lastTry: boolean): Promise<QueuedRecord | 'scattered' | undefined> {
    const { engine } = this;
    const payment = nextRecord(engine);
    if (!payment) return undefined;
    const part = this.partOf(payment);
    const heads = headsOf(engine);
    const held = engine.book.heldInputs();
    if (heads.some(({ outputId }) => held.has(outputId))) return undefined;
    const deposit = await this.depositOf(payment, part, heads, lastTry);
    if (deposit === undefined) {
      if (engine.book.unspentSum(true).count > engine.ports.network.maxInputs) return 'scattered';
      // What others hold may come back as change.
      if (held.size === 0) this.#tell(payment);
      return undefined;
    }
    if (!hasRoomFor(addedDeposit(deposit, heads, engine), engine)) {
      this.#tell(payment);
      return undefined;
    }
    return { payment, part, heads, deposit };
  }

  /** @throws CodedError when its bytes are not what they were */
  partOf({ paymentId }: PaymentRow): RecordPart {
    const part = this.engine.book.recordPart(paymentId);
    if (!part?.bytes || sha256(part.bytes) !== part.sha256)
      throw new CodedError('PAYMENT_FAILED', 'unbuildable', 'the bytes of a record are not in the journal any more');
    return { tag: part.tag, bytes: part.bytes };
  }

  /**
   * What the record's output has to hold: the ledger builds it by itself, out of `must` and all that is free, and says.
   * Undefined when that is not enough.
   */
  async depositOf(
    payment: PaymentRow,
    part: RecordPart,
    must: readonly SpendableOutput[],
    lastTry: boolean,
  ): Promise<BaseUnits | undefined> {
    const size = `${part.tag.length}:${part.bytes.length}`;
    if (this.#known?.size === size) return this.#known.deposit;
    const { book, ports } = this.engine;
    const { maxInputs } = ports.network;
    const held = book.heldInputs();
    const free = book.unspent('largest', maxInputs + held.size).filter(({ outputId }) => !held.has(outputId));
    const inputs = [...must, ...free].slice(0, Math.max(must.length, maxInputs));
    if (inputs.length === 0) return undefined;
    const trial = { payments: [], record: { payment, part, heads: must, deposit: 0n }, inputs };
    const prepared = await prepare(trial, this.engine, lastTry);
    if (prepared instanceof CodedError) {
      if (isCodedError(prepared, 'FUNDS_INSUFFICIENT')) return undefined;
      throw prepared;
    }
    const deposit = prepared.change[0]?.amount ?? 0n;
    this.#known = { size, deposit };
    return deposit;
  }

  /** The ledger has changed its mind, perhaps about what a record costs. */
  forget(): void {
    this.#known = undefined;
  }

  #tell({ paymentId }: PaymentRow): void {
    if (this.#told === paymentId) return;
    this.#told = paymentId;
    this.engine.emit({
      event: {
        event: 'record-waiting',
        code: 'FUNDS_INSUFFICIENT',
        recordId: recordIdOf(paymentId),
        message: 'the deposit of a record is more than what no payment needs; it waits for money',
      },
    });
  }
}
