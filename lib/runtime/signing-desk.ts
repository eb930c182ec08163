import { CodedError, isCodedError } from '../errors';
import type { ReadingToSign, SigningResult, Vault } from '../vault';

interface Waiting {
  readonly reading: ReadingToSign;
  resolve(signed: { readonly payload: string; readonly sequence: number }): void;
  reject(error: unknown): void;
}

/** What goes to the vault in one call, and how many calls are under way: the next batch gathers meanwhile. */
const MOST_PER_CALL = 512;
/** Of their texts, unless it is one document: answers are parsed in the main thread, and three may come at once. */
const MOST_CHARACTERS_PER_CALL = 256 * 1024;
const MOST_CALLS = 3;
/** What may wait here, in characters: a flow that is faster than the disk is told so before memory ends. */
const MOST_WAITING = 64 * 1024 * 1024;

/** Gathers the documents of a moment into one call to the vault: a call per document would cost more than its signature. */
export class SigningDesk {
  #waiting: Waiting[] = [];
  #characters = 0;
  #calls = 0;
  #scheduled = false;

  /** @param call signs a batch; rejects when the vault is gone, and may be asked again then */
  constructor(private readonly call: (readings: readonly ReadingToSign[]) => ReturnType<Vault['signData']>) {}

  /** @throws CodedError `BACKLOG_FULL` (`busy`), or whatever the vault says of this document */
  sign(reading: ReadingToSign): Promise<{ readonly payload: string; readonly sequence: number }> {
    return new Promise((resolve, reject) => {
      if (this.#characters > MOST_WAITING)
        throw new CodedError('BACKLOG_FULL', 'busy', 'documents arrive faster than they can be signed');
      this.#characters += reading.document.text.length;
      this.#waiting.push({ reading, resolve, reject });
      this.#flushSoon();
    });
  }

  #flushSoon(): void {
    if (this.#scheduled || this.#calls >= MOST_CALLS || this.#waiting.length === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      void this.#send(this.#take());
      this.#flushSoon();
    });
  }

  #take(): Waiting[] {
    let characters = 0;
    let count = 0;
    for (const { reading } of this.#waiting) {
      characters += reading.document.text.length;
      if (count === MOST_PER_CALL || (count > 0 && characters > MOST_CHARACTERS_PER_CALL)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    this.#calls += 1;
    try {
      const results = await this.call(batch.map(({ reading }) => reading));
      for (const [index, waiting] of batch.entries()) settle(waiting, results[index]);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    } finally {
      this.#calls -= 1;
      for (const { reading } of batch) this.#characters -= reading.document.text.length;
      this.#flushSoon();
    }
  }
}

function settle({ resolve, reject }: Waiting, result: SigningResult | undefined): void {
  if (result && 'payload' in result) {
    resolve(result);
    return;
  }
  const { code, detail, message, parameters } = result?.refused ?? {
    code: 'SIGNATURE_INVALID' as const,
    detail: 'failed',
    message: 'no answer',
    parameters: {},
  };
  reject(new CodedError(code, detail, message, parameters));
}

export function isVaultRestarting(error: unknown): boolean {
  return isCodedError(error) && error.detail === 'vault-restarting';
}
