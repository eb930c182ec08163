import { setImmediate } from 'node:timers/promises';
import { blake2b256Bytes } from './codec';
import { CurlBlock, LANES } from './curl-p81';

const NONCE_BYTES = 8;
// TIP-5 b1t6: each byte becomes six trits, the digest 192 and the nonce 48 of the 243.
const TRITS_PER_BYTE = 6;
const DIGEST_TRITS = 32 * TRITS_PER_BYTE;

/** TIP-12: 3 to the number of trailing zero trits, per byte of the block. */
export function powScore(block: Buffer): number {
  const curl = curlOf(block);
  writeNonce(curl, 0, block.readBigUInt64LE(block.length - NONCE_BYTES));
  return 3 ** zerosOfLane(curl.trailingZeros(), 0) / block.length;
}

/**
 * Looks for a nonce that gives the block the score, without keeping the thread to itself.
 *
 * @returns the nonce, or undefined when the signal ended the search
 */
export async function mine(block: Buffer, minPowScore: number, signal?: AbortSignal): Promise<bigint | undefined> {
  const curl = curlOf(block);
  let zeros = 0;
  while (3 ** zeros / block.length < minPowScore) zeros += 1;
  for (let nonce = 0n; !signal?.aborted; nonce += BigInt(LANES)) {
    for (let lane = 0; lane < LANES; lane++) writeNonce(curl, lane, nonce + BigInt(lane));
    const found = curl.trailingZeros()[zeros]!;
    if (found !== 0) return nonce + BigInt(31 - Math.clz32(found & -found));
    if (nonce % BigInt(16 * LANES) === 0n) await setImmediate();
  }
  return undefined;
}

function curlOf(block: Buffer): CurlBlock {
  const curl = new CurlBlock();
  const digest = blake2b256Bytes(block.subarray(0, block.length - NONCE_BYTES));
  for (const [index, byte] of digest.entries()) {
    for (const [n, trit] of tritsOf(byte).entries()) curl.setTrit(index * TRITS_PER_BYTE + n, trit);
  }
  // The last three trits of the Curl block are padding.
  for (let n = DIGEST_TRITS; n < 243; n++) curl.setTrit(n, 0);
  return curl;
}

function writeNonce(curl: CurlBlock, lane: number, nonce: bigint): void {
  for (let byte = 0; byte < NONCE_BYTES; byte++) {
    const trits = tritsOf(Number((nonce >> BigInt(8 * byte)) & 0xffn));
    for (const [n, trit] of trits.entries()) curl.setLaneTrit(DIGEST_TRITS + byte * TRITS_PER_BYTE + n, lane, trit);
  }
}

/** b1t6: the signed value of the byte in balanced ternary, least significant trit first. */
const TRITS: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, byte) => {
  let value = byte < 128 ? byte : byte - 256;
  return Array.from({ length: TRITS_PER_BYTE }, () => {
    const trit = ((((value + 1) % 3) + 3) % 3) - 1;
    value = (value - trit) / 3;
    return trit === 0 ? 0 : trit;
  });
});

function tritsOf(byte: number): readonly number[] {
  return TRITS[byte]!;
}

function zerosOfLane(lanes: Int32Array, lane: number): number {
  let zeros = 0;
  while (zeros + 1 < lanes.length && (lanes[zeros + 1]! & (1 << lane)) !== 0) zeros += 1;
  return zeros;
}
