import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { hashOf, type MessageType } from '../../lib/market';
import { buyNode, offerNode } from './market-side-flow';
import { DEAL, type Side, World } from './market-world';
import { proposalBody, type Signed, Stranger } from './stranger';

const SERVICES = [
  DEAL,
  'late-bid',
  'forged-bid',
  'swapped-price',
  'swapped-payee',
  'paid-lie',
  'bystander',
  'crooked',
  'other-amount',
];
/** 0.1 IOTA a second, two seconds. */
const AMOUNT = 200_000n;

describe('two machines and strangers on a broker that nobody should trust', function () {
  this.timeout(180_000);
  let world: World;
  let [buyer, seller]: [Side, Side] = [] as never;
  let stranger: Stranger;

  before(async () => {
    world = await World.open([
      { name: 'workshop', buys: SERVICES.map((service) => ({ service })) },
      {
        name: 'mill',
        offers: SERVICES.filter((service) => !['crooked', 'other-amount'].includes(service)).map((service) => ({
          service,
          ...(service === 'late-bid' && { autoPropose: false }),
        })),
      },
    ]);
    [buyer, seller] = world.sides as [Side, Side];
    const card = await world.place.hears(({ type }) => type === 'offer', 'an offer');
    stranger = new Stranger(card.message.network);
  });
  after(() => world?.close());
  afterEach(() => {
    world.place.replace = () => undefined;
    world.place.swallow = () => false;
  });

  const heard = (type: MessageType, contractId: string, from?: string) =>
    world.place.hears(
      (message) => message.type === type && message.contractId === contractId && (!from || message.from === from),
      type,
    );
  const send = ({ topic, text }: Pick<Signed, 'topic' | 'text'>) => world.place.publish(topic, text);
  /** A deal between honest machines goes through: whatever was sent before it has been read. */
  const honestDeal = async () => {
    const contractId = await buyer.buy(DEAL);
    assert.equal((await world.settled(buyer, seller, contractId)).status, 'completed');
    return contractId;
  };
  const failure = (service: string) =>
    buyer.hears('error-0', ({ error }) => error?.source?.id === buyNode(service)).then(({ error }) => error?.code);

  it('make a deal: paid, started, delivered, and each can prove it', async () => {
    const contractId = await buyer.buy(DEAL);
    const started = await seller.event(DEAL, contractId, 'start');
    assert.equal(started['buyer'], buyer.did);
    assert.equal(started['quantity'], '2');
    assert.ok(Date.parse(String(started['until'])) > Date.now() - 60_000);
    await seller.event(DEAL, contractId, 'stop');
    const contract = await world.settled(buyer, seller, contractId);
    assert.equal(contract.status, 'completed');
    assert.equal(contract.amount, String(AMOUNT));
    assert.equal(contract.seller?.did, seller.did);
    assert.equal(contract.seller?.address, seller.address);
    assert.match(contract.chosenBecause ?? '', /\S/);
    assert.deepEqual(
      contract.receipts.map(({ to, reference }) => ({ to, reference })),
      [{ to: [{ address: seller.address, amount: String(AMOUNT) }], reference: `me1:${contractId.slice(0, 32)}` }],
    );
    // Once, from its node; deals before this one have theirs.
    await buyer.hears(`${buyNode(DEAL)}-0`, ({ payload }) => (payload as typeof contract).contractId === contractId);
    const theirs = seller.contracts().get(contractId);
    const hashes = (side?: typeof contract) => side?.messages.map(({ id }) => id).sort();
    assert.deepEqual(hashes(theirs), hashes(contract), 'both have the same messages');
    await world.conserved(buyer, seller);
  });

  it('refuse a bid that comes after the choice', async () => {
    const contractId = await buyer.buy('late-bid');
    await seller.event('late-bid', contractId, 'inquiry');
    assert.equal(await failure('late-bid'), 'NO_PROPOSAL');
    const body = proposalBody(1n, 2n, 'late-bid');
    await send(stranger.say('proposal', { to: buyer.did, contractId, previous: contractId, body }));
    const answer = await heard('reject', contractId, buyer.did);
    assert.deepEqual([answer.message.to, answer.message.body], [stranger.did, { reason: 'late', text: null }]);
    await world.conserved(buyer, seller);
  });

  it('send no bid that would come too late', async () => {
    const contractId = await buyer.buy('late-bid');
    await seller.event('late-bid', contractId, 'expired');
    await seller.tell(offerNode('late-bid'), { topic: 'price', payload: '0.05 IOTA', contractId });
    const { error } = await seller.hears('error-0', (told) => told.contractId === contractId);
    assert.equal(error?.code, 'CONFIG_INVALID');
    await honestDeal();
    const bids = world.place.heard.filter(
      ({ message }) => message.type === 'proposal' && message.contractId === contractId,
    );
    assert.deepEqual(bids, []);
  });

  it("refuse a bid with somebody else's name under it, and take the real one", async () => {
    const watching = world.place.hears(({ type, body }) => type === 'proposal' && body.service === 'forged-bid');
    const contractId = await buyer.buy('forged-bid');
    const { message, topic } = await watching;
    const body = { ...message.body, price: '50000', amount: '100000' };
    await world.place.publish(topic, { ...message, body });
    await world.place.publish(topic, { ...message, body, from: stranger.did });
    const { reason } = await buyer.progress('forged-bid', (told) => told.event === 'refused');
    assert.equal(reason, 'signature');
    const contract = await world.settled(buyer, seller, contractId);
    assert.deepEqual([contract.status, contract.amount], ['completed', String(AMOUNT)]);
    assert.equal(contract.seller?.did, seller.did);
    await world.conserved(buyer, seller);
  });

  for (const [what, price] of [
    ['lower', '1'],
    ['higher', '90000000'],
  ] as const) {
    it(`do not agree on a price that was made ${what} on the way`, async () => {
      world.place.replace = ({ message, text }) => {
        if (message.type !== 'proposal' || message.body.service !== 'swapped-price') return undefined;
        const amount = String(2n * BigInt(price));
        return JSON.stringify({ ...JSON.parse(text), body: { ...message.body, price, amount } });
      };
      const before = buyer.errors().length;
      const contractId = await buyer.buy('swapped-price');
      await buyer.eventually('a failure', async () => (buyer.errors().length > before ? true : undefined));
      assert.equal(buyer.errors().at(-1)?.error?.code, 'NO_PROPOSAL');
      const refused = await buyer.progress(
        'swapped-price',
        (told) => told.event === 'refused' && told.contractId === contractId,
      );
      assert.equal(refused.reason, 'signature');
      await world.conserved(buyer, seller);
    });
  }

  it('pay nobody who puts himself between: a confirmation under another key is none', async () => {
    world.place.replace = (overheard) => {
      const { type, from, body } = overheard.message;
      if (type !== 'accept' || from !== seller.did || !('payBy' in body)) return undefined;
      return stranger.resigned(overheard).text;
    };
    const contractId = await buyer.buy('swapped-payee');
    await heard('accept', contractId, seller.did);
    assert.equal(await failure('swapped-payee'), 'NO_PROPOSAL');
    await seller.event('swapped-payee', contractId, 'cancelled');
    await world.conserved(buyer, seller);
  });

  it('start nothing for a buyer that only says it has paid', async () => {
    const { contractId, confirmed } = await strangerBuys('paid-lie');
    await send(
      stranger.say('paid', {
        to: seller.did,
        contractId,
        previous: confirmed,
        body: {
          amount: String(AMOUNT),
          reference: `me1:${contractId.slice(0, 32)}`,
          transactionId: `0x${randomBytes(32).toString('hex')}`,
        },
      }),
    );
    await honestDeal();
    const events = seller.events('paid-lie', contractId).map(({ event }) => event);
    assert.deepEqual(
      events.filter((event) => event === 'start'),
      [],
    );
    await world.conserved(buyer, seller);
  });

  it('are not disturbed by a bystander who confirms, cancels and completes what is not his', async () => {
    const contractId = await buyer.buy('bystander');
    const { previous } = (await heard('accept', contractId, buyer.did)).message as { previous: string };
    const common = { contractId, previous };
    for (const to of [buyer.did, seller.did]) {
      await send(stranger.say('cancel', { ...common, to, body: { reason: 'withdrawn', text: null, refund: null } }));
      await send(stranger.say('complete', { ...common, to, body: { stoppedAt: new Date().toISOString() } }));
      await send(
        stranger.say('delivered', {
          ...common,
          to,
          body: {
            final: true,
            quantity: '2',
            startedAt: new Date().toISOString(),
            endedAt: new Date().toISOString(),
          },
        }),
      );
    }
    const contract = await world.settled(buyer, seller, contractId);
    assert.equal(contract.status, 'completed');
    const froms = new Set(contract.messages.map(({ from }) => from));
    assert.deepEqual(froms, new Set([buyer.did, seller.did]));
    await world.conserved(buyer, seller);
  });

  it('take no bid whose sum does not add up, and none in another currency', async () => {
    const watching = world.place.hears(({ type, body }) => type === 'call' && body.service === 'crooked');
    const contractId = await buyer.buy('crooked');
    await watching;
    const body = proposalBody(100_000n, 2n, 'crooked');
    for (const wrong of [{ amount: '1' }, { token: 'SHELL' }, { decimals: 0 }, { quantity: '1', amount: '100000' }]) {
      const to = buyer.did;
      await send(
        stranger.say('proposal', { to, contractId, previous: contractId, body: { ...body, ...wrong } as typeof body }),
      );
    }
    assert.equal(await failure('crooked'), 'NO_PROPOSAL');
    await world.conserved(buyer, seller);
  });

  it('do not pay a seller that confirms another amount than it had proposed', async () => {
    const watching = world.place.hears(({ type, body }) => type === 'call' && body.service === 'other-amount');
    const contractId = await buyer.buy('other-amount');
    await watching;
    const to = buyer.did;
    const body = proposalBody(100_000n, 2n, 'other-amount');
    await send(stranger.say('proposal', { to, contractId, previous: contractId, body }));
    const accept = await heard('accept', contractId, buyer.did);
    const payBy = new Date(Date.now() + 60_000).toISOString();
    const previous = hashOf(accept.text);
    await send(stranger.say('accept', { to, contractId, previous, body: { amount: '9000000', payBy } }));
    assert.equal(await failure('other-amount'), 'NO_PROPOSAL');
    await world.conserved(buyer, seller);
  });

  it('fall for nothing that was said before, not even after a restart', async () => {
    const starts = () => seller.told(`${offerNode(DEAL)}-0`).length;
    await honestDeal();
    const before = { starts: starts(), contracts: seller.contracts().size };
    const past = [...world.place.heard].filter(({ message }) => message.type !== undefined);
    await seller.kill();
    await seller.restart();
    for (const { topic, text } of past) await world.place.publish(topic, text);
    await honestDeal();
    assert.equal(starts(), before.starts + 1);
    assert.equal(seller.contracts().size, before.contracts + 1);
    await world.conserved(buyer, seller);
  });

  /** A stranger calls, accepts and is confirmed: all that is left to do is to pay. */
  async function strangerBuys(service: string): Promise<{ contractId: string; confirmed: string }> {
    const call = stranger.call({
      service,
      parameters: null,
      quantity: '2',
      maxPrice: null,
      near: null,
      maxDistance: null,
      deliverWithin: null,
    });
    await send(call);
    const contractId = call.hash;
    const proposal = await heard('proposal', contractId);
    await send(
      stranger.say('accept', {
        to: seller.did,
        contractId,
        previous: hashOf(proposal.text),
        body: { amount: String(AMOUNT), payBy: null },
      }),
    );
    return { contractId, confirmed: hashOf((await heard('accept', contractId, seller.did)).text) };
  }
});
