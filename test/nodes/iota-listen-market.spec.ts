import assert from 'node:assert/strict';
import sinon from 'sinon';
import { CodedError } from '../../lib/errors';
import { finishedContract, foundOffer } from './fake-marketplace';
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
  redEvents,
  settled,
  sink,
  start,
  stop,
  TAB,
} from './palette';

const LISTEN = { id: 'listen', type: 'iota-listen', z: 'tab', machine: 'machine', wires: [['event']] };
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };
const flow = (listen: object) => [
  TAB,
  LEDGER,
  MACHINE,
  BROKER,
  { ...LISTEN, ...listen },
  CATCH,
  sink('event'),
  sink('caught'),
];
const withoutNode = (listen: object) => flow(listen).filter(({ id }) => id !== 'listen');
const machine = () => fake.machines.at(-1) as FakeMachine;
const market = () => machine().marketplace;

describe('a listen node for contracts', () => {
  const CONTRACTS = { source: 'contracts', from: 'beginning' };
  afterEach(stop);

  it('sends each contract that has ended, with an id that stays, and whether it may have come before', async () => {
    await start(flow(CONTRACTS));
    await settled();
    const listener = market().listening.get('listen');
    assert.equal(listener?.from, 'beginning');
    const events = messagesOf('event');
    listener?.handler(finishedContract(1), false);
    // The verdict of the same contract, later: another event.
    listener?.handler(finishedContract(1, { status: 'refunded' }), true);
    await settled();
    assert.deepEqual(
      events.map(({ topic, payload, contractId, eventId, redelivered }) => [
        topic,
        payload,
        contractId,
        eventId,
        redelivered,
      ]),
      [finishedContract(1), finishedContract(1, { status: 'refunded' })].map(({ contract, eventId }, at) => [
        'contract',
        contract,
        contract.contractId,
        eventId,
        at === 1,
      ]),
    );
    assert.notEqual(events[0]?.eventId, events[1]?.eventId);
  });

  it('begins with what comes next where nothing else is chosen', async () => {
    await start(flow({ source: 'contracts', from: '' }));
    await settled();
    assert.equal(market().listening.get('listen')?.from, 'now');
  });

  it('refuses a beginning that there is not, and tells what the runtime refuses', async () => {
    await start(withoutNode(CONTRACTS));
    const caught = nextMessage('caught');
    await deploy(flow({ ...CONTRACTS, from: 'yesterday' }), 'nodes');
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    market().nextError = new CodedError('JOURNAL_DAMAGED', 'default', 'the journal is damaged');
    const refused = nextMessage('caught');
    await deploy(flow(CONTRACTS), 'nodes');
    assert.equal((await refused).error?.code, 'JOURNAL_DAMAGED');
    const ready = machine().state;
    const down = nextStatus('listen', /short\.LEDGER_UNREACHABLE$/);
    machine().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const still = nextStatus('listen', /short\.JOURNAL_DAMAGED$/);
    machine().become(ready);
    await still;
    assert.equal(market().held, 0);
  });
});

describe('a listen node for offers', () => {
  const OFFERS = {
    source: 'offers',
    broker: 'broker',
    service: 'compressed-air',
    near: '48.1, 11.5',
    maxDistance: '25',
    maxPrice: '0.5 IOTA',
  };
  const search = () => market().searching.get('listen');
  afterEach(stop);

  it('looks for what it is set to, on the broker that was chosen', async () => {
    await start(flow(OFFERS));
    await settled();
    const { source: _source, broker: _broker, ...wanted } = OFFERS;
    assert.deepEqual(search()?.order, { listenerId: 'listen', channel: CHANNEL, ...wanted });
  });

  it('sends each offer with the id of its card', async () => {
    await start(flow(OFFERS));
    await settled();
    const events = messagesOf('event');
    const received = nextStatus('listen', 'iota-listen.status.received');
    search()?.listener.found(foundOffer(1));
    search()?.listener.found(foundOffer(1, { event: 'withdrawn', online: false }));
    await received;
    await settled();
    assert.deepEqual(
      events.map(({ topic, payload, eventId }) => [topic, payload, eventId]),
      [foundOffer(1), foundOffer(1, { event: 'withdrawn', online: false })].map((offer) => [
        'offer',
        offer,
        foundOffer(1).eventId,
      ]),
    );
    // Nothing is remembered about offers, so nothing is claimed about them.
    assert.ok(events.every((event) => !('redelivered' in event)));
  });

  it('shows that its broker is away and back, and says nothing of it while its machine is away', async () => {
    // The line under a node is quiet for a while after each change: that time is passed here.
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldAdvanceTime: true });
    try {
      await start(flow(OFFERS));
      await settled();
      const { listener } = search() ?? assert.fail('nobody looks');
      const shown: string[] = [];
      const node = helper.getNode('listen') as unknown as NodeJS.EventEmitter;
      node.on('call:status', ({ args: [{ text }] }: { args: [{ text: string }] }) =>
        shown.push(text.replace(/^.*\./, '')),
      );
      const ready = machine().state;
      for (const happens of [
        () => listener.channel({ up: false, message: 'refused' }),
        () => listener.channel({ up: true }),
        () => machine().become({ phase: 'down', error: UNREACHABLE }),
        () => listener.channel({ up: false, message: 'refused' }),
        () => {
          shown.push('and the machine is back');
          machine().become(ready);
        },
      ]) {
        clock.tick(1_000);
        happens();
        await settled();
      }
      assert.deepEqual(shown, ['offline', 'listening', 'LEDGER_UNREACHABLE', 'and the machine is back', 'offline']);
      assert.equal(market().searching.size, 1, 'it looks once');
    } finally {
      clock.restore();
    }
  });

  it('starts only when all flows run, so that nothing is sent to nobody', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = market().searching.size;
    });
    await start(flow(OFFERS));
    await settled();
    assert.deepEqual([early, market().searching.size], [0, 1]);
  });

  it('says what is wrong with the search, and keeps saying so under the node', async () => {
    await start(flow(OFFERS));
    await settled();
    const caught = nextMessage('caught');
    const shown = nextStatus('listen', /short\.CONFIG_INVALID$/);
    search()?.listener.wrong(new CodedError('CONFIG_INVALID', 'service', 'no service'));
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    await shown;
    const ready = machine().state;
    const down = nextStatus('listen', /short\.LEDGER_UNREACHABLE$/);
    machine().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const still = nextStatus('listen', /short\.CONFIG_INVALID$/);
    machine().become(ready);
    search()?.listener.channel({ up: true });
    await still;
  });

  for (const { what, wrong } of [
    { what: 'no broker', wrong: { broker: '' } },
    { what: 'a broker that is none', wrong: { broker: 'ledger' } },
    { what: 'another channel', wrong: { channel: 'ledger' } },
  ]) {
    it(`refuses ${what}`, async () => {
      await start(withoutNode(OFFERS));
      const caught = nextMessage('caught');
      await deploy(flow({ ...OFFERS, ...wrong }), 'nodes');
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      assert.equal(market().held, 0);
    });
  }

  it('stops looking when it closes, and its successor looks once', async () => {
    await start(flow(OFFERS));
    await settled();
    const before = search();
    await deploy(flow({ ...OFFERS, service: '' }), 'nodes');
    await settled();
    assert.equal(market().searching.size, 1);
    assert.notEqual(search(), before);
    assert.equal(search()?.order.service, '');
    const opened = machine();
    await deploy(flow({ ...OFFERS, source: 'contracts' }), 'nodes');
    await settled();
    assert.deepEqual([opened.marketplace.searching.size, opened.marketplace.listening.size], [0, 1]);
    await stop();
    await settled();
    assert.equal(opened.held, 0);
    await start(flow(OFFERS));
  });
});
