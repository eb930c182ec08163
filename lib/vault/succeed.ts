import { CodedError } from '../errors';
import { signableDocument, signProofSet, successionStatement } from '../evidence';
import type { MachineKey } from '../machine';
import type { OpenIdentity } from './identities';

/** No node's id: the statement's evidence is for the machine's owner. */
export const STATEMENT_NODE = '';

/**
 * Hands a machine's voice over to another key: a statement signed by both, and the last leaf of the old log. From then on
 * the old log takes nothing any more, so that nobody who finds the old key later can speak for the machine unnoticed.
 *
 * @returns the signed statement's text
 * @throws CodedError `CONFIG_INVALID` (`successor`) for the key itself, `KEY_MISSING` (`succeeded`) the second time
 */
export async function succeed({ key, log, signing }: OpenIdentity, successor: MachineKey): Promise<string> {
  if (successor.did === key.did)
    throw new CodedError('CONFIG_INVALID', 'successor', 'a key cannot be its own successor');
  return signing.alone(async () => {
    const created = Date.now();
    const statement = signableDocument(successionStatement(key.did, successor.did, created));
    const text = signProofSet(statement, [
      { signer: key, created, sequence: log.size },
      // The statement is in the old log only: the new one begins with the machine's first document under the new key.
      { signer: successor, created },
    ]);
    await log.append([{ text, waiting: { nodeId: STATEMENT_NODE } }], { closing: successor.did });
    return text;
  });
}
