import { CodedError, isCodedError } from '../errors';
import type { Append } from '../journal';
import type { LedgerPage, NetworkInfo, ReceivedOutput } from '../ledger';
import type { Engine } from './engine';
import { type ReceivedRecord, record } from './events';
import { Backoff, Loop } from './loop';

/** Without a signal from the ledger. A signal is only a hint, and may never come. */
const POLL_MS = 10_000;
/** How often the cursor is saved while nothing happens, so that a restart need not read it all again. */
const IDLE_SAVE_MS = 300_000;
const PRUNED_RETRY_MS = 60_000;
const OUTPUTS_PER_EVENT = 50;
const OUTPUTS_PER_CHECK = 100;
const LONGEST_REFERENCE = 1024;

export interface ReaderDoors {
  /** The journal has something new of this account: outputs, spends, or that it may be used at all. */
  readonly changed: () => void;
  /** The ledger's history shows that one of our attempts was executed. */
  readonly seen: (transactionId: string) => void;
  /** New payments received are on disk. */
  readonly received: () => void;
}

/** Brings what the ledger says of our address into the journal: baseline, check of our outputs, then page after page. */
export class Reader {
  readonly loop: Loop;
  readonly #backoff: Backoff;
  #cursor: string | undefined;
  #savedAt: number;
  #unsaved: (() => Promise<void>) | undefined;
  #pruned = false;

  constructor(
    private readonly engine: Engine,
    private readonly doors: ReaderDoors,
  ) {
    const { clock, random } = engine.ports;
    this.#backoff = new Backoff(random, 1_000, 15_000);
    this.#savedAt = engine.elapsed();
    this.loop = new Loop(
      clock,
      () => this.#step(),
      (error) => this.#failed(error),
    );
  }

  /** Saves how far it was read. */
  async close(): Promise<void> {
    this.loop.stop();
    await this.#unsaved?.();
  }

  async #step(): Promise<number> {
    const { engine } = this;
    if (!engine.book.account()) await this.#recordHoldings();
    if (!engine.checked) await this.#checkOutputs();
    this.#cursor ??= engine.book.account()?.cursor;
    for (let reached = false; !reached && !engine.closed; ) reached = await this.#readPage();
    this.#backoff.reset();
    this.#pruned = false;
    return POLL_MS;
  }

  #failed(error: unknown): number | undefined {
    if (isCodedError(error, 'HISTORY_PRUNED')) {
      if (!this.#pruned)
        this.engine.emit({ event: { event: 'history-pruned', code: 'HISTORY_PRUNED', message: error.message } });
      this.#pruned = true;
      return PRUNED_RETRY_MS;
    }
    this.engine.trouble(error);
    return this.engine.ports.journal.damage === undefined ? this.#backoff.next() : undefined;
  }

  /** What the address holds when its account is opened for the first time is no payment received. */
  async #recordHoldings(): Promise<void> {
    const { engine } = this;
    const { address } = engine.ports.identity;
    const { outputs, cursor, height, ledgerTime } = await engine.ask((ledger) => ledger.holdings(address));
    await engine.write((append) => {
      if (engine.book.account()) return;
      const systemTime = engine.now();
      record(append, 'account.opened', { network: engine.networkId, address, cursor, height, ledgerTime, systemTime });
      this.#appendReceived(append, outputs, true);
    });
    engine.ledgerTime = ledgerTime;
  }

  /**
   * An output of ours that was spent without us means that the key is used elsewhere, or that this journal is not the
   * latest: it may have forgotten payments, and would pay them again.
   */
  async #checkOutputs(): Promise<void> {
    const { engine } = this;
    const unspent = [...engine.book.unspent('largest', -1), ...engine.book.unspentRecords()];
    for (let start = 0; start < unspent.length; start += OUTPUTS_PER_CHECK) {
      const outputs = unspent.slice(start, start + OUTPUTS_PER_CHECK).map(({ outputId }) => outputId);
      const states = await engine.ask((ledger) => ledger.spends(outputs));
      for (const [index, state] of states.entries()) {
        if (state.state === 'spent') await this.#judgeSpend(outputs[index] ?? '', state.by);
      }
    }
    engine.checked = true;
    this.doors.changed();
  }

  async #readPage(): Promise<boolean> {
    const { engine } = this;
    const cursor = this.#cursor;
    if (cursor === undefined) return true;
    const page = this.#news(await engine.ask((ledger) => ledger.read(engine.ports.identity.address, cursor)));
    if (engine.closed) return true;
    if (page.received.length > 0 || page.spent.length > 0) await this.#save(page);
    else await this.#saveNowAndThen(page);
    this.#cursor = page.cursor;
    engine.ledgerTime = page.ledgerTime;
    return page.reached;
  }

  /** The page without what our own attempts have told already. */
  #news(page: LedgerPage): LedgerPage {
    const { book } = this.engine;
    return {
      ...page,
      received: page.received.filter(({ outputId }) => !book.output(outputId)),
      spent: page.spent.filter(({ outputId, by }) => book.output(outputId)?.spentBy !== by),
    };
  }

  /** Outputs and cursor in one write: neither is ever known without the other. */
  async #save(page: LedgerPage): Promise<void> {
    const { engine } = this;
    const { network, spends } = { network: engine.networkId, spends: page.spent };
    const position = await engine.write((append) => {
      this.#appendReceived(append, page.received, false);
      for (let start = 0; start < spends.length; start += OUTPUTS_PER_EVENT) {
        const chunk = spends.slice(start, start + OUTPUTS_PER_EVENT).map(({ outputId, by }) => ({ outputId, by }));
        record(append, 'account.spent', { network, spends: chunk });
      }
      const foreign = spends.find(({ outputId, by }) => this.#isForeign(outputId, by));
      if (foreign) engine.freezeWithin(append, 'foreign-spend', foreign.outputId, foreign.by);
      record(append, 'account.read', {
        network,
        cursor: page.cursor,
        height: page.height,
        ledgerTime: page.ledgerTime,
      });
      return engine.book.lastPosition();
    });
    this.#saved();
    for (const transactionId of [...spends.map(({ by }) => by), ...page.received.map((output) => output.transactionId)])
      if (engine.book.attempt(transactionId)) this.doors.seen(transactionId);
    const grew = position > engine.durablePosition;
    engine.durablePosition = position;
    this.doors.changed();
    if (grew) this.doors.received();
  }

  async #saveNowAndThen({ cursor, height, ledgerTime }: LedgerPage): Promise<void> {
    const { engine } = this;
    if (cursor === this.#cursor) return;
    this.#unsaved = async () => {
      this.#saved();
      await engine.write((append) =>
        record(append, 'account.read', { network: engine.networkId, cursor, height, ledgerTime }),
      );
    };
    if (engine.elapsed() - this.#savedAt >= IDLE_SAVE_MS) await this.#unsaved();
  }

  #saved(): void {
    this.#unsaved = undefined;
    this.#savedAt = this.engine.elapsed();
  }

  async #judgeSpend(outputId: string, by: string): Promise<void> {
    const { engine } = this;
    if (engine.book.attempt(by)) this.doors.seen(by);
    if (this.#isForeign(outputId, by)) await engine.freeze('foreign-spend', outputId, by);
  }

  /** What is under a condition may be taken back by others. */
  #isForeign(outputId: string, by: string): boolean {
    const { book } = this.engine;
    return book.attempt(by) === undefined && book.output(outputId)?.spendable === true;
  }

  #appendReceived(append: Append, outputs: readonly ReceivedOutput[], known: boolean): void {
    const { networkId: network } = this.engine;
    for (let start = 0; start < outputs.length; start += OUTPUTS_PER_EVENT) {
      const chunk = outputs
        .slice(start, start + OUTPUTS_PER_EVENT)
        .map((output) => receivedRecord(output, this.engine.ports.network, this.engine.ports.identity.address));
      record(append, 'account.received', { network, known, outputs: chunk });
    }
  }
}

function receivedRecord(output: ReceivedOutput, network: NetworkInfo, address: string): ReceivedRecord {
  const { outputId, transactionId, outputIndex, amount, from, reference, tag, height, confirmedAt, spendable } = output;
  if (amount >= 2n ** 63n)
    throw new CodedError('LEDGER_UNREACHABLE', 'answer', 'the ledger names an impossible amount');
  return {
    outputId,
    transactionId,
    outputIndex,
    amount: amount.toString(),
    from,
    // Text of strangers: bounded, without half of a character, and without NUL, which the journal's tables cannot hold.
    reference:
      reference === null ? null : reference.slice(0, LONGEST_REFERENCE).replace(/\0|\p{Surrogate}/gu, '\ufffd'),
    height,
    confirmedAt,
    spendable,
    // Under our own address, by ourselves: with the tag it is no money, but the head of the chain of our records.
    ...(tag !== null && from === address && spendable ? { record: true as const } : {}),
    // Stable for ever: an output's place in its transaction, or, where that has one payment per payee, the payee.
    eventId: `${network.networkId}:${transactionId}:${network.protocol === 'tangle' ? outputIndex : address}`,
  };
}
