import { CodedError } from '../errors';
import type { PaymentRow } from './book-rows';
import type { Engine } from './engine';
import { Loop } from './loop';

/** contract.md "iota-pay": in doubt after 60 s; and so long does a payment wait for a ledger that is out of reach. */
const PATIENCE_MS = 60_000;

interface Watched {
  /** When this process accepted it, or found it in the journal. */
  readonly since: number;
  signedAt: number | undefined;
  reported: boolean;
}

/** Keeps an eye on payments that are not settled: tells the flow what it cannot know, gives up what was never signed. */
export class Patrol {
  readonly loop: Loop;
  readonly #watched = new Map<string, Watched>();

  constructor(
    private readonly engine: Engine,
    private readonly fail: (paymentId: string, failure: CodedError) => Promise<void>,
  ) {
    this.loop = new Loop(
      engine.ports.clock,
      () => this.#step(),
      (error) => {
        engine.trouble(error);
        return engine.ports.journal.damage === undefined ? PATIENCE_MS : undefined;
      },
    );
  }

  async #step(): Promise<number | undefined> {
    const { engine } = this;
    const { book } = engine;
    const open = [...book.paymentsIn('INTENT'), ...book.paymentsIn('READY'), ...book.paymentsIn('IN_FLIGHT')];
    this.#forgetAllBut(open);
    let wait: number | undefined;
    for (const payment of open) {
      const left = await this.#look(payment);
      if (left !== undefined) wait = Math.min(wait ?? left, left);
    }
    return wait;
  }

  /** Milliseconds until this payment needs another look. */
  async #look({ paymentId, origin }: PaymentRow): Promise<number | undefined> {
    const { engine } = this;
    const now = engine.elapsed();
    const watched = this.#watch(paymentId);
    const signed = engine.book.wasSigned(paymentId);
    if (signed) watched.signedAt ??= now;
    if (!signed && engine.down && engine.frozen === undefined) {
      const left = Math.max(watched.since, engine.down.since) + PATIENCE_MS - now;
      if (left > 0) return left;
      const { code, detail, message, parameters } = engine.down.error;
      // Asked for once more, it has as long again.
      this.#watched.delete(paymentId);
      await this.fail(paymentId, new CodedError(code, detail, message, parameters));
      return undefined;
    }
    if (watched.reported) return signed ? undefined : PATIENCE_MS;
    // What was never signed is not in doubt, unless nobody may sign it any more.
    const since = signed ? watched.signedAt : engine.frozen === undefined ? undefined : watched.since;
    if (since === undefined) return PATIENCE_MS;
    const left = since + PATIENCE_MS - now;
    if (left > 0) return left;
    watched.reported = true;
    const transactionId = engine.book.attemptsOf(paymentId).at(-1)?.transactionId ?? null;
    engine.emit({ report: { kind: 'unknown', paymentId, transactionId, origin } });
    return undefined;
  }

  #watch(paymentId: string): Watched {
    let watched = this.#watched.get(paymentId);
    if (!watched) {
      watched = { since: this.engine.elapsed(), signedAt: undefined, reported: false };
      this.#watched.set(paymentId, watched);
    }
    return watched;
  }

  #forgetAllBut(open: readonly PaymentRow[]): void {
    const ids = new Set(open.map(({ paymentId }) => paymentId));
    for (const paymentId of this.#watched.keys()) if (!ids.has(paymentId)) this.#watched.delete(paymentId);
  }
}
