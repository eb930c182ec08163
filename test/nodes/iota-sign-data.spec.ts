import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { KeptMessages } from '../../nodes/iota-sign-data/kept-messages';
import { EMPTY_LOG, EVIDENCE, type FakeMachine, type FakeSigning, UNREACHABLE } from './fake-runtime';
import {
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
} from './palette';

const SIGN = {
  id: 'sign',
  type: 'iota-sign-data',
  z: 'tab',
  machine: 'machine',
  format: 'data-integrity',
  anchor: true,
  schema: '',
  readers: [],
  wires: [['signed'], ['evidence']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };

const flow = (sign: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  { ...SIGN, ...sign },
  CATCH,
  sink('signed'),
  sink('evidence'),
  sink('caught'),
];

const machine = () => fake.machines.at(-1) as FakeMachine;

async function sign(message: object): Promise<FakeSigning> {
  const asked = new Promise<FakeSigning>((resolve) => {
    machine().onSigning = resolve;
  });
  helper.getNode('sign').receive(message as never);
  return asked;
}

/** What the runtime hands over once the document is on the ledger. */
const evidenced = (sequence: number, more: object = {}) => ({
  payload: { value: sequence, proof: `proof ${sequence}` },
  sequence,
  evidence: EVIDENCE,
  origin: { nodeId: 'sign', messageId: `m${sequence}` },
  redelivered: false,
  ...more,
});
const handOver = (sequence: number, more: object = {}) => machine().evidence.get('sign')?.(evidenced(sequence, more));

describe('a sign-data node', () => {
  afterEach(stop);

  it('sends the signed document with everything else of the message', async () => {
    await start(flow());
    const received = nextMessage('signed');
    const signing = await sign({ _msgid: 'm1', topic: 'boiler', kept: { deep: 1 }, payload: { celsius: 71 } });
    assert.deepEqual(signing.order, {
      payload: { celsius: 71 },
      format: 'data-integrity',
      readers: [],
      origin: { nodeId: 'sign', topic: 'boiler', messageId: 'm1' },
    });
    const { payload } = signing.sign(0);
    const message = await received;
    assert.deepEqual(message.payload, payload);
    assert.deepEqual([message._msgid, message.topic, message.kept], ['m1', 'boiler', { deep: 1 }]);
  });

  it('sends nothing before the document is durable', async () => {
    await start(flow());
    const signed = messagesOf('signed');
    await sign({ payload: 1 });
    await settled();
    assert.equal(signed.length, 0);
  });

  it('sends the same document with its evidence later, with the same other properties', async () => {
    await start(flow());
    const early = nextMessage('signed');
    const late = nextMessage('evidence');
    const signing = await sign({ _msgid: 'm7', topic: 'boiler', kept: { deep: 1 }, payload: { celsius: 71 } });
    signing.sign(7);
    // What others do to the first message is not seen in the second.
    const first = (await early) as Received & { kept: { deep: number } };
    first.kept.deep = 2;
    handOver(7);
    const { payload, topic, _msgid, kept, evidence, redelivered } = await late;
    assert.deepEqual(
      { payload, topic, _msgid, kept, evidence, redelivered },
      {
        payload: { value: 7, proof: 'proof 7' },
        topic: 'boiler',
        _msgid: 'm7',
        kept: { deep: 1 },
        evidence: EVIDENCE,
        redelivered: undefined,
      },
    );
  });

  it('keeps the messages in the order of their sequence', async () => {
    await start(flow());
    const late = messagesOf('evidence');
    for (const number of [0, 1, 2]) {
      const signing = await sign({ _msgid: `m${number}`, payload: number });
      signing.sign(number);
    }
    await settled();
    for (const number of [0, 1, 2]) handOver(number);
    await settled();
    assert.deepEqual(
      late.map(({ _msgid }) => _msgid),
      ['m0', 'm1', 'm2'],
    );
  });

  it('rebuilds what it has not kept from what the runtime wrote down', async () => {
    await start(flow());
    const late = messagesOf('evidence');
    handOver(3, { origin: { nodeId: 'sign', messageId: 'old', topic: 'boiler' }, redelivered: true });
    handOver(4, { origin: { nodeId: 'sign', messageId: 'young' } });
    await settled();
    assert.deepEqual(
      late.map(({ payload, topic, _msgid, redelivered }) => ({ payload, topic, _msgid, redelivered })),
      [
        { payload: { value: 3, proof: 'proof 3' }, topic: 'boiler', _msgid: 'old', redelivered: true },
        { payload: { value: 4, proof: 'proof 4' }, topic: undefined, _msgid: 'young', redelivered: undefined },
      ],
    );
  });

  it('wants no evidence where none was asked for, and still hands over what is owed from before', async () => {
    await start(flow({ anchor: false }));
    const late = nextMessage('evidence');
    const { order, sign: answer } = await sign({ _msgid: 'm0', payload: 1, kept: 'only where evidence is wanted' });
    assert.equal('origin' in order, false);
    answer(0);
    await settled();
    handOver(0);
    const { evidence, kept } = await late;
    assert.deepEqual([evidence, kept], [EVIDENCE, undefined]);
  });

  it('asks for the format and the readers it was given', async () => {
    await start(
      flow({ format: 'jws', readers: ['auditor', 'did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t'] }),
    );
    const { order } = await sign({ payload: 1 });
    assert.deepEqual(
      [order.format, order.readers],
      ['jws', ['auditor', 'did:key:z6MkrkhLDn2XqjbDPhmvZk5J3GNwGyN56RUUun385EjCXZ5t']],
    );
  });

  it('signs nothing that does not fit the schema', async () => {
    const schema = JSON.stringify({
      type: 'object',
      required: ['celsius'],
      properties: { celsius: { type: 'number' } },
    });
    await start(flow({ schema }));
    const caught = nextMessage('caught');
    const shown = nextStatus('sign', /short\.SCHEMA_INVALID$/);
    helper.getNode('sign').receive({ _msgid: 'm1', payload: { celsius: 'hot' } } as never);
    const message = await caught;
    assert.deepEqual([message.error?.code, message._msgid], ['SCHEMA_INVALID', 'm1']);
    assert.equal((await shown).fill, 'red');
    assert.equal(machine().signings.length, 0);
    assert.deepEqual((await sign({ payload: { celsius: 70 } })).order.payload, { celsius: 70 });
  });

  for (const [why, wrong] of [
    ['a schema that is none', { schema: '{"type": "thing"}' }],
    ['a schema that is no JSON', { schema: '{' }],
    ['a format that there is not', { format: 'xml' }],
    ['readers that are no list: it would be readable by everybody', { readers: 'auditor' }],
    ['a reader that came out empty: it would be readable by everybody', { readers: [''] }],
    ['a reader that is no name', { readers: [{ did: 'x' }] }],
  ] as const) {
    it(`refuses ${why}, says so at once and signs nothing`, async () => {
      await start(flow(wrong));
      const caught = nextMessage('caught');
      const shown = nextStatus('sign', /short\.CONFIG_INVALID$/);
      helper.getNode('sign').receive({ payload: 1 });
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
      await shown;
      assert.equal(machine().signings.length, 0);
      // Neither the machine nor its log make the node look well.
      const ready = machine().state;
      for (const tell of [() => machine().become(ready), () => machine().log.become({ ...EMPTY_LOG, size: 5 })]) {
        const starting = nextStatus('sign', 'iota-sign-data.status.starting');
        machine().become({ phase: 'starting' });
        await starting;
        const next = nextStatus('sign', /./);
        tell();
        assert.match((await next).text, /short\.CONFIG_INVALID$/);
      }
    });
  }

  it('hands a failure to Catch with its code', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    const signing = await sign({ _msgid: 'm1', payload: 1 });
    signing.fail(new CodedError('BACKLOG_FULL', 'default', 'too many wait'));
    const message = await caught;
    assert.deepEqual([message.error?.code, message._msgid, message.payload], ['BACKLOG_FULL', 'm1', 1]);
  });

  it('says that it needs a machine', async () => {
    await start(flow({ machine: '' }));
    const caught = nextMessage('caught');
    helper.getNode('sign').receive({ payload: {} });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
  });

  it('passes ten thousand messages without a status for each', async function () {
    this.timeout(20_000);
    await start(flow());
    let statuses = 0;
    (helper.getNode('sign') as unknown as NodeJS.EventEmitter).on('call:status', () => {
      statuses += 1;
    });
    let next = 0;
    machine().onSigning = (signing) => signing.sign(next++);
    const signed = messagesOf('signed');
    for (let number = 0; number < 10_000; number += 1) helper.getNode('sign').receive({ payload: number });
    while (signed.length < 10_000) await settled();
    assert.ok(statuses < 10, `${statuses} statuses`);
    assert.deepEqual(
      signed.map(({ payload }) => (payload as { value: number }).value),
      Array.from({ length: 10_000 }, (_, index) => index),
    );
  });
});

describe('the status of a sign-data node', () => {
  afterEach(stop);
  const log = (more: object) => machine().log.become({ ...EMPTY_LOG, ...more });

  it('counts what is signed and what waits', async () => {
    await start(flow());
    const counted = nextStatus('sign', '12\u202f345 ✓ 1\u202f000 …');
    log({ size: 12_345, waiting: 1000 });
    assert.equal((await counted).fill, 'blue');
    const all = nextStatus('sign', '1.2 M ✓');
    log({ size: 1_299_999 });
    assert.equal((await all).fill, 'green');
  });

  it('says that it waits for the ledger, and for money', async () => {
    await start(flow());
    const waiting = nextStatus('sign', 'iota-sign-data.status.waiting');
    log({ size: 1, waiting: 1, problem: UNREACHABLE });
    assert.equal((await waiting).fill, 'yellow');
    const poor = nextStatus('sign', 'iota-sign-data.status.funds');
    log({ size: 1, waiting: 1, problem: new CodedError('FUNDS_INSUFFICIENT', 'default', 'poor') });
    await poor;
    const damaged = nextStatus('sign', /short\.JOURNAL_DAMAGED$/);
    log({ size: 1, problem: new CodedError('JOURNAL_DAMAGED', 'log', 'damaged') });
    await damaged;
  });

  it('does not trouble about the ledger where no evidence is wanted', async () => {
    await start(flow({ anchor: false }));
    const counted = nextStatus('sign', '7 ✓');
    log({ size: 7, waiting: 2, problem: UNREACHABLE });
    assert.equal((await counted).fill, 'green');
  });

  it('is not red while the ledger is away: signing goes on', async () => {
    await start(flow());
    const waiting = nextStatus('sign', 'iota-sign-data.status.waiting');
    machine().become({ phase: 'down', error: UNREACHABLE });
    assert.equal((await waiting).fill, 'yellow');
    const locked = nextStatus('sign', /short\.KEY_LOCKED$/);
    machine().become({ phase: 'down', error: new CodedError('KEY_LOCKED', 'default', 'locked') });
    assert.equal((await locked).fill, 'red');
  });

  it('tells what the log had before', async () => {
    await start(flow());
    machine().log.state = { ...EMPTY_LOG, size: 41 };
    await deploy(flow({ name: 'changed' }), 'nodes');
    await nextStatus('sign', '41 ✓');
  });
});

describe('a sign-data node that is deployed again', () => {
  afterEach(stop);

  it('still knows the messages whose documents are under way', async () => {
    await start(flow());
    const late = nextMessage('evidence');
    const signing = await sign({ _msgid: 'm7', kept: 'here', payload: 1 });
    signing.sign(7);
    await settled();
    await deploy(flow({ name: 'changed' }), 'nodes');
    handOver(7, { redelivered: true });
    const { kept, redelivered } = await late;
    assert.deepEqual([kept, redelivered], ['here', undefined]);
  });

  it('forgets them when it is removed', async () => {
    await start(flow());
    const signing = await sign({ _msgid: 'm7', kept: 'here', payload: 1 });
    signing.sign(7);
    await settled();
    await deploy(
      flow().filter((node) => !('id' in node) || node.id !== 'sign'),
      'nodes',
    );
    await deploy(flow(), 'nodes');
    const late = nextMessage('evidence');
    handOver(7, { redelivered: true });
    const { kept, redelivered } = await late;
    assert.deepEqual([kept, redelivered], [undefined, true]);
  });

  it('does not take evidence before all flows run', async () => {
    let early: number | undefined;
    redEvents().prependOnceListener('flows:started', () => {
      early = fake.machines.at(-1)?.evidence.size;
    });
    await start(flow());
    assert.equal(early, 0);
    assert.equal(machine().evidence.size, 1);
  });

  it('leaves nothing behind', async () => {
    await start(flow());
    const opened = machine();
    await deploy(flow({ name: 'changed' }), 'nodes');
    assert.deepEqual([opened.listeners.size, opened.evidence.size, opened.log.listeners.size], [1, 1, 1]);
    await stop();
    assert.deepEqual([opened.held, opened.closed], [0, 1]);
    await start(flow());
  });
});

describe('messages that wait for their evidence', () => {
  it('are kept up to a limit, the youngest of them', () => {
    const kept = new KeptMessages(3);
    for (const number of [0, 1, 2, 3]) kept.keep(number, { _msgid: `m${number}` });
    assert.equal(kept.size, 3);
    assert.equal(kept.take(0, 'm0'), undefined);
    assert.deepEqual(kept.take(1, 'm1'), { _msgid: 'm1' });
    assert.equal(kept.take(1, 'm1'), undefined, 'once');
    assert.equal(kept.size, 2);
  });

  it('are not mistaken for those of another log', () => {
    const kept = new KeptMessages();
    kept.keep(5, { _msgid: 'of the old machine' });
    assert.equal(kept.take(5, 'of the new machine'), undefined);
    assert.equal(kept.size, 0);
  });
});
