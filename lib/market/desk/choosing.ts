import { CodedError, isCodedError } from '../../errors';
import type { Bid, Ranking } from '../market-order';
import type { MessageOf, RejectReason, SignedMessage } from '../messages/message';
import { refundReferenceOf } from '../messages/names';
import type { Floor } from './floor';
import { judgeProposal } from './judgement';
import { type Candidate, callOf, factsOf, orderFor, type PurchaseFacts, type PurchaseRow } from './purchase';

/** Whom to accept next, as far as it is known now. */
export type Decision = Chosen | NoneLeft | { readonly kind: 'later'; readonly error: CodedError };

interface Judged {
  /** What is to be kept of it. */
  readonly facts: Pick<PurchaseFacts, 'ranked' | 'tried' | 'leftOut' | 'because'>;
}
export interface Chosen extends Judged {
  readonly kind: 'chosen';
  readonly candidate: Candidate;
}
export interface NoneLeft extends Judged {
  readonly kind: 'none';
  readonly error: CodedError;
}

const LEFT_OUT: { readonly [reason in Ranking['leftOut'][number]['reason']]: RejectReason } = {
  price: 'price',
  distance: 'distance',
  band: 'price',
  expression: 'not-chosen',
};

/**
 * The best of the proposals that are there, or the next of them when one was tried already. Only one is taken that can be
 * paid: nobody is bound to a deal that our own policy forbids.
 */
export async function choose(row: PurchaseRow, floor: Floor): Promise<Decision> {
  let facts: PurchaseFacts;
  try {
    facts = await ranked(row, floor);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    if (isPassing(error)) return { kind: 'later', error };
    return { kind: 'none', error, facts: { ...factsOf(row), ranked: [] } };
  }
  const { ranked: candidates = [], because } = facts;
  const leftOut = { ...facts.leftOut };
  const gone = sellersThatWithdrew(row, floor);
  let refusal: CodedError | undefined;
  let expired = 0;
  for (let tried = facts.tried; tried < (candidates?.length ?? 0); tried += 1) {
    const candidate = candidates?.[tried] as Candidate;
    if (gone.has(candidate.seller)) continue;
    if (candidate.expiresAt <= floor.now()) {
      leftOut[candidate.hash] = 'expired';
      expired += 1;
      continue;
    }
    try {
      // Where it takes a deposit, more is needed for the reference of a refund: what could not come back is not paid.
      const reference = refundReferenceOf(row.contractId);
      await floor.ports.account.assertPayable({ ...orderFor(row.contractId, candidate, floor), reference });
    } catch (error) {
      if (!isCodedError(error)) throw error;
      if (isPassing(error)) return { kind: 'later', error };
      leftOut[candidate.hash] = 'policy';
      refusal ??= error;
      continue;
    }
    return { kind: 'chosen', candidate, facts: { ranked: candidates, tried: tried + 1, leftOut, because } };
  }
  const tried = candidates?.length ?? 0;
  const error = refusal ?? noneLeft(facts, expired, floor.places.troubleOf(row.nodeId));
  return { kind: 'none', error, facts: { ranked: candidates, tried, leftOut, because } };
}

/** What may be otherwise in a moment: it is asked again. */
export function isPassing(error: CodedError): boolean {
  return error.code === 'LEDGER_UNREACHABLE' || error.code === 'LEDGER_OUT_OF_SYNC';
}

async function ranked(row: PurchaseRow, floor: Floor): Promise<PurchaseFacts> {
  const facts = factsOf(row);
  if (facts.ranked !== null) return facts;
  const call = callOf(row, floor);
  const ranking = await floor.ports.channels.rank(bidsOf(row, floor), facts.choice, call);
  const leftOut = Object.fromEntries(ranking.leftOut.map(({ bid, reason }) => [bid.hash, LEFT_OUT[reason]]));
  return { ...facts, ranked: ranking.ranked.map(candidateOf), leftOut, because: ranking.because };
}

/** What can be compared, the latest of each seller. Its form and its signature were checked when it came. */
function bidsOf(row: PurchaseRow, floor: Floor): Bid[] {
  const call = callOf(row, floor);
  const called = { contractId: row.contractId, call, network: floor.ports.network };
  return floor.letters.documents(row).flatMap(({ direction, type, hash, text }) => {
    if (direction !== 'in' || type !== 'proposal') return [];
    const message = JSON.parse(text) as MessageOf<'proposal'>;
    const judged = judgeProposal({ hash, text, message } satisfies SignedMessage<'proposal'>, called);
    return typeof judged === 'string' ? [] : [judged];
  });
}

function candidateOf({ hash, seller, unit, price, amount, expiresAt }: Bid): Candidate {
  return { hash, seller, unit, price, amount, expiresAt };
}

/** Who said that it is off, before or after it was tried. */
function sellersThatWithdrew(row: PurchaseRow, { letters }: Floor): ReadonlySet<string | null> {
  const withdrawn = letters
    .documents(row)
    .filter(({ direction, type }) => direction === 'in' && (type === 'reject' || type === 'cancel'));
  return new Set(withdrawn.map(({ peer }) => peer));
}

/** @param trouble why nobody could hear the call */
function noneLeft(
  { ranked: candidates, because, leftOut, agreed }: PurchaseFacts,
  expired: number,
  trouble: string | undefined,
): CodedError {
  const count = candidates?.length ?? 0;
  if (agreed)
    return new CodedError('NO_PROPOSAL', 'unconfirmed', `none of the sellers confirmed (${count} proposals)`, {
      count,
    });
  if (expired > 0) return new CodedError('OFFER_EXPIRED', 'default', 'the proposals expired before one was accepted');
  const others = Object.keys(leftOut).length;
  if (others > 0)
    return new CodedError('NO_PROPOSAL', 'unsuitable', `no proposal can be taken: ${because}`, {
      count: others,
      reason: because ?? '',
    });
  if (trouble !== undefined)
    return new CodedError('NO_PROPOSAL', 'broker-away', `the broker is away: ${trouble}`, { reason: trouble });
  return new CodedError('NO_PROPOSAL', 'default', 'nobody made a proposal');
}
