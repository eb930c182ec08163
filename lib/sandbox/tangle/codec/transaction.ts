import { type ByteReader, type ByteWriter, InvalidBlockError, within } from './bytes';
import { MAX_INPUTS, MAX_OUTPUTS, MAX_TAG_BYTES } from './limits';
import { type OutputId, PAYLOAD, type TaggedData, type Transaction, UNLOCK, type Unlock } from './model';
import { readOutput, writeOutput } from './outputs';

// The only members of their kind in this protocol.
const ESSENCE_TYPE = 1;
const UTXO_INPUT_TYPE = 0;
const ED25519_SIGNATURE_TYPE = 0;

/** Where the parts of a transaction lie in its bytes; ids are hashes of these, never of something serialised again. */
export interface TransactionParts {
  readonly essence: Buffer;
  readonly outputs: readonly Buffer[];
}

/** TIP-20 §Transaction Payload, after the payload type. @throws InvalidBlockError */
export function readTransaction(reader: ByteReader): { transaction: Transaction; parts: TransactionParts } {
  const start = reader.at;
  expect(reader.u8(), ESSENCE_TYPE, 'transaction essence type');
  const networkId = reader.u64();
  const inputs = readInputs(reader);
  const inputsCommitment = reader.hex(32);
  const outputs: Transaction['outputs'][number][] = [];
  const outputParts: Buffer[] = [];
  const outputCount = within(reader.u16(), 1, MAX_OUTPUTS, 'outputs');
  for (let n = 0; n < outputCount; n++) {
    const outputStart = reader.at;
    outputs.push(readOutput(reader));
    outputParts.push(reader.since(outputStart));
  }
  const taggedData = readEssencePayload(reader);
  const essence = reader.since(start);
  const unlocks = readUnlocks(reader, inputs.length);
  const transaction = { networkId, inputs, inputsCommitment, outputs, ...(taggedData && { taggedData }), unlocks };
  return { transaction, parts: { essence, outputs: outputParts } };
}

export function writeTransaction(writer: ByteWriter, transaction: Transaction): void {
  writeEssence(writer, transaction);
  writer.u16(transaction.unlocks.length);
  for (const unlock of transaction.unlocks) writeUnlock(writer, unlock);
}

/** What Ed25519 signs is blake2b-256 of this. */
export function writeEssence(writer: ByteWriter, transaction: Omit<Transaction, 'unlocks'>): void {
  const { networkId, inputs, inputsCommitment, outputs, taggedData } = transaction;
  writer.u8(ESSENCE_TYPE).u64(networkId).u16(inputs.length);
  for (const input of inputs) writer.u8(UTXO_INPUT_TYPE).hex(input);
  writer.hex(inputsCommitment).u16(outputs.length);
  for (const output of outputs) writeOutput(writer, output);
  if (!taggedData) {
    writer.u32(0);
    return;
  }
  writer.u32(4 + taggedDataLength(taggedData)).u32(PAYLOAD.taggedData);
  writeTaggedData(writer, taggedData);
}

/** TIP-23, after the payload type. @throws InvalidBlockError */
export function readTaggedData(reader: ByteReader): TaggedData {
  const tag = reader.hex(within(reader.u8(), 0, MAX_TAG_BYTES, 'tag length'));
  return { tag, data: reader.hex(reader.u32()) };
}

export function writeTaggedData(writer: ByteWriter, { tag, data }: TaggedData): void {
  writer.u8(tag.length / 2 - 1).hex(tag);
  writer.u32(data.length / 2 - 1).hex(data);
}

function taggedDataLength({ tag, data }: TaggedData): number {
  return 1 + (tag.length / 2 - 1) + 4 + (data.length / 2 - 1);
}

function readInputs(reader: ByteReader): OutputId[] {
  const count = within(reader.u16(), 1, MAX_INPUTS, 'inputs');
  const inputs = new Set<OutputId>();
  for (let n = 0; n < count; n++) {
    expect(reader.u8(), UTXO_INPUT_TYPE, 'input type');
    const start = reader.at;
    reader.hex(32);
    within(reader.u16(), 0, MAX_OUTPUTS - 1, 'transaction output index');
    inputs.add(`0x${reader.since(start).toString('hex')}`);
  }
  if (inputs.size !== count) throw new InvalidBlockError('inputs are not unique');
  return [...inputs];
}

function readEssencePayload(reader: ByteReader): TaggedData | undefined {
  const length = reader.u32();
  if (length === 0) return undefined;
  const start = reader.at;
  expect(reader.u32(), PAYLOAD.taggedData, 'payload type within a transaction');
  const taggedData = readTaggedData(reader);
  if (reader.at - start !== length) throw new InvalidBlockError('payload length does not match the payload');
  return taggedData;
}

// TIP-20 §Unlocks: a signature occurs once, further inputs of the same address refer back to it. What alias and NFT
// unlocks refer to may itself be such a reference; a reference unlock must name a signature.
function readUnlocks(reader: ByteReader, inputCount: number): Unlock[] {
  const count = reader.u16();
  if (count !== inputCount) throw new InvalidBlockError(`${count} unlocks for ${inputCount} inputs`);
  const unlocks: Unlock[] = [];
  const signatures = new Set<string>();
  for (let n = 0; n < count; n++) {
    const unlock = readUnlock(reader);
    if (unlock.kind === 'signature') {
      const signature = unlock.publicKey + unlock.signature;
      if (signatures.has(signature)) throw new InvalidBlockError(`unlock ${n} repeats a signature`);
      signatures.add(signature);
    } else {
      const target = unlocks[unlock.index];
      if (!target)
        throw new InvalidBlockError(`unlock ${n} refers to unlock ${unlock.index}, which does not precede it`);
      if (unlock.kind === 'reference' && target.kind !== 'signature') {
        throw new InvalidBlockError(`unlock ${n} refers to an unlock that holds no signature`);
      }
    }
    unlocks.push(unlock);
  }
  return unlocks;
}

function readUnlock(reader: ByteReader): Unlock {
  const type = reader.u8();
  switch (type) {
    case UNLOCK.signature:
      expect(reader.u8(), ED25519_SIGNATURE_TYPE, 'signature type');
      return { kind: 'signature', publicKey: reader.hex(32), signature: reader.hex(64) };
    case UNLOCK.reference:
      return { kind: 'reference', index: reader.u16() };
    case UNLOCK.alias:
      return { kind: 'alias', index: reader.u16() };
    case UNLOCK.nft:
      return { kind: 'nft', index: reader.u16() };
    default:
      throw new InvalidBlockError(`unknown unlock type ${type}`);
  }
}

function writeUnlock(writer: ByteWriter, unlock: Unlock): void {
  if (unlock.kind === 'signature') {
    writer.u8(UNLOCK.signature).u8(ED25519_SIGNATURE_TYPE).hex(unlock.publicKey).hex(unlock.signature);
  } else writer.u8(UNLOCK[unlock.kind]).u16(unlock.index);
}

function expect(actual: number, expected: number, what: string): void {
  if (actual !== expected) throw new InvalidBlockError(`${what} is ${actual}, not ${expected}`);
}
