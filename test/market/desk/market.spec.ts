import assert from 'node:assert/strict';
import sinon from 'sinon';
import { rebuildProjections } from '../../../lib/journal';
import { contracts, hasContracts, type MarketSignal } from '../../../lib/market';
import { BuyerDesk } from '../../../lib/market/desk/buyer-desk';
import { SellerDesk } from '../../../lib/market/desk/seller-desk';
import { CHANNEL, contractsOf, MarketStage, offerEventsOf, stateOf } from '../market-stage';
import { NO_SETTINGS } from '../simulation/settings';
import { leaves, type SimulatedTrader } from '../simulation/trader';

const MONEY = 1_000_000n;

describe('a market', () => {
  let stage: MarketStage;
  let seller: SimulatedTrader;
  let buyer: SimulatedTrader;

  beforeEach(async () => {
    stage = new MarketStage();
    seller = await stage.trader('seller', { offers: { offer: { service: 'charging', price: '100', capacity: '9' } } });
    buyer = await stage.trader('buyer', { funds: MONEY, buys: ['buy'] });
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });

  async function deal(): Promise<string> {
    const before = contractsOf(buyer).length;
    const sold = offerEventsOf(seller, 'completed').length;
    const contractId = await stage.buy(buyer, { service: 'charging' });
    const started = () => offerEventsOf(seller, 'start').some((event) => event.contractId === contractId);
    await stage.until('it starts', started);
    await stage.pass(200);
    await stage.soon(seller.market?.command('offer', { command: 'delivered', contractId }) as Promise<void>);
    await stage.until('both have ended', () => {
      return contractsOf(buyer).length > before && offerEventsOf(seller, 'completed').length > sold;
    });
    return contractId;
  }

  const market = (trader: SimulatedTrader) => {
    assert.ok(trader.market);
    return trader.market;
  };

  const finished = (trader: SimulatedTrader, listenerId: string) =>
    trader.signals.filter(
      (signal): signal is Extract<MarketSignal, { finished: unknown }> =>
        'finished' in signal && signal.listenerId === listenerId,
    );

  it('tells contracts that have ended to who listens, each until it is acknowledged', async () => {
    const first = await deal();
    await stage.soon(market(seller).listenContracts('all', 'beginning'));
    await stage.soon(market(seller).listenContracts('new', 'now'));
    await stage.soon(market(seller).listenContracts('last', 'last'));
    await stage.pass(100);
    assert.deepEqual(
      finished(seller, 'all').map(({ finished: { eventId } }) => eventId),
      [`stage:${first}:seller:completed`],
    );
    assert.equal(finished(seller, 'last').length, 1);
    assert.equal(finished(seller, 'new').length, 0);
    await stage.soon(market(seller).contractDelivered('all', `stage:${first}:seller:completed`));
    const second = await deal();
    await stage.pass(100);
    assert.equal(finished(seller, 'new')[0]?.finished.contract.contractId, second);
    assert.equal(finished(seller, 'all').length, 2);

    seller.signals.length = 0;
    seller.crash();
    await stage.pass(3_000);
    await stage.soon(market(seller).listenContracts('all', 'now'));
    await stage.soon(market(seller).listenContracts('new', 'now'));
    await stage.pass(100);
    assert.deepEqual(
      finished(seller, 'all').map(({ finished: { contract }, redelivered }) => [contract.contractId, redelivered]),
      [[second, true]],
    );
    assert.equal(finished(seller, 'new')[0]?.redelivered, true);
    await stage.soon(market(seller).stopContracts('new'));
    await deal();
    assert.equal(finished(seller, 'new').length, 1);
  });

  it('tells each side of a contract as it ended', async () => {
    const contractId = await deal();
    await stage.soon(market(buyer).listenContracts('mine', 'beginning'));
    await stage.pass(100);
    const [end] = finished(buyer, 'mine');
    assert.equal(end?.finished.eventId, `stage:${contractId}:buyer:completed`);
    assert.deepEqual(end?.finished.contract, contractsOf(buyer)[0]);
  });

  it('does not tell of proposals that came to nothing', async () => {
    const anna = stage.puppet('anna');
    const text = anna.write('call', {
      to: null,
      contractId: null,
      previous: null,
      body: {
        service: 'charging',
        parameters: null,
        quantity: '1',
        maxPrice: null,
        near: null,
        maxDistance: null,
        deliverWithin: null,
      },
    } as unknown as Parameters<typeof anna.write<'call'>>[1]);
    stage.place.publish({ calls: 'charging' }, text);
    await stage.until('it proposes', () => anna.got('proposal').length > 0);
    await stage.pass(70_000);
    await stage.soon(market(seller).listenContracts('all', 'beginning'));
    await stage.pass(100);
    assert.deepEqual(finished(seller, 'all'), []);
  });

  it('tells a market worker that was started again everything that it has to know', async () => {
    const contractId = await stage.buy(buyer, { service: 'charging', waitSeconds: '10' });
    await stage.until('it proposes', () => offerEventsOf(seller, 'proposed').length > 0);
    for (const trader of [seller, buyer]) trader.life?.channels?.restart(500, () => trader.market?.channelsRestarted());
    await stage.until('it starts', () => offerEventsOf(seller, 'start').length > 0);
    assert.equal(offerEventsOf(seller, 'start')[0]?.contractId, contractId);
    await stage.pass(2_000);
    const next = await stage.buy(buyer, { service: 'charging' });
    await stage.until('calls are heard again', () =>
      offerEventsOf(seller, 'start').some((event) => event.contractId === next),
    );
  });

  it('takes up its purchases although it cannot take up what it sells', async () => {
    const contractId = await stage.buy(buyer, { service: 'charging' });
    await stage.until('it is paid', () => stateOf(buyer, contractId, 'buyer') === 'PAID');
    const resume = sinon.stub(SellerDesk.prototype, 'resume').rejects(new Error('cannot be read'));
    const purchases = sinon.spy(BuyerDesk.prototype, 'resume');
    try {
      buyer.crash();
      await stage.until('it is back', () => resume.called);
      await stage.pass(1_000);
      sinon.assert.calledOnce(purchases);
      assert.deepEqual(buyer.troubles.splice(0), ['cannot be read']);
    } finally {
      sinon.restore();
    }
  });

  it('tells its nodes whether their channel is up, also those that come later', async () => {
    await stage.soon(market(seller).attendPurchases('late', CHANNEL));
    const told = seller.signals.filter((signal) => 'channel' in signal && 'nodeId' in signal);
    assert.deepEqual(
      told.map((signal) => 'nodeId' in signal && signal.nodeId),
      ['offer', 'late'],
    );
    assert.equal(seller.life?.channels?.openChannels.length, 1, 'one broker, one connection');
    const elsewhere = { ...CHANNEL, url: 'mqtt://elsewhere' };
    await stage.soon(market(seller).attendPurchases('late', elsewhere));
    assert.equal(seller.life?.channels?.openChannels.length, 2);
    await stage.soon(market(seller).attendPurchases('late', CHANNEL));
    await stage.pass(100);
    assert.equal(seller.life?.channels?.openChannels.length, 1);
  });

  it('refuses a search that cannot be made', async () => {
    const search = { service: 'a/b', near: '', maxDistance: '', maxPrice: '' };
    await stage.refuses(market(buyer).search('here', search, CHANNEL), 'CONFIG_INVALID', 'service');
  });

  it('makes the same tables of the same events', async () => {
    await deal();
    const other = stage.puppet('other');
    stage.ledger.mint(other.address, 50n);
    const [completed] = offerEventsOf(seller, 'completed');
    const reference = `me1:${completed?.contractId?.slice(0, 32)}`;
    stage.ledger.transfer(other.address, seller.address, 50n, reference);
    await stage.until('it is back', () => offerEventsOf(seller, 'refunded').length > 0);
    const tables = () =>
      ['contracts', 'finished_contracts', 'contract_money', 'refunds'].map((table) =>
        seller.disk.connection.all(`SELECT * FROM ${table}`),
      );
    const before = tables();
    assert.ok(before.every((rows) => rows.length > 0));
    await stage.soon(market(seller).close());
    await seller.life?.journal?.close();
    rebuildProjections({ memory: seller.disk, projections: [leaves, contracts] });
    assert.deepEqual(tables(), before);
  });

  it('knows whether there is anything to take up', async () => {
    const sql = () => seller.disk.connection;
    assert.equal(hasContracts(sql(), 'stage'), false);
    await deal();
    assert.equal(hasContracts(sql(), 'stage'), true);
    assert.equal(hasContracts(sql(), 'another'), false);
    assert.equal(market(seller).unsettled, false);
    await stage.buy(buyer, { service: 'charging' });
    await stage.until('it proposes', () => market(seller).unsettled);
  });

  it('stops everything when it is closed', async () => {
    await stage.buy(buyer, { service: 'charging' });
    await stage.until('it starts', () => offerEventsOf(seller, 'start').length > 0);
    const closed = market(seller);
    await stage.soon(closed.close());
    seller.signals.length = 0;
    await stage.pass(3_600_000);
    assert.deepEqual(seller.signals, []);
    await stage.refuses(closed.offer('offer', NO_SETTINGS, CHANNEL), 'PAYMENT_FAILED', 'closed');
  });
});
