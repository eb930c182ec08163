import assert from 'node:assert/strict';
import { type Contract, hashOf } from '../../../lib/market';
import { contractsOf } from '../market-stage';
import { comes, command, events, finished, MONEY, names, offers, seller, setTheStage, stage } from './selling';

describe('a seller', () => {
  setTheStage();

  describe('with a buyer of the same kind', () => {
    it('offers, is paid, delivers and completes; both hold the same contract', async () => {
      await offers();
      const buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
      const contractId = await stage.buy(buyer, { parameters: { plate: 'B 1' } });
      await comes('it delivers', contractId, 'DELIVERING');
      const [start] = events('start');
      assert.deepEqual(start, {
        contractId,
        event: 'start',
        service: 'charging',
        quantity: '1',
        unit: 'once',
        until: null,
        buyer: buyer.did,
        parameters: { plate: 'B 1' },
        amount: '100',
        token: 'STG',
        decimals: 6,
      });
      await command({ command: 'delivered', contractId });
      await stage.until('both have ended', () => finished().length > 0 && contractsOf(buyer).length > 0);
      assert.deepEqual(names(), ['proposed', 'accepted', 'start', 'stop', 'completed']);
      const [sold] = finished();
      const [bought] = contractsOf(buyer);
      assert.equal(sold?.status, 'completed');
      assert.equal(bought?.status, 'completed');
      const said = (contract: Contract | undefined) =>
        contract?.messages.map((message) => hashOf(JSON.stringify(message)));
      assert.deepEqual(said(sold), said(bought));
      assert.equal(stage.ledger.balanceOf(seller.address), 100n);
    });
  });
});
