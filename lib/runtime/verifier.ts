import { type MessagePort, Worker } from 'node:worker_threads';
import { CodedError } from '../errors';
import type { AttachLedgerMessage, Verification, VerificationRequest, VerificationWorker } from '../evidence';
import { ReconnectingCaller } from '../threads';

/** A ledger that the verifier may ask, in whatever thread it lives. */
export interface LedgerSource {
  readonly ledgerId: string;
  /** Hands over a port to the ledger, as soon as there is one and again whenever it changes. Returns how to stop. */
  connect(onPort: (port: MessagePort) => void): () => void;
}

/** Some milliseconds of copying each; the main thread has its turn in between. */
const PIECE_CHARACTERS = 1024 * 1024;
const PIECE_ELEMENTS = 100;

/** What a stranger's documents may take; the largest text that is read fits well. Beyond it only the worker ends. */
const HEAP_MEGABYTES = 1024;

/**
 * The one `evidence` worker of this process: verification takes as long as strangers' documents are long, and they may be
 * made to hurt. Started when it is first needed; one that died is started again for the next call.
 */
export class Verifier {
  readonly #caller: ReconnectingCaller<VerificationWorker>;
  readonly #ledgers = new Map<string, { readonly source: LedgerSource; stop(): void }>();
  #worker: Worker | undefined;
  #deliveries = 0;
  #pending = 0;
  #outOfMemory = false;
  #closed = false;

  constructor(
    private readonly workerFile: string,
    private readonly heapMegabytes = HEAP_MEGABYTES,
  ) {
    this.#caller = new ReconnectingCaller<VerificationWorker>(
      () => (this.#outOfMemory ? tooLarge() : ended()),
      () => {},
    );
  }

  /**
   * @throws CodedError when the ledger could not be asked, when the payload is no data (`DATA_NOT_CANONICAL`), when the
   * worker has died of it (`DATA_TOO_LARGE`) or of something else (`LEDGER_UNREACHABLE`, `verifier-ended`)
   */
  async verify(request: VerificationRequest, ledger?: LedgerSource): Promise<Verification> {
    if (this.#closed) throw ended();
    const remote = this.#start();
    if (ledger) this.#attach(ledger);
    this.#pending += 1;
    this.#worker?.ref();
    try {
      return await this.#send(remote, request, ledger?.ledgerId);
    } catch (error) {
      throw error instanceof DOMException && error.name === 'DataCloneError' ? noData(error) : error;
    } finally {
      this.#pending -= 1;
      // Waiting for documents, it keeps no process from ending.
      if (this.#pending === 0) this.#worker?.unref();
    }
  }

  async #send(
    remote: VerificationWorker,
    request: VerificationRequest,
    ledgerId: string | undefined,
  ): Promise<Verification> {
    const pieces = piecesOf(request.payload);
    if (!pieces) return remote.verify(request, ledgerId);
    this.#deliveries += 1;
    const delivery = this.#deliveries;
    try {
      // One after the other, with turns for others in between.
      for (const piece of pieces) await remote.deliver(delivery, piece);
    } catch (error) {
      void remote.discard(delivery).catch(() => {}); // whoever is gone has let go of it
      throw error;
    }
    return remote.verify({ ...request, payload: undefined, delivery }, ledgerId);
  }

  /** The ledger is being closed. */
  detachLedger(ledgerId: string): void {
    const attached = this.#ledgers.get(ledgerId);
    if (!attached) return;
    this.#ledgers.delete(ledgerId);
    attached.stop();
    if (this.#worker) void this.#caller.remote.detachLedger(ledgerId).catch(() => {}); // a dead one has none
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { stop } of this.#ledgers.values()) stop();
    this.#ledgers.clear();
    await this.#worker?.terminate();
  }

  #start(): VerificationWorker {
    if (this.#worker) return this.#caller.remote;
    const worker = new Worker(this.workerFile, {
      name: 'evidence',
      resourceLimits: { maxOldGenerationSizeMb: this.heapMegabytes },
    });
    this.#worker = worker;
    this.#outOfMemory = false;
    this.#caller.connect(worker);
    worker.unref();
    worker.on('error', (error) => {
      // "exit" follows and is what we act on.
      this.#outOfMemory = 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
    });
    worker.once('exit', () => {
      this.#worker = undefined;
      this.#caller.disconnect();
    });
    for (const [ledgerId, attached] of this.#ledgers) {
      attached.stop();
      this.#ledgers.set(ledgerId, { source: attached.source, stop: this.#connect(attached.source) });
    }
    return this.#caller.remote;
  }

  #attach(source: LedgerSource): void {
    const attached = this.#ledgers.get(source.ledgerId);
    // The same name again may be a ledger that was closed and opened anew.
    if (attached?.source === source) return;
    attached?.stop();
    this.#ledgers.set(source.ledgerId, { source, stop: this.#connect(source) });
  }

  #connect(source: LedgerSource): () => void {
    return source.connect((port) => {
      const message: AttachLedgerMessage<MessagePort> = { attachLedger: source.ledgerId, port };
      if (this.#worker) this.#worker.postMessage(message, [port]);
      else port.close();
    });
  }
}

/** Undefined: small enough to be sent as it is. */
function piecesOf(payload: unknown): Iterable<string | readonly unknown[]> | undefined {
  if (typeof payload === 'string' && payload.length > PIECE_CHARACTERS) return slices(payload, PIECE_CHARACTERS);
  if (Array.isArray(payload) && payload.length > PIECE_ELEMENTS) return slices(payload, PIECE_ELEMENTS);
  return undefined;
}

function* slices<T extends string | readonly unknown[]>(whole: T, length: number): Generator<T> {
  for (let at = 0; at < whole.length; at += length) yield whole.slice(at, at + length) as T;
}

function noData(cause: DOMException): CodedError {
  return new CodedError('DATA_NOT_CANONICAL', 'no-data', 'the payload is no data', { path: '' }, { cause });
}

function tooLarge(): CodedError {
  return new CodedError('DATA_TOO_LARGE', 'verifier', 'to verify this takes more memory than there is');
}

function ended(): CodedError {
  return new CodedError('LEDGER_UNREACHABLE', 'verifier-ended', 'verification was interrupted; verify again');
}
