import { createPublicKey, verify } from 'node:crypto';
import {
  type AddressBytes,
  type BasicOutput,
  blake2b256,
  blake2b256Bytes,
  bytesOf,
  type DecodedTransaction,
  type Hex,
  type Unlock,
} from './codec';

/** Why a transaction that was referenced did not change the ledger: the numbers of HORNET's block metadata. */
export const CONFLICT = {
  inputAlreadySpent: 1,
  inputAlreadySpentInThisMilestone: 2,
  inputNotFound: 3,
  sumMismatch: 4,
  invalidSignature: 5,
  timelockNotExpired: 6,
  invalidNativeTokens: 7,
  returnAmountNotFulfilled: 8,
  invalidInputUnlock: 9,
  invalidInputsCommitment: 10,
  invalidSender: 11,
  invalidChainStateTransition: 12,
  semanticValidationFailed: 255,
} as const;

export type Conflict = (typeof CONFLICT)[keyof typeof CONFLICT];

/** An output with the bytes it was booked with. */
export interface ConsumedOutput {
  readonly output: BasicOutput;
  readonly bytes: Uint8Array;
}

/**
 * TIP-20 and TIP-18 §Semantic validation: whether a transaction may consume exactly these outputs, given in the order of
 * its inputs, in a milestone of this time (Unix seconds). The checks run in HORNET's order, since the first that fails
 * names the conflict.
 */
export function conflictOf(
  decoded: DecodedTransaction,
  inputs: readonly ConsumedOutput[],
  time: number,
): Conflict | undefined {
  const { transaction } = decoded;
  if (inputs.some(({ output }) => output.timelock !== undefined && time < output.timelock))
    return CONFLICT.timelockNotExpired;
  if (transaction.inputsCommitment !== commitmentTo(inputs)) return CONFLICT.invalidInputsCommitment;

  const unlocked = unlockAll(decoded, inputs, time);
  if (typeof unlocked === 'number') return unlocked;
  for (const { sender } of transaction.outputs) {
    if (sender !== undefined && !unlocked.has(sender)) return CONFLICT.invalidSender;
  }
  return depositConflict(decoded, inputs, unlocked) ?? nativeTokenConflict(decoded, inputs);
}

/** TIP-20: the hash over the hashes of the consumed outputs. */
export function commitmentTo(inputs: readonly Pick<ConsumedOutput, 'bytes'>[]): Hex {
  return blake2b256(...inputs.map(({ bytes }) => blake2b256Bytes(bytes)));
}

/** Which inputs an address unlocked: by a signature at the first of them, by reference at the others. */
type Unlocked = Map<AddressBytes, { readonly at: number; readonly inputs: Set<number> }>;

function unlockAll(decoded: DecodedTransaction, inputs: readonly ConsumedOutput[], time: number): Unlocked | Conflict {
  const unlocked: Unlocked = new Map();
  const signedHash = blake2b256Bytes(decoded.parts.essence);
  for (const [index, { output }] of inputs.entries()) {
    const owner = ownerAt(output, time);
    const unlock = decoded.transaction.unlocks[index]!;
    const conflict = unlockInput(unlocked, owner, unlock, index, signedHash);
    if (conflict) return conflict;
  }
  return unlocked;
}

function unlockInput(
  unlocked: Unlocked,
  owner: AddressBytes,
  unlock: Unlock,
  index: number,
  signedHash: Uint8Array,
): Conflict | undefined {
  const before = unlocked.get(owner);
  // Alias and NFT addresses are unlocked by outputs that this network does not have.
  if (!isEd25519(owner)) return CONFLICT.invalidInputUnlock;
  if (unlock.kind === 'reference') {
    if (before?.at !== unlock.index) return CONFLICT.invalidInputUnlock;
    before.inputs.add(index);
    return undefined;
  }
  if (unlock.kind !== 'signature' || before) return CONFLICT.invalidInputUnlock;
  const publicKey = bytesOf(unlock.publicKey);
  if (blake2b256(publicKey).slice(2) !== owner.slice(4)) return CONFLICT.invalidSignature;
  if (!isSigned(signedHash, publicKey, bytesOf(unlock.signature))) return CONFLICT.invalidSignature;
  unlocked.set(owner, { at: index, inputs: new Set([index]) });
  return undefined;
}

/** TIP-18 §Expiration Unlock Condition: from its time on, only the return address can unlock the output. */
function ownerAt(output: BasicOutput, time: number): AddressBytes {
  return output.expiration && output.expiration.unixTime <= time ? output.expiration.address : output.address;
}

/** TIP-18 §Storage Deposit Return: sums match, and what is to be returned is returned by plain outputs. */
function depositConflict(
  { transaction }: DecodedTransaction,
  inputs: readonly ConsumedOutput[],
  unlocked: Unlocked,
): Conflict | undefined {
  let balance = 0n;
  const owed = new Map<AddressBytes, bigint>();
  for (const [index, { output }] of inputs.entries()) {
    balance += output.amount;
    const { storageReturn } = output;
    // Who takes the output back after it expired owes the deposit to nobody but itself.
    if (!storageReturn || unlocked.get(storageReturn.address)?.inputs.has(index)) continue;
    owed.set(storageReturn.address, (owed.get(storageReturn.address) ?? 0n) + storageReturn.amount);
  }
  for (const output of transaction.outputs) {
    balance -= output.amount;
    if (!isSimpleTransfer(output)) continue;
    const due = owed.get(output.address);
    if (due !== undefined) owed.set(output.address, due - output.amount);
  }
  if (balance !== 0n) return CONFLICT.sumMismatch;
  return [...owed.values()].some((due) => due > 0n) ? CONFLICT.returnAmountNotFulfilled : undefined;
}

function isSimpleTransfer(output: BasicOutput): boolean {
  const { storageReturn, timelock, expiration, sender, metadata, tag, nativeTokens } = output;
  return (
    [storageReturn, timelock, expiration, sender, metadata, tag].every((part) => part === undefined) &&
    nativeTokens.length === 0
  );
}

/** TIP-20: without foundries no token can come into being; fewer tokens than before are burned and allowed. */
function nativeTokenConflict(
  { transaction }: DecodedTransaction,
  inputs: readonly ConsumedOutput[],
): Conflict | undefined {
  const held = new Map<Hex, bigint>();
  const add = (output: BasicOutput, sign: bigint) => {
    for (const { id, amount } of output.nativeTokens) held.set(id, (held.get(id) ?? 0n) + sign * amount);
  };
  for (const { output } of inputs) add(output, 1n);
  for (const output of transaction.outputs) add(output, -1n);
  return [...held.values()].some((amount) => amount < 0n) ? CONFLICT.invalidNativeTokens : undefined;
}

function isEd25519(address: AddressBytes): boolean {
  return address.startsWith('0x00');
}

// RFC 8410: the SubjectPublicKeyInfo of an Ed25519 key is this and the 32 bytes of the key.
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

function isSigned(message: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
    return verify(null, message, key, signature);
  } catch {
    return false;
  }
}
