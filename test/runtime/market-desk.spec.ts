import assert from 'node:assert/strict';
import type { MarketSignal } from '../../lib/market';
import type { BuyProgress, Contract } from '../../lib/market/market-order';
import { MarketDesk } from '../../lib/runtime/market-desk';

const contract = (contractId: string): Contract => ({ contractId, status: 'completed' }) as Contract;
const origin = { nodeId: 'buy', messageId: 'm1' };

function ended(contractId: string, noticeId = `notice of ${contractId}`, redelivered = false): MarketSignal {
  return { nodeId: 'buy', contract: contract(contractId), origin, noticeId, redelivered };
}

function failed(contractId: string): MarketSignal {
  const failure = { code: 'DELIVERY_LATE', detail: 'default', message: 'too late', parameters: {} } as const;
  const noticeId = `failure of ${contractId}`;
  return { nodeId: 'buy', failure, contract: contract(contractId), origin, noticeId, redelivered: false };
}

function progress(contractId: string, event: BuyProgress['event']): MarketSignal {
  return { nodeId: 'buy', progress: { contractId, event, seller: null }, origin };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

function desk(options: { wallet?: boolean } = {}) {
  const noticed: string[] = [];
  const announced: string[] = [];
  const market = new MarketDesk({
    noticed: (noticeId) => noticed.push(noticeId),
    contractDelivered: (listenerId, eventId) => noticed.push(`${listenerId} has ${eventId}`),
    announce: (event) => {
      if (options.wallet) announced.push(event.event);
      return options.wallet === true;
    },
  });
  return { market, noticed, announced };
}

/** A node that takes what nobody waits for. */
function node(market: MarketDesk) {
  const heard: string[] = [];
  const stop = market.attendPurchases('buy', {
    contract: ({ contractId }, { messageId }, redelivered) =>
      void heard.push(`${contractId} of ${messageId}${redelivered ? ' again' : ''}`),
    failure: ({ code }, { contractId }) => void heard.push(`${code} ${contractId}`),
    channel: ({ up }) => void heard.push(up ? 'up' : 'down'),
  });
  return { heard, stop };
}

describe('the desk of an account on the marketplace', () => {
  it('brings the end of a purchase to the message that asked, and acknowledges it a turn later', async () => {
    const { market, noticed } = desk();
    const heard: string[] = [];
    const bought = market.buy(
      async () => ({ contractId: 'c1' }),
      ({ event }) => heard.push(event),
    );
    await turn();
    market.hear(progress('c1', 'accepted'));
    market.hear(progress('c2', 'late'));
    market.hear(ended('c1'));
    assert.deepEqual(noticed, []);
    assert.equal((await bought).contractId, 'c1');
    await turn();
    assert.deepEqual([heard, noticed], [['accepted'], ['notice of c1']]);
  });

  it('loses nothing that is told before the buyer knows its contract', async () => {
    const { market, noticed } = desk();
    const heard: string[] = [];
    const bought = market.buy(
      async () => {
        market.hear(progress('c1', 'called'));
        market.hear(progress('c1', 'proposal'));
        market.hear(ended('c1'));
        return { contractId: 'c1' };
      },
      ({ event }) => heard.push(event),
    );
    assert.equal((await bought).contractId, 'c1');
    await turn();
    assert.deepEqual([heard, noticed], [['called', 'proposal'], ['notice of c1']]);
  });

  it('gives what is told early to others when it turns out to be theirs', async () => {
    const { market, noticed } = desk();
    const { heard } = node(market);
    const bought = market.buy(
      async () => {
        market.hear(ended('old', 'n', true));
        throw new Error('refused');
      },
      () => {},
    );
    await assert.rejects(bought, /refused/);
    await turn();
    assert.deepEqual([heard, noticed], [['old of m1 again'], ['n']]);
  });

  it('fails the message of a late delivery, and hands its contract to the node', async () => {
    const { market, noticed } = desk();
    const { heard } = node(market);
    const bought = market.buy(
      async () => ({ contractId: 'c1' }),
      () => {},
    );
    await turn();
    market.hear(failed('c1'));
    await assert.rejects(bought, { code: 'DELIVERY_LATE' });
    market.hear(ended('c1'));
    await turn();
    assert.deepEqual([heard, noticed], [['c1 of m1'], ['failure of c1', 'notice of c1']]);
  });

  it('keeps what ends while no node is there for the node that comes', async () => {
    const { market, noticed } = desk();
    market.hear(ended('c1'));
    await turn();
    assert.deepEqual(noticed, []);
    const { heard, stop } = node(market);
    market.hear(ended('c1', 'n1', true));
    market.hear(failed('c2'));
    await turn();
    assert.deepEqual(
      [heard, noticed],
      [
        ['c1 of m1 again', 'DELIVERY_LATE c2'],
        ['n1', 'failure of c2'],
      ],
    );
    stop();
    market.hear(ended('c3'));
    assert.equal(heard.length, 2);
  });

  it('does not hand over twice what is told again while its acknowledgement is on its way', async () => {
    const { market, noticed } = desk();
    const { heard } = node(market);
    market.hear(ended('c1', 'n1'));
    market.hear(ended('c1', 'n1', true));
    await turn();
    assert.deepEqual([heard, noticed], [['c1 of m1'], ['n1']]);
  });

  it('forgets a message whose node is gone: the next node hears', async () => {
    const { market } = desk();
    const gone = new AbortController();
    let settled = false;
    const bought = market.buy(
      async () => ({ contractId: 'c1' }),
      () => {},
      gone.signal,
    );
    void bought.finally(() => {
      settled = true;
    });
    await turn();
    gone.abort();
    const { heard } = node(market);
    market.hear(ended('c1', 'n1', true));
    await turn();
    assert.deepEqual([heard, settled], [['c1 of m1 again'], false]);
  });

  it('tells the wallet of purchases whose node does not come back, if there is one', async () => {
    const without = desk();
    without.market.adoptOrphans();
    without.market.hear(ended('c1'));
    await turn();
    assert.deepEqual(without.noticed, []);
    const { market, noticed, announced } = desk({ wallet: true });
    market.hear(ended('c1', 'n1'));
    market.adoptOrphans();
    market.hear(ended('c1', 'n1', true));
    await turn();
    assert.deepEqual([announced, noticed], [['contract'], ['n1']]);
  });

  it('hands finished contracts to their listener, and acknowledges each', async () => {
    const { market, noticed } = desk();
    const finished = { eventId: 'net:c1:buyer:completed', contract: contract('c1') };
    market.hear({ listenerId: 'l1', finished, redelivered: false });
    const heard: string[] = [];
    const stop = market.listenContracts('l1', ({ eventId }, redelivered) => heard.push(`${eventId} ${redelivered}`));
    market.hear({ listenerId: 'l1', finished, redelivered: true });
    stop();
    market.hear({ listenerId: 'l1', finished, redelivered: true });
    await turn();
    assert.deepEqual([heard, noticed], [[`${finished.eventId} true`], [`l1 has ${finished.eventId}`]]);
  });

  it('shows the channel to whoever uses it', () => {
    const { market } = desk();
    const { heard } = node(market);
    market.hear({ nodeId: 'buy', channel: { up: true } });
    market.hear({ nodeId: 'other', channel: { up: false, message: 'gone' } });
    assert.deepEqual(heard, ['up']);
  });
});
