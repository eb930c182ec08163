import { writeAddress } from '../../values';
import type { AddressBytes, BasicOutput, DecodedBlock } from './codec';

/** What a block is published under (inx-mqtt), as raw bytes, when it comes: confirmed or not. */
export function blockTopics({ block: { payload } }: DecodedBlock): string[] {
  const topics = ['blocks'];
  if (payload?.kind === 'transaction') {
    topics.push('blocks/transaction');
    if (payload.taggedData) {
      topics.push('blocks/transaction/tagged-data');
      if (payload.taggedData.tag !== '0x') topics.push(`blocks/transaction/tagged-data/${payload.taggedData.tag}`);
    }
  } else if (payload?.kind === 'taggedData') {
    topics.push('blocks/tagged-data');
    if (payload.tag !== '0x') topics.push(`blocks/tagged-data/${payload.tag}`);
  }
  return topics;
}

/** What an output is published under when a milestone creates it; with `/spent` behind, when one consumes it. */
export function unlockTopics(output: BasicOutput, bech32Hrp: string): string[] {
  const topics = [`outputs/unlock/address/${bech32(output.address, bech32Hrp)}`];
  const { storageReturn, expiration } = output;
  if (storageReturn) topics.push(`outputs/unlock/storage-return/${bech32(storageReturn.address, bech32Hrp)}`);
  if (expiration) topics.push(`outputs/unlock/expiration/${bech32(expiration.address, bech32Hrp)}`);
  return topics;
}

/** What a topic that names one thing asks for; a real node answers such a subscription at once. */
export type NamedTopic =
  | { readonly about: 'milestone' }
  | { readonly about: 'block-metadata' | 'output' | 'included-block'; readonly id: `0x${string}` };

export function namedTopic(topic: string): NamedTopic | undefined {
  if (topic === 'milestone-info/latest' || topic === 'milestone-info/confirmed') return { about: 'milestone' };
  const id = (pattern: RegExp) => pattern.exec(topic)?.[1] as `0x${string}` | undefined;
  const block = id(/^block-metadata\/(0x[0-9a-f]{64})$/);
  if (block) return { about: 'block-metadata', id: block };
  const output = id(/^outputs\/(0x[0-9a-f]{68})$/);
  if (output) return { about: 'output', id: output };
  const transaction = id(/^transactions\/(0x[0-9a-f]{64})\/included-block$/);
  return transaction && { about: 'included-block', id: transaction };
}

function bech32(address: AddressBytes, prefix: string): string {
  // Alias and NFT addresses never receive anything that could be unlocked here; Ed25519 is what is listened for.
  return writeAddress(Buffer.from(address.slice(4), 'hex'), { kind: 'bech32', prefix });
}
