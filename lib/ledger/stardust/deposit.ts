import type { BasicOutput } from './output';

/** TIP-19 "Storage Deposit": what a byte in every node's database costs. */
export interface RentStructure {
  readonly vByteCost: number;
  readonly vByteFactorKey: number;
  readonly vByteFactorData: number;
}

// TIP-18 serialized sizes, in bytes.
const ADDRESS = 1 + 32;
const BASIC_OUTPUT =
  1 /* type */ + 8 /* amount */ + 1 /* native tokens count */ + 1 /* conditions count */ + 1; /* features count */

// TIP-19 "Outputs": the output id is a key; block id, milestone index and milestone timestamp are stored beside the output.
const OUTPUT_ID = 34;
const BOOKKEEPING = 32 + 4 + 4;

/** Serialized length of a basic output without native tokens. TIP-18 "Basic Output". */
export function byteLength(output: BasicOutput): number {
  return (
    BASIC_OUTPUT +
    (1 + ADDRESS) +
    (output.depositReturn ? 1 + ADDRESS + 8 : 0) +
    (output.timelock === undefined ? 0 : 1 + 4) +
    (output.expiration ? 1 + ADDRESS + 4 : 0) +
    (output.sender ? 1 + ADDRESS : 0) +
    (output.metadata === undefined ? 0 : 1 + 2 + hexLength(output.metadata)) +
    (output.tag === undefined ? 0 : 1 + 1 + hexLength(output.tag))
  );
}

/** The least amount that this output must hold, in base units. TIP-19 "Storage Deposit". */
export function minimumDeposit(output: BasicOutput, rent: RentStructure): bigint {
  const key = BigInt(rent.vByteFactorKey) * BigInt(OUTPUT_ID);
  const data = BigInt(rent.vByteFactorData) * BigInt(BOOKKEEPING + byteLength(output));
  return BigInt(rent.vByteCost) * (key + data);
}

function hexLength(hex: string): number {
  return (hex.length - 2) / 2;
}
