import assert from 'node:assert/strict';
import type { Contract } from '../../lib/market';
import { example, ObservedFlow, type Told } from './evidence-flow';
import { balanceOnLedger } from './sandbox-ledger';

const FAUCET = 1_000_000_000n;

const contractIn = ({ payload }: Told) => payload as Contract;
const eventIn = ({ payload }: Told) =>
  payload as { event: string; reason?: string; seller?: string; contractId: string | null };

describe('the example with a machine that rents itself out', function () {
  this.timeout(240_000);
  let flow: ObservedFlow;

  before(async () => {
    flow = await ObservedFlow.start(example('rents-itself-out'), {
      'rental-buy:0': 'contract',
      'rental-offer:2': 'event',
      'rental-spindle:0': 'spindle',
      'rental-earned:0': 'earned',
      'rental-not-rented:0': 'not-rented',
    });
  });
  after(() => flow?.stop());

  const turning = ({ payload }: Told) => (payload as { turning: boolean }).turning;

  it('stands still until it is paid, turns for the time that was paid, and stands still again', async () => {
    const contract = contractIn(await flow.hears('contract'));
    assert.deepEqual(
      [contract.status, contract.price, contract.quantity, contract.unit, contract.amount],
      ['completed', '50000', '20', 'second', '1000000'],
    );
    const spindle = (await flow.heard('spindle')).map(turning);
    assert.equal(spindle[0], false, 'safe when the flow starts');
    assert.deepEqual(spindle.slice(spindle.indexOf(true)), [true, false]);
    const { payload } = await flow.hears('earned');
    assert.equal(payload, '20 s at the mill: completed, 1 IOTA');
  });

  it('has the money where the contract says', async () => {
    const { buyer, seller } = contractIn(await flow.hears('contract'));
    assert.equal(await balanceOnLedger(flow.ledgerUrl, buyer.address), FAUCET - 1_000_000n);
    assert.equal(await balanceOnLedger(flow.ledgerUrl, seller?.address ?? ''), FAUCET + 1_000_000n);
  });

  it('is not rented at a price that the workshop does not pay', async () => {
    await flow.press('rental-peak');
    await flow.press('rental-rent');
    const { error } = await flow.hears('not-rented');
    assert.equal(error?.code, 'NO_PROPOSAL');
    await flow.press('rental-normal');
  });

  it('does not run on after a power cut: it goes on for what is paid, or pays back, and stands still', async () => {
    const { length: rented } = await flow.heard('contract');
    const { length: before } = await flow.heard('spindle');
    await flow.press('rental-rent');
    await flow.hears('spindle', (told, index) => index >= before && turning(told));
    await flow.killAndRestart();
    const { length: kept } = await flow.heard('spindle');
    const contract = contractIn(await flow.hears('contract', (_, index) => index >= rented));
    assert.ok(['completed', 'refunded'].includes(contract.status), contract.status);
    await flow.hears('spindle', (told, index) => index >= kept && !turning(told));
    assert.equal((await flow.heard('spindle')).map(turning).at(-1), false);
  });
});

describe('the example with a spare part', function () {
  this.timeout(240_000);
  let flow: ObservedFlow;

  before(async () => {
    flow = await ObservedFlow.start(example('spare-part'), {
      'spare-buy:0': 'contract',
      'spare-north-offer:2': 'north',
      'spare-east-offer:2': 'east',
      'spare-west-offer:2': 'west',
      'spare-parcel:0': 'parcel',
      'spare-work-order:0': 'work-order',
      'spare-not-bought:0': 'not-bought',
    });
  });
  after(() => flow?.stop());

  const notChosen = (told: Told) => eventIn(told).event === 'rejected' && eventIn(told).reason === 'not-chosen';

  it('is ordered from the cheapest of three, and delivered', async () => {
    const contract = contractIn(await flow.hears('contract'));
    assert.deepEqual([contract.status, contract.amount, contract.quantity], ['completed', '1800000', '2']);
    const { payload } = await flow.hears('parcel');
    assert.equal((payload as { from: string }).from, 'East');
    await flow.hears('north', notChosen);
    await flow.hears('west', notChosen);
    const { payload: order } = await flow.hears('work-order');
    assert.match((order as { todo: string }).todo, /Fit 2 bearings/);
    assert.match((order as { because: string }).because, /\S/);
    assert.deepEqual(await flow.heard('not-bought'), []);
  });

  it('is ordered from the next one when the cheapest becomes dear', async () => {
    const [{ buyer, contractId, seller: east }] = (await flow.heard('contract')).map(contractIn) as [Contract];
    await flow.press('spare-east-dearer');
    await flow.press('spare-wear');
    const contract = contractIn(await flow.hears('contract', (told) => contractIn(told).contractId !== contractId));
    assert.deepEqual([contract.status, contract.amount], ['completed', '2100000']);
    const west = contract.seller?.address ?? '';
    assert.equal(await balanceOnLedger(flow.ledgerUrl, buyer.address), FAUCET - 3_900_000n);
    assert.equal(await balanceOnLedger(flow.ledgerUrl, west), FAUCET + 2_100_000n);
    assert.equal(await balanceOnLedger(flow.ledgerUrl, east?.address ?? ''), FAUCET + 1_800_000n);
  });
});

describe('the example of a marketplace', function () {
  this.timeout(240_000);
  let flow: ObservedFlow;

  before(async () => {
    flow = await ObservedFlow.start(example('marketplace'), {
      'market-buy:0': 'contract',
      'market-which:0': 'refused',
      'market-forge:0': 'forged',
      'market-forger-did:0': 'forger',
      'market-a-offer:2': 'a',
      'market-c-mine:0': 'answered',
      'market-b-job:0': 'job',
      'market-not-bought:0': 'not-bought',
    });
  });
  after(() => flow?.stop());

  it('goes to the forklift that is worth its price and its way, and that alone', async () => {
    const contract = contractIn(await flow.hears('contract'));
    assert.deepEqual([contract.status, contract.amount], ['completed', '900000']);
    const { payload } = await flow.hears('job');
    assert.deepEqual(payload, { forklift: 'Forklift B', from: 'gate 4', to: 'rack 17' });
    await flow.hears('a', (told) => eventIn(told).reason === 'not-chosen');
    assert.deepEqual(await flow.heard('not-bought'), []);
  });

  it('shows that the forged bid was refused', async () => {
    const { payload } = await flow.hears('forged');
    const { reason, seller } = eventIn(await flow.hears('refused'));
    assert.equal(reason, 'signature');
    assert.equal(seller, (payload as { from: string }).from);
  });

  it('shows that the late bid came too late', async () => {
    await flow.hears('refused', (told) => eventIn(told).reason === 'late');
    const { payload } = await flow.hears('answered');
    assert.deepEqual(payload, { type: 'reject', reason: 'late' });
  });

  it('has paid one, once, and no forger', async () => {
    const { buyer, seller } = contractIn(await flow.hears('contract'));
    const { payload } = await flow.hears('forger');
    assert.equal(await balanceOnLedger(flow.ledgerUrl, buyer.address), FAUCET - 900_000n);
    assert.equal(await balanceOnLedger(flow.ledgerUrl, seller?.address ?? ''), FAUCET + 900_000n);
    assert.equal(await balanceOnLedger(flow.ledgerUrl, (payload as { address: string }).address), FAUCET);
  });
});
