export { type DecodedBlock, type DecodedTransaction, decodeBlock, encodeBlock, encodePayload } from './block';
export { ByteReader, ByteWriter, bytesOf, type Hex, hexOf, InvalidBlockError } from './bytes';
export { blake2b256, blake2b256Bytes } from './hash';
export * from './limits';
export { milestoneEssence, readMilestone } from './milestone';
export type {
  AddressBytes,
  BasicOutput,
  Block,
  BlockId,
  Milestone,
  MilestoneId,
  OutputId,
  Payload,
  TaggedData,
  Transaction,
  TransactionId,
  Unlock,
} from './model';
export { PAYLOAD } from './model';
export { outputBytes, readOutput } from './outputs';
export { blockToJson, type Json, milestoneToJson, outputToJson } from './rest-json';
export { blockFromJson, outputFromJson } from './rest-json-parse';
export { writeEssence } from './transaction';
