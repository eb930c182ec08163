import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import sinon from 'sinon';
import { CodedError, isCodedError } from '../../lib/errors';
import type { PaymentReport, Receipt } from '../../lib/payments/order';
import { ReceiptDesk } from '../../lib/runtime/receipt-desk';

const receipt = (paymentId: string): Receipt => ({
  paymentId,
  status: 'confirmed',
  network: 'sandbox-tangle-1',
  transactionId: '0x01',
  from: 'tst1payer',
  to: [{ address: 'tst1payee', amount: '1000000' }],
  amount: '1000000',
  token: 'IOTA',
  decimals: 6,
  reference: '',
  submittedAt: '2026-01-01T00:00:00.000Z',
  confirmedAt: '2026-01-01T00:00:01.000Z',
  remaining: [],
});
const confirmed = (paymentId: string, nodeId = 'pay-node'): PaymentReport => ({
  kind: 'confirmed',
  paymentId,
  receipt: receipt(paymentId),
  redelivered: false,
  origin: { nodeId },
});
const accepted = (paymentId: string) => async () => ({ paymentId });

describe('the receipt desk', () => {
  let reported: sinon.SinonSpy;
  let announce: sinon.SinonStub;
  let desk: ReceiptDesk;
  const open = (graceMs = 10_000) => {
    reported = sinon.spy();
    announce = sinon.stub().returns(true);
    desk = new ReceiptDesk({ reported, announce, graceMs });
  };
  beforeEach(() => open());
  afterEach(() => desk.close());

  it('gives the receipt to every message that joined the payment, and acknowledges after they had it', async () => {
    const first = desk.pay('p', accepted('p'), sinon.spy());
    const second = desk.pay('p', accepted('p'), sinon.spy());
    await turn();
    desk.hear(confirmed('p'));
    sinon.assert.notCalled(reported);
    assert.equal((await first).paymentId, 'p');
    assert.equal((await second).paymentId, 'p');
    await turn();
    sinon.assert.calledOnceWithExactly(reported, 'p');
  });

  it('tells progress while the message waits', async () => {
    const progress = sinon.spy();
    const outcome = desk.pay('p', accepted('p'), progress);
    await turn();
    const report = { kind: 'submitted', paymentId: 'p', transactionId: '0x01', origin: { nodeId: 'n' } } as const;
    desk.hear(report);
    desk.hear({ ...report, kind: 'unknown' });
    desk.hear(confirmed('p'));
    await outcome;
    assert.deepEqual(
      progress.args.map(([r]) => r.kind),
      ['submitted', 'unknown'],
    );
    sinon.assert.notCalled(announce);
  });

  it('answers a replayed payment at once', async () => {
    const outcome = await desk.pay('p', async () => ({ paymentId: 'p', receipt: receipt('p') }), sinon.spy());
    assert.equal(outcome.transactionId, '0x01');
  });

  it('does not take a confirmation that arrives before the vault said that this order is that payment', async () => {
    let refuse: (error: Error) => void = () => {};
    const mismatching = desk.pay(
      'p',
      () =>
        new Promise((_, reject) => {
          refuse = reject;
        }),
      sinon.spy(),
    );
    const redelivered = sinon.spy();
    desk.onRedelivery('pay-node', redelivered);
    desk.hear(confirmed('p'));
    sinon.assert.notCalled(redelivered);
    refuse(new CodedError('PAYMENT_MISMATCH', 'default', 'another order'));
    await assert.rejects(mismatching, (error) => isCodedError(error, 'PAYMENT_MISMATCH'));
    sinon.assert.calledOnce(redelivered);
  });

  it('takes a confirmation that overtakes the answer to its own order', async () => {
    let accept: (value: { paymentId: string }) => void = () => {};
    const outcome = desk.pay(
      'p',
      () =>
        new Promise((resolve) => {
          accept = resolve;
        }),
      sinon.spy(),
    );
    desk.hear(confirmed('p'));
    accept({ paymentId: 'p' });
    assert.equal((await outcome).paymentId, 'p');
  });

  it('rejects with the code of a failed payment', async () => {
    const outcome = desk.pay('p', accepted('p'), sinon.spy());
    await turn();
    desk.hear({
      kind: 'failed',
      paymentId: 'p',
      code: 'FUNDS_INSUFFICIENT',
      detail: 'default',
      message: 'no',
      parameters: { missing: '1' },
      origin: { nodeId: 'n' },
    });
    await assert.rejects(
      outcome,
      (error) => isCodedError(error, 'FUNDS_INSUFFICIENT') && error.parameters.missing === '1',
    );
  });

  it('keeps the receipt of a node that was redeployed for the node that comes back', async () => {
    const gone = new AbortController();
    const settled = sinon.spy();
    void desk.pay('p', accepted('p'), sinon.spy(), gone.signal).then(settled, settled);
    await turn();
    gone.abort();
    desk.hear(confirmed('p'));
    await turn();
    sinon.assert.notCalled(settled);
    sinon.assert.notCalled(reported);
    const redelivered = sinon.spy();
    desk.onRedelivery('pay-node', redelivered);
    assert.equal(redelivered.args[0]?.[0].redelivered, true);
    await turn();
    sinon.assert.calledOnceWithExactly(reported, 'p');
  });

  it('gives a receipt to the wallet when the node is still not there a while after flows started', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      desk.hear(confirmed('p'));
      clock.tick(60_000);
      sinon.assert.notCalled(announce);
      desk.flowsStarted();
      clock.tick(9_999);
      sinon.assert.notCalled(announce);
      clock.tick(1);
      assert.equal(announce.args[0]?.[0].receipt.paymentId, 'p');
    } finally {
      clock.restore();
    }
    await turn();
    sinon.assert.calledOnceWithExactly(reported, 'p');
  });

  it('keeps a receipt for which there is neither node nor wallet, here and in the journal', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      announce.returns(false);
      desk.flowsStarted();
      desk.hear(confirmed('p'));
      clock.tick(60_000);
      await turn();
      sinon.assert.calledOnce(announce);
      sinon.assert.notCalled(reported);
      // The flow gets a wallet.
      announce.returns(true);
      desk.flowsStarted();
      clock.tick(10_000);
      await turn();
      sinon.assert.calledTwice(announce);
      sinon.assert.calledOnceWithExactly(reported, 'p');
      // Told once, however often flows start.
      desk.flowsStarted();
      clock.tick(60_000);
      sinon.assert.calledTwice(announce);
    } finally {
      clock.restore();
    }
  });

  it('asks for nothing when the node was gone before', async () => {
    const gone = new AbortController();
    gone.abort();
    const ask = sinon.spy(accepted('p'));
    const settled = sinon.spy();
    void desk.pay('p', ask, sinon.spy(), gone.signal).then(settled, settled);
    await turn();
    sinon.assert.notCalled(ask);
    // The receipt of somebody else's payment with that id is nobody's here.
    desk.hear(confirmed('p'));
    const redelivered = sinon.spy();
    desk.onRedelivery('pay-node', redelivered);
    sinon.assert.calledOnce(redelivered);
    sinon.assert.notCalled(settled);
  });

  it('gives a confirmation also to a message whose answer it overtakes while another message has it already', async () => {
    const first = desk.pay('p', accepted('p'), sinon.spy());
    await turn();
    let answer: (value: { paymentId: string }) => void = () => {};
    let refuse: (error: Error) => void = () => {};
    const joining = desk.pay('p', () => new Promise((resolve) => (answer = resolve)), sinon.spy());
    const mismatching = desk.pay('p', () => new Promise((_, reject) => (refuse = reject)), sinon.spy());
    const redelivered = sinon.spy();
    desk.onRedelivery('pay-node', redelivered);
    desk.hear(confirmed('p'));
    assert.equal((await first).paymentId, 'p');
    answer({ paymentId: 'p' });
    assert.equal((await joining).paymentId, 'p');
    refuse(new CodedError('PAYMENT_MISMATCH', 'default', 'another order'));
    await assert.rejects(mismatching, (error) => isCodedError(error, 'PAYMENT_MISMATCH'));
    sinon.assert.notCalled(redelivered);
  });

  it('tells the wallet what nobody waits for', () => {
    desk.hear({ kind: 'unknown', paymentId: 'p', transactionId: '0x01', origin: { nodeId: 'n' } });
    desk.hear({
      kind: 'failed',
      paymentId: 'q',
      code: 'FUNDS_INSUFFICIENT',
      detail: 'default',
      message: 'no',
      parameters: {},
      origin: { nodeId: 'n' },
    });
    assert.deepEqual(
      announce.args.map(([event]) => event.event),
      ['unknown', 'payment-failed'],
    );
  });
});
