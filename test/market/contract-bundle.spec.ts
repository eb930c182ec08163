import assert from 'node:assert/strict';
import {
  type Contract,
  excessReferenceOf,
  looksLikeContract,
  referenceOf,
  refundReferenceOf,
  verifyContract,
} from '../../lib/market';
import type { Receipt } from '../../lib/payments';
import { CONTRACT_ID, contractOf, DEAL, FULFILLED, hexAddressOf, party, receipt, refund } from './contracts';
import { BEGIN, BUYER, CALL_BODY, type Machine, PROPOSAL_BODY, RIVAL, SECOND, SELLER } from './deal';

const codes = (value: unknown, trusted: readonly string[] = []) =>
  verifyContract(value, trusted).problems.map(({ code, position }) =>
    position === undefined ? code : `${code} ${position}`,
  );
const warnings = (value: unknown) => verifyContract(value).warnings.map(({ code }) => code);

/** Exactly these problems, however often. */
function assertFound(value: unknown, ...expected: string[]): void {
  assert.deepEqual([...new Set(codes(value))].sort(), expected.sort());
}

const reply = (machine: Machine, to: Machine, previous: string, at = 20) => ({
  to: to.did,
  contractId: CONTRACT_ID,
  previous,
  from: machine.did,
  at: BEGIN + at * SECOND,
});

describe('a contract that was fulfilled', () => {
  it('is valid as its buyer shows it', () => {
    const verification = verifyContract(contractOf());
    assert.deepEqual(verification.problems, []);
    assert.equal(verification.valid, true);
    assert.deepEqual(verification.contract, {
      contractId: CONTRACT_ID,
      status: 'completed',
      side: 'buyer',
      service: 'parking.hour',
      amount: '750003',
      token: 'IOTA',
      decimals: 6,
      buyer: BUYER.did,
      seller: SELLER.did,
    });
    assert.deepEqual(warnings(contractOf()), ['LEDGER_NOT_ASKED']);
  });

  it('is valid as its seller shows it, who has no receipt', () => {
    const sellers = contractOf({ side: 'seller', receipts: [] });
    assert.deepEqual(verifyContract(sellers).problems, []);
    assert.deepEqual(warnings(sellers), []);
    assert.deepEqual(warnings(contractOf({ side: 'seller', receipts: [] }, FULFILLED.slice(0, -1))), ['BUYER_SILENT']);
  });

  it('is valid with what other sellers and the buyer said to each other', () => {
    const bid = RIVAL.says('proposal', PROPOSAL_BODY, reply(RIVAL, BUYER, CONTRACT_ID, 3));
    const no = BUYER.says('reject', { reason: 'not-chosen', text: null }, reply(BUYER, RIVAL, bid.hash, 7));
    const full = RIVAL.says('reject', { reason: 'capacity', text: null }, reply(RIVAL, BUYER, CONTRACT_ID, 3));
    assert.deepEqual(codes(contractOf({}, [...FULFILLED, bid, no, full])), []);
  });

  it('is valid when the buyer ended it before its time', () => {
    const { paid, complete } = DEAL;
    const said = FULFILLED.filter(
      (message) => message !== DEAL.delivered && message !== complete && message !== DEAL.reading,
    );
    const stop = BUYER.says('complete', { stoppedAt: complete.message.at }, reply(BUYER, SELLER, DEAL.confirmed.hash));
    assert.deepEqual(codes(contractOf({ reason: 'stopped' }, [...said, stop])), []);
    assert.ok(said.includes(paid));
    assertFound(contractOf({}, said), 'VERDICT_UNSUPPORTED');
  });

  it('is valid on a ledger that writes addresses otherwise', () => {
    const hex = (machine: Machine) => ({ did: machine.did, address: hexAddressOf(machine) });
    const paid = receipt(BUYER, SELLER, {
      from: hexAddressOf(BUYER),
      to: [{ address: hexAddressOf(SELLER), amount: '750003' }],
    });
    assert.deepEqual(codes(contractOf({ buyer: hex(BUYER), seller: hex(SELLER), receipts: [paid] })), []);
  });
});

describe('a contract whose messages do not hold', () => {
  it('is found when any of them was changed', () => {
    for (const [position] of FULFILLED.entries()) {
      const changed = contractOf();
      const message = changed.messages[position] as { at: string };
      message.at = message.at.replace('2026', '2025');
      assert.ok(codes(changed).includes(`MESSAGE_INVALID ${position}`), String(position));
    }
    const foreign = contractOf();
    (foreign.messages as unknown[]).push({ v: 1 });
    assertFound(foreign, `MESSAGE_INVALID ${FULFILLED.length}`);
  });

  it('is found when one of those that matter is missing', () => {
    const without = (left: { text: string }) =>
      contractOf(
        {},
        FULFILLED.filter((message) => message !== left),
      );
    assert.ok(codes(without(DEAL.call)).includes('CALL_MISSING'));
    for (const left of [DEAL.proposal, DEAL.taken, DEAL.confirmed])
      assert.ok(codes(without(left)).includes('AGREEMENT_MISSING'));
    assert.deepEqual(codes(without(DEAL.reading)), []);
    assert.ok(codes(without(DEAL.delivered)).includes('CHAIN_BROKEN 6'));
  });

  it('is found when one is there twice, or another call', () => {
    assertFound(contractOf({}, [...FULFILLED, DEAL.complete]), 'MESSAGE_TWICE 8');
    const again = BUYER.says('call', CALL_BODY, { at: BEGIN + 2 * SECOND });
    assertFound(contractOf({}, [...FULFILLED, again]), 'MESSAGE_CONTRACT 8');
    assertFound(contractOf({}, [DEAL.offer, ...FULFILLED]), 'MESSAGE_CONTRACT 0');
  });

  it('is found when one belongs to another contract or network', () => {
    const other = { ...reply(SELLER, BUYER, DEAL.paid.hash), contractId: DEAL.proposal.hash };
    const cancel = { reason: 'failed', text: null, refund: null } as const;
    assertFound(contractOf({}, [...FULFILLED, SELLER.says('cancel', cancel, other)]), 'MESSAGE_CONTRACT 8');
    const elsewhere = { ...reply(SELLER, BUYER, DEAL.paid.hash), network: 'sandbox-2' };
    assertFound(contractOf({}, [...FULFILLED, SELLER.says('cancel', cancel, elsewhere)]), 'MESSAGE_NETWORK 8');
    assert.ok(codes(contractOf({ network: 'sandbox-2' })).includes('MESSAGE_NETWORK 0'));
  });

  it('is found when one answers nothing', () => {
    const said = (previous: string) =>
      contractOf({}, [
        ...FULFILLED,
        SELLER.says('reject', { reason: 'declined', text: null }, reply(SELLER, BUYER, previous)),
      ]);
    assert.deepEqual(codes(said(DEAL.paid.hash)), []);
    // Nobody's, its own, and what somebody else was told.
    assertFound(said('0'.repeat(64)), 'CHAIN_BROKEN 8');
    assertFound(said(DEAL.confirmed.hash), 'CHAIN_BROKEN 8');
    const bid = RIVAL.says('proposal', PROPOSAL_BODY, reply(RIVAL, BUYER, CONTRACT_ID, 3));
    const no = BUYER.says('reject', { reason: 'not-chosen', text: null }, reply(BUYER, RIVAL, bid.hash, 7));
    const eavesdropper = SELLER.says(
      'cancel',
      { reason: 'failed', text: null, refund: null },
      reply(SELLER, BUYER, no.hash),
    );
    assertFound(contractOf({}, [...FULFILLED, bid, no, eavesdropper]), 'CHAIN_BROKEN 10');
    const bidForAccept = SELLER.says('proposal', PROPOSAL_BODY, reply(SELLER, BUYER, DEAL.taken.hash));
    assertFound(contractOf({}, [...FULFILLED, bidForAccept]), 'CHAIN_BROKEN 8');
  });

  it('is found when somebody says what is not for it to say', () => {
    const wrong = (message: { text: string }) => assertFound(contractOf({}, [...FULFILLED, message]), 'MESSAGE_ROLE 8');
    wrong(BUYER.says('delivered', DEAL.delivered.message.body, reply(BUYER, SELLER, DEAL.confirmed.hash)));
    wrong(BUYER.says('proposal', PROPOSAL_BODY, reply(BUYER, SELLER, DEAL.confirmed.hash)));
    wrong(SELLER.says('paid', DEAL.paid.message.body, reply(SELLER, BUYER, DEAL.paid.hash)));
    wrong(SELLER.says('complete', { stoppedAt: null }, reply(SELLER, BUYER, DEAL.paid.hash)));
    wrong(RIVAL.says('cancel', DEAL.cancel.message.body, reply(RIVAL, SELLER, DEAL.confirmed.hash)));
    wrong(BUYER.says('accept', DEAL.confirmed.message.body, reply(BUYER, SELLER, DEAL.proposal.hash)));
    wrong(SELLER.says('accept', DEAL.taken.message.body, reply(SELLER, BUYER, DEAL.taken.hash)));
    wrong(BUYER.says('cancel', DEAL.cancel.message.body, reply(BUYER, BUYER, DEAL.proposal.hash)));
  });

  it('is found when both sides did not accept the same', () => {
    const cheaper = BUYER.says('accept', { amount: '750002', payBy: null }, reply(BUYER, SELLER, DEAL.proposal.hash));
    const { payBy } = DEAL.confirmed.message.body;
    const confirmed = SELLER.says('accept', { amount: '750002', payBy }, reply(SELLER, BUYER, cheaper.hash));
    const dearer = SELLER.says('accept', { amount: '750004', payBy }, reply(SELLER, BUYER, DEAL.taken.hash));
    const end = (previous: string) =>
      SELLER.says('delivered', DEAL.delivered.message.body, reply(SELLER, BUYER, previous));
    assertFound(contractOf({}, [DEAL.call, DEAL.proposal, cheaper, confirmed, end(cheaper.hash)]), 'AGREEMENT_MISSING');
    assertFound(
      contractOf({}, [DEAL.call, DEAL.proposal, DEAL.taken, dearer, end(DEAL.taken.hash)]),
      'AGREEMENT_MISSING',
    );
    const late = SELLER.says('accept', { amount: '750003', payBy }, reply(SELLER, BUYER, cheaper.hash));
    assertFound(contractOf({}, [DEAL.call, DEAL.proposal, cheaper, late, end(cheaper.hash)]), 'AGREEMENT_MISSING');
    const rivals = contractOf({ seller: party(RIVAL), receipts: [receipt(BUYER, RIVAL)] });
    assert.ok(codes(rivals).includes('AGREEMENT_MISSING'));
  });
});

describe('a contract that says something else than its messages', () => {
  it('is found, term by term', () => {
    const terms: { [term: string]: Partial<Contract> } = {
      service: { service: 'parking.day' },
      quantity: { quantity: '2.6' },
      unit: { unit: 'minute' },
      price: { price: '300002' },
      amount: { amount: '750004' },
      token: { token: 'SMR' },
      decimals: { decimals: 9 },
    };
    for (const [term, more] of Object.entries(terms)) {
      const { problems } = verifyContract(contractOf({ receipts: [], side: 'seller', ...more }));
      assert.deepEqual(
        new Set(problems.map(({ code, parameters }) => `${code} ${parameters['term']}`)),
        new Set([`TERMS_DIFFER ${term}`]),
      );
    }
    assert.ok(codes(contractOf({ contractId: DEAL.proposal.hash })).includes('CALL_MISSING'));
  });

  it('is found when the agreed amount is not price x quantity', () => {
    const body = { ...PROPOSAL_BODY, amount: '750002' };
    const proposal = SELLER.says('proposal', body, reply(SELLER, BUYER, CONTRACT_ID, 2));
    const taken = BUYER.says('accept', { amount: '750002', payBy: null }, reply(BUYER, SELLER, proposal.hash, 5));
    const { payBy } = DEAL.confirmed.message.body;
    const confirmed = SELLER.says('accept', { amount: '750002', payBy }, reply(SELLER, BUYER, taken.hash, 6));
    const end = SELLER.says('delivered', DEAL.delivered.message.body, reply(SELLER, BUYER, taken.hash));
    const cheap = contractOf({ amount: '750002', side: 'seller', receipts: [] }, [
      DEAL.call,
      proposal,
      taken,
      confirmed,
      end,
    ]);
    assertFound(cheap, 'TERMS_DIFFER');
  });

  it('is found when an address is not that of its did', () => {
    assertFound(
      contractOf({ buyer: { did: BUYER.did, address: RIVAL.address }, side: 'seller', receipts: [] }),
      'ADDRESS_FOREIGN',
    );
    assertFound(contractOf({ seller: { did: SELLER.did, address: RIVAL.address } }), 'ADDRESS_FOREIGN');
    assertFound(contractOf({ seller: { did: SELLER.did, address: 'rms1nonsense' } }), 'ADDRESS_FOREIGN');
  });

  it('is found when a side of it is not trusted', () => {
    assert.deepEqual(codes(contractOf(), [BUYER.did, SELLER.did]), []);
    assert.deepEqual(codes(contractOf(), [BUYER.did, RIVAL.did]), ['PARTY_UNTRUSTED']);
    assert.deepEqual(codes(contractOf(), [SELLER.did]), ['PARTY_UNTRUSTED']);
  });
});

describe('a contract whose receipts do not fit', () => {
  const paying = (more: Partial<Receipt>) => contractOf({ receipts: [receipt(BUYER, SELLER, more)] });

  it('is found when the buyer paid somebody else, less, or for something else', () => {
    assertFound(contractOf({ receipts: [receipt(BUYER, RIVAL)] }), 'RECEIPT_PAYEE');
    assertFound(contractOf({ receipts: [receipt(RIVAL, SELLER)] }), 'RECEIPT_PAYEE');
    const part = (machine: Machine, amount: string) => ({ address: machine.address, amount });
    assertFound(paying({ to: [part(SELLER, '750000'), part(RIVAL, '3')] }), 'RECEIPT_PAYEE');
    assertFound(paying({ to: [part(SELLER, '750002')] }), 'RECEIPT_AMOUNT');
    assertFound(paying({ amount: '1', to: [part(SELLER, '1')] }), 'RECEIPT_AMOUNT');
    assertFound(paying({ reference: refundReferenceOf(CONTRACT_ID) }), 'RECEIPT_REFERENCE');
    assertFound(paying({ network: 'sandbox-2' }), 'RECEIPT_NETWORK');
    assertFound(paying({ token: 'SMR' }), 'RECEIPT_NETWORK');
    assertFound(paying({ decimals: 9 }), 'RECEIPT_NETWORK');
    assertFound(contractOf({ receipts: [] }), 'RECEIPT_MISSING');
  });

  it('is found when the seller paid back for something else', () => {
    const said = [...FULFILLED.slice(0, 5), DEAL.cancel];
    const back = (receipts: Receipt[]) => contractOf({ side: 'seller', status: 'refunded', receipts }, said);
    assert.deepEqual(codes(back([refund()])), []);
    assertFound(back([refund({ reference: referenceOf(CONTRACT_ID) })]), 'RECEIPT_REFERENCE', 'VERDICT_UNSUPPORTED');
    assertFound(back([refund({ from: RIVAL.address })]), 'RECEIPT_PAYEE');
    // What was too much goes back, too, and ends nothing.
    const excess = refund({ reference: excessReferenceOf(CONTRACT_ID) });
    assert.deepEqual(codes(back([refund(), excess])), []);
    assertFound(back([excess]), 'VERDICT_UNSUPPORTED');
    assert.deepEqual(codes(contractOf({ side: 'seller', receipts: [excess] })), []);
    const elsewhere = back([refund({ to: [{ address: RIVAL.address, amount: '750003' }] })]);
    assert.deepEqual(codes(elsewhere), []);
    assert.ok(warnings(elsewhere).includes('REFUND_ELSEWHERE'));
  });
});

describe('the verdict of a contract', () => {
  const { call, proposal, taken, confirmed, paid, cancel } = DEAL;
  const unpaid = [call, proposal, taken, confirmed];
  const late = BUYER.says('cancel', { reason: 'late', text: null, refund: null }, reply(BUYER, SELLER, confirmed.hash));

  it('is "refunded" when the seller says so, or the buyer alone does', () => {
    const refunded = { status: 'refunded', reason: 'late' } as const;
    assert.deepEqual(codes(contractOf(refunded, [...unpaid, paid, late, cancel])), []);
    assert.deepEqual(warnings(contractOf(refunded, [...unpaid, paid, late, cancel])), ['LEDGER_NOT_ASKED']);
    assert.ok(warnings(contractOf(refunded, [...unpaid, paid, late])).includes('REFUND_UNSAID'));
    assertFound(
      contractOf({ ...refunded, side: 'seller', receipts: [] }, [...unpaid, paid, cancel]),
      'VERDICT_UNSUPPORTED',
    );
  });

  it('is "refunded" also when money came for a proposal that nobody had accepted', () => {
    const status = { status: 'refunded', side: 'seller', receipts: [refund()] } as const;
    assert.deepEqual(codes(contractOf(status, [call, proposal])), []);
  });

  it('is "cancelled" when no money has moved', () => {
    const nothing = { status: 'cancelled', receipts: [] } as const;
    assert.deepEqual(codes(contractOf(nothing, unpaid)), []);
    assert.deepEqual(
      codes(contractOf({ ...nothing, seller: null, price: null, unit: null, amount: null }, [call])),
      [],
    );
    assertFound(contractOf({ status: 'cancelled' }, unpaid), 'VERDICT_UNSUPPORTED');
    assertFound(contractOf(nothing, [...unpaid, paid]), 'VERDICT_UNSUPPORTED');
    const end = SELLER.says('delivered', DEAL.delivered.message.body, reply(SELLER, BUYER, taken.hash));
    assertFound(contractOf({ ...nothing, side: 'seller' }, [...unpaid, end]), 'VERDICT_UNSUPPORTED');
    assertFound(
      contractOf({ ...nothing, buyer: party(RIVAL), seller: null }, [call]),
      'CALL_MISSING',
      'MESSAGE_CONTRACT 0',
    );
  });

  it('is "failed" when it was paid, and neither delivered nor paid back', () => {
    assert.deepEqual(codes(contractOf({ status: 'failed', reason: 'late' }, [...unpaid, paid, late])), []);
    assertFound(contractOf({ status: 'failed' }), 'VERDICT_UNSUPPORTED');
    assertFound(contractOf({ status: 'failed', receipts: [] }, [...unpaid, paid]), 'RECEIPT_MISSING');
  });

  it('is not "completed" by a meter reading', () => {
    assertFound(contractOf({}, [...unpaid, paid, DEAL.reading]), 'VERDICT_UNSUPPORTED');
  });

  it('does not count a message of another seller', () => {
    const bid = RIVAL.says('proposal', PROPOSAL_BODY, reply(RIVAL, BUYER, CONTRACT_ID, 3));
    const no = BUYER.says('reject', { reason: 'not-chosen', text: null }, reply(BUYER, RIVAL, bid.hash, 7));
    const lie = RIVAL.says('delivered', DEAL.delivered.message.body, reply(RIVAL, BUYER, no.hash, 60));
    assertFound(contractOf({}, [...unpaid, paid, bid, no, lie]), 'VERDICT_UNSUPPORTED');
  });
});

describe('what is no contract', () => {
  it('is said to be none, and why', () => {
    for (const value of [
      null,
      7,
      'text',
      [],
      {},
      { ...contractOf(), note: 'paid in cash' },
      { ...contractOf(), status: 'paid' },
    ]) {
      const { valid, contract: read, problems } = verifyContract(value);
      assert.deepEqual([valid, read, problems.map(({ code }) => code)], [false, null, ['CONTRACT_UNREADABLE']]);
    }
  });

  it('writes nothing into a terminal but text', () => {
    const [problem] = verifyContract({ ...contractOf(), '\u001b[2J<b>': 1 }).problems;
    assert.doesNotMatch(problem?.message ?? '', /[\p{Cc}<>]/u);
  });

  it('is told from what means to be one', () => {
    assert.ok(looksLikeContract(contractOf()));
    assert.ok(looksLikeContract({ contractId: 7, status: null, messages: [] }));
    for (const value of [null, 7, [], {}, JSON.parse(DEAL.call.text), { ...contractOf(), proof: {} }])
      assert.ok(!looksLikeContract(value));
  });
});
