import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { CONTRACT_ID, contract, type FakePurchase, SELLER } from './fake-marketplace';
import { type FakeMachine, UNREACHABLE } from './fake-runtime';
import {
  BROKER,
  CHANNEL,
  deploy,
  fake,
  helper,
  LEDGER,
  MACHINE,
  messagesOf,
  nextMessage,
  nextStatus,
  type Received,
  redEvents,
  settled,
  sink,
  start,
  stop,
  TAB,
  warningsOf,
} from './palette';

const BUY = {
  id: 'buy',
  type: 'iota-buy',
  z: 'tab',
  machine: 'machine',
  channel: 'mqtt',
  broker: 'broker',
  service: 'compressed-air',
  waitSeconds: '3',
  choose: 'cheapest',
  wires: [['contracts'], ['progress']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };

const flow = (buy: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  BROKER,
  { ...BUY, ...buy },
  CATCH,
  ...['contracts', 'progress', 'caught'].map(sink),
];

const machine = () => fake.machines.at(-1) as FakeMachine;
const market = () => machine().marketplace;
const attending = () => market().attending.get('buy')?.listener;

async function buy(message: object): Promise<FakePurchase> {
  const asked = new Promise<FakePurchase>((resolve) => {
    market().onPurchase = resolve;
  });
  helper.getNode('buy').receive(message as never);
  return asked;
}

async function caughtOf(message: object): Promise<Received> {
  const caught = nextMessage('caught');
  helper.getNode('buy').receive(message as never);
  return caught;
}

describe('a buy node', () => {
  afterEach(stop);

  it('buys what it is set to and the payload says, and sends the contract with everything else of the message', async () => {
    const settings = {
      maxDistance: '5',
      waitSeconds: '2',
      choose: 'weighted',
      weights: { price: 1, time: 0, distance: 2 },
      expression: '',
      priceBand: '50',
      deliverWithin: '60',
    };
    await start(flow(settings));
    const received = nextMessage('contracts');
    const payload = { quantity: '10', parameters: { bar: 8 }, maxPrice: '0.5 IOTA', near: '48.1,11.5' };
    const purchase = await buy({ _msgid: 'm1', topic: 'plant/air', kept: { deep: 1 }, payload });
    assert.deepEqual(purchase.order, {
      settings: { service: 'compressed-air', ...settings, ...payload },
      channel: CHANNEL,
      origin: { nodeId: 'buy', messageId: 'm1', topic: 'plant/air' },
    });
    purchase.finish();
    const message = await received;
    assert.deepEqual(message.payload, contract());
    assert.deepEqual(
      [message._msgid, message.topic, message.kept, message.contractId],
      ['m1', 'plant/air', { deep: 1 }, CONTRACT_ID],
    );
  });

  it('leaves out what neither it nor the message says', async () => {
    await start(flow());
    const { order } = await buy({ _msgid: 'm1', payload: 'now' });
    const { quantity, parameters, maxPrice, near, maxDistance, deliverWithin } = order.settings;
    for (const absent of [quantity, parameters, maxPrice, near, maxDistance, deliverWithin]) {
      assert.equal(absent, undefined);
    }
    assert.deepEqual(order.origin, { nodeId: 'buy', messageId: 'm1' });
  });

  it('reads typed inputs, and what has no type as it stands', async () => {
    await start(
      flow({
        quantity: 'payload.minutes * 2',
        quantityType: 'jsonata',
        parameters: '{"bar":8}',
        parametersType: 'json',
        maxPrice: '500000',
        near: '48.1,11.5',
      }),
    );
    const { order } = await buy({ payload: { minutes: 5, maxPrice: '9 IOTA' } });
    const { quantity, parameters, maxPrice, near } = order.settings;
    assert.deepEqual([quantity, parameters, maxPrice, near], [10, { bar: 8 }, '500000', '48.1,11.5']);
  });

  it('tells Catch of an expression that cannot be evaluated, and buys nothing', async () => {
    await start(flow({ maxPrice: '$number(payload.limit)', maxPriceType: 'jsonata' }));
    assert.equal((await caughtOf({ payload: { limit: 'much' } })).error?.code, 'CONFIG_INVALID');
    assert.equal(market().purchases.length, 0);
  });

  it('sends progress on its second output, with copies and the contract it is about', async () => {
    await start(flow());
    const progress = messagesOf('progress');
    const contracts = messagesOf('contracts');
    const purchase = await buy({ _msgid: 'm1', kept: [1], payload: {} });
    purchase.progress({ event: 'called' });
    purchase.progress({ event: 'accepted', seller: SELLER, amount: '5' });
    await settled();
    assert.deepEqual(
      progress.map(({ payload, contractId, kept, _msgid }) => ({ payload, contractId, kept, _msgid })),
      [
        { event: 'called', contractId: CONTRACT_ID, seller: null },
        { event: 'accepted', contractId: CONTRACT_ID, seller: SELLER, amount: '5' },
      ].map((payload) => ({ payload, contractId: CONTRACT_ID, kept: [1], _msgid: 'm1' })),
    );
    assert.notEqual(progress[0]?.kept, progress[1]?.kept);
    assert.equal(contracts.length, 0);
    purchase.finish();
    await settled();
    assert.equal(contracts.length, 1);
  });

  for (const code of ['NO_PROPOSAL', 'OFFER_EXPIRED', 'DELIVERY_LATE', 'POLICY_PAYEE'] as const) {
    it(`hands ${code} to Catch, and shows it`, async () => {
      await start(flow());
      const caught = nextMessage('caught');
      const shown = nextStatus('buy', new RegExp(`short\\.${code}$`));
      const purchase = await buy({ _msgid: 'm1', kept: 1, payload: {} });
      purchase.fail(new CodedError(code, 'default', 'it did not come about'));
      const message = await caught;
      assert.deepEqual([message.error?.code, message._msgid, message.kept], [code, 'm1', 1]);
      assert.equal((await shown).fill, 'red');
    });
  }

  for (const how of ['stop', 'cancel'] as const) {
    it(`is told to ${how} a contract, and sends nothing for it`, async () => {
      await start(flow());
      const contracts = messagesOf('contracts');
      const ended = new Promise((resolve) => {
        market().onEnd = resolve;
      });
      helper.getNode('buy').receive({ topic: how, contractId: CONTRACT_ID } as never);
      assert.deepEqual(await ended, { nodeId: 'buy', contractId: CONTRACT_ID, how });
      await settled();
      assert.deepEqual([contracts.length, market().purchases.length], [0, 0]);
    });

    it(`does not take a ${how} without its contract for a need`, async () => {
      await start(flow());
      assert.equal((await caughtOf({ topic: how, payload: {} })).error?.code, 'CONFIG_INVALID');
      assert.equal((await caughtOf({ topic: how, contractId: '', payload: {} })).error?.code, 'CONFIG_INVALID');
      assert.deepEqual([market().ended.length, market().purchases.length], [0, 0]);
    });
  }

  it('does not take an unknown word about a contract for a need', async () => {
    await start(flow());
    for (const topic of ['Stop', 'delivered', 'meter', 5]) {
      assert.equal((await caughtOf({ topic, contractId: CONTRACT_ID })).error?.code, 'CONFIG_INVALID');
    }
    assert.equal((await caughtOf({ topic: 'air', contractId: 7 })).error?.code, 'CONFIG_INVALID');
    assert.equal(market().purchases.length, 0);
  });

  it('buys anew when a message without topic comes from another purchase', async () => {
    await start(flow());
    const { order } = await buy({ contractId: CONTRACT_ID, topic: '', payload: {} });
    assert.equal(order.settings.service, 'compressed-air');
  });

  it('hands the refusal to end a purchase to Catch', async () => {
    await start(flow());
    market().nextError = new CodedError('CONFIG_INVALID', 'contract-state', 'it is over');
    const { error, contractId } = await caughtOf({ topic: 'cancel', contractId: CONTRACT_ID });
    assert.deepEqual([error?.code, contractId], ['CONFIG_INVALID', CONTRACT_ID]);
  });

  for (const [name, settings] of [
    ['without a broker', { broker: '' }],
    ['with a channel that is not there yet', { channel: 'ledger' }],
    ['without a machine', { machine: '' }],
  ] as const) {
    it(`${name} says so to Catch, and buys nothing`, async () => {
      await start(flow(settings));
      assert.equal((await caughtOf({ payload: {} })).error?.code, 'CONFIG_INVALID');
      assert.equal(market().purchases.length, 0);
      assert.equal(market().attending.size, 0);
    });
  }

  it('says at the start that it has no broker, before anything is to be bought', async () => {
    const caught: Received[] = [];
    redEvents().prependOnceListener('flows:started', () => {
      helper.getNode('caught').on('input', (message) => caught.push(message as Received));
    });
    await start(flow({ broker: '' }));
    await settled();
    assert.deepEqual(
      caught.map(({ error }) => error?.code),
      ['CONFIG_INVALID'],
    );
  });
});

describe('the status of a buy node', () => {
  afterEach(stop);

  for (const [event, text, fill] of [
    ['called', 'calling', 'blue'],
    ['accepted', 'accepted', 'blue'],
    ['confirmed', 'paying', 'blue'],
    ['paid', 'paid', 'blue'],
    ['metered', 'paid', 'blue'],
    ['late', 'late', 'yellow'],
    ['unknown', 'unknown', 'yellow'],
  ] as const) {
    it(`is "${text}" after ${event}`, async () => {
      await start(flow());
      const shown = nextStatus('buy', `iota-buy.status.${text}`);
      const purchase = await buy({ payload: {} });
      purchase.progress({ event });
      assert.equal((await shown).fill, fill);
    });
  }

  for (const [status, fill] of [
    ['completed', 'green'],
    ['refunded', 'yellow'],
    ['cancelled', 'grey'],
    ['failed', 'red'],
  ] as const) {
    it(`tells a contract that was ${status}`, async () => {
      await start(flow());
      const shown = nextStatus('buy', `iota-buy.status.${status}`);
      const purchase = await buy({ payload: {} });
      purchase.finish(contract({ status }));
      assert.equal((await shown).fill, fill);
    });
  }

  it('tells a broker that is away, and that it is back', async () => {
    await start(flow());
    const away = nextStatus('buy', 'iota-buy.status.offline');
    attending()?.channel({ up: false, message: 'refused' });
    assert.equal((await away).fill, 'yellow');
    const back = nextStatus('buy', 'iota-buy.status.ready');
    attending()?.channel({ up: true });
    assert.equal((await back).fill, 'green');
  });

  it('says in the log why the broker is away, once for each reason', async () => {
    await start(flow());
    const said = warningsOf('buy');
    for (const message of ['refused', 'refused', 'no safe connection']) attending()?.channel({ up: false, message });
    attending()?.channel({ up: true });
    attending()?.channel({ up: false, message: 'no safe connection' });
    await settled();
    assert.deepEqual(said, ['refused', 'no safe connection', 'no safe connection']);
  });

  it('is not what it was before only because the broker is still there', async () => {
    await start(flow());
    const shown = nextStatus('buy', 'iota-buy.status.completed');
    const purchase = await buy({ payload: {} });
    purchase.finish();
    await shown;
    const statuses: object[] = [];
    (helper.getNode('buy') as unknown as NodeJS.EventEmitter).on('call:status', (call: { args: [object] }) =>
      statuses.push(call.args[0]),
    );
    attending()?.channel({ up: true });
    await settled();
    assert.deepEqual(statuses, []);
  });

  it('goes on telling that there is no broker when the machine is back', async () => {
    await start(flow({ broker: '' }));
    const ready = machine().state;
    const down = nextStatus('buy', /short\.LEDGER_UNREACHABLE$/);
    machine().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const again = nextStatus('buy', /short\.CONFIG_INVALID$/);
    machine().become(ready);
    await again;
  });

  it('tells a machine that is down', async () => {
    await start(flow());
    const down = nextStatus('buy', /short\.LEDGER_UNREACHABLE$/);
    machine().become({ phase: 'down', error: UNREACHABLE });
    assert.equal((await down).fill, 'red');
  });
});

describe('a buy node that is deployed again', () => {
  afterEach(stop);

  it('leaves its open purchases to its successor, and nothing behind', async () => {
    await start(flow());
    const listenersBefore = redEvents().listenerCount('flows:started');
    const contracts = messagesOf('contracts');
    const purchase = await buy({ payload: {} });
    assert.equal(purchase.signal?.aborted, false);
    await deploy(flow({ name: 'changed' }), 'nodes');
    assert.equal(purchase.signal?.aborted, true);
    assert.equal(market().held, 1, 'that of the successor');
    assert.equal(redEvents().listenerCount('flows:started'), listenersBefore);
    await settled();
    assert.equal(contracts.length, 0);
  });

  it('sends the contract that its predecessor could not, under the old message id, marked', async () => {
    await start(flow());
    assert.deepEqual(market().attending.get('buy')?.channel, CHANNEL);
    const received = nextMessage('contracts');
    attending()?.contract(contract(), { nodeId: 'buy', topic: 'air', messageId: 'old' }, true);
    const { _msgid, topic, payload, contractId, redelivered } = await received;
    assert.deepEqual(
      { _msgid, topic, payload, contractId, redelivered },
      { _msgid: 'old', topic: 'air', payload: contract(), contractId: CONTRACT_ID, redelivered: true },
    );
  });

  it('does not mark the contract of a late delivery as told before', async () => {
    await start(flow());
    const received = nextMessage('contracts');
    const shown = nextStatus('buy', 'iota-buy.status.refunded');
    attending()?.contract(contract({ status: 'refunded' }), { nodeId: 'buy' }, false);
    assert.equal((await received).redelivered, undefined);
    await shown;
  });

  it('tells Catch of a failure that its predecessor could not, with the contract', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    const error = new CodedError('DELIVERY_LATE', 'default', 'late');
    const late = contract({ status: 'failed' });
    attending()?.failure(error, late, { nodeId: 'buy', messageId: 'old' });
    const { _msgid, payload, contractId, error: told } = await caught;
    assert.deepEqual([_msgid, payload, contractId, told?.code], ['old', late, CONTRACT_ID, 'DELIVERY_LATE']);
  });

  it('does not ask what became of purchases before all flows run', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = market().attending.size;
    });
    await start(flow());
    assert.deepEqual([early, market().attending.size], [0, 1]);
  });

  it('leaves nothing behind when it closes with the machine', async () => {
    await start(flow());
    const opened = machine();
    await stop();
    assert.equal(opened.held, 0);
    await start(flow());
  });
});
