import {
  type Block,
  type BlockId,
  blake2b256,
  blake2b256Bytes,
  type DecodedBlock,
  decodeBlock,
  encodeBlock,
  encodePayload,
  MAX_PARENTS,
  type Milestone,
  milestoneEssence,
} from './codec';
import type { SandboxKey } from './ed25519';
import { merkleRoot } from './merkle';
import type { StoredMilestone } from './storage';
import type { Mutations } from './white-flag';

export const PROTOCOL_VERSION = 2;

/** No milestone before, and the block that everything began with (TIP-29, TIP-24). */
export const NOTHING_BEFORE = `0x${'00'.repeat(32)}` as const;

/** A block without payload that joins tips, since a milestone has no more than eight parents. */
export function checkpointBlock(parents: readonly BlockId[]): DecodedBlock {
  return blockOf({ protocolVersion: PROTOCOL_VERSION, parents: [...parents].sort(), nonce: 0n });
}

/** How many tips a milestone can reference directly. */
export const MOST_TIPS = MAX_PARENTS;

/** TIP-29: signs what the milestone does and wraps it into its block. */
export function signMilestone(
  key: SandboxKey,
  previous: StoredMilestone | undefined,
  parents: readonly BlockId[],
  timestamp: number,
  { referenced }: Mutations,
): { milestone: Milestone; stored: StoredMilestone; block: DecodedBlock } {
  const applied = referenced.filter(({ decoded, conflict }) => decoded.transaction && conflict === undefined);
  const essence: Omit<Milestone, 'signatures'> = {
    index: (previous?.index ?? 0) + 1,
    timestamp,
    protocolVersion: PROTOCOL_VERSION,
    previousMilestoneId: previous?.id ?? NOTHING_BEFORE,
    parents,
    inclusionMerkleRoot: merkleRoot(referenced.map(({ decoded }) => decoded.id)),
    appliedMerkleRoot: merkleRoot(applied.map(({ decoded }) => decoded.id)),
    metadata: '0x',
  };
  const essenceHash = blake2b256Bytes(milestoneEssence(essence));
  const milestone = { ...essence, signatures: [{ publicKey: key.publicKey, signature: key.sign(essenceHash) }] };
  const block = blockOf({
    protocolVersion: PROTOCOL_VERSION,
    parents,
    payload: { kind: 'milestone', ...milestone },
    nonce: 0n,
  });
  const stored = {
    index: essence.index,
    id: blake2b256(milestoneEssence(essence)),
    blockId: block.id,
    timestamp,
    payload: encodePayload({ kind: 'milestone', ...milestone }),
  };
  return { milestone, stored, block };
}

/** The block of a milestone is not stored: it is the payload with the milestone's parents around it. */
export function blockOfMilestone(milestone: Milestone): DecodedBlock {
  const { protocolVersion, parents } = milestone;
  return blockOf({ protocolVersion, parents, payload: { kind: 'milestone', ...milestone }, nonce: 0n });
}

function blockOf(block: Block): DecodedBlock {
  return decodeBlock(encodeBlock(block));
}
