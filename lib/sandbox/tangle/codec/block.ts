import { ByteReader, ByteWriter, InvalidBlockError } from './bytes';
import { blake2b256 } from './hash';
import { MAX_BLOCK_BYTES } from './limits';
import { readMilestone, writeMilestone } from './milestone';
import { type Block, type BlockId, PAYLOAD, type Payload, type Transaction, type TransactionId } from './model';
import { readParents, writeParents } from './parents';
import {
  readTaggedData,
  readTransaction,
  type TransactionParts,
  writeTaggedData,
  writeTransaction,
} from './transaction';

export interface DecodedBlock {
  readonly id: BlockId;
  readonly bytes: Buffer;
  readonly block: Block;
  /** Of a block that carries a transaction. */
  readonly transaction?: DecodedTransaction;
}

export interface DecodedTransaction {
  readonly id: TransactionId;
  readonly transaction: Transaction;
  readonly parts: TransactionParts;
}

/**
 * TIP-24. Every byte has one meaning only: what does not come out again exactly as it came in is refused, since an id is
 * the hash of bytes.
 *
 * @throws InvalidBlockError
 */
export function decodeBlock(bytes: Buffer): DecodedBlock {
  if (bytes.length > MAX_BLOCK_BYTES)
    throw new InvalidBlockError(`a block has at most ${MAX_BLOCK_BYTES} bytes, not ${bytes.length}`);
  const reader = new ByteReader(bytes);
  const protocolVersion = reader.u8();
  const parents = readParents(reader);
  const payloadLength = reader.u32();
  const start = reader.at;
  const payload = payloadLength === 0 ? undefined : readPayload(reader);
  const payloadBytes = reader.since(start);
  if (payloadBytes.length !== payloadLength) throw new InvalidBlockError('payload length does not match the payload');
  const nonce = reader.u64();
  reader.end();
  const block: Block = { protocolVersion, parents, ...(payload && { payload: payload.payload }), nonce };
  if (!encodeBlock(block).equals(bytes)) throw new InvalidBlockError('not the canonical form');
  return {
    id: blake2b256(bytes),
    bytes,
    block,
    ...(payload?.parts &&
      payload.payload.kind === 'transaction' && {
        transaction: { id: blake2b256(payloadBytes), transaction: payload.payload, parts: payload.parts },
      }),
  };
}

export function encodeBlock(block: Block): Buffer {
  const writer = new ByteWriter();
  writer.u8(block.protocolVersion);
  writeParents(writer, block.parents);
  const payload = block.payload ? encodePayload(block.payload) : Buffer.alloc(0);
  return writer.u32(payload.length).bytes(payload).u64(block.nonce).since();
}

export function encodePayload(payload: Payload): Buffer {
  const writer = new ByteWriter();
  writer.u32(PAYLOAD[payload.kind]);
  if (payload.kind === 'taggedData') writeTaggedData(writer, payload);
  else if (payload.kind === 'transaction') writeTransaction(writer, payload);
  else writeMilestone(writer, payload);
  return writer.since();
}

function readPayload(reader: ByteReader): { payload: Payload; parts?: TransactionParts } {
  const type = reader.u32();
  switch (type) {
    case PAYLOAD.taggedData:
      return { payload: { kind: 'taggedData', ...readTaggedData(reader) } };
    case PAYLOAD.transaction: {
      const { transaction, parts } = readTransaction(reader);
      return { payload: { kind: 'transaction', ...transaction }, parts };
    }
    case PAYLOAD.milestone:
      return { payload: { kind: 'milestone', ...readMilestone(reader) } };
    default:
      throw new InvalidBlockError(`a block can not carry payload type ${type}`);
  }
}
