import { CodedError, type ErrorCode, type ErrorParameters, isCodedError } from '../errors';
import {
  encryptFor,
  type Log,
  type SignableDocument,
  type SignatureFormat,
  type Signer,
  signDocument,
  type WaitingOrigin,
} from '../evidence';
import type { Append, Sql } from '../journal';

/** A document on its way into the log. */
export interface ReadingToSign {
  readonly document: SignableDocument;
  readonly format: SignatureFormat;
  /** dids of those who may read it; empty: everybody. */
  readonly readers: readonly string[];
  /** Who waits for its evidence. */
  readonly origin?: Omit<WaitingOrigin, 'payload'>;
}

/** `payload`: text of the signed document, or of the JWE that holds it. */
export type SigningResult = { readonly payload: string; readonly sequence: number } | Refusal;

/** An error as plain data: a batch has some that succeed and some that do not. */
export interface Refusal {
  readonly refused: {
    readonly code: ErrorCode;
    readonly detail: string;
    readonly message: string;
    readonly parameters: ErrorParameters;
  };
}

export interface DataSigningDoors {
  /** The log has grown on disk. */
  readonly appended: () => void;
  /** Unix milliseconds, as far as this machine knows: what a document says of when it was signed. */
  readonly now: () => number;
}

/** What one durable write takes: enough to be cheap per document, little enough that nobody waits long. */
const MOST_DOCUMENTS = 512;
const MOST_CHARACTERS = 4 * 1024 * 1024;
/** So many signatures in a row; then payments and answers of the ledger get their turn. */
const SLICE = 32;

interface Queued {
  readonly reading: ReadingToSign;
  readonly settle: (result: SigningResult) => void;
}

/** Runs in the write that appends the documents. */
export type Note = (append: Append, sql: Sql, texts: readonly string[]) => void;

interface NotedDocuments {
  readonly documents: readonly SignableDocument[];
  readonly note: Note;
  resolve(texts: readonly string[]): void;
  reject(error: unknown): void;
}

interface SignedLeaf {
  readonly text: string;
  readonly payload: string;
  readonly queued: Queued;
}

/**
 * Signs what comes in, in that order, and lets it out once it is in the log on disk: a document that somebody has is one
 * that the log cannot forget, and a sequence number that was seen is never given to another.
 */
export class DataSigning {
  readonly #queue: Queued[] = [];
  readonly #noted: NotedDocuments[] = [];
  /** Batches and statements take turns: a sequence number is the size of the log when its document is signed. */
  #turn: Promise<unknown> = Promise.resolve();
  #running = false;
  #stopped: CodedError | undefined;

  constructor(
    private readonly log: Log,
    private readonly signer: Signer,
    private readonly doors: DataSigningDoors,
  ) {}

  /** @returns one result for each reading, in their order */
  sign(readings: readonly ReadingToSign[]): Promise<SigningResult[]> {
    return Promise.all(
      readings.map((reading) => new Promise<SigningResult>((settle) => this.#enqueue({ reading, settle }))),
    );
  }

  /**
   * Signs documents that nobody waits for, as they are, and runs `note` in the write that appends them: a decision and the
   * words that tell it are on disk together, or neither is.
   *
   * @param documents at least one
   * @returns their texts (data-integrity)
   * @throws CodedError as {@link Log.append}, and whatever `note` throws
   */
  signNoted(documents: readonly SignableDocument[], note: Note): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#noted.push({ documents, note, resolve, reject });
      if (this.#noted.length > 1) return;
      void this.#inTurn(() => this.#signAllNoted(this.#noted.splice(0)));
    });
  }

  /** Why nothing is signed any more, if so. */
  get stopped(): CodedError | undefined {
    return this.#stopped;
  }

  /** Refuses everything from now on: the log must not go on. */
  stop(reason: CodedError): void {
    this.#stopped ??= reason;
  }

  /** Runs something that appends to the log by itself, while nobody else does. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const result = await this.#inTurn(async () => {
      if (this.#stopped) throw this.#stopped;
      return work();
    });
    this.doors.appended();
    return result;
  }

  /** Resolves when everything that was handed over has an answer. */
  async idle(): Promise<void> {
    while (this.#running) await this.#inTurn(async () => {});
  }

  /** What came while another write was under way shares the next one. */
  async #signAllNoted(noted: readonly NotedDocuments[]): Promise<void> {
    try {
      const texts = await this.#appendNoted(noted);
      for (const [index, { resolve }] of noted.entries()) resolve(texts[index] ?? []);
    } catch (error) {
      const [only] = noted;
      // One of them is to blame, and undid the others'.
      if (noted.length > 1) for (const one of noted) await this.#signAllNoted([one]);
      else only?.reject(error);
    }
  }

  async #appendNoted(noted: readonly NotedDocuments[]): Promise<readonly (readonly string[])[]> {
    if (this.#stopped) throw this.#stopped;
    let sequence = this.log.size;
    const signed = noted.map(({ documents, note }) => {
      const texts = documents.map((document) => {
        const facts = { signer: this.signer, created: this.doors.now(), sequence };
        sequence += 1;
        return signDocument(document, 'data-integrity', facts);
      });
      return { texts, note };
    });
    await this.log.append(
      signed.flatMap(({ texts }) => texts.map((text) => ({ text }))),
      {
        note: (append, sql) => {
          for (const { texts, note } of signed) note(append, sql, texts);
        },
      },
    );
    this.doors.appended();
    return signed.map(({ texts }) => texts);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  #enqueue(queued: Queued): void {
    this.#queue.push(queued);
    if (this.#running) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#inTurn(() => this.#signBatch(this.#take()));
    this.#running = false;
  }

  #take(): Queued[] {
    let characters = 0;
    let count = 0;
    for (const { reading } of this.#queue) {
      characters += reading.document.text.length;
      if (count === MOST_DOCUMENTS || (count > 0 && characters > MOST_CHARACTERS)) break;
      count += 1;
    }
    return this.#queue.splice(0, count);
  }

  async #signBatch(batch: readonly Queued[]): Promise<void> {
    try {
      if (this.#stopped) throw this.#stopped;
      const leaves = await this.#signAll(batch);
      await this.#append(leaves);
    } catch (error) {
      const refused = refusal(error);
      for (const { settle } of batch) settle(refused);
    }
  }

  async #signAll(batch: readonly Queued[]): Promise<SignedLeaf[]> {
    const leaves: SignedLeaf[] = [];
    for (const queued of batch) {
      const { document, format, readers } = queued.reading;
      const facts = { signer: this.signer, created: this.doors.now(), sequence: this.log.size + leaves.length };
      const text = signDocument(document, format, facts);
      const payload = readers.length === 0 ? text : await this.#encrypt(readers, text, queued);
      // Its number goes to the next one: nobody has seen this document.
      if (payload === undefined) continue;
      leaves.push({ text, payload, queued });
      if (leaves.length % SLICE === 0) await new Promise((resume) => setImmediate(resume));
    }
    return leaves;
  }

  /** Undefined, and told, when there is no such reader. */
  async #encrypt(readers: readonly string[], text: string, { settle }: Queued): Promise<string | undefined> {
    try {
      return JSON.stringify(await encryptFor(readers, text));
    } catch (error) {
      settle(refusal(error));
      return undefined;
    }
  }

  async #append(leaves: readonly SignedLeaf[]): Promise<void> {
    if (leaves.length === 0) return;
    const first = this.log.size;
    try {
      await this.log.append(leaves.map(leafOf));
    } catch (error) {
      if (!isCodedError(error, 'BACKLOG_FULL')) throw error;
      await this.#appendUnawaited(leaves, error);
      return;
    }
    this.doors.appended();
    for (const [index, { payload, queued }] of leaves.entries()) queued.settle({ payload, sequence: first + index });
  }

  /** No room for documents that wait for their evidence: those that do not are signed anew, without the others between. */
  async #appendUnawaited(leaves: readonly SignedLeaf[], error: CodedError): Promise<void> {
    const [unawaited, awaited] = [leaves.filter((leaf) => !isAwaited(leaf)), leaves.filter(isAwaited)];
    for (const { queued } of awaited) queued.settle(refusal(error));
    await this.#append(await this.#signAll(unawaited.map(({ queued }) => queued)));
  }
}

function isAwaited({ queued }: SignedLeaf): boolean {
  return queued.reading.origin !== undefined;
}

function leafOf({ text, payload, queued }: SignedLeaf): { text: string; waiting?: WaitingOrigin } {
  const { origin } = queued.reading;
  if (!origin) return { text };
  return { text, waiting: { ...origin, ...(payload !== text && { payload }) } };
}

function refusal(error: unknown): Refusal {
  const coded = isCodedError(error)
    ? error
    : new CodedError('SIGNATURE_INVALID', 'failed', error instanceof Error ? error.message : String(error));
  return { refused: plain(coded) };
}

/** What of an error crosses threads inside an answer. */
export function plain({ code, detail, message, parameters }: CodedError): Refusal['refused'] {
  return { code, detail, message, parameters };
}
