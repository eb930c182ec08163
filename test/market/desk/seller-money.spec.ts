import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import {
  accepted,
  carl,
  comes,
  command,
  events,
  finished,
  HOUR,
  MONEY,
  offers,
  outgoing,
  pay,
  proposed,
  says,
  seller,
  setTheStage,
  stage,
  started,
  state,
} from './selling';

describe('a seller', () => {
  setTheStage();

  describe('that is paid', () => {
    it('is not deaf for money after payments of nothing', async () => {
      await offers();
      const contractId = await accepted();
      for (let times = 0; times < 40; times += 1) pay(contractId, 0n);
      await stage.pass(5_000);
      pay(contractId);
      await comes('it delivers', contractId, 'DELIVERING');
    });

    it('starts when it has seen the money itself, whatever it was told', async () => {
      await offers();
      const contractId = await accepted();
      says(contractId, 'paid', {
        amount: '100',
        reference: `me1:${contractId.slice(0, 32)}`,
        transactionId: '0xdoes-not-exist',
      });
      await stage.pass(30_000);
      assert.equal(state(contractId), 'ACCEPTED');
      pay(contractId);
      await stage.until('it starts', () => events('start').length > 0);
    });

    it('gives back what it is paid too much, twice, or by somebody else', async () => {
      await offers();
      const contractId = await accepted();
      pay(contractId, 130n);
      await stage.until('it starts', () => events('start').length > 0);
      pay(contractId, 100n);
      const eve = stage.puppet('eve');
      stage.ledger.mint(eve.address, 50n);
      pay(contractId, 50n, { from: eve });
      await stage.until('all of it is back', () => events('refunded').length === 3);
      assert.equal(stage.ledger.balanceOf(seller.address), 100n);
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY - 100n);
      assert.equal(stage.ledger.balanceOf(eve.address), 50n);
      assert.ok(outgoing().every(({ reference }) => reference === `me1:${contractId.slice(0, 32)}/excess`));
      assert.deepEqual(
        events('overpaid').map(({ amount }) => amount),
        ['30', '100', '50'],
      );
      await command({ command: 'delivered', contractId });
      await stage.pass(700_000);
      assert.equal(state(contractId), 'COMPLETED');
      assert.deepEqual(finished()[0]?.receipts, []);
    });

    it('gives back the rest of an overpaid one, too, when it fails', async () => {
      await offers();
      const contractId = await accepted();
      pay(contractId, 130n);
      await stage.until('the excess is back', () => events('refunded').length === 1);
      await command({ command: 'failed', contractId, text: 'broken' });
      await comes('all is back', contractId, 'REFUNDED');
      assert.equal(stage.ledger.balanceOf(seller.address), 0n);
      assert.deepEqual(
        outgoing().map(({ amount, reference }) => [amount, reference.slice(36)]),
        [
          [30n, '/excess'],
          [100n, '/refund'],
        ],
      );
    });

    it('gives back what is too little, and waits for the right sum', async () => {
      await offers();
      const contractId = await accepted();
      pay(contractId, 60n);
      await stage.until('it is back', () => events('refunded').length === 1);
      assert.equal(events('underpaid')[0]?.amount, '60');
      assert.equal(state(contractId), 'ACCEPTED');
      pay(contractId, 40n);
      pay(contractId, 100n);
      await stage.until('it starts', () => events('start').length > 0);
      await stage.until('the rest is back', () => events('refunded').length === 2);
      assert.equal(stage.ledger.balanceOf(seller.address), 100n);
    });

    it('lets what is too little be topped up, and gives back what is too much of that', async () => {
      await offers({ underpaid: 'topUp' });
      const contractId = await accepted();
      pay(contractId, 60n);
      await stage.until('it says so', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'underpaid');
      assert.equal(state(contractId), 'ACCEPTED');
      pay(contractId, 50n);
      await stage.until('it starts', () => events('start').length > 0);
      await stage.until('the excess is back', () => events('refunded').length === 1);
      assert.equal(stage.ledger.balanceOf(seller.address), 100n);
      await command({ command: 'failed', contractId, text: null });
      await comes('all is back', contractId, 'REFUNDED');
      assert.equal(stage.ledger.balanceOf(seller.address), 0n);
      assert.equal(finished()[0]?.receipts.length, 2);
      const refund = carl.got('cancel').at(-1)?.message.body.refund;
      assert.equal(refund?.amount, '100');
      assert.equal(refund?.of.length, 2);
    });

    it('gives back what was never topped up', async () => {
      await offers({ underpaid: 'topUp' });
      const contractId = await accepted();
      pay(contractId, 60n);
      await stage.pass(190_000);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
      assert.equal(finished().at(-1)?.status, 'refunded');
    });

    it('gives back what comes after it was called off', async () => {
      await offers();
      const contractId = await accepted();
      await command({ command: 'withdraw', contractId });
      await stage.until('it says so', () => carl.got('cancel').length > 0);
      pay(contractId);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
      const [refund] = outgoing();
      assert.equal(refund?.reference, `me1:${contractId.slice(0, 32)}/refund`);
      assert.equal(carl.got('cancel').at(-1)?.message.body.refund?.transactionId, refund?.transactionId);
    });

    it('counts money once, however often it is told of it', async () => {
      await offers();
      const contractId = await started();
      const [transfer] = stage.ledger.transfers;
      assert.ok(transfer);
      const { transactionId, reference, from, to, amount, at } = transfer;
      const payment = {
        eventId: `stage:${transactionId}:${to}`,
        transactionId,
        from,
        to,
        amount: amount.toString(),
        token: 'STG',
        decimals: 6,
        reference,
        confirmedAt: new Date(at).toISOString(),
        status: 'confirmed' as const,
      };
      for (const redelivered of [false, true]) seller.market?.hearPayment(payment, redelivered);
      await stage.pass(60_000);
      assert.equal(state(contractId), 'DELIVERING');
      assert.deepEqual(outgoing(), []);
    });

    it('is not brought to anything by the money of others', async () => {
      await offers();
      const contractId = await proposed();
      const eve = stage.puppet('eve');
      stage.ledger.mint(eve.address, 50n);
      pay(contractId, 20n, { from: eve });
      await stage.until('it is back', () => stage.ledger.balanceOf(eve.address) === 50n && outgoing().length > 0);
      assert.equal(state(contractId), 'PROPOSED');
      await stage.until('it is told', () => events('refunded').length > 0);
    });

    it('never gives back what was given back', async () => {
      await offers();
      const contractId = await accepted();
      pay(contractId, 100n, { suffix: '/refund' });
      pay(contractId, 100n, { suffix: '/excess' });
      await stage.pass(60_000);
      assert.deepEqual(outgoing(), []);
      assert.equal(state(contractId), 'ACCEPTED');
    });
  });

  describe('that owes money', () => {
    it('pays it back for as long as it takes, and says what is in the way', async () => {
      await offers();
      const contractId = await started();
      seller.account.refuses = () => new CodedError('POLICY_PAYEE', 'default', 'not a payee');
      await command({ command: 'failed', contractId, text: null });
      await stage.until('it says so', () => events('refund-waiting').length > 0);
      assert.equal(events('refund-waiting')[0]?.reason, 'POLICY_PAYEE');
      await stage.pass(3 * HOUR);
      assert.equal(state(contractId), 'REFUNDING');
      assert.equal(events('refund-waiting').length, 1, 'once');
      seller.crash();
      await stage.pass(5_000);
      seller.account.refuses = () => undefined;
      await comes('it is back', contractId, 'REFUNDED', 700_000);
      assert.equal(outgoing().length, 1);
    });

    it('owes nothing for what it cannot know the payer of, but tells', async () => {
      await offers();
      const contractId = await accepted();
      const [confirmation] = carl.got('accept');
      assert.ok(confirmation);
      seller.market?.hearPayment(
        {
          eventId: 'stage:tx:0',
          transactionId: 'tx',
          from: null,
          to: seller.address,
          amount: '100',
          token: 'STG',
          decimals: 6,
          reference: `me1:${contractId.slice(0, 32)}`,
          confirmedAt: new Date(stage.timeline.now()).toISOString(),
          status: 'confirmed',
        },
        false,
      );
      await stage.until('it says so', () => events('refund-waiting').length > 0);
      assert.equal(events('refund-waiting')[0]?.reason, 'payer-unknown');
      assert.equal(state(contractId), 'ACCEPTED');
    });
  });
});
