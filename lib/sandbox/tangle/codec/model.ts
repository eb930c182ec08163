import type { Hex } from './bytes';

/** 32 bytes: blake2b-256 of the block's bytes (TIP-24). */
export type BlockId = Hex;
/** 32 bytes: blake2b-256 of the transaction payload's bytes (TIP-20). */
export type TransactionId = Hex;
/** 34 bytes: transaction id and output index (TIP-20). */
export type OutputId = Hex;
/** 32 bytes: blake2b-256 of the milestone essence (TIP-29). */
export type MilestoneId = Hex;
/** An address as its serialised bytes, type byte first (TIP-18): two are the same address if and only if the texts are. */
export type AddressBytes = Hex;

export const ADDRESS_KINDS = {
  ed25519: { type: 0, jsonField: 'pubKeyHash' },
  alias: { type: 8, jsonField: 'aliasId' },
  nft: { type: 16, jsonField: 'nftId' },
} as const;

export const PAYLOAD = { taggedData: 5, transaction: 6, milestone: 7 } as const;
export const OUTPUT = { basic: 3 } as const;
export const UNLOCK = { signature: 0, reference: 1, alias: 2, nft: 3 } as const;
export const CONDITION = { address: 0, storageReturn: 1, timelock: 2, expiration: 3 } as const;
export const FEATURE = { sender: 0, metadata: 2, tag: 3 } as const;

/** TIP-24, version 2. */
export interface Block {
  readonly protocolVersion: number;
  readonly parents: readonly BlockId[];
  readonly payload?: Payload;
  readonly nonce: bigint;
}

export type Payload =
  | ({ readonly kind: 'taggedData' } & TaggedData)
  | ({ readonly kind: 'transaction' } & Transaction)
  | ({ readonly kind: 'milestone' } & Milestone);

/** TIP-23. */
export interface TaggedData {
  readonly tag: Hex;
  readonly data: Hex;
}

/** TIP-20. */
export interface Transaction {
  readonly networkId: bigint;
  readonly inputs: readonly OutputId[];
  readonly inputsCommitment: Hex;
  readonly outputs: readonly BasicOutput[];
  readonly taggedData?: TaggedData;
  readonly unlocks: readonly Unlock[];
}

export type Unlock =
  | { readonly kind: 'signature'; readonly publicKey: Hex; readonly signature: Hex }
  | { readonly kind: 'reference' | 'alias' | 'nft'; readonly index: number };

/**
 * TIP-18, basic output. Unlock conditions and features may occur once each and in the order of their type, so named fields lose
 * nothing.
 */
export interface BasicOutput {
  readonly amount: bigint;
  readonly nativeTokens: readonly NativeToken[];
  readonly address: AddressBytes;
  readonly storageReturn?: { readonly address: AddressBytes; readonly amount: bigint };
  /** Unix seconds. */
  readonly timelock?: number;
  readonly expiration?: { readonly address: AddressBytes; readonly unixTime: number };
  readonly sender?: AddressBytes;
  readonly metadata?: Hex;
  readonly tag?: Hex;
}

export interface NativeToken {
  readonly id: Hex;
  readonly amount: bigint;
}

/** TIP-29, without options: this network has no receipts and changes no parameters. */
export interface Milestone {
  readonly index: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly protocolVersion: number;
  readonly previousMilestoneId: MilestoneId;
  readonly parents: readonly BlockId[];
  readonly inclusionMerkleRoot: Hex;
  readonly appliedMerkleRoot: Hex;
  readonly metadata: Hex;
  readonly signatures: readonly { readonly publicKey: Hex; readonly signature: Hex }[];
}
