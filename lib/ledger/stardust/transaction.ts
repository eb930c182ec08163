import { blake2b } from '@noble/hashes/blake2.js';
import { CodedError } from '../../errors';
import { type Address, type AddressForm, addressHash, hashOfAddress } from '../../values';
import type {
  PaymentPart,
  PreparedTransaction,
  RecordPart,
  SealedTransaction,
  SpendableOutput,
  TransactionRequest,
  TransactionSignature,
} from '../ledger';
import { type Answer, arrayOf, objectOf } from './answers';
import { byteLength, minimumDeposit, type RentStructure } from './deposit';
import { nonsense } from './failures';
import { MOST_INPUTS, MOST_OUTPUTS, outputIdAt, partsOfOutputId } from './node-api';
import {
  type BasicOutput,
  isSpendable,
  MOST_METADATA_BYTES,
  MOST_TAG_BYTES,
  type OutputAddress,
  readOutput,
  writeOutput,
} from './output';
import type { StardustSdk } from './sdk';

/** What a transaction is built from besides the request. */
export interface BuildingSite {
  readonly sdk: StardustSdk;
  readonly networkName: string;
  readonly form: AddressForm;
  readonly rent: RentStructure;
  /** Unix milliseconds of the ledger: decides to whom an expiring output belongs. */
  readonly ledgerTime: number;
}

/** An output to be spent, with its whole content: TIP-20 commits a transaction to it. */
export interface InputContent {
  readonly outputId: string;
  readonly output: BasicOutput;
}

// TIP-20 "Transaction Payload", TIP-18.
const TRANSACTION = 6;
const REGULAR_ESSENCE = 1;
const UTXO_INPUT = 0;
const SIGNATURE_UNLOCK = 0;
const REFERENCE_UNLOCK = 1;
const ED25519 = 0;

// TIP-24: a block has at most 32 KiB.
const MOST_BLOCK_BYTES = 32_768;
// Type, transaction id, index.
const INPUT = 1 + 32 + 2;
const SIGNATURE = 1 + 1 + 32 + 64;
const REFERENCE = 1 + 2;
// Block: version, eight parents, payload length, nonce. Payload and essence: types, network id, counts, commitment, empty
// payload.
const ENVELOPE = 1 + (1 + 8 * 32) + 4 + 8 + (4 + 1 + 8 + 2 + 32 + 2 + 4 + 2);

/** Bytes that are left for payments when a transaction has as many inputs as it may, and change. */
export const BYTES_FOR_PAYMENTS = MOST_BLOCK_BYTES - bytesAround(MOST_INPUTS) - 46;

/** A payment as it will stand on the ledger: to the payee, saying who sent it and what for. */
export function paymentOutput(part: PaymentPart, from: Address | undefined, form: AddressForm): BasicOutput {
  const metadata = metadataOf(Buffer.from(part.reference, 'utf8'));
  return {
    amount: part.amount,
    address: ed25519(part.to, form),
    // The sender's size is the same whoever it is.
    sender: from === undefined ? { kind: 'ed25519', hash: `0x${'00'.repeat(32)}` } : ed25519(from, form),
    ...(metadata === undefined ? {} : { metadata }),
    foreign: false,
  };
}

/** Builds the essence: one output per payment, then records, deposits to give back, and last the change. */
export function buildEssence(
  request: TransactionRequest,
  inputs: readonly InputContent[],
  claims: readonly InputContent[],
  site: BuildingSite,
): PreparedTransaction {
  const me = ed25519(request.from, site.form);
  const spent = [...inputs, ...claims];
  if (spent.length === 0) throw new RangeError('a transaction needs an input');
  for (const { outputId, output } of inputs) {
    if (output.address.hash !== me.hash || !isSpendable(output))
      throw new RangeError(`${outputId} is not ours to spend freely`);
  }
  const owed = claims.flatMap((claim) => owedFor(claim, me, site));
  const payments = request.payments.map((part) => paymentOutput(part, request.from, site.form));
  const records = request.records.map((record) => recordOutput(record, me, site.rent));
  const outputs = [...payments, ...records, ...owed];
  for (const [i, output] of payments.entries()) checkDeposit(output, request.payments[i]?.to, site.rent);

  const change: { index: number; amount: bigint }[] = records.map(({ amount }, i) => ({
    index: payments.length + i,
    amount,
  }));
  const rest = sum(spent.map(({ output }) => output.amount)) - sum(outputs.map(({ amount }) => amount));
  if (rest < 0n) throw insufficient(rest);
  if (rest > 0n) {
    const back: BasicOutput = { amount: rest, address: me, foreign: false };
    if (rest < minimumDeposit(back, site.rent)) throw insufficient(rest - minimumDeposit(back, site.rent));
    change.push({ index: outputs.length, amount: rest });
    outputs.push(back);
  }
  checkSize(spent.length, outputs);
  const essence = {
    type: REGULAR_ESSENCE,
    networkId: networkNumber(site.networkName),
    inputs: spent.map(({ outputId }) => writeInput(outputId)),
    inputsCommitment: site.sdk.inputsCommitment(spent.map(({ output }) => writeOutput(output))),
    outputs: outputs.map(writeOutput),
  };
  return {
    essence: Buffer.from(JSON.stringify(essence), 'utf8'),
    signingHash: Buffer.from(site.sdk.essenceHash(essence).slice(2), 'hex'),
    inputs: spent.map(({ outputId }) => outputId),
    change,
    fee: 0n,
  };
}

/** Joins essence and signature. Every input is unlocked by the one key: a signature, and references to it. TIP-18 "Unlocks". */
export function sealEssence(
  essence: Uint8Array,
  { publicKey, signature }: TransactionSignature,
  sdk: StardustSdk,
): SealedTransaction {
  const body = objectOf(parse(essence), 'an essence');
  const inputs = arrayOf(body.inputs, 'inputs', 128);
  const first = {
    type: SIGNATURE_UNLOCK,
    signature: { type: ED25519, publicKey: hex(publicKey), signature: hex(signature) },
  };
  const payload = {
    type: TRANSACTION,
    essence: body,
    unlocks: [first, ...inputs.slice(1).map(() => ({ type: REFERENCE_UNLOCK, reference: 0 }))],
  };
  const transactionId = sdk.transactionId(payload);
  return {
    transactionId,
    bytes: Buffer.from(JSON.stringify(payload), 'utf8'),
    change: outputsTo(addressHash(publicKey), body, transactionId),
  };
}

/** What comes back to the signer. */
function outputsTo(hash: Uint8Array, essence: Answer, transactionId: string): SealedTransaction['change'] & {} {
  const mine = hex(hash);
  return arrayOf(essence.outputs, 'outputs', 128).flatMap((item, index) => {
    const output = readOutput(item);
    if (output?.address.hash !== mine || !isSpendable(output)) return [];
    return [{ outputId: outputIdAt(transactionId, index), index, amount: output.amount }];
  });
}

/** The payload that {@link sealEssence} wrote. */
export function payloadOf(sealed: SealedTransaction, sdk: Pick<StardustSdk, 'transactionId'>): Answer {
  const payload = objectOf(parse(sealed.bytes), 'a transaction');
  if (sdk.transactionId(payload) !== sealed.transactionId)
    throw new RangeError('the signed bytes are not of this transaction');
  return payload;
}

/** @throws CodedError `LEDGER_UNREACHABLE` (`answer`) when the node's content of an input is not what we hold */
export function checkedInput(wanted: SpendableOutput, output: BasicOutput | null): InputContent {
  if (!output || output.amount !== wanted.amount) throw nonsense('an input has another amount than it had');
  return { outputId: wanted.outputId, output };
}

function recordOutput({ tag, bytes }: RecordPart, me: OutputAddress, rent: RentStructure): BasicOutput {
  if (tag.length === 0 || tag.length > MOST_TAG_BYTES) throw new RangeError(`a tag has 1 to ${MOST_TAG_BYTES} bytes`);
  const metadata = metadataOf(bytes);
  const output: BasicOutput = {
    amount: 0n,
    address: me,
    sender: me,
    ...(metadata === undefined ? {} : { metadata }),
    tag: hex(tag),
    foreign: false,
  };
  return { ...output, amount: minimumDeposit(output, rent) };
}

/** What a conditional output demands of who takes it. */
function owedFor({ outputId, output }: InputContent, me: OutputAddress, { ledgerTime }: BuildingSite): BasicOutput[] {
  const seconds = Math.floor(ledgerTime / 1000);
  const expired = output.expiration !== undefined && output.expiration.unixTime <= seconds;
  const owner = expired ? output.expiration?.returnsTo : output.address;
  const locked = output.timelock !== undefined && output.timelock > seconds;
  if (output.foreign || locked || owner?.kind !== 'ed25519' || owner.hash !== me.hash)
    throw new RangeError(`${outputId} is not ours to claim`);
  // TIP-18 "Storage Deposit Return Unlock Condition": owed only by the receiver, no more once it has expired.
  return output.depositReturn && !expired
    ? [{ amount: output.depositReturn.amount, address: output.depositReturn.to, foreign: false }]
    : [];
}

/** Once signed, a transaction that no node takes would be chased for ever: what cannot succeed is not built. */
function checkDeposit(output: BasicOutput, payee: Address | undefined, rent: RentStructure): void {
  const minimum = minimumDeposit(output, rent);
  if (output.amount >= minimum) return;
  throw new CodedError('DEPOSIT_TOO_SMALL', 'default', `${payee} must get at least ${minimum} on this ledger`, {
    payee: payee ?? '',
    amount: output.amount.toString(),
    minimum: minimum.toString(),
  });
}

/** Everything in a block but the outputs. */
function bytesAround(inputs: number): number {
  return ENVELOPE + inputs * INPUT + SIGNATURE + (inputs - 1) * REFERENCE;
}

function checkSize(inputs: number, outputs: readonly BasicOutput[]): void {
  const bytes = bytesAround(inputs) + outputs.reduce((all, output) => all + byteLength(output), 0);
  if (bytes <= MOST_BLOCK_BYTES && inputs <= MOST_INPUTS && outputs.length <= MOST_OUTPUTS) return;
  throw new CodedError(
    'PAYMENT_FAILED',
    'too-large',
    `one transaction cannot take ${inputs} inputs, ${outputs.length} outputs and ${bytes} bytes`,
    { inputs, outputs: outputs.length, bytes },
  );
}

function insufficient(missing: bigint): CodedError {
  return new CodedError('FUNDS_INSUFFICIENT', 'inputs', `the inputs are ${-missing} base units short`, {
    missing: (-missing).toString(),
  });
}

function metadataOf(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_METADATA_BYTES) throw new RangeError(`metadata has at most ${MOST_METADATA_BYTES} bytes`);
  return bytes.length === 0 ? undefined : hex(bytes);
}

function ed25519(address: Address, form: AddressForm): OutputAddress {
  return { kind: 'ed25519', hash: hex(hashOfAddress(address, form)) };
}

function writeInput(outputId: string): Answer {
  const { transactionId, index } = partsOfOutputId(outputId);
  return { type: UTXO_INPUT, transactionId, transactionOutputIndex: index };
}

/** TIP-20 "Network ID": the first 8 bytes of BLAKE2b-256 of the network's name, little-endian. */
export function networkNumber(networkName: string): string {
  return Buffer.from(blake2b(Buffer.from(networkName, 'utf8'), { dkLen: 32 }))
    .readBigUInt64LE()
    .toString();
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}

function hex(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).toString('hex')}`;
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString('utf8'));
}
