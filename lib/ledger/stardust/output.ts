import { type Address, type AddressForm, writeAddress } from '../../values';
import { type Answer, arrayOf, hexOf, hexUpTo, objectOf, uint32Of, uint64Of } from './answers';
import { nonsense } from './failures';

/** An address as outputs carry it: TIP-18 "Address Unlock Condition", TIP-11 types. */
export interface OutputAddress {
  readonly kind: 'ed25519' | 'alias' | 'nft';
  /** Lower-case `0x…`, 32 bytes. */
  readonly hash: string;
}

/** TIP-18 "Basic Output", as far as a payment needs it. */
export interface BasicOutput {
  readonly amount: bigint;
  readonly address: OutputAddress;
  readonly depositReturn?: { readonly to: OutputAddress; readonly amount: bigint };
  /** Unix seconds until which nobody may spend it. */
  readonly timelock?: number;
  /** From `unixTime` (seconds) on it belongs to `returnsTo`. */
  readonly expiration?: { readonly returnsTo: OutputAddress; readonly unixTime: number };
  readonly sender?: OutputAddress;
  /** Lower-case `0x…`, 1 to 8192 bytes. */
  readonly metadata?: string;
  /** Lower-case `0x…`, 1 to 64 bytes. */
  readonly tag?: string;
  /** It carries native tokens, or something that we cannot write back byte for byte. */
  readonly foreign: boolean;
}

// TIP-18.
const BASIC = 3;
const ADDRESS_TYPES = [
  { type: 0, kind: 'ed25519', member: 'pubKeyHash' },
  { type: 8, kind: 'alias', member: 'aliasId' },
  { type: 16, kind: 'nft', member: 'nftId' },
] as const;
const CONDITION = { address: 0, depositReturn: 1, timelock: 2, expiration: 3 } as const;
const FEATURE = { sender: 0, metadata: 2, tag: 3 } as const;
export const MOST_METADATA_BYTES = 8192;
export const MOST_TAG_BYTES = 64;

/** Reads an output; null for every kind but basic outputs. @throws CodedError `LEDGER_UNREACHABLE` (`answer`) */
export function readOutput(value: unknown): BasicOutput | null {
  const output = objectOf(value, 'an output');
  if (output.type !== BASIC) return null;
  const conditions = readConditions(output.unlockConditions);
  const features = readFeatures(output.features ?? []);
  const tokens = arrayOf(output.nativeTokens ?? [], 'native tokens', 64);
  return {
    amount: uint64Of(output.amount, 'an amount'),
    ...conditions,
    ...features.known,
    foreign: tokens.length > 0 || features.foreign,
  };
}

function readConditions(value: unknown): Pick<BasicOutput, 'address' | 'depositReturn' | 'timelock' | 'expiration'> {
  let address: OutputAddress | undefined;
  const others: { -readonly [K in 'depositReturn' | 'timelock' | 'expiration']?: BasicOutput[K] & {} } = {};
  for (const item of arrayOf(value, 'unlock conditions', 4)) {
    const condition = objectOf(item, 'an unlock condition');
    switch (condition.type) {
      case CONDITION.address:
        address = readAddress(condition.address);
        break;
      case CONDITION.depositReturn:
        others.depositReturn = {
          to: readAddress(condition.returnAddress),
          amount: uint64Of(condition.amount, 'a deposit to return'),
        };
        break;
      case CONDITION.timelock:
        others.timelock = uint32Of(condition.unixTime, 'a time lock');
        break;
      case CONDITION.expiration:
        others.expiration = {
          returnsTo: readAddress(condition.returnAddress),
          unixTime: uint32Of(condition.unixTime, 'an expiration'),
        };
        break;
      default:
        throw nonsense('a basic output has an unknown unlock condition');
    }
  }
  if (!address) throw nonsense('a basic output has no address');
  return { address, ...others };
}

function readFeatures(value: unknown): { known: Pick<BasicOutput, 'sender' | 'metadata' | 'tag'>; foreign: boolean } {
  const known: { -readonly [K in 'sender' | 'metadata' | 'tag']?: BasicOutput[K] & {} } = {};
  let foreign = false;
  for (const item of arrayOf(value, 'features', 8)) {
    const feature = objectOf(item, 'a feature');
    if (feature.type === FEATURE.sender) known.sender = readAddress(feature.address);
    else if (feature.type === FEATURE.metadata) known.metadata = hexUpTo(feature.data, 'metadata', MOST_METADATA_BYTES);
    else if (feature.type === FEATURE.tag) known.tag = hexUpTo(feature.tag, 'a tag', MOST_TAG_BYTES);
    else foreign = true;
  }
  return { known, foreign };
}

function readAddress(value: unknown): OutputAddress {
  const address = objectOf(value, 'an address');
  const found = ADDRESS_TYPES.find(({ type }) => type === address.type);
  if (!found) throw nonsense('an address has an unknown type');
  return { kind: found.kind, hash: hexOf(address[found.member], 'an address', 32) };
}

/** The JSON form that nodes and the SDK understand; members in the order that TIP-18 demands. */
export function writeOutput(output: BasicOutput): Answer {
  const { depositReturn, timelock, expiration, sender, metadata, tag } = output;
  return {
    type: BASIC,
    amount: output.amount.toString(),
    nativeTokens: [],
    unlockConditions: [
      { type: CONDITION.address, address: writeOutputAddress(output.address) },
      ...(depositReturn
        ? [
            {
              type: CONDITION.depositReturn,
              returnAddress: writeOutputAddress(depositReturn.to),
              amount: depositReturn.amount.toString(),
            },
          ]
        : []),
      ...(timelock === undefined ? [] : [{ type: CONDITION.timelock, unixTime: timelock }]),
      ...(expiration
        ? [
            {
              type: CONDITION.expiration,
              returnAddress: writeOutputAddress(expiration.returnsTo),
              unixTime: expiration.unixTime,
            },
          ]
        : []),
    ],
    features: [
      ...(sender ? [{ type: FEATURE.sender, address: writeOutputAddress(sender) }] : []),
      ...(metadata === undefined ? [] : [{ type: FEATURE.metadata, data: metadata }]),
      ...(tag === undefined ? [] : [{ type: FEATURE.tag, tag }]),
    ],
  };
}

function writeOutputAddress({ kind, hash }: OutputAddress): Answer {
  const { type, member } = ADDRESS_TYPES.find((candidate) => candidate.kind === kind) ?? ADDRESS_TYPES[0];
  return { type, [member]: hash };
}

/** Whether its address alone can spend it, now and for ever, and nothing is lost when we do. */
export function isSpendable(output: BasicOutput): boolean {
  return (
    !output.foreign &&
    output.depositReturn === undefined &&
    output.timelock === undefined &&
    output.expiration === undefined
  );
}

/** Null for addresses of aliases and NFTs, which our callers have no form for. */
export function addressOf(address: OutputAddress | undefined, form: AddressForm): Address | null {
  if (address?.kind !== 'ed25519') return null;
  return writeAddress(Buffer.from(address.hash.slice(2), 'hex'), form);
}

/** Bytes of their own, so that nothing else travels with them to another thread. */
export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.slice(2), 'hex'));
}

/** Metadata that is text; null for none and for other bytes. */
export function textOfMetadata(metadata: string | undefined): string | null {
  if (metadata === undefined) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(metadata.slice(2), 'hex'));
  } catch {
    return null;
  }
}
