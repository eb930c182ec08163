import type { CodedError } from '../../lib/errors';
import type { Verification } from '../../lib/evidence';
import { sentence, translated } from '../failure';
import type { Api } from '../node-red';

const CATALOGUE = '@machine-economy/node-red-iota/iota-verify-data:';

type Problem = Verification['problems'][number];

/**
 * A verification whose problems and warnings are told in the language of Node-RED.
 *
 * @param sealed why documents could not be decrypted, in their order: verification itself sees only that they are encrypted
 */
export function worded(RED: Api, verification: Verification, sealed: readonly CodedError[] = []): Verification {
  const reasons = [...sealed];
  const tell = (kind: 'problems' | 'warnings', told: Problem): Problem => {
    const reason = told.code === 'DOCUMENT_ENCRYPTED' ? reasons.shift() : undefined;
    const text = reason ? sentence(RED, reason) : translated(RED, `${CATALOGUE}${kind}.${told.code}`, told.parameters);
    return { ...told, message: text ?? told.message };
  };
  return {
    ...verification,
    problems: verification.problems.map((problem) => tell('problems', problem)),
    warnings: verification.warnings.map((warning) => tell('warnings', warning)),
  };
}
