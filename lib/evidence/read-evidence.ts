import { CodedError } from '../errors';
import { type Anchor, type Evidence, PROOF_TYPE } from './evidence';

const LONGEST_PROOF = 256 * 1024;
const LONGEST_NAME = 256;
/** ISO 8601 in UTC, as `Date` writes it; other machines may leave the fraction out. */
const UTC_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/**
 * Evidence that came from outside: whether it has the shape of evidence, not whether it proves anything. Members that we
 * do not know are left behind.
 *
 * @throws CodedError `EVIDENCE_INVALID` (`shape`, parameters.member)
 */
export function readEvidence(value: unknown): Evidence {
  const { type, proof, anchor } = members(value, '');
  if (type !== PROOF_TYPE) throw misshapen('type');
  if (!isText(proof, LONGEST_PROOF)) throw misshapen('proof');
  return { type, proof, anchor: readAnchor(anchor) };
}

function readAnchor(value: unknown): Anchor {
  const { network, tag, transactionId, milestone, checkpoint, confirmedAt } = members(value, 'anchor');
  if (!isText(network, LONGEST_NAME)) throw misshapen('anchor.network');
  if (!isText(tag, LONGEST_NAME)) throw misshapen('anchor.tag');
  if (!isText(transactionId, LONGEST_NAME)) throw misshapen('anchor.transactionId');
  if (typeof confirmedAt !== 'string' || !UTC_TIME.test(confirmedAt) || Number.isNaN(Date.parse(confirmedAt)))
    throw misshapen('anchor.confirmedAt');
  const height = readHeight(milestone, checkpoint);
  return { network, tag, transactionId, ...height, confirmedAt };
}

/** A Tangle counts milestones, IOTA checkpoints; nobody counts both. */
function readHeight(milestone: unknown, checkpoint: unknown): Pick<Anchor, 'milestone' | 'checkpoint'> {
  if (milestone !== undefined && checkpoint !== undefined) throw misshapen('anchor.checkpoint');
  if (milestone !== undefined) {
    if (!isHeight(milestone)) throw misshapen('anchor.milestone');
    return { milestone };
  }
  if (checkpoint === undefined) return {};
  if (!isHeight(checkpoint)) throw misshapen('anchor.checkpoint');
  return { checkpoint };
}

function members(value: unknown, member: string): { readonly [name: string]: unknown } {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw misshapen(member);
  return value as { readonly [name: string]: unknown };
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest;
}

function isHeight(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @param member path of the member that is wrong; empty for the whole */
function misshapen(member: string): CodedError {
  return new CodedError('EVIDENCE_INVALID', 'shape', `not evidence: ${member === '' ? 'no object' : member}`, {
    member,
  });
}
