import { type ByteReader, ByteWriter, InvalidBlockError, within } from './bytes';
import { MAX_METADATA_BYTES } from './limits';
import type { Milestone } from './model';
import { readParents, writeParents } from './parents';

/** TIP-29, after the payload type. @throws InvalidBlockError */
export function readMilestone(reader: ByteReader): Milestone {
  const essence = {
    index: reader.u32(),
    timestamp: reader.u32(),
    protocolVersion: reader.u8(),
    previousMilestoneId: reader.hex(32),
    parents: readParents(reader),
    inclusionMerkleRoot: reader.hex(32),
    appliedMerkleRoot: reader.hex(32),
    metadata: reader.hex(within(reader.u16(), 0, MAX_METADATA_BYTES, 'metadata length')),
  };
  if (reader.u8() !== 0) throw new InvalidBlockError('milestone options are not supported by this node');
  const count = within(reader.u8(), 1, 255, 'milestone signatures');
  const signatures: Milestone['signatures'][number][] = [];
  for (let n = 0; n < count; n++) {
    if (reader.u8() !== 0) throw new InvalidBlockError('unknown signature type');
    const signature = { publicKey: reader.hex(32), signature: reader.hex(64) };
    const before = signatures.at(-1);
    if (before && before.publicKey >= signature.publicKey)
      throw new InvalidBlockError('signatures are not ordered or not unique');
    signatures.push(signature);
  }
  return { ...essence, signatures };
}

export function writeMilestone(writer: ByteWriter, milestone: Milestone): void {
  writeEssence(writer, milestone);
  writer.u8(milestone.signatures.length);
  for (const { publicKey, signature } of milestone.signatures) writer.u8(0).hex(publicKey).hex(signature);
}

/** What is signed, and whose hash is the milestone's id. */
export function milestoneEssence(milestone: Omit<Milestone, 'signatures'>): Buffer {
  const writer = new ByteWriter();
  writeEssence(writer, milestone);
  return writer.since();
}

function writeEssence(writer: ByteWriter, milestone: Omit<Milestone, 'signatures'>): void {
  writer.u32(milestone.index).u32(milestone.timestamp).u8(milestone.protocolVersion).hex(milestone.previousMilestoneId);
  writeParents(writer, milestone.parents);
  writer.hex(milestone.inclusionMerkleRoot).hex(milestone.appliedMerkleRoot);
  writer.u16(milestone.metadata.length / 2 - 1).hex(milestone.metadata);
  writer.u8(0); // no options
}
