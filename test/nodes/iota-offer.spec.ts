import assert from 'node:assert/strict';
import sinon from 'sinon';
import { CodedError } from '../../lib/errors';
import { BUYER, CONTRACT_ID, type FakeDesk, offerEvent } from './fake-marketplace';
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

const SETTINGS = {
  service: 'compressed-air',
  title: 'Compressed air, hall 3',
  price: '0.2 IOTA',
  unit: 'minute',
  place: '48.1,11.5',
  parameters: '',
  validFor: '60',
  capacity: '1',
  leadSeconds: '',
  autoPropose: true,
  underpaid: 'refund',
};
const OFFER = {
  id: 'offer',
  type: 'iota-offer',
  z: 'tab',
  machine: 'machine',
  channel: 'mqtt',
  broker: 'broker',
  ...SETTINGS,
  wires: [['starts'], ['stops'], ['events']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };

const flow = (offer: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  BROKER,
  { ...OFFER, ...offer },
  CATCH,
  ...['starts', 'stops', 'events', 'caught'].map(sink),
];

const machine = () => fake.machines.at(-1) as FakeMachine;
const desk = () => machine().marketplace.desks.at(-1) as FakeDesk;
const OPEN = { phase: 'open', delivering: 0, price: '200000', paused: false } as const;

/** What arrived, as a flow sees it. */
const seen = ({ _msgid: _, ...message }: Received) => message;

/** Everything that reaches Catch while flows start. */
async function startCatching(nodes: readonly object[]): Promise<Received[]> {
  const caught: Received[] = [];
  // Before the flows have started, but after the nodes are there.
  redEvents().prependOnceListener('flows:started', () => {
    helper.getNode('caught').on('input', (message) => caught.push(message as Received));
  });
  await start(nodes);
  await settled();
  return caught;
}

describe('an offer node', () => {
  afterEach(stop);

  it('offers what it is set to, over its broker, once flows have started', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = machine().marketplace.desks.length;
    });
    await start(flow());
    assert.equal(early, 0);
    assert.deepEqual(desk().order, { nodeId: 'offer', settings: SETTINGS, channel: CHANNEL });
  });

  it('hands a paid start to output 1, a stop to output 2 and all else to output 3', async () => {
    await start(flow());
    const received = { starts: messagesOf('starts'), stops: messagesOf('stops'), events: messagesOf('events') };
    const proposed = offerEvent({ event: 'proposed', until: null, amount: '2000000', token: 'IOTA', decimals: 6 });
    const started = offerEvent();
    const stopped = offerEvent({ event: 'stop' });
    desk().listener.event(proposed, false);
    desk().listener.start(started, false);
    desk().listener.stop(stopped);
    await settled();
    assert.deepEqual(
      [received.events, received.starts, received.stops].map((messages) => messages.map(seen)),
      [
        [{ topic: 'proposed', contractId: CONTRACT_ID, payload: proposed }],
        [{ topic: 'start', contractId: CONTRACT_ID, payload: started }],
        [{ topic: 'stop', contractId: CONTRACT_ID, payload: stopped }],
      ],
    );
    const { contractId, event, service, quantity, until, buyer } = started;
    assert.deepEqual(
      { contractId, event, service, quantity, until, buyer },
      {
        contractId: CONTRACT_ID,
        event: 'start',
        service: 'compressed-air',
        quantity: '10',
        until: '2026-01-01T00:10:00.000Z',
        buyer: BUYER,
      },
    );
  });

  it('marks what may have been handed over before', async () => {
    await start(flow());
    const starts = nextMessage('starts');
    const events = nextMessage('events');
    desk().listener.start(offerEvent(), true);
    desk().listener.event(offerEvent({ event: 'completed' }), true);
    assert.deepEqual([(await starts).redelivered, (await events).redelivered], [true, true]);
  });

  it('passes on a stop of everything, with no contract in it', async () => {
    await start(flow());
    const stops = nextMessage('stops');
    desk().listener.stop(offerEvent({ contractId: null, event: 'stop', quantity: null, until: null, buyer: null }));
    const message = await stops;
    assert.equal(message.contractId, null);
    assert.equal((message.payload as { event: string }).event, 'stop');
  });

  const COMMANDS: [object, object][] = [
    [
      { topic: 'price', payload: '0.3 IOTA' },
      { command: 'price', price: '0.3 IOTA', contractId: null },
    ],
    [
      { topic: 'price', contractId: 'c1', payload: { price: 300000, quantity: 1 } },
      { command: 'price', price: 300000, contractId: 'c1' },
    ],
    [{ topic: 'pause' }, { command: 'pause' }],
    [{ topic: 'resume', contractId: 'c1' }, { command: 'resume' }],
    [{ topic: 'withdraw' }, { command: 'withdraw', contractId: null }],
    [
      { topic: 'withdraw', contractId: 'c1' },
      { command: 'withdraw', contractId: 'c1' },
    ],
    [
      { topic: 'meter', contractId: 'c1', payload: '3.5' },
      { command: 'meter', contractId: 'c1', quantity: '3.5' },
    ],
    [
      { topic: 'meter', contractId: 'c1', payload: { quantity: 4, price: 1 } },
      { command: 'meter', contractId: 'c1', quantity: 4 },
    ],
    [
      { topic: 'meter', contractId: 'c1', payload: {} },
      { command: 'meter', contractId: 'c1', quantity: undefined },
    ],
    [
      { topic: 'delivered', contractId: 'c1' },
      { command: 'delivered', contractId: 'c1' },
    ],
    [
      { topic: 'failed', contractId: 'c1', payload: 'compressor off' },
      { command: 'failed', contractId: 'c1', text: 'compressor off' },
    ],
    [
      { topic: 'failed', contractId: 'c1', payload: { text: 'compressor off' } },
      { command: 'failed', contractId: 'c1', text: 'compressor off' },
    ],
    [
      { topic: 'failed', contractId: 'c1', payload: 5 },
      { command: 'failed', contractId: 'c1', text: null },
    ],
  ];
  for (const [message, command] of COMMANDS) {
    it(`is told ${JSON.stringify(message)}`, async () => {
      await start(flow());
      const told = new Promise((resolve) => {
        machine().marketplace.onCommand = resolve;
      });
      helper.getNode('offer').receive(message as never);
      assert.deepEqual(await told, command);
    });
  }

  const REFUSED: object[] = [
    { topic: 'sell' },
    { payload: '0.3 IOTA' },
    { topic: 5 },
    { topic: 'meter', payload: 3 },
    { topic: 'delivered' },
    { topic: 'failed', contractId: '' },
    { topic: 'withdraw', contractId: 5 },
    { topic: 'withdraw', contractId: '' },
  ];
  for (const message of REFUSED) {
    it(`refuses ${JSON.stringify(message)}, and does nothing`, async () => {
      await start(flow());
      const caught = nextMessage('caught');
      helper.getNode('offer').receive(message as never);
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      assert.deepEqual(desk().commands, []);
    });
  }

  it('hands what a command failed with to Catch, with the message', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    machine().marketplace.nextError = new CodedError('AMOUNT_INVALID', 'fraction', 'not an amount', { value: '0.3' });
    helper.getNode('offer').receive({ _msgid: 'm1', topic: 'price', payload: '0.3', kept: 1 } as never);
    const { error, _msgid, kept } = await caught;
    assert.deepEqual([error?.code, _msgid, kept], ['AMOUNT_INVALID', 'm1', 1]);
  });

  it('keeps a command that comes while flows start, and gives it to the desk then', async () => {
    redEvents().prependOnceListener('flows:started', () => {
      helper.getNode('offer').receive({ topic: 'price', payload: '0.3 IOTA' } as never);
    });
    await start(flow());
    await settled();
    assert.deepEqual(desk().commands, [{ command: 'price', price: '0.3 IOTA', contractId: null }]);
  });

  for (const [name, offer] of [
    ['without a broker', { broker: '' }],
    ['with a channel that is not there yet', { channel: 'ledger' }],
    ['without a machine', { machine: '' }],
  ] as const) {
    it(`${name} says so to Catch, offers nothing, and switches off`, async () => {
      const stops: Received[] = [];
      redEvents().prependOnceListener('flows:started', () => {
        helper.getNode('stops').on('input', (message) => stops.push(message as Received));
      });
      const caught = await startCatching(flow(offer));
      assert.deepEqual(
        caught.map(({ error }) => error?.code),
        ['CONFIG_INVALID'],
      );
      assert.equal(machine().marketplace.desks.length, 0);
      assert.deepEqual(
        stops.map(({ contractId, payload }) => [contractId, (payload as { event: string }).event]),
        [[null, 'stop']],
      );
      // Once may have been too early for what comes behind it.
      await nextMessage('stops');
      const refused = nextMessage('caught');
      helper.getNode('offer').receive({ topic: 'pause' } as never);
      assert.equal((await refused).error?.code, 'CONFIG_INVALID');
    });
  }

  it('tells Catch of settings that are wrong', async () => {
    await start(flow());
    const caught = messagesOf('caught');
    const error = new CodedError('CONFIG_INVALID', 'unit', 'no such unit', {});
    const shown = nextStatus('offer', /short\.CONFIG_INVALID$/);
    desk().listener.state({ phase: 'wrong', error });
    assert.equal((await shown).fill, 'red');
    await settled();
    assert.equal(caught.length, 1);
    assert.equal(caught[0]?.error?.code, 'CONFIG_INVALID');
  });
});

describe('the status of an offer node', () => {
  afterEach(stop);

  const STATES: [string, object, object, { fill: string; text: string }][] = [
    ['its price', {}, OPEN, { fill: 'green', text: '0.2 IOTA/min' }],
    ['what it costs once', { unit: 'once' }, OPEN, { fill: 'green', text: '0.2 IOTA' }],
    ['how many it delivers', {}, { ...OPEN, delivering: 2, paused: true }, { fill: 'blue', text: '▶ 2' }],
    ['a single delivery', {}, { ...OPEN, delivering: 1 }, { fill: 'blue', text: '▶ 1' }],
    ['a pause', {}, { ...OPEN, paused: true }, { fill: 'grey', text: 'iota-offer.status.paused' }],
    ['that it waits for a price', {}, { ...OPEN, price: null }, { fill: 'yellow', text: 'iota-offer.status.price' }],
    [
      'that its flow answers',
      { autoPropose: false },
      { ...OPEN, price: null },
      { fill: 'green', text: 'iota-offer.status.asking' },
    ],
    ['a withdrawn offer', {}, { phase: 'withdrawn' }, { fill: 'grey', text: 'iota-offer.status.withdrawn' }],
    [
      'a broker that is away',
      {},
      { phase: 'offline', message: 'refused' },
      { fill: 'yellow', text: 'iota-offer.status.offline' },
    ],
  ];
  for (const [name, offer, state, { fill, text }] of STATES) {
    it(`shows ${name}`, async () => {
      await start(flow(offer));
      const shown = nextStatus('offer', text);
      desk().listener.state(state as never);
      assert.equal((await shown).fill, fill);
    });
  }

  it('says in the log why the broker is away, once for each reason', async () => {
    await start(flow());
    const said = warningsOf('offer');
    const away = { phase: 'offline', message: 'refused' } as const;
    for (const state of [away, away, { ...OPEN, delivering: 0 }, away]) desk().listener.state(state as never);
    await settled();
    assert.deepEqual(said, ['refused', 'refused']);
  });

  it('shows first that the machine is down, and then the offer again', async () => {
    // Statuses are throttled: the clock is turned past that after each step.
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    try {
      await start(flow());
      const shown: (string | undefined)[] = [];
      (helper.getNode('offer') as unknown as NodeJS.EventEmitter).on(
        'call:status',
        (call: { args: [{ text?: string }] }) => shown.push(call.args[0].text),
      );
      const shownAfter = async (step: () => void) => {
        shown.length = 0;
        step();
        clock.tick(1000);
        await settled();
        return shown.at(-1);
      };
      const ready = machine().state;
      assert.match(
        (await shownAfter(() => machine().become({ phase: 'down', error: UNREACHABLE }))) ?? '',
        /short\.LEDGER_UNREACHABLE$/,
      );
      assert.equal(await shownAfter(() => desk().listener.state(OPEN)), undefined);
      assert.equal(await shownAfter(() => machine().become(ready)), '0.2 IOTA/min');
    } finally {
      clock.restore();
    }
  });
});

describe('an offer node that is deployed again', () => {
  afterEach(stop);

  it('closes its desk, and its successor opens one', async () => {
    await start(flow());
    const before = desk();
    const listenersBefore = redEvents().listenerCount('flows:started');
    await deploy(flow({ price: '0.4 IOTA' }), 'nodes');
    assert.equal(before.closed, 1);
    assert.notEqual(desk(), before);
    assert.equal(desk().order.settings.price, '0.4 IOTA');
    assert.equal(redEvents().listenerCount('flows:started'), listenersBefore);
  });

  it('sends what its desk stops when it closes', async () => {
    await start(flow());
    const stops = nextMessage('stops');
    const closing = desk();
    const close = closing.close.bind(closing);
    closing.close = () => {
      close();
      closing.listener.stop(offerEvent({ event: 'stop', reason: 'closed' }));
    };
    await deploy(flow({ price: '0.4 IOTA' }), 'nodes');
    assert.deepEqual((await stops).contractId, CONTRACT_ID);
  });

  it('leaves nothing behind', async () => {
    await start(flow());
    const opened = machine();
    await stop();
    assert.equal(opened.held, 0);
    await start(flow());
  });
});
