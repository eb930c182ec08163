import { addressOfDid, type Contract, referenceOf, refundReferenceOf } from '../../lib/market';
import type { Receipt } from '../../lib/payments';
import { BEGIN, BUYER, CALL_BODY, type Machine, messagesOfADeal, NETWORK, PROPOSAL_BODY, SECOND, SELLER } from './deal';

export const DEAL = messagesOfADeal();
export const CONTRACT_ID = DEAL.call.hash;
export const FULFILLED = [
  DEAL.call,
  DEAL.proposal,
  DEAL.taken,
  DEAL.confirmed,
  DEAL.paid,
  DEAL.reading,
  DEAL.delivered,
  DEAL.complete,
];

export const party = ({ did, address }: Machine) => ({ did, address });

export function receipt(from: Machine, to: Machine, more: Partial<Receipt> = {}): Receipt {
  return {
    paymentId: referenceOf(CONTRACT_ID),
    status: 'confirmed',
    network: NETWORK,
    transactionId: `0x${'ab'.repeat(32)}`,
    from: from.address,
    to: [{ address: to.address, amount: '750003' }],
    amount: '750003',
    token: 'IOTA',
    decimals: 6,
    reference: referenceOf(CONTRACT_ID),
    submittedAt: new Date(BEGIN + 7 * SECOND).toISOString(),
    confirmedAt: new Date(BEGIN + 16 * SECOND).toISOString(),
    remaining: [{ window: '24h', amount: '250000' }],
    ...more,
  };
}

export const refund = (more: Partial<Receipt> = {}) =>
  receipt(SELLER, BUYER, { reference: refundReferenceOf(CONTRACT_ID), paymentId: 'refund:1', ...more });

/** As the buyer has it when all went well; messages are given signed. */
export function contractOf(
  more: Partial<Contract> = {},
  said: readonly { readonly text: string }[] = FULFILLED,
): Contract {
  return {
    contractId: CONTRACT_ID,
    status: 'completed',
    side: 'buyer',
    network: NETWORK,
    service: CALL_BODY.service,
    buyer: party(BUYER),
    seller: party(SELLER),
    price: PROPOSAL_BODY.price,
    unit: PROPOSAL_BODY.unit,
    quantity: CALL_BODY.quantity,
    amount: PROPOSAL_BODY.amount,
    token: 'IOTA',
    decimals: 6,
    chosenBecause: 'cheapest of 2 proposals',
    reason: null,
    metered: '2.5',
    receipts: [receipt(BUYER, SELLER)],
    endedAt: new Date(BEGIN + 9_020 * SECOND).toISOString(),
    ...more,
    messages: said.map(({ text }) => JSON.parse(text) as Contract['messages'][number]),
  };
}

export function hexAddressOf(machine: Machine): string {
  return addressOfDid(machine.did, { kind: 'hex' });
}
