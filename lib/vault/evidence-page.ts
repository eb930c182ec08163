import { type Anchor, type Log, writeProof } from '../evidence';
import type { NetworkInfo } from '../ledger';
import type { EvidencePage } from './vault-contract';

/** What is proved in one go: a few milliseconds of hashing, and a flow that is not flooded. */
const PAGE = 100;

/**
 * The next documents of a node that a checkpoint on this network covers, each with its proof; undefined when there are
 * none. They stay in the backlog until somebody has taken them.
 */
export function evidencePage(
  log: Log,
  network: Pick<NetworkInfo, 'networkId' | 'protocol'>,
  { nodeId, after }: { readonly nodeId: string; readonly after: number },
): EvidencePage | undefined {
  const recorded = log.lastAnchor(network.networkId);
  if (!recorded) return undefined;
  const { size, text: checkpoint, tag, transactionId, height, confirmedAt } = recorded;
  const waiting = log.waiting({ nodeId, after, below: size, limit: PAGE });
  if (waiting.length === 0) return undefined;
  const anchor: Anchor = {
    network: network.networkId,
    tag,
    transactionId,
    ...(network.protocol === 'tangle' ? { milestone: height } : { checkpoint: height }),
    confirmedAt: new Date(confirmedAt).toISOString(),
  };
  const documents = waiting.map(({ sequence, payload, origin }) => {
    const { nodeId: node, topic, messageId } = origin;
    return {
      sequence,
      payload,
      proof: writeProof({ index: sequence, hashes: log.proof(sequence, size), checkpoint }),
      origin: {
        nodeId: node,
        ...(topic !== undefined && { topic }),
        ...(messageId !== undefined && { messageId }),
      },
    };
  });
  return { anchor, documents };
}
