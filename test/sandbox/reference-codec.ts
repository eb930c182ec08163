import { createRequire } from 'node:module';
import type { Hex, Json } from '../../lib/sandbox/tangle/codec';

/**
 * Another implementation of the protocol, `@iota/iota.js`, to compare ours with. Where it deviates from the protocol the
 * comparison stays away: it writes an empty tag with four bytes, and refuses blocks without payload and milestones with
 * a single parent. Its package does not let its types be found, so what is used of it is written down here.
 */
interface ReferenceImplementation {
  deserializeBlock(stream: unknown): Json & { readonly payload?: Json };
  serializeBlock(stream: unknown, block: unknown): void;
  deserializeOutput(stream: unknown): Json;
  readonly TransactionHelper: {
    calculateBlockId(block: unknown): Hex;
    getTransactionPayloadHash(payload: unknown): Uint8Array;
    getTransactionEssenceHash(essence: unknown): Uint8Array;
    getInputsCommitment(outputs: readonly unknown[]): Hex;
    getStorageDeposit(
      output: unknown,
      rent: { vByteCost: number; vByteFactorData: number; vByteFactorKey: number },
    ): number;
    networkIdFromNetworkName(name: string): string;
  };
  milestoneIdFromMilestonePayload(payload: unknown): Hex;
}

const require = createRequire(__filename);
const implementation = require('@iota/iota.js') as ReferenceImplementation;
const streams = require('@iota/util.js') as {
  ReadStream: new (bytes: Uint8Array) => unknown;
  WriteStream: new () => { finalBytes(): Uint8Array };
};
const crypto = require('@iota/crypto.js') as { PowHelper: { score(block: Uint8Array): number } };

export const { TransactionHelper, milestoneIdFromMilestonePayload } = implementation;
export const { PowHelper } = crypto;

export function decodeWithReference(bytes: Uint8Array): Json & { readonly payload?: Json } {
  return implementation.deserializeBlock(new streams.ReadStream(Uint8Array.from(bytes)));
}

export function encodeWithReference(block: unknown): Hex {
  const stream = new streams.WriteStream();
  implementation.serializeBlock(stream, block);
  return `0x${Buffer.from(stream.finalBytes()).toString('hex')}`;
}

export function decodeOutputWithReference(bytes: Uint8Array): Json {
  return implementation.deserializeOutput(new streams.ReadStream(Uint8Array.from(bytes)));
}
