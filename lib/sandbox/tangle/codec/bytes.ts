/** `0x` and lower-case hex digits, as the REST API writes bytes. */
export type Hex = `0x${string}`;

/** Bytes or JSON that break the protocol's syntax; the sender's mistake, never ours. */
export class InvalidBlockError extends Error {
  override readonly name = 'InvalidBlockError';
}

export function hexOf(bytes: Uint8Array): Hex {
  return `0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
}

export function bytesOf(hex: Hex): Buffer {
  return Buffer.from(hex.slice(2), 'hex');
}

/** Reads the little-endian fields of TIP-20 and refuses to read past the end. */
export class ByteReader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  get at(): number {
    return this.#at;
  }

  /** The bytes read since `start`. */
  since(start: number): Buffer {
    return this.bytes.subarray(start, this.#at);
  }

  u8(): number {
    return this.bytes.readUInt8(this.#advance(1));
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.#advance(2));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.#advance(4));
  }

  u64(): bigint {
    return this.bytes.readBigUInt64LE(this.#advance(8));
  }

  u256(): bigint {
    let value = 0n;
    for (let word = 0n; word < 4n; word++) value |= this.u64() << (64n * word);
    return value;
  }

  hex(length: number): Hex {
    const start = this.#advance(length);
    return `0x${this.bytes.toString('hex', start, start + length)}`;
  }

  /** Refuses whatever is left. */
  end(): void {
    const left = this.bytes.length - this.#at;
    if (left > 0) throw new InvalidBlockError(`${left} bytes are still available`);
  }

  #advance(length: number): number {
    const start = this.#at;
    if (start + length > this.bytes.length) {
      throw new InvalidBlockError(`${length} bytes expected at ${start}, ${this.bytes.length - start} available`);
    }
    this.#at += length;
    return start;
  }
}

/** The mirror of {@link ByteReader}. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#bytes.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64LE(value, at);
    return this;
  }

  u256(value: bigint): this {
    for (let word = 0n; word < 4n; word++) this.u64((value >> (64n * word)) & 0xffff_ffff_ffff_ffffn);
    return this;
  }

  hex(value: Hex): this {
    const length = (value.length - 2) / 2;
    const at = this.#grow(length);
    this.#bytes.write(value.slice(2), at, 'hex');
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** What was written since `start`, as a copy. */
  since(start = 0): Buffer {
    return Buffer.from(this.#bytes.subarray(start, this.#length));
  }

  #grow(length: number): number {
    const start = this.#length;
    if (start + length > this.#bytes.length) {
      const bigger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, start + length));
      this.#bytes.copy(bigger, 0, 0, start);
      this.#bytes = bigger;
    }
    this.#length = start + length;
    return start;
  }
}

/** Refuses a number outside `[low, high]`. */
export function within(value: number, low: number, high: number, what: string): number {
  if (value < low || value > high) throw new InvalidBlockError(`${what}: ${value} is not between ${low} and ${high}`);
  return value;
}
