import { bytesOf, type Hex, hexOf, InvalidBlockError } from './bytes';
import { MAX_BLOCK_BYTES, MAX_METADATA_BYTES, MAX_TAG_BYTES, NATIVE_TOKEN_ID_BYTES } from './limits';
import {
  ADDRESS_KINDS,
  type AddressBytes,
  type BasicOutput,
  type Block,
  CONDITION,
  FEATURE,
  OUTPUT,
  type OutputId,
  PAYLOAD,
  type Payload,
  type TaggedData,
  type Transaction,
  UNLOCK,
  type Unlock,
} from './model';

/**
 * A block as a client may post it (TIP-25): parents and nonce may be absent, the node adds them. Only the form is checked
 * here; what the block says is checked when its bytes are decoded.
 *
 * @throws InvalidBlockError
 */
export function blockFromJson(value: unknown): Block {
  const json = object(value, 'block');
  const parents = json.parents === undefined || json.parents === null ? [] : list(json.parents, 'parents');
  const payload = json.payload === undefined || json.payload === null ? undefined : payloadFromJson(json.payload);
  return {
    protocolVersion: json.protocolVersion === undefined ? 0 : integer(json.protocolVersion, 0xff, 'protocolVersion'),
    parents: parents.map((parent) => hex(parent, 32, 'parent')),
    ...(payload && { payload }),
    nonce: json.nonce === undefined || json.nonce === '' ? 0n : uint64(json.nonce, 'nonce'),
  };
}

function payloadFromJson(value: unknown): Payload {
  const json = object(value, 'payload');
  if (json.type === PAYLOAD.taggedData) return { kind: 'taggedData', ...taggedDataFromJson(json) };
  if (json.type === PAYLOAD.transaction) return { kind: 'transaction', ...transactionFromJson(json) };
  throw new InvalidBlockError(`a block can not carry payload type ${shown(json.type)}`);
}

function taggedDataFromJson(json: Members): TaggedData {
  return { tag: optionalHex(json.tag, MAX_TAG_BYTES, 'tag'), data: optionalHex(json.data, MAX_BLOCK_BYTES, 'data') };
}

function transactionFromJson(json: Members): Transaction {
  const essence = object(json.essence, 'essence');
  if (essence.type !== 1) throw new InvalidBlockError('unknown transaction essence type');
  const payload =
    essence.payload === undefined || essence.payload === null ? undefined : object(essence.payload, 'payload');
  if (payload && payload.type !== PAYLOAD.taggedData)
    throw new InvalidBlockError('a transaction can only carry tagged data');
  return {
    networkId: uint64(essence.networkId, 'networkId'),
    inputs: list(essence.inputs, 'inputs').map(inputFromJson),
    inputsCommitment: hex(essence.inputsCommitment, 32, 'inputsCommitment'),
    outputs: list(essence.outputs, 'outputs').map(outputFromJson),
    ...(payload && { taggedData: taggedDataFromJson(payload) }),
    unlocks: list(json.unlocks, 'unlocks').map(unlockFromJson),
  };
}

function inputFromJson(value: unknown): OutputId {
  const json = object(value, 'input');
  if (json.type !== 0) throw new InvalidBlockError('unknown input type');
  const index = Buffer.alloc(2);
  index.writeUInt16LE(integer(json.transactionOutputIndex, 0xffff, 'transactionOutputIndex'));
  return `${hex(json.transactionId, 32, 'transactionId')}${index.toString('hex')}`;
}

function unlockFromJson(value: unknown): Unlock {
  const json = object(value, 'unlock');
  if (json.type === UNLOCK.signature) {
    const signature = object(json.signature, 'signature');
    if (signature.type !== 0) throw new InvalidBlockError('unknown signature type');
    return {
      kind: 'signature',
      publicKey: hex(signature.publicKey, 32, 'publicKey'),
      signature: hex(signature.signature, 64, 'signature'),
    };
  }
  const index = integer(json.reference, 0xffff, 'reference');
  if (json.type === UNLOCK.reference) return { kind: 'reference', index };
  if (json.type === UNLOCK.alias) return { kind: 'alias', index };
  if (json.type === UNLOCK.nft) return { kind: 'nft', index };
  throw new InvalidBlockError('unknown unlock type');
}

/** @throws InvalidBlockError */
export function outputFromJson(value: unknown): BasicOutput {
  const json = object(value, 'output');
  if (json.type !== OUTPUT.basic)
    throw new InvalidBlockError(`output type ${shown(json.type)} is not supported by this node`);
  const conditions = byType(json.unlockConditions, 'unlockConditions', Object.values(CONDITION));
  const features = byType(json.features ?? [], 'features', Object.values(FEATURE));
  const address = conditions.get(CONDITION.address);
  if (!address) throw new InvalidBlockError('an output has no address unlock condition');
  const storageReturn = conditions.get(CONDITION.storageReturn);
  const timelock = conditions.get(CONDITION.timelock);
  const expiration = conditions.get(CONDITION.expiration);
  const sender = features.get(FEATURE.sender);
  const metadata = features.get(FEATURE.metadata);
  const tag = features.get(FEATURE.tag);
  return {
    amount: uint64(json.amount, 'amount'),
    nativeTokens: list(json.nativeTokens ?? [], 'nativeTokens').map((token) => {
      const { id, amount } = object(token, 'native token');
      return { id: hex(id, NATIVE_TOKEN_ID_BYTES, 'native token id'), amount: uint256(amount) };
    }),
    address: addressFromJson(address.address),
    ...(storageReturn && {
      storageReturn: {
        address: addressFromJson(storageReturn.returnAddress),
        amount: uint64(storageReturn.amount, 'amount'),
      },
    }),
    ...(timelock && { timelock: integer(timelock.unixTime, 0xffff_ffff, 'unixTime') }),
    ...(expiration && {
      expiration: {
        address: addressFromJson(expiration.returnAddress),
        unixTime: integer(expiration.unixTime, 0xffff_ffff, 'unixTime'),
      },
    }),
    ...(sender && { sender: addressFromJson(sender.address) }),
    ...(metadata && { metadata: hexUpTo(metadata.data, MAX_METADATA_BYTES, 'metadata') }),
    ...(tag && { tag: hexUpTo(tag.tag, MAX_TAG_BYTES, 'tag') }),
  };
}

function addressFromJson(value: unknown): AddressBytes {
  const json = object(value, 'address');
  const kind = Object.values(ADDRESS_KINDS).find(({ type }) => type === json.type);
  if (!kind) throw new InvalidBlockError('unknown address type');
  return hexOf(Buffer.concat([Uint8Array.of(kind.type), bytesOf(hex(json[kind.jsonField], 32, 'address'))]));
}

/** Conditions or features by their type: each once, in ascending order. */
function byType(value: unknown, what: string, allowed: readonly number[]): Map<number, Members> {
  const found = new Map<number, Members>();
  let before = -1;
  for (const item of list(value, what)) {
    const json = object(item, what);
    const type = integer(json.type, 0xff, 'type');
    if (type <= before) throw new InvalidBlockError(`${what} are not in the order of their types or not unique`);
    if (!allowed.includes(type))
      throw new InvalidBlockError(`${what}: type ${type} does not belong into a basic output`);
    before = type;
    found.set(type, json);
  }
  return found;
}

type Members = { readonly [member: string]: unknown };

function object(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidBlockError(`${what} is not an object`);
  return value as Members;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw new InvalidBlockError(`${what} is not a list`);
  // A count must fit its field before it is written; what the protocol allows is less and checked with the bytes.
  if (value.length > 0xff) throw new InvalidBlockError(`${what} has ${value.length} members`);
  return value;
}

/** Something from outside, short enough for a message. */
function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 20) ?? 'none';
}

function integer(value: unknown, most: number, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) {
    throw new InvalidBlockError(`${what} is not a whole number up to ${most}`);
  }
  return value;
}

function uint64(value: unknown, what: string): bigint {
  if (typeof value === 'string' && /^(0|[1-9]\d{0,19})$/.test(value)) {
    const number = BigInt(value);
    if (number <= 0xffff_ffff_ffff_ffffn) return number;
  }
  throw new InvalidBlockError(`${what} is not a 64-bit number in a string`);
}

function uint256(value: unknown): bigint {
  if (typeof value === 'string' && /^0x[0-9a-f]{1,64}$/i.test(value)) return BigInt(value);
  throw new InvalidBlockError('a native token amount is not a 256-bit number in hex');
}

function hex(value: unknown, length: number, what: string): Hex {
  return hexUpTo(value, length, what, length);
}

function hexUpTo(value: unknown, most: number, what: string, least = 1): Hex {
  if (typeof value === 'string' && value.length >= 2 + 2 * least && value.length <= 2 + 2 * most) {
    if (/^0x([0-9a-f]{2})+$/i.test(value)) return value.toLowerCase() as Hex;
  }
  throw new InvalidBlockError(`${what} is not ${least === most ? most : `${least} to ${most}`} bytes in hex`);
}

function optionalHex(value: unknown, most: number, what: string): Hex {
  return value === undefined || value === null || value === '' || value === '0x' ? '0x' : hexUpTo(value, most, what);
}
