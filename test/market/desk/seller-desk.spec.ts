import assert from 'node:assert/strict';
import { CodedError } from '../../../lib/errors';
import {
  type CancelReason,
  type Contract,
  hashOf,
  type MessageBodies,
  type OfferCommand,
  type OfferEventName,
  type OfferSettings,
} from '../../../lib/market';
import { CHANNEL, contractsOf, MarketStage, offerEventsOf, type Puppet, stateOf } from '../market-stage';
import { NO_SETTINGS } from '../simulation/settings';
import type { SimulatedTrader } from '../simulation/trader';

const HOUR = 3_600_000;
const MONEY = 1_000_000n;

const WANTED: MessageBodies['call'] = {
  service: 'charging',
  parameters: null,
  quantity: '1',
  maxPrice: null,
  near: null,
  maxDistance: null,
  deliverWithin: null,
};

describe('a seller', () => {
  let stage: MarketStage;
  let seller: SimulatedTrader;
  let carl: Puppet;

  beforeEach(() => {
    stage = new MarketStage();
    carl = stage.puppet('carl');
    stage.ledger.mint(carl.address, MONEY);
  });

  afterEach(() => {
    stage.assertNoTrouble();
    stage.dispose();
  });

  async function offers(settings: Partial<OfferSettings> = {}, nodeId = 'offer'): Promise<void> {
    seller = await stage.trader('seller', { offers: { [nodeId]: { service: 'charging', price: '100', ...settings } } });
  }

  /** Calls for the service; returns the contract that it would make. */
  function call(body: Partial<MessageBodies['call']> = {}, buyer = carl): string {
    const parts = { to: null, contractId: null, previous: null, body: { ...WANTED, ...body } };
    const text = buyer.write('call', parts as unknown as Parameters<typeof buyer.write<'call'>>[1]);
    stage.place.publish({ calls: body.service ?? WANTED.service }, text);
    return hashOf(text);
  }

  async function proposed(body: Partial<MessageBodies['call']> = {}, buyer = carl): Promise<string> {
    const before = buyer.got('proposal').length;
    const contractId = call(body, buyer);
    await stage.until('it proposes', () => buyer.got('proposal').length > before);
    return contractId;
  }

  function accept(contractId: string, more: Partial<MessageBodies['accept']> = {}, buyer = carl): string {
    const proposal = buyer.got('proposal').find(({ message }) => message.contractId === contractId);
    assert.ok(proposal);
    const body = { amount: proposal.message.body.amount, payBy: null, ...more };
    return buyer.say('accept', { to: seller.did, contractId, previous: proposal.hash, body });
  }

  async function accepted(body: Partial<MessageBodies['call']> = {}, buyer = carl): Promise<string> {
    const contractId = await proposed(body, buyer);
    const before = buyer.got('accept').length;
    accept(contractId, {}, buyer);
    await stage.until('it confirms', () => buyer.got('accept').length > before);
    return contractId;
  }

  function pay(contractId: string, amount = 100n, { from = carl, suffix = '' } = {}): void {
    stage.ledger.transfer(from.address, seller.address, amount, `me1:${contractId.slice(0, 32)}${suffix}`);
  }

  async function started(body: Partial<MessageBodies['call']> = {}, amount = 100n): Promise<string> {
    const contractId = await accepted(body);
    pay(contractId, amount);
    await comes('it delivers', contractId, 'DELIVERING');
    return contractId;
  }

  /** Until it is in that state, and the flow has heard what there is to hear of it. */
  async function comes(what: string, contractId: string, wanted: string, within?: number): Promise<void> {
    await stage.until(what, () => state(contractId) === wanted, within);
    await stage.pass(100);
  }

  const state = (contractId: string) => (seller.market ? stateOf(seller, contractId, 'seller') : undefined);
  const events = (event?: OfferEventName) => offerEventsOf(seller, event);
  const names = () => events().map(({ event }) => event);
  const command = (value: OfferCommand, nodeId = 'offer') =>
    stage.soon(seller.market?.command(nodeId, value) as Promise<void>);
  const outgoing = () => stage.ledger.transfers.filter(({ from }) => from === seller.address);

  /** Answers the last message of the seller. */
  function says<T extends 'reject' | 'cancel' | 'complete' | 'paid'>(
    contractId: string,
    type: T,
    body: MessageBodies[T],
  ): void {
    const last = carl.heard.filter(({ message }) => message.contractId === contractId).at(-1);
    carl.say(type, { to: seller.did, contractId, previous: last?.hash ?? contractId, body });
  }

  const cancels = (contractId: string, reason: CancelReason = 'late') =>
    says(contractId, 'cancel', { reason, text: null, refund: null });

  function finished(): Contract[] {
    return events().flatMap(({ contract }) => (contract ? [contract] : []));
  }

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

  describe('that is called', () => {
    it('proposes what it costs, rounded up, for as long as it said', async () => {
      await offers({ price: '3', unit: 'kWh', validFor: '30', title: 'Säule 4', place: '52.5,13.4', leadSeconds: '9' });
      const contractId = await proposed({ quantity: '1.5' });
      const [{ message } = assert.fail()] = carl.got('proposal');
      assert.deepEqual(message.body, {
        service: 'charging',
        title: 'Säule 4',
        unit: 'kWh',
        price: '3',
        quantity: '1.5',
        amount: '5',
        token: 'STG',
        decimals: 6,
        place: { lat: 52.5, lng: 13.4 },
        leadSeconds: 9,
        payWithin: 120,
      });
      assert.equal(message.previous, contractId);
      assert.equal(Date.parse(message.expires) - Date.parse(message.at), 30_000);
      await stage.pass(29_000);
      assert.equal(state(contractId), 'PROPOSED');
      await stage.pass(2_000);
      assert.equal(state(contractId), 'CANCELLED');
      assert.equal(events('expired').length, 1);
    });

    it('says nothing where price, distance, pause, or room do not allow it', async () => {
      await offers({ place: '52.5,13.4', capacity: '1' });
      call({ maxPrice: '99' });
      call({ near: { lat: 53, lng: 13.4 }, maxDistance: 10 });
      await command({ command: 'pause' });
      call();
      await stage.pass(1_000);
      await command({ command: 'resume' });
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
      await accepted();
      call();
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 1);
      assert.deepEqual(carl.got('reject'), []);
    });

    it('says what is wrong with parameters and quantity, once', async () => {
      await offers({ parameters: { type: 'object', required: ['plate'] } });
      const contractId = call();
      await stage.until('it rejects', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'parameters');
      assert.equal(carl.got('reject')[0]?.message.contractId, contractId);
      assert.equal(state(contractId), undefined, 'it is no contract');
      call({ parameters: { plate: 1 }, quantity: '1.5' });
      await stage.until('it rejects', () => carl.got('reject').length > 1);
      assert.equal(carl.got('reject')[1]?.message.body.reason, 'quantity');
      await stage.pass(60_000);
      assert.equal(carl.heard.length, 2);
      assert.equal(rows('contract_documents'), 0, 'nothing of it stays');
    });

    it('answers a call once, however often it comes, and after a restart', async () => {
      await offers({ validFor: '600' });
      const parts = { to: null, contractId: null, previous: null, body: WANTED };
      const text = carl.write('call', parts as unknown as Parameters<typeof carl.write<'call'>>[1]);
      for (let times = 0; times < 3; times += 1) {
        stage.place.publish({ calls: 'charging' }, text);
        await stage.pass(100);
      }
      seller.crash();
      await stage.pass(2_000);
      stage.place.publish({ calls: 'charging' }, text);
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 1);
    });

    it('has a limit for one buyer, and for all', async function () {
      this.timeout(30_000);
      await offers({ capacity: '1000', validFor: '3600' });
      for (let calls = 0; calls < 5; calls += 1) call();
      await stage.pass(1_000);
      assert.equal(carl.got('proposal').length, 3);
      const others = Array.from({ length: 40 }, (_, index) => stage.puppet(`other ${index}`));
      for (const other of [...others, ...others, ...others]) call({}, other);
      await stage.pass(1_000);
      const answers = others.map((other) => other.got('proposal').length);
      assert.equal(
        answers.reduce((sum, one) => sum + one),
        97,
      );
    });

    it('signs a bounded number of proposals that come to nothing, and any number that do not', async function () {
      this.timeout(30_000);
      await offers({ capacity: '1000', validFor: '1' });
      const dealers: string[] = [];
      for (let deals = 0; deals < 8; deals += 1) dealers.push(await accepted());
      let answered = 0;
      for (let round = 0; round < 10; round += 1) {
        const others = Array.from({ length: 10 }, (_, index) => stage.puppet(`spammer ${round} ${index}`));
        for (const other of [...others, ...others, ...others]) call({}, other);
        await stage.pass(2_000);
        for (const other of others) answered += other.got('proposal').length;
        for (const other of others) stage.place.connections.delete(other);
      }
      assert.ok(answered >= 190 && answered <= 225, `${answered} of 300`);
      for (const paying of dealers) pay(paying, 100n);
      await stage.until('all of them start', () => events('start').length === dealers.length);
      // No time for so many tokens: they are those of the contracts that were paid.
      const others = Array.from({ length: dealers.length }, (_, index) => stage.puppet(`other ${index}`));
      for (const other of others) call({}, other);
      await stage.pass(200);
      assert.ok(others.every((other) => other.got('proposal').length > 0));
    });

    it('asks the flow where it was told to, and proposes the price that it names', async () => {
      await offers({ price: '', autoPropose: false, capacity: '2' });
      const contractId = call({ parameters: { size: 4 } });
      await stage.until('it asks', () => events('inquiry').length > 0);
      assert.deepEqual(events('inquiry')[0]?.parameters, { size: 4 });
      await command({ command: 'price', price: '250', contractId });
      await stage.until('it proposes', () => carl.got('proposal').length > 0);
      assert.equal(carl.got('proposal')[0]?.message.body.amount, '250');
      accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const other = call();
      await stage.until('it asks', () => events('inquiry').length > 1);
      await command({ command: 'withdraw', contractId: other });
      await stage.until('it declines', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'declined');
      await stage.refuses(
        seller.market?.command('offer', { command: 'price', price: '1', contractId: other }) as Promise<void>,
        'CONFIG_INVALID',
        'contract-state',
      );
    });

    it('waits for a price from the flow, and follows it', async () => {
      await offers({ price: '' });
      call();
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
      assert.equal(stage.place.cards.size, 0);
      await command({ command: 'price', price: '70', contractId: null });
      await proposed();
      assert.equal(carl.got('proposal')[0]?.message.body.price, '70');
      await stage.pass(10_000);
      const card = JSON.parse([...stage.place.cards.values()][0] ?? '{}');
      assert.equal(card.body.price, '70');
      await stage.refuses(
        seller.market?.command('offer', { command: 'price', price: '0.1', contractId: null }) as Promise<void>,
        'AMOUNT_INVALID',
        'fraction',
      );
    });
  });

  it('promises nothing before its account has seen the ledger: what was paid then would not be received', async () => {
    await offers();
    seller.account.look = () => {
      throw new CodedError('LEDGER_UNREACHABLE', 'default', 'away');
    };
    seller.crash();
    await stage.pass(5_000);
    call();
    await stage.pass(3_000);
    assert.deepEqual(carl.got('proposal'), []);
    seller.account.look = () => {};
    await stage.pass(6_000);
    await proposed();
  });

  describe('whose proposal is taken', () => {
    it('confirms exactly that proposal, in time, and while there is room', async () => {
      await offers({ validFor: '60' });
      const contractId = await proposed();
      accept(contractId, { amount: '99' });
      await stage.pass(500);
      assert.equal(state(contractId), 'PROPOSED');
      assert.deepEqual(carl.got('accept'), []);
      assert.equal(events('refused')[0]?.reason, 'accept');
      const taken = accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const [{ message } = assert.fail()] = carl.got('accept');
      assert.equal(message.previous, taken);
      assert.equal(message.body.amount, '100');
      assert.equal(Date.parse(message.body.payBy ?? ''), Date.parse(message.expires));
    });

    it('takes nothing from anybody but its buyer', async () => {
      await offers();
      const contractId = await proposed();
      const thief = stage.puppet('thief');
      const [proposal] = carl.got('proposal');
      thief.say('accept', {
        to: seller.did,
        contractId,
        previous: proposal?.hash ?? '',
        body: { amount: '100', payBy: null },
      });
      await stage.pass(500);
      assert.equal(state(contractId), 'PROPOSED');
      assert.equal(events('refused')[0]?.reason, 'not-a-party');
    });

    it('takes no message that answers nothing of its own', async () => {
      await offers();
      const contractId = await proposed();
      carl.say('accept', {
        to: seller.did,
        contractId,
        previous: 'ab'.repeat(32),
        body: { amount: '100', payBy: null },
      });
      await stage.pass(500);
      assert.equal(events('refused')[0]?.reason, 'previous');
      assert.equal(state(contractId), 'PROPOSED');
    });

    it('repeats its answer when the buyer repeats himself, and counts him once', async () => {
      await offers({ capacity: '2' });
      const contractId = await proposed();
      const [proposal] = carl.got('proposal');
      const text = carl.write('accept', {
        to: seller.did,
        contractId,
        previous: proposal?.hash ?? '',
        body: { amount: '100', payBy: null },
      });
      carl.send(text);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
      const before = carl.heard.length;
      carl.send(text);
      await stage.pass(200);
      assert.ok(carl.heard.length > before, 'the answer comes again');
      assert.equal(carl.got('accept').length, 1, 'and it is the same');
      assert.equal(events('accepted').length, 1);
    });

    it('has no more than its capacity at a time', async () => {
      await offers({ capacity: '1' });
      const dora = stage.puppet('dora');
      const first = await proposed();
      const second = await proposed({}, dora);
      accept(first);
      accept(second, {}, dora);
      await stage.until('one is told', () => carl.got('reject').length + dora.got('reject').length > 0);
      await stage.pass(1_000);
      const confirmed = [...carl.got('accept'), ...dora.got('accept')];
      const rejected = [...carl.got('reject'), ...dora.got('reject')];
      assert.equal(confirmed.length, 1);
      assert.deepEqual(
        rejected.map(({ message }) => message.body.reason),
        ['capacity'],
      );
    });

    it('hears a buyer who is too late, and one who takes another', async () => {
      await offers({ validFor: '5' });
      const late = await proposed();
      await stage.pass(6_000);
      accept(late);
      await stage.until('it rejects', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'expired');
      const lost = await proposed();
      says(lost, 'reject', { reason: 'not-chosen', text: null });
      await comes('it hears it', lost, 'CANCELLED');
      assert.equal(events('rejected')[0]?.reason, 'not-chosen');
      assert.deepEqual(finished(), [], 'neither was a contract');
    });

    it('waits for its money no longer than it said', async () => {
      await offers();
      const contractId = await accepted();
      await stage.pass(170_000);
      assert.equal(state(contractId), 'ACCEPTED');
      await stage.pass(20_000);
      assert.equal(state(contractId), 'CANCELLED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'not-paid');
      assert.equal(events('cancelled')[0]?.reason, 'not-paid');
    });
  });

  describe('that is paid', () => {
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

  describe('that delivers', () => {
    it('ends a service by its time, counted from when the flow was told', async () => {
      await offers({ unit: 'minute' });
      const contractId = await started({ quantity: '2' }, 200n);
      const [start] = events('start');
      const until = Date.parse(start?.until ?? '');
      await stage.pass(until - stage.timeline.now() - 100);
      assert.equal(state(contractId), 'DELIVERING');
      await stage.until('it is delivered', () => carl.got('delivered').length > 0, 1_000);
      const [{ message } = assert.fail()] = carl.got('delivered');
      assert.deepEqual(message.body, {
        final: true,
        quantity: '2',
        startedAt: new Date(until - 120_000).toISOString(),
        endedAt: message.body.endedAt,
      });
      assert.equal(events('stop')[0]?.contractId, contractId);
      says(contractId, 'complete', { stoppedAt: null });
      await comes('it is complete', contractId, 'COMPLETED');
      assert.equal(finished()[0]?.status, 'completed');
    });

    it('ends by the meter, and tells the buyer on the way, not at each pulse', async () => {
      await offers({ unit: 'kWh' });
      const contractId = await started({ quantity: '3' }, 300n);
      const meter = (quantity: unknown) => command({ command: 'meter', contractId, quantity });
      for (const quantity of ['0.5', '0.6', 0.7]) await meter(quantity);
      await stage.pass(500);
      assert.deepEqual(
        carl.got('delivered').map(({ message }) => [message.body.final, message.body.quantity]),
        [[false, '0.5']],
      );
      await stage.pass(10_000);
      await meter('1');
      for (const [quantity, detail] of [
        ['0.9', 'meter-back'],
        ['much', 'quantity'],
      ])
        await stage.refuses(
          seller.market?.command('offer', { command: 'meter', contractId, quantity }) as Promise<void>,
          'CONFIG_INVALID',
          detail as string,
        );
      await meter('3.2');
      await stage.until('it is delivered', () => carl.got('delivered').length === 3);
      assert.equal(carl.got('delivered')[2]?.message.body.quantity, '3.2');
      assert.equal(state(contractId), 'DELIVERED');
      await stage.pass(700_000);
      assert.equal(finished()[0]?.metered, '3.2');
    });

    it('completes by itself when the buyer has had time to object', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'delivered', contractId });
      await stage.pass(590_000);
      assert.equal(state(contractId), 'DELIVERED');
      await stage.pass(20_000);
      assert.equal(state(contractId), 'COMPLETED');
      const before = carl.heard.length;
      await stage.pass(120_000);
      assert.ok(carl.heard.length > before, 'and says so until it is heard');
    });

    it('keeps the money when the buyer ends it before its time', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      says(contractId, 'complete', { stoppedAt: new Date(stage.timeline.now()).toISOString() });
      await stage.until('it stops', () => events('stop').length > 0);
      assert.equal(state(contractId), 'COMPLETED');
      assert.deepEqual(outgoing(), []);
    });

    it('does not give back a running service that its buyer calls late before it is', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(HOUR / 2);
      cancels(contractId);
      await stage.pass(1_000);
      assert.equal(state(contractId), 'DELIVERING');
      assert.equal(events('refused')[0]?.reason, 'cancel');
      await stage.pass(HOUR);
      assert.equal(state(contractId), 'COMPLETED');
    });

    it('pays back what is late by the terms of the call', async () => {
      await offers();
      const contractId = await started({ deliverWithin: 300 });
      await stage.pass(301_000);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(finished()[0]?.status, 'refunded');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'late');
      assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
    });

    it('says again that it delivered to a buyer who calls it late', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'delivered', contractId });
      await stage.until('it is delivered', () => carl.got('delivered').length > 0);
      await stage.pass(700_000);
      const before = carl.heard.length;
      const [confirmation] = carl.got('accept');
      carl.say('cancel', {
        to: seller.did,
        contractId,
        previous: confirmation?.hash ?? '',
        body: { reason: 'late', text: null, refund: null },
      });
      await stage.pass(200);
      assert.equal(carl.heard.slice(before).at(-1)?.message.type, 'delivered');
      assert.equal(state(contractId), 'COMPLETED');
    });

    it('pays back what fails, with a word to the buyer', async () => {
      await offers();
      const contractId = await started();
      await command({ command: 'failed', contractId, text: 'no power' });
      await comes('it is back', contractId, 'REFUNDED');
      const [first, second] = carl.got('cancel');
      assert.deepEqual(first?.message.body, { reason: 'failed', text: 'no power', refund: null });
      assert.equal(second?.message.body.refund?.amount, '100');
      assert.equal(finished()[0]?.reason, 'failed');
      assert.equal(finished()[0]?.receipts.length, 1);
      assert.equal(events('refunded')[0]?.reason, 'no power');
      assert.equal(events('stop').length, 1);
    });

    it('pays back what no flow starts', async () => {
      await offers();
      seller.flow.takes = (signal) => !('offer' in signal && signal.offer.event === 'start');
      const contractId = await accepted();
      pay(contractId);
      await stage.pass(30_000);
      assert.equal(state(contractId), 'STARTING');
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'not-started');
      seller.flow.takes = () => true;
      await stage.soon(
        seller.market?.offer('offer', { ...NO_SETTINGS, service: 'charging', price: '100' }, CHANNEL) as Promise<void>,
      );
      await stage.pass(1_000);
      assert.deepEqual(events('start'), [], 'what was paid back is not started any more');
    });

    it('goes on when its node is back within seconds, and has failed when it is not', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(5_000);
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100', unit: 'hour' };
      await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
      await stage.pass(20_000);
      assert.equal(state(contractId), 'DELIVERING');
      const [first, second] = events('start');
      assert.equal(second?.until, first?.until, 'it is started again, and ends when it would have');
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await comes('it is back', contractId, 'REFUNDED');
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'interrupted');
    });

    it('waits for a node that is away when the time ends: nobody else can say that it was delivered', async () => {
      await offers({ unit: 'minute', capacity: '2' });
      const first = await started();
      await stage.pass(57_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(5_000);
      assert.equal(state(first), 'DELIVERING');
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100', unit: 'minute' };
      await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
      await comes('it is delivered', first, 'DELIVERED', 3_000);
      assert.equal(events('start').length, 1, 'what is over is not started again');
      const second = await started();
      await stage.pass(57_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await comes('it is back', second, 'REFUNDED');
    });

    it('is gone when its node closes while it opens', async () => {
      await offers();
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100' };
      const opening = seller.market?.offer('offer', settings, CHANNEL) as Promise<void>;
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.soon(opening);
      await stage.pass(15_000);
      assert.equal(stage.place.cards.size, 0);
      call();
      await stage.pass(1_000);
      assert.deepEqual(carl.got('proposal'), []);
    });

    it('has a word for commands that do not fit', async () => {
      await offers();
      const contractId = await started();
      const tells = (value: OfferCommand, detail: string, nodeId = 'offer') =>
        stage.refuses(seller.market?.command(nodeId, value) as Promise<void>, 'CONFIG_INVALID', detail);
      await tells({ command: 'delivered', contractId: 'unknown' }, 'no-contract');
      await tells({ command: 'delivered', contractId }, 'no-contract', 'another node');
      await tells({ command: 'price', contractId, price: '1' }, 'contract-state');
      await tells({ command: 'pause' }, 'no-offer', 'another node');
      await command({ command: 'delivered', contractId });
      await tells({ command: 'failed', contractId, text: null }, 'contract-state');
      await tells({ command: 'withdraw', contractId }, 'contract-state');
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

  describe('whose process dies', () => {
    it('starts again what still runs, and says when it ends', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      await stage.pass(60_000);
      seller.crash();
      await stage.pass(5_000);
      const starts = seller.signals.flatMap((signal) =>
        'offer' in signal && signal.offer.event === 'start' ? [signal] : [],
      );
      assert.equal(starts.length, 2);
      assert.equal(starts[1]?.redelivered, true);
      assert.equal(starts[1]?.offer.until, starts[0]?.offer.until);
      await stage.pass(HOUR);
      assert.equal(carl.got('delivered').length, 1);
      assert.equal(contractId, carl.got('delivered')[0]?.message.contractId);
    });

    it('pays back what ended while it was away', async () => {
      await offers({ unit: 'minute' });
      const contractId = await started();
      stage.downtime = 120_000;
      seller.crash();
      await comes('it is back', contractId, 'REFUNDED', 300_000);
      assert.equal(carl.got('cancel')[0]?.message.body.reason, 'interrupted');
    });

    it('pays back what its node does not come back for', async () => {
      await offers({ unit: 'hour' });
      const contractId = await started();
      seller.flow.offers.clear();
      seller.crash();
      await stage.until('it is back', () => stage.ledger.balanceOf(carl.address) === MONEY, 60_000);
      await comes('it knows', contractId, 'REFUNDED');
    });

    it('takes money that came while it was away, though its time was over and the ledger tells it late', async () => {
      await offers();
      const contractId = await accepted();
      stage.downtime = 600_000;
      seller.crash();
      await stage.pass(630_000);
      pay(contractId);
      await comes('it delivers', contractId, 'DELIVERING');
    });

    it('tells its flow again what that has not taken', async () => {
      await offers();
      seller.flow.takes = (signal) => !('offer' in signal && signal.offer.event === 'accepted');
      await accepted();
      await stage.pass(500);
      seller.flow.takes = () => true;
      seller.crash();
      await stage.pass(3_000);
      const told = seller.signals.flatMap((signal) =>
        'offer' in signal && signal.offer.event === 'accepted' ? [signal.redelivered] : [],
      );
      assert.deepEqual(told, [true]);
      seller.crash();
      await stage.pass(3_000);
      assert.equal(events('accepted').length, 1, 'and no more once it has it');
    });

    it('says again what nobody has answered', async () => {
      await offers({ validFor: '600' });
      const contractId = await proposed();
      seller.crash();
      const before = carl.heard.length;
      await stage.pass(5_000);
      assert.ok(carl.heard.length > before);
      assert.equal(carl.got('proposal').length, 1);
      accept(contractId);
      await stage.until('it confirms', () => carl.got('accept').length > 0);
    });
  });

  describe('with a card', () => {
    it('leaves one for an hour at least, renews it in time, and follows its price slowly', async () => {
      await offers({ price: '100' });
      await stage.pass(1_000);
      const card = () => JSON.parse([...stage.place.cards.values()][0] ?? 'null');
      const first = card();
      assert.equal(first.body.price, '100');
      assert.equal(Date.parse(first.expires) - Date.parse(first.at), HOUR);
      for (const price of ['110', '120', '130']) await command({ command: 'price', price, contractId: null });
      assert.equal(card().body.price, '100');
      await stage.pass(6_000);
      const second = card();
      assert.equal(second.body.price, '130');
      await stage.pass(HOUR / 2);
      const third = card();
      assert.notEqual(third.at, second.at);
      assert.equal(third.body.price, '130');
    });

    it('takes it away when it pauses, withdraws, or is gone', async () => {
      await offers();
      await stage.pass(500);
      const cards = () => [...stage.place.cards.values()].length;
      assert.equal(cards(), 1);
      await command({ command: 'pause' });
      await stage.pass(500);
      assert.equal(cards(), 0);
      await command({ command: 'resume' });
      await stage.pass(6_000);
      assert.equal(cards(), 1);
      await command({ command: 'withdraw', contractId: null });
      await stage.pass(500);
      assert.equal(cards(), 0);
      await command({ command: 'resume' });
      await stage.pass(6_000);
      await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
      await stage.pass(9_000);
      assert.equal(cards(), 1);
      await stage.pass(2_000);
      assert.equal(cards(), 0);
    });

    it('leaves it where its node is back in the last moment', async () => {
      await offers();
      const settings = { ...NO_SETTINGS, service: 'charging', price: '100' };
      for (const late of [0, 1, 2, 5, 10, 20]) {
        await stage.soon(seller.market?.closeOffer('offer') as Promise<void>);
        await stage.pass(10_000 + late);
        await stage.soon(seller.market?.offer('offer', settings, CHANNEL) as Promise<void>);
        await stage.pass(7_000);
        assert.equal(stage.place.cards.size, 1, `${late} ms`);
      }
    });

    it('withdraws its proposals with the offer', async () => {
      await offers();
      const contractId = await proposed();
      await command({ command: 'withdraw', contractId: null });
      await stage.until('it says so', () => carl.got('reject').length > 0);
      assert.equal(carl.got('reject')[0]?.message.body.reason, 'withdrawn');
      assert.equal(state(contractId), 'CANCELLED');
    });

    it('offers a service once', async () => {
      await offers();
      const again = seller.market?.offer(
        'other',
        { ...NO_SETTINGS, service: 'charging', price: '5' },
        CHANNEL,
      ) as Promise<void>;
      await stage.refuses(again, 'CONFIG_INVALID', 'offer-twice');
    });
  });

  it('forgets proposals that nobody took after an hour, and not what it owes for them', async () => {
    await offers();
    const contractId = await proposed();
    await stage.pass(61_000);
    assert.ok(rows('contract_documents') > 0);
    await stage.pass(HOUR + 660_000);
    assert.equal(rows('contract_documents'), 0);
    pay(contractId);
    await comes('it is back', contractId, 'REFUNDED');
    assert.equal(stage.ledger.balanceOf(carl.address), MONEY);
  });

  function rows(table: string): number {
    return Number(seller.life?.journal?.sql.get(`SELECT count(*) AS n FROM ${table}`)?.['n']);
  }
});
