import type { MessagePort } from 'node:worker_threads';
import { RemoteLedger } from '../ledger';
import {
  type RecordLedger,
  rememberingRecords,
  type Verification,
  type VerificationRequest,
  verify,
} from './verification';

/**
 * What the `evidence` worker does for the main thread. Large payloads arrive in pieces: to copy a day's documents in one go
 * would stop everything else in the main thread.
 */
export interface VerificationWorker {
  verify(request: SentRequest, ledgerId: string | undefined): Promise<Verification>;
  /** The next piece of the payload of a request that is still to come. */
  deliver(delivery: number, piece: string | readonly unknown[]): Promise<void>;
  /** The request will not come. */
  discard(delivery: number): Promise<void>;
  detachLedger(ledgerId: string): Promise<void>;
}

export type SentRequest = VerificationRequest & {
  /** The payload was delivered under this number. */
  readonly delivery?: number;
};

/** Posted beside the calls: ports are transferred, not copied. */
export interface AttachLedgerMessage<P> {
  readonly attachLedger: string;
  readonly port: P;
}

export class VerificationService implements VerificationWorker {
  readonly #ledgers = new Map<string, { readonly remote: RemoteLedger; readonly records: RecordLedger }>();
  readonly #deliveries = new Map<number, (string | readonly unknown[])[]>();

  attachLedger(ledgerId: string, port: MessagePort): void {
    this.#ledgerOf(ledgerId).remote.use(port);
  }

  async detachLedger(ledgerId: string): Promise<void> {
    this.#ledgers.get(ledgerId)?.remote.close();
    this.#ledgers.delete(ledgerId);
  }

  async deliver(delivery: number, piece: string | readonly unknown[]): Promise<void> {
    const pieces = this.#deliveries.get(delivery) ?? [];
    pieces.push(piece);
    this.#deliveries.set(delivery, pieces);
  }

  async discard(delivery: number): Promise<void> {
    this.#deliveries.delete(delivery);
  }

  async verify({ delivery, ...request }: SentRequest, ledgerId: string | undefined): Promise<Verification> {
    const payload = delivery === undefined ? request.payload : this.#payloadOf(delivery);
    // A ledger that was never attached cannot be reached: its calls say so.
    const ledger = ledgerId === undefined ? {} : { ledger: this.#ledgerOf(ledgerId).records };
    return verify({ ...request, payload }, ledger);
  }

  #payloadOf(delivery: number): unknown {
    const pieces = this.#deliveries.get(delivery) ?? [];
    this.#deliveries.delete(delivery);
    return typeof pieces[0] === 'string' ? pieces.join('') : pieces.flat(1);
  }

  #ledgerOf(ledgerId: string) {
    let known = this.#ledgers.get(ledgerId);
    if (!known) {
      const remote = new RemoteLedger();
      known = { remote, records: rememberingRecords(remote.ledger) };
      this.#ledgers.set(ledgerId, known);
    }
    return known;
  }
}
