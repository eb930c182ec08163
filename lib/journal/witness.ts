import { createHash } from 'node:crypto';
import { closeSync, fdatasyncSync, openSync, readFileSync } from 'node:fs';
import { HASH_LENGTH, sameBytes } from './chain';
import { createDurableFile, writeFully } from './durable-file';

/** The newest event that was on disk when the witness last looked. */
export interface Witnessed {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

/** Remembers the journal's head outside of SQLite, which forgets without a word what follows a flipped byte in its WAL. */
export interface Witness {
  read(): Witnessed | 'missing' | 'unreadable';
  /** Durable when it returns. */
  write(head: Witnessed): void;
  close(): void;
}

// Slot: "MEWITNS1" || sequence (u64be) || hash (32) || SHA-256 of all that (32). Two slots, a disk page apart, written in
// turn: a torn write destroys at most the newer one, and then the journal is ahead of the older, which is normal.
const MAGIC = Buffer.from('MEWITNS1', 'latin1');
const SLOT_LENGTH = MAGIC.length + 8 + HASH_LENGTH + HASH_LENGTH;
const SLOT_OFFSETS = [0, 4096] as const;
const FILE_LENGTH = 8192;

export class FileWitness implements Witness {
  #descriptor: number | undefined;
  #nextSlot: 0 | 1 = 0;

  constructor(readonly file: string) {}

  read(): Witnessed | 'missing' | 'unreadable' {
    let content: Buffer;
    try {
      content = readFileSync(this.file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'missing';
      throw error;
    }
    const slots = SLOT_OFFSETS.map((offset) => decodeSlot(content.subarray(offset, offset + SLOT_LENGTH)));
    const [first, second] = slots;
    if (!first && !second) return 'unreadable';
    const newest = !second || (first && first.sequence >= second.sequence) ? 0 : 1;
    this.#nextSlot = newest === 0 ? 1 : 0;
    return slots[newest] as Witnessed;
  }

  /** Follows a `read`, which finds out whether there is one and which of its slots is the older. */
  write(head: Witnessed): void {
    this.#descriptor ??= openIfThere(this.file);
    if (this.#descriptor === undefined) {
      this.#create(head);
      return;
    }
    writeFully(this.#descriptor, encodeSlot(head), SLOT_OFFSETS[this.#nextSlot]);
    fdatasyncSync(this.#descriptor);
    this.#nextSlot = this.#nextSlot === 0 ? 1 : 0;
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }

  #create(head: Witnessed): void {
    const content = Buffer.alloc(FILE_LENGTH);
    for (const offset of SLOT_OFFSETS) content.set(encodeSlot(head), offset);
    createDurableFile(this.file, content);
    this.#descriptor = openSync(this.file, 'r+');
    this.#nextSlot = 1;
  }
}

function encodeSlot(head: Witnessed): Buffer {
  const slot = Buffer.alloc(SLOT_LENGTH);
  let at = MAGIC.copy(slot);
  at = slot.writeBigUInt64BE(BigInt(head.sequence), at);
  slot.set(head.hash, at);
  at += HASH_LENGTH;
  slot.set(checksum(slot.subarray(0, at)), at);
  return slot;
}

function decodeSlot(slot: Buffer): Witnessed | undefined {
  if (slot.length !== SLOT_LENGTH || !slot.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const content = slot.subarray(0, SLOT_LENGTH - HASH_LENGTH);
  if (!sameBytes(checksum(content), slot.subarray(content.length))) return undefined;
  const sequence = Number(slot.readBigUInt64BE(MAGIC.length));
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { sequence, hash: Uint8Array.from(content.subarray(MAGIC.length + 8)) };
}

function openIfThere(file: string): number | undefined {
  try {
    return openSync(file, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function checksum(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
