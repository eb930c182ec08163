import { type ByteReader, ByteWriter, InvalidBlockError, within } from './bytes';
import { MAX_METADATA_BYTES, MAX_NATIVE_TOKENS, MAX_TAG_BYTES, NATIVE_TOKEN_ID_BYTES } from './limits';
import {
  ADDRESS_KINDS,
  type AddressBytes,
  type BasicOutput,
  CONDITION,
  FEATURE,
  type NativeToken,
  OUTPUT,
} from './model';

// Alias and foundry ids come from state transitions this network does not have; addresses of them can still be written.
const ADDRESS_BYTES = new Map<number, number>([
  [ADDRESS_KINDS.ed25519.type, 33],
  [ADDRESS_KINDS.alias.type, 33],
  [ADDRESS_KINDS.nft.type, 33],
]);

/** TIP-18 §Basic Output. @throws InvalidBlockError */
export function readOutput(reader: ByteReader): BasicOutput {
  const type = reader.u8();
  if (type !== OUTPUT.basic) throw new InvalidBlockError(`output type ${type} is not supported by this node`);
  const amount = reader.u64();
  const nativeTokens = readNativeTokens(reader);
  const conditions = readConditions(reader);
  const features = readFeatures(reader);
  return { amount, nativeTokens, ...conditions, ...features };
}

export function writeOutput(writer: ByteWriter, output: BasicOutput): void {
  writer.u8(OUTPUT.basic).u64(output.amount).u8(output.nativeTokens.length);
  for (const token of output.nativeTokens) writer.hex(token.id).u256(token.amount);
  const { storageReturn, timelock, expiration, sender, metadata, tag } = output;

  writer.u8(1 + present(storageReturn, timelock, expiration));
  writer.u8(CONDITION.address).hex(output.address);
  if (storageReturn) writer.u8(CONDITION.storageReturn).hex(storageReturn.address).u64(storageReturn.amount);
  if (timelock !== undefined) writer.u8(CONDITION.timelock).u32(timelock);
  if (expiration) writer.u8(CONDITION.expiration).hex(expiration.address).u32(expiration.unixTime);

  writer.u8(present(sender, metadata, tag));
  if (sender) writer.u8(FEATURE.sender).hex(sender);
  if (metadata)
    writer
      .u8(FEATURE.metadata)
      .u16(metadata.length / 2 - 1)
      .hex(metadata);
  if (tag)
    writer
      .u8(FEATURE.tag)
      .u8(tag.length / 2 - 1)
      .hex(tag);
}

export function outputBytes(output: BasicOutput): Buffer {
  const writer = new ByteWriter();
  writeOutput(writer, output);
  return writer.since();
}

function readNativeTokens(reader: ByteReader): NativeToken[] {
  const count = within(reader.u8(), 0, MAX_NATIVE_TOKENS, 'native tokens');
  const tokens: NativeToken[] = [];
  for (let n = 0; n < count; n++) {
    const token = { id: reader.hex(NATIVE_TOKEN_ID_BYTES), amount: reader.u256() };
    const before = tokens.at(-1);
    if (before && before.id >= token.id)
      throw new InvalidBlockError('native tokens are not in lexical order or not unique');
    if (token.amount === 0n) throw new InvalidBlockError('a native token amount is zero');
    tokens.push(token);
  }
  return tokens;
}

type Conditions = Pick<BasicOutput, 'address' | 'storageReturn' | 'timelock' | 'expiration'>;
type Features = Pick<BasicOutput, 'sender' | 'metadata' | 'tag'>;
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function readConditions(reader: ByteReader): Conditions {
  const conditions: Partial<Mutable<Conditions>> = {};
  readAscending(reader, 'unlock conditions', 4, (type) => {
    if (type === CONDITION.address) conditions.address = readAddress(reader);
    else if (type === CONDITION.storageReturn) {
      conditions.storageReturn = { address: readAddress(reader), amount: reader.u64() };
    } else if (type === CONDITION.timelock) conditions.timelock = nonZeroTime(reader.u32(), 'timelock');
    else if (type === CONDITION.expiration) {
      conditions.expiration = { address: readAddress(reader), unixTime: nonZeroTime(reader.u32(), 'expiration') };
    } else throw new InvalidBlockError(`unlock condition type ${type} does not belong into a basic output`);
  });
  const { address, ...others } = conditions;
  if (!address) throw new InvalidBlockError('an output has no address unlock condition');
  return { address, ...others };
}

function readFeatures(reader: ByteReader): Features {
  const features: Partial<Mutable<Features>> = {};
  readAscending(reader, 'features', 8, (type) => {
    if (type === FEATURE.sender) features.sender = readAddress(reader);
    else if (type === FEATURE.metadata) {
      features.metadata = reader.hex(within(reader.u16(), 1, MAX_METADATA_BYTES, 'metadata length'));
    } else if (type === FEATURE.tag) features.tag = reader.hex(within(reader.u8(), 1, MAX_TAG_BYTES, 'tag length'));
    else throw new InvalidBlockError(`feature type ${type} does not belong into a basic output`);
  });
  return features;
}

/** Conditions and features: each type at most once, in ascending order. */
function readAscending(reader: ByteReader, what: string, most: number, read: (type: number) => void): void {
  const count = within(reader.u8(), 0, most, what);
  let before = -1;
  for (let n = 0; n < count; n++) {
    const type = reader.u8();
    if (type <= before) throw new InvalidBlockError(`${what} are not in the order of their types or not unique`);
    before = type;
    read(type);
  }
}

export function readAddress(reader: ByteReader): AddressBytes {
  const start = reader.at;
  const type = reader.u8();
  const length = ADDRESS_BYTES.get(type);
  if (length === undefined) throw new InvalidBlockError(`unknown address type ${type}`);
  reader.hex(length - 1);
  return `0x${reader.since(start).toString('hex')}`;
}

// TIP-18: a time lock or expiration at zero would be none at all.
function nonZeroTime(unixTime: number, what: string): number {
  if (unixTime === 0) throw new InvalidBlockError(`${what} unlock condition at time zero`);
  return unixTime;
}

function present(...fields: unknown[]): number {
  return fields.filter((field) => field !== undefined).length;
}
