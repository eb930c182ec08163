import type { Hex } from './bytes';
import {
  ADDRESS_KINDS,
  type AddressBytes,
  type BasicOutput,
  type Block,
  CONDITION,
  FEATURE,
  type Milestone,
  OUTPUT,
  PAYLOAD,
  type Payload,
  type TaggedData,
  type Transaction,
  UNLOCK,
  type Unlock,
} from './model';

/** TIP-25: models as the REST API writes them. Empty lists and absent parts are left out, as HORNET does. */
export type Json = { readonly [member: string]: unknown };

export function blockToJson(block: Block): Json {
  return {
    protocolVersion: block.protocolVersion,
    parents: block.parents,
    ...(block.payload && { payload: payloadToJson(block.payload) }),
    nonce: block.nonce.toString(),
  };
}

export function milestoneToJson(milestone: Milestone): Json {
  const { index, timestamp, protocolVersion, previousMilestoneId, parents, inclusionMerkleRoot, appliedMerkleRoot } =
    milestone;
  return {
    type: PAYLOAD.milestone,
    index,
    timestamp,
    protocolVersion,
    previousMilestoneId,
    parents,
    inclusionMerkleRoot,
    appliedMerkleRoot,
    ...optionalHex('metadata', milestone.metadata),
    signatures: milestone.signatures.map(({ publicKey, signature }) => ({ type: 0, publicKey, signature })),
  };
}

export function outputToJson(output: BasicOutput): Json {
  const conditions: Json[] = [{ type: CONDITION.address, address: addressToJson(output.address) }];
  const { storageReturn, timelock, expiration } = output;
  if (storageReturn) {
    const { address, amount } = storageReturn;
    conditions.push({
      type: CONDITION.storageReturn,
      returnAddress: addressToJson(address),
      amount: amount.toString(),
    });
  }
  if (timelock !== undefined) conditions.push({ type: CONDITION.timelock, unixTime: timelock });
  if (expiration) {
    const { address, unixTime } = expiration;
    conditions.push({ type: CONDITION.expiration, returnAddress: addressToJson(address), unixTime });
  }
  const features: Json[] = [];
  if (output.sender) features.push({ type: FEATURE.sender, address: addressToJson(output.sender) });
  if (output.metadata) features.push({ type: FEATURE.metadata, data: output.metadata });
  if (output.tag) features.push({ type: FEATURE.tag, tag: output.tag });
  // TIP-25: a native token amount is a 256-bit number in hex without leading zeros.
  const nativeTokens = output.nativeTokens.map(({ id, amount }) => ({ id, amount: `0x${amount.toString(16)}` }));
  return {
    type: OUTPUT.basic,
    amount: output.amount.toString(),
    ...(nativeTokens.length > 0 && { nativeTokens }),
    unlockConditions: conditions,
    ...(features.length > 0 && { features }),
  };
}

function payloadToJson(payload: Payload): Json {
  if (payload.kind === 'taggedData') return taggedDataToJson(payload);
  return payload.kind === 'transaction' ? transactionToJson(payload) : milestoneToJson(payload);
}

function taggedDataToJson({ tag, data }: TaggedData): Json {
  return { type: PAYLOAD.taggedData, ...optionalHex('tag', tag), ...optionalHex('data', data) };
}

function transactionToJson(transaction: Transaction): Json {
  return {
    type: PAYLOAD.transaction,
    essence: {
      type: 1,
      networkId: transaction.networkId.toString(),
      inputs: transaction.inputs.map(inputToJson),
      inputsCommitment: transaction.inputsCommitment,
      outputs: transaction.outputs.map(outputToJson),
      ...(transaction.taggedData && { payload: taggedDataToJson(transaction.taggedData) }),
    },
    unlocks: transaction.unlocks.map(unlockToJson),
  };
}

function inputToJson(outputId: Hex): Json {
  const transactionOutputIndex = Buffer.from(outputId.slice(66), 'hex').readUInt16LE();
  return { type: 0, transactionId: outputId.slice(0, 66), transactionOutputIndex };
}

function unlockToJson(unlock: Unlock): Json {
  if (unlock.kind !== 'signature') return { type: UNLOCK[unlock.kind], reference: unlock.index };
  const { publicKey, signature } = unlock;
  return { type: UNLOCK.signature, signature: { type: 0, publicKey, signature } };
}

function addressToJson(address: AddressBytes): Json {
  const type = Number.parseInt(address.slice(2, 4), 16);
  const kind = Object.values(ADDRESS_KINDS).find((candidate) => candidate.type === type) ?? ADDRESS_KINDS.ed25519;
  return { type: kind.type, [kind.jsonField]: `0x${address.slice(4)}` };
}

function optionalHex(member: string, value: Hex): Json {
  return value === '0x' ? {} : { [member]: value };
}
