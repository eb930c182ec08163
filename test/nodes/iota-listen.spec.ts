import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import type { DataEvent } from '../../lib/runtime';
import { dataEvent, type FakeLedger, type FakeMachine, receivedPayment, UNREACHABLE } from './fake-runtime';
import {
  deploy,
  fake,
  helper,
  LEDGER,
  MACHINE,
  messagesOf,
  nextMessage,
  nextStatus,
  redEvents,
  settled,
  sink,
  start,
  stop,
  TAB,
} from './palette';

const LISTEN = {
  id: 'listen',
  type: 'iota-listen',
  z: 'tab',
  machine: 'machine',
  source: 'payments',
  from: 'now',
  wires: [['event']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };
const flow = (listen: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  { ...LISTEN, ...listen },
  CATCH,
  sink('event'),
  sink('caught'),
];
const machine = () => fake.machines.at(-1) as FakeMachine;
const listener = () => machine().listening.get('listen');

describe('a listen node', () => {
  afterEach(stop);

  it('sends each payment with an id that stays, and whether it may have come before', async () => {
    await start(flow({ from: 'beginning' }));
    await settled();
    assert.equal(listener()?.from, 'beginning');
    const events = messagesOf('event');
    listener()?.handler(receivedPayment(1), false);
    listener()?.handler(receivedPayment(2), true);
    await settled();
    assert.deepEqual(
      events.map(({ payload, eventId, redelivered }) => ({ payload, eventId, redelivered })),
      [
        { payload: receivedPayment(1), eventId: receivedPayment(1).eventId, redelivered: false },
        { payload: receivedPayment(2), eventId: receivedPayment(2).eventId, redelivered: true },
      ],
    );
  });

  it('starts only when all flows run, so that nothing is sent to nobody', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = machine().listening.size;
    });
    await start(flow());
    await settled();
    assert.equal(early, 0);
    assert.equal(machine().listening.size, 1);
  });

  it('waits for its machine, and goes on when the ledger was away', async () => {
    await start(flow());
    await settled();
    const ready = machine().state;
    const down = nextStatus('listen', /short\.LEDGER_UNREACHABLE$/);
    machine().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const back = nextStatus('listen', 'iota-listen.status.listening');
    machine().become(ready);
    await back;
    assert.equal(machine().listening.size, 1, 'it listens once');
  });

  it('says what went wrong, and tries again when the machine comes back', async () => {
    await start(flow({ machine: 'machine' }));
    await settled();
    await stop();
    await start([...flow()].filter(({ id }) => id !== 'listen'));
    const caught = nextMessage('caught');
    machine().nextError = new CodedError('HISTORY_PRUNED', 'default', 'too late');
    await deploy(flow(), 'nodes');
    assert.equal((await caught).error?.code, 'HISTORY_PRUNED');
    assert.equal(machine().listening.size, 0);
    machine().become(machine().state);
    await settled();
    assert.equal(machine().listening.size, 1);
  });

  for (const wrong of [{ source: 'rumours' }, { from: 'yesterday' }]) {
    it(`refuses ${JSON.stringify(wrong)}, which it cannot do`, async () => {
      await start([...flow()].filter(({ id }) => id !== 'listen'));
      const caught = nextMessage('caught');
      await deploy(flow(wrong), 'nodes');
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      assert.equal(machine().listening.size, 0);
    });
  }

  it('stops listening when it closes, and its successor listens once', async () => {
    await start(flow());
    await settled();
    const opened = machine();
    await deploy(flow({ name: 'changed' }), 'nodes');
    await settled();
    assert.equal(opened.listening.size, 1);
    await stop();
    await settled();
    assert.equal(opened.held, 0);
    await start(flow());
  });
});

describe('a listen node for data', () => {
  const DATA = { source: 'data', machine: '', ledger: 'ledger', tag: 'me1:log' };
  const ledger = () => fake.ledgers.at(-1) as FakeLedger;
  const listening = () => ledger().listening.get('listen');
  afterEach(stop);

  it('sends each record with an id that stays, and whether it may have come before', async () => {
    await start(flow({ ...DATA, from: 'beginning' }));
    await settled();
    assert.deepEqual(listening()?.order, { listenerId: 'listen', from: 'beginning', tag: 'me1:log' });
    const events = messagesOf('event');
    listening()?.listener.event(dataEvent(1), false);
    listening()?.listener.event(dataEvent(2), true);
    await settled();
    assert.deepEqual(
      events.map(({ topic, payload, eventId, redelivered }) => ({ topic, payload, eventId, redelivered })),
      [
        { topic: 'data', payload: dataEvent(1), eventId: dataEvent(1).eventId, redelivered: false },
        { topic: 'data', payload: dataEvent(2), eventId: dataEvent(2).eventId, redelivered: true },
      ],
    );
    assert.ok(events.every(({ payload }) => Buffer.isBuffer((payload as DataEvent).bytes)));
  });

  it('listens to the ledger of its machine where it has no other', async () => {
    await start(flow({ ...DATA, ledger: '', machine: 'machine', tag: undefined, from: '' }));
    await settled();
    assert.deepEqual(listening()?.order, { listenerId: 'listen', from: 'now', tag: '' });
  });

  it('starts only when all flows run, so that nothing is sent to nobody', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = ledger().listening.size;
    });
    await start(flow(DATA));
    await settled();
    assert.deepEqual([early, ledger().listening.size], [0, 1]);
  });

  it('shows that its ledger is away and back, and listens once all the while', async () => {
    await start(flow(DATA));
    await settled();
    const up = ledger().state;
    const down = nextStatus('listen', /short\.LEDGER_UNREACHABLE$/);
    ledger().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const back = nextStatus('listen', 'iota-listen.status.listening');
    ledger().become(up);
    await back;
    assert.equal(ledger().listening.size, 1);
  });

  it('says loudly why nothing comes, keeps saying so under the node, and says when that is over', async () => {
    await start(flow(DATA));
    await settled();
    const caught = nextMessage('caught');
    const gone = nextStatus('listen', /short\.HISTORY_PRUNED$/);
    listening()?.listener.trouble(new CodedError('HISTORY_PRUNED', 'records', 'gone'));
    assert.equal((await caught).error?.code, 'HISTORY_PRUNED');
    await gone;
    // The ledger came back meanwhile: that does not bring the history back.
    const away = nextStatus('listen', /short\.LEDGER_UNREACHABLE$/);
    const still = nextStatus('listen', /short\.HISTORY_PRUNED$/);
    const up = ledger().state;
    ledger().become({ phase: 'down', error: UNREACHABLE });
    await away;
    ledger().become(up);
    await still;
    const over = nextStatus('listen', 'iota-listen.status.listening');
    listening()?.listener.trouble(undefined);
    await over;
  });

  for (const { wrong, what } of [
    { wrong: { ledger: '', machine: '' }, what: 'neither a ledger nor a machine' },
    { wrong: { ledger: 'nowhere' }, what: 'a ledger that is not there' },
    { wrong: { ledger: '', machine: 'ledger' }, what: 'a machine that is none' },
    { wrong: { tag: ['$', '{NO_SUCH_VARIABLE}'].join('') }, what: 'a tag from a variable that is not set' },
  ]) {
    it(`refuses ${what}`, async () => {
      await start([...flow()].filter(({ id }) => id !== 'listen'));
      const caught = nextMessage('caught');
      await deploy(flow({ ...DATA, ...wrong }), 'nodes');
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      assert.equal(
        fake.ledgers.reduce((all, { listening }) => all + listening.size, 0),
        0,
      );
    });
  }

  it('passes on what the runtime refuses', async () => {
    await start([...flow()].filter(({ id }) => id !== 'listen'));
    await settled();
    const caught = nextMessage('caught');
    ledger().nextError = new CodedError('CONFIG_INVALID', 'data-tag', 'no tag');
    await deploy(flow({ ...DATA, tag: '0x' }), 'nodes');
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
  });

  it('stops listening when it closes, and its successor listens once', async () => {
    await start(flow(DATA));
    await settled();
    const opened = ledger();
    const watchers = opened.listeners.size;
    const before = listening();
    await deploy(flow({ ...DATA, name: 'changed' }), 'nodes');
    await settled();
    assert.equal(opened.listening.size, 1);
    assert.notEqual(listening(), before);
    assert.equal(opened.listeners.size, watchers);
    const usersOf = (id: string) => Object.keys((helper.getNode(id) as unknown as { users: object }).users);
    assert.deepEqual(usersOf('ledger').sort(), ['listen', 'machine']);
    await deploy(flow({ ...DATA, ledger: '', machine: 'machine' }), 'nodes');
    await settled();
    assert.deepEqual([usersOf('ledger'), usersOf('machine')], [['machine'], ['listen']]);
    assert.equal(opened.listening.size, 1);
    await deploy(flow({ ...DATA, d: true }), 'nodes');
    await settled();
    assert.deepEqual([usersOf('ledger'), usersOf('machine')], [['machine'], []]);
    assert.equal(opened.listening.size, 0);
    assert.equal(opened.listeners.size, watchers - 1);
  });
});
