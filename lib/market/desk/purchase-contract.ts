import type { Contract, Verdict } from '../market-order';
import type { Floor } from './floor';
import { chosenBecause, factsOf, type PurchaseRow, sellerAddress } from './purchase';

const VERDICTS: { readonly [state in PurchaseRow['state']]?: Verdict } = {
  COMPLETED: 'completed',
  REFUNDED: 'refunded',
  CANCELLED: 'cancelled',
};

/**
 * A purchase as it is handed over and can be proven: all that was said, and the receipt.
 *
 * @param end the state it came to, and when; one that is not over yet is paid and neither delivered nor refunded
 */
export function purchaseContract(
  row: PurchaseRow,
  end: { readonly state: string; readonly at: number },
  floor: Floor,
): Contract {
  const { ports, letters } = floor;
  const { identity, network } = ports;
  const facts = factsOf(row);
  // A seller that never confirmed is nobody's seller.
  const agreed = facts.agreed?.payBy == null ? null : facts.agreed;
  return {
    contractId: row.contractId,
    status: VERDICTS[end.state as PurchaseRow['state']] ?? 'failed',
    side: 'buyer',
    network: network.networkId,
    service: row.service,
    buyer: { did: identity.did, address: identity.address },
    seller: agreed && { did: agreed.seller, address: sellerAddress(agreed, floor) },
    price: agreed?.price ?? null,
    unit: agreed?.unit ?? null,
    quantity: facts.quantity,
    amount: agreed?.amount ?? null,
    token: network.token,
    decimals: network.decimals,
    chosenBecause: agreed ? chosenBecause(facts) : null,
    reason: end.state === 'COMPLETED' && facts.reason !== 'stopped' ? null : facts.reason,
    metered: facts.metered,
    receipts: facts.receipt ? [facts.receipt] : [],
    messages: letters.signedMessages(row),
    endedAt: new Date(end.at).toISOString(),
  };
}
