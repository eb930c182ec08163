import assert from 'node:assert/strict';
import { type FlowNode, ObservedFlow } from './evidence-flow';

/** Evidence is due long after the test has killed Node-RED, or soon. */
const flowWith = (batchSeconds: number): FlowNode[] => [
  { id: 'tab', type: 'tab', label: 'Evidence' },
  {
    id: 'ledger',
    type: 'iota-ledger',
    name: '',
    network: 'sandbox-tangle',
  },
  {
    id: 'sensor',
    type: 'iota-machine',
    name: 'Sensor',
    ledger: 'ledger',
    key: '',
    accountIndex: 0,
    policy: null,
    contacts: {},
    tag: 'test:log',
    batchCount: 1000,
    batchSeconds,
  },
  {
    id: 'button',
    type: 'inject',
    z: 'tab',
    props: [{ p: 'payload' }, { p: 'topic', vt: 'str' }, { p: 'kept', v: 'here', vt: 'str' }],
    topic: 'boiler',
    payload: '{"celsius": 71}',
    payloadType: 'json',
    x: 0,
    y: 0,
    wires: [['sign']],
  },
  {
    id: 'sign',
    type: 'iota-sign-data',
    z: 'tab',
    machine: 'sensor',
    format: 'data-integrity',
    anchor: true,
    schema: '',
    readers: [],
    x: 0,
    y: 0,
    wires: [[], ['verify']],
  },
  {
    id: 'verify',
    type: 'iota-verify-data',
    z: 'tab',
    ledger: 'ledger',
    machine: '',
    requireAnchor: true,
    trusted: ['sensor'],
    successions: '',
    x: 0,
    y: 0,
    wires: [[], []],
  },
  { id: 'catch', type: 'catch', z: 'tab', scope: null, x: 0, y: 0, wires: [[]] },
];
const WATCH = {
  'sign:0': 'signed',
  'sign:1': 'evidence',
  'verify:0': 'valid',
  'verify:1': 'invalid',
  'catch:0': 'error',
};

describe('evidence in a running Node-RED', function () {
  this.timeout(180_000);
  let flow: ObservedFlow;
  afterEach(async () => flow.stop());

  it('comes for each reading, in order, with the message it came with, and is believed', async () => {
    flow = await ObservedFlow.start(flowWith(1), WATCH);
    for (let number = 0; number < 20; number += 1) await flow.press('button');
    await flow.hears('valid', (told) => told.verification?.sequence === 19);
    const evidence = await flow.heard('evidence');
    assert.equal(evidence.length, 20);
    assert.deepEqual(
      evidence.map(({ payload, topic, kept, _msgid, redelivered }) => ({ payload, topic, kept, _msgid, redelivered })),
      (await flow.heard('signed')).map(({ payload, topic, kept, _msgid }) => ({
        payload,
        topic,
        kept,
        _msgid,
        redelivered: undefined,
      })),
    );
    assert.deepEqual(
      (await flow.heard('valid')).map(({ verification }) => [verification?.sequence, verification?.anchored]),
      Array.from({ length: 20 }, (_, index) => [index, true]),
    );
    assert.deepEqual([await flow.heard('invalid'), await flow.heard('error')], [[], []]);
  });

  it('is not lost when Node-RED is killed while the readings wait for the ledger', async () => {
    flow = await ObservedFlow.start(flowWith(8), WATCH);
    for (let number = 0; number < 5; number += 1) await flow.press('button');
    await flow.hears('signed', ({ payload }) => sequenceOf(payload) === 4);
    assert.deepEqual(await flow.heard('evidence'), []);
    await flow.killAndRestart();
    await flow.hears('valid', ({ verification }) => verification?.sequence === 4);
    const redelivered = await flow.heard('evidence');
    assert.deepEqual(
      redelivered.map(({ payload, topic, kept, redelivered: again }) => ({
        sequence: sequenceOf(payload),
        topic,
        kept,
        again,
      })),
      [0, 1, 2, 3, 4].map((sequence) => ({ sequence, topic: 'boiler', kept: undefined, again: true })),
    );
    assert.deepEqual(
      redelivered.map(({ payload, _msgid }) => [payload, _msgid]),
      (await flow.heard('signed')).map(({ payload, _msgid }) => [payload, _msgid]),
    );
    // The log goes on where it was.
    await flow.press('button');
    await flow.hears('valid', ({ verification }) => verification?.sequence === 5);
    assert.deepEqual([await flow.heard('invalid'), await flow.heard('error')], [[], []]);
  });
});

function sequenceOf(payload: unknown): number | undefined {
  return (payload as { proof?: { sequence?: number } }).proof?.sequence;
}
