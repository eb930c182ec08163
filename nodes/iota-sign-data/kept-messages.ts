import type { Message } from '../node-red';

/** What a message has besides its payload takes memory for as long as its document waits for the ledger. */
const MOST = 10_000;

/**
 * Messages whose documents wait for their evidence, by sequence. Only so many: of the others the runtime gives back what it
 * wrote down (payload, topic, message id), as it does after a restart.
 */
export class KeptMessages {
  readonly #messages = new Map<number, Message>();

  constructor(private readonly most = MOST) {}

  get size(): number {
    return this.#messages.size;
  }

  keep(sequence: number, message: Message): void {
    // Set anew, so that it is the youngest.
    this.#messages.delete(sequence);
    this.#messages.set(sequence, message);
    if (this.#messages.size <= this.most) return;
    for (const oldest of this.#messages.keys()) {
      this.#messages.delete(oldest);
      return;
    }
  }

  /** Undefined too where another log (the node was given another machine) had a document with that sequence. */
  take(sequence: number, messageId: string | undefined): Message | undefined {
    const message = this.#messages.get(sequence);
    this.#messages.delete(sequence);
    return message?._msgid === messageId ? message : undefined;
  }
}
