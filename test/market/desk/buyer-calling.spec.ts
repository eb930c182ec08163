import assert from 'node:assert/strict';
import { CHANNEL, contractsOf, failuresOf, NOTHING_SET, progressOf } from '../market-stage';
import { anna, bob, buyer, call, paid, setTheStage, stage, state } from './buying';

describe('a buyer', () => {
  setTheStage();

  describe('that needs something', () => {
    it('waits for all proposals, takes the cheapest, pays it once confirmed, and hands over what can be proven', async () => {
      const contractId = await call();
      anna.propose(300n);
      await stage.pass(1_000);
      bob.propose(100n);
      await stage.pass(1_500);
      assert.deepEqual([...anna.got('accept'), ...bob.got('accept')], [], 'nobody is taken early');
      await stage.until('the cheapest is accepted', () => bob.got('accept').length > 0);
      assert.equal(stage.ledger.transfers.length, 0, 'nobody is paid who has not confirmed');
      bob.confirm();
      await stage.until('it is paid', () => bob.got('paid').length > 0);
      assert.equal(stage.ledger.balanceOf(bob.address), 100n);
      const [{ reference } = { reference: '' }] = stage.ledger.transfers;
      assert.equal(reference, `me1:${contractId.slice(0, 32)}`);
      assert.equal(anna.got('reject')[0]?.message.body.reason, 'not-chosen');
      bob.delivered();
      await stage.until('it is complete', () => bob.got('complete').length > 0);
      const [contract, ...more] = contractsOf(buyer);
      assert.equal(more.length, 0);
      assert.equal(contract?.status, 'completed');
      assert.equal(contract.seller?.did, bob.did);
      assert.equal(contract.amount, '100');
      assert.match(contract.chosenBecause ?? '', /cheapest of 2: amount 100; next best: amount 300/);
      assert.equal(contract.receipts[0]?.paymentId, reference);
      assert.equal(contract.receipts[0]?.transactionId, stage.ledger.transfers[0]?.transactionId);
      assert.deepEqual(
        contract.messages.map(({ type }) => type),
        ['call', 'proposal', 'proposal', 'accept', 'accept', 'reject', 'paid', 'delivered', 'complete'],
      );
      assert.deepEqual(
        progressOf(buyer).map(({ event }) => event),
        ['called', 'proposal', 'proposal', 'accepted', 'confirmed', 'paid'],
      );
    });

    it('hears that there was no proposal', async () => {
      const contractId = await call();
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      assert.equal(failuresOf(buyer)[0]?.code, 'NO_PROPOSAL');
      assert.equal(failuresOf(buyer)[0]?.detail, 'default');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('hears that its broker is away, where nobody could hear the call', async () => {
      const contractId = await call();
      const [channelId = ''] = buyer.life?.channels?.openChannels ?? [];
      buyer.market?.hearChannel({ channelId, state: 'down', message: 'it does not accept the password' });
      await stage.until('it gives up', () => failuresOf(buyer).length > 0);
      const [failure] = failuresOf(buyer);
      assert.deepEqual([failure?.code, failure?.detail], ['NO_PROPOSAL', 'broker-away']);
      assert.equal(failure?.parameters['reason'], 'it does not accept the password');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('is asked for once more by who did not hear the answer: it is the same purchase, also when it is over', async () => {
      const { market } = buyer;
      assert.ok(market);
      const origin = { nodeId: 'buy', askId: 'the first' };
      const ask = (askId = origin.askId) =>
        stage.soon(market.buy({ ...origin, askId }, NOTHING_SET, CHANNEL).then(({ contractId }) => contractId));
      const contractId = await ask();
      assert.equal(await ask(), contractId);
      assert.notEqual(await ask('another'), contractId);
      await stage.until('both give up', () => failuresOf(buyer).length > 1);
      assert.equal(await ask(), contractId);
      assert.deepEqual([...new Set(anna.got('call').map(({ hash }) => hash))].length, 2);
    });

    it('is told when its settings are wrong, and calls nobody', async () => {
      await stage.refuses(stage.buy(buyer, { service: 'a/b' }), 'CONFIG_INVALID', 'service');
      assert.deepEqual(anna.heard, []);
    });

    it('tells who declines, once each', async () => {
      await call();
      const { hash, message } = anna.call;
      for (const text of ['first', 'second'])
        anna.say('reject', {
          to: message.from,
          contractId: hash,
          previous: hash,
          body: { reason: 'parameters', text },
        });
      await stage.pass(500);
      assert.deepEqual(
        progressOf(buyer, 'declined').map(({ reason, text }) => [reason, text]),
        [['parameters', 'first']],
      );
    });

    it('may want it no more before anybody confirmed', async () => {
      const contractId = await call();
      anna.propose(10n);
      await stage.until('it is accepted', () => anna.got('accept').length > 0);
      await stage.soon(buyer.market?.endPurchase('buy', contractId, 'cancel') as Promise<void>);
      await stage.until('the seller hears it', () => anna.got('cancel').length > 0);
      assert.equal(contractsOf(buyer)[0]?.status, 'cancelled');
      assert.deepEqual(buyer.life?.channels?.unanswered, [], 'nothing of it is said again');
      anna.confirm();
      await stage.until('it hears again that it is off', () => anna.got('cancel').length > 1);
      await stage.pass(300_000);
      assert.equal(stage.ledger.transfers.length, 0);
    });

    it('cannot take back what is paid, and ends only its own contracts', async () => {
      const contractId = await paid();
      const end = (node: string, id: string, how: 'stop' | 'cancel') =>
        buyer.market?.endPurchase(node, id, how) as Promise<void>;
      await stage.refuses(end('buy', contractId, 'cancel'), 'CONFIG_INVALID', 'contract-state');
      await stage.refuses(end('other', contractId, 'stop'), 'CONFIG_INVALID', 'no-contract');
      await stage.refuses(end('buy', 'f'.repeat(64), 'stop'), 'CONFIG_INVALID', 'no-contract');
      assert.equal(state(contractId), 'PAID');
    });
  });
});
