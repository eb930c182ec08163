import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { type FakeMachine, receivedPayment, UNREACHABLE } from './fake-runtime';
import {
  deploy,
  fake,
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

  for (const wrong of [{ source: 'data' }, { source: 'offers' }, { from: 'yesterday' }]) {
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
