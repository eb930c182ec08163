import type { NetworkInfo } from '../../ledger';
import { distanceInKm } from '../choice/distance';
import type { Bid } from '../market-order';
import type { MessageBodies, Place, RejectReason, SignedMessage } from '../messages/message';
import { amountFor, canDeliver, compareQuantities } from '../quantity';

/** What was called for. */
export interface Called {
  readonly contractId: string;
  readonly call: MessageBodies['call'];
  readonly network: Pick<NetworkInfo, 'token' | 'decimals'>;
}

/**
 * Whether a proposal answers the call, in terms that can be compared and paid: its money is counted here again, and nothing
 * is taken from its text that was not. Price limits and distance are the choice's business, which says of everyone why.
 *
 * @returns the proposal as rules see it, or why it is none
 */
export function judgeProposal(
  proposal: SignedMessage<'proposal'>,
  { contractId, call, network }: Called,
): Bid | RejectReason {
  const { body, from, previous, expires } = proposal.message;
  // Another call of ours, or somebody else's, was answered.
  if (previous !== contractId || proposal.message.contractId !== contractId) return 'invalid';
  if (body.service !== call.service) return 'invalid';
  if (body.token !== network.token || body.decimals !== network.decimals) return 'invalid';
  if (compareQuantities(body.quantity, call.quantity) !== 0 || !canDeliver(body.unit, body.quantity)) return 'quantity';
  const amount = amountFor(BigInt(body.price), call.quantity);
  if (amount <= 0n || amount !== BigInt(body.amount)) return 'price';
  return {
    hash: proposal.hash,
    seller: from,
    title: body.title,
    unit: body.unit,
    price: body.price,
    quantity: body.quantity,
    amount: amount.toString(),
    leadSeconds: body.leadSeconds,
    place: body.place,
    distance: distanceBetween(call.near, body.place),
    expiresAt: Date.parse(expires),
  };
}

function distanceBetween(from: Place | null, to: Place | null): number | null {
  return from === null || to === null ? null : distanceInKm(from, to);
}
