import { type BasicOutput, blake2b256Bytes, outputBytes } from './codec';

/** What a network has agreed on, as `GET info` tells it. Amounts in base units. */
export interface ProtocolParameters {
  readonly version: 2;
  readonly networkName: string;
  /** {@link networkIdOf} the name, as transactions carry it. */
  readonly networkId: bigint;
  readonly bech32Hrp: string;
  readonly minPowScore: number;
  /** Milestones: a block whose past reaches further back than this is not referenced any more. */
  readonly belowMaxDepth: number;
  readonly vByteCost: number;
  readonly tokenSupply: bigint;
}

export const DECIMALS = 6;

/** The supply of the Tangle that this one rehearses: 4.6 billion IOTA. */
export const TOKEN_SUPPLY = 4_600_000_000n * 10n ** BigInt(DECIMALS);

// TIP-19: bytes of keys weigh ten times as much as bytes of data.
export const V_BYTE_FACTOR_KEY = 10;
export const V_BYTE_FACTOR_DATA = 1;

// TIP-19 §Storage Score: every output is stored under its id (34 bytes) beside its block id, milestone index and time.
const OUTPUT_OFFSET = 34 * V_BYTE_FACTOR_KEY + (32 + 4 + 4) * V_BYTE_FACTOR_DATA;

/** TIP-19: the least an output must hold. A basic output has no key fields of its own. */
export function storageDeposit(output: BasicOutput, parameters: ProtocolParameters): bigint {
  return depositOfBytes(outputBytes(output).length, parameters);
}

/** The same, where the length of the serialised output is known. */
export function depositOfBytes(outputLength: number, { vByteCost }: ProtocolParameters): bigint {
  return BigInt(vByteCost) * BigInt(OUTPUT_OFFSET + V_BYTE_FACTOR_DATA * outputLength);
}

/** TIP-20: the first eight bytes of the name's hash, little-endian. */
export function networkIdOf(networkName: string): bigint {
  return Buffer.from(blake2b256Bytes(Buffer.from(networkName))).readBigUInt64LE();
}
