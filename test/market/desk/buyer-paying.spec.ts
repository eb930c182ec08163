import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import { contractsOf, failuresOf } from '../market-stage';
import { SOUND_MONEY } from '../simulation/money';
import { anna, bob, buyer, call, paid, setTheStage, stage, state } from './buying';

describe('a buyer', () => {
  setTheStage();

  describe('that pays', () => {
    it('pays who signed the proposal, whatever anybody says later', async () => {
      const contractId = await paid();
      assert.deepEqual(
        stage.ledger.transfers.map(({ to, amount }) => [to, amount]),
        [[anna.address, 100n]],
      );
      assert.equal(anna.got('paid')[0]?.message.body.transactionId, stage.ledger.transfers[0]?.transactionId);
      assert.equal(state(contractId), 'PAID');
    });

    it('takes no seller that its policy forbids, and names the policy when no other is left', async () => {
      buyer.account.refuses = ({ to }) =>
        to === anna.address ? new CodedError('POLICY_PAYEE', 'default', 'not this one') : undefined;
      await call();
      anna.propose(100n);
      bob.propose(200n);
      await stage.until('the other is accepted', () => bob.got('accept').length > 0);
      assert.deepEqual(anna.got('accept'), []);
      bob.answer('reject', { reason: 'capacity', text: null });
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      await stage.buy(buyer);
      await stage.pass(100);
      anna.propose(100n);
      await stage.until('it gives up again', () => failuresOf(buyer).length > 1);
      assert.equal(failuresOf(buyer)[1]?.code, 'POLICY_PAYEE');
      await stage.until('the seller hears it', () => anna.got('reject').length > 1);
      assert.equal(anna.got('reject').at(-1)?.message.body.reason, 'policy');
    });

    it('waits while the ledger is away', async () => {
      let away = true;
      buyer.account.refuses = () => (away ? new CodedError('LEDGER_UNREACHABLE', 'default', 'it is away') : undefined);
      await call();
      anna.propose(100n);
      await stage.pass(20_000);
      assert.deepEqual(anna.got('accept'), []);
      away = false;
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      away = true;
      anna.confirm();
      await stage.pass(5_000);
      away = false;
      await stage.until('it is paid', () => anna.got('paid').length > 0);
    });

    it('asks less and less often while the ledger is away for hours: each time is a line in the journal', async () => {
      let away = true;
      buyer.account.refuses = () => (away ? new CodedError('LEDGER_UNREACHABLE', 'default', 'it is away') : undefined);
      await call();
      anna.propose(100n, {}, stage.timeline.now() + 24 * 3_600_000);
      await stage.pass(5_000);
      const lines = () => buyer.life?.journal?.head.sequence ?? 0;
      const before = lines();
      await stage.pass(6 * 3_600_000);
      assert.ok(lines() - before < 500, `${lines() - before} lines in six hours`);
      away = false;
      await stage.until('it is accepted', () => anna.got('accept').length > 0, 61_000);
    });

    /** Confirmed; dies before the engine has the order, and is back so much later. */
    async function killedBeforePaying(downtime: number): Promise<string | undefined> {
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      stage.downtime = downtime;
      stage.dies = (_, point) => point === 'calls the account' && state(contractId) === 'PAYING';
      anna.confirm();
      await stage.until('it is dead', () => !buyer.life?.alive);
      stage.dies = () => false;
      await stage.until('it is back', () => buyer.life?.alive === true, 400_000);
      await stage.pass(10_000);
      return state(contractId);
    }

    it('pays after a restart what the seller still waits for', async () => {
      assert.equal(await killedBeforePaying(60_000), 'PAID');
      assert.equal(stage.ledger.balanceOf(anna.address), 100n);
    });

    it('does not pay after a restart what the seller waits for no longer', async () => {
      assert.equal(await killedBeforePaying(300_000), 'CANCELLED');
      assert.equal(stage.ledger.transfers.length, 0);
      const [failure] = failuresOf(buyer);
      assert.deepEqual([failure?.code, failure?.detail], ['OFFER_EXPIRED', 'pay-by']);
    });

    it('follows after a restart what the engine had taken, however late it is', async () => {
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      stage.money = { ...SOUND_MONEY, slowest: 10_000_000 };
      anna.confirm();
      await stage.until('the engine has it', () => buyer.account.payments.size === 1);
      stage.downtime = 300_000;
      buyer.crash();
      await stage.pass(10_000);
      await stage.until('it is back', () => buyer.life?.alive === true && state(contractId) === 'PAYING', 400_000);
      assert.equal(stage.ledger.transfers.length, 0, 'the ledger takes its time');
      await stage.until('it is paid', () => state(contractId) === 'PAID', 10_000_000);
      assert.equal(stage.ledger.transfers.length, 1);
    });

    it('ends it when the payment is refused for good', async () => {
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      buyer.account.refuses = () => new CodedError('FROZEN', 'default', 'frozen');
      anna.confirm();
      await stage.until('the seller hears it', () => anna.got('cancel').length > 0);
      assert.equal(anna.got('cancel')[0]?.message.body.reason, 'not-payable');
      assert.equal(failuresOf(buyer)[0]?.code, 'FROZEN');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('counts what came back before it knew that it had paid', async () => {
      buyer.account.tellsAfter = 20_000;
      const contractId = await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      anna.confirm();
      await stage.until('the money is there', () => stage.ledger.balanceOf(anna.address) === 100n);
      anna.paysBack(buyer.address, 100n, contractId);
      await stage.pass(10_000);
      assert.equal(state(contractId), 'PAYING');
      await stage.until('it knows', () => contractsOf(buyer).length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'refunded');
    });

    it('counts what was said before it knew that it had paid', async () => {
      await call();
      anna.propose(100n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      anna.confirm();
      await stage.until('the money is there', () => stage.ledger.balanceOf(anna.address) === 100n);
      assert.deepEqual(anna.got('paid'), []);
      anna.delivered();
      await stage.until('it is complete', () => anna.got('complete').length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'completed');
    });
  });
});
