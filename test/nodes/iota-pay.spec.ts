import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { ADDRESS, type FakeMachine, type FakePayment, receiptFor, UNREACHABLE } from './fake-runtime';
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

const PAY = { id: 'pay', type: 'iota-pay', z: 'tab', machine: 'machine', wires: [['receipt'], ['progress']] };
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };

const flow = (pay: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  { ...PAY, ...pay },
  CATCH,
  sink('receipt'),
  sink('progress'),
  sink('caught'),
];

const machine = () => fake.machines.at(-1) as FakeMachine;

function nextPayment(): Promise<FakePayment> {
  return new Promise((resolve) => {
    machine().onPayment = resolve;
  });
}

async function pay(message: object): Promise<FakePayment> {
  const asked = nextPayment();
  helper.getNode('pay').receive(message as never);
  return asked;
}

describe('a pay node', () => {
  afterEach(stop);

  it('asks for what the payload says and sends the receipt with everything else of the message', async () => {
    await start(flow());
    const received = nextMessage('receipt');
    const payload = {
      to: ADDRESS,
      amount: '0.1 IOTA',
      reference: 'coffee',
      paymentId: 'p1',
      splits: [{ to: 'tax', share: '19%' }],
    };
    const payment = await pay({ _msgid: 'm1', topic: 'bar', kept: { deep: 1 }, payload });
    assert.deepEqual(payment.order, { ...payload, origin: { nodeId: 'pay', messageId: 'm1', topic: 'bar' } });
    payment.confirm();
    const message = await received;
    assert.deepEqual(message.payload, receiptFor(payment.order));
    assert.deepEqual([message._msgid, message.topic, message.kept], ['m1', 'bar', { deep: 1 }]);
  });

  it('leaves out what the message does not have, whatever its payload is', async () => {
    await start(flow());
    const { order } = await pay({ _msgid: 'm1', payload: 5 });
    assert.deepEqual(order, {
      to: undefined,
      amount: undefined,
      reference: undefined,
      paymentId: undefined,
      splits: undefined,
      origin: { nodeId: 'pay', messageId: 'm1' },
    });
  });

  it('reads typed inputs: text, number, context, environment and expressions that wait', async () => {
    process.env.ME_TEST_REFERENCE = 'from the environment';
    try {
      await start(
        flow({
          to: 'payee',
          toType: 'flow',
          amount: '250000',
          amountType: 'num',
          reference: 'ME_TEST_REFERENCE',
          referenceType: 'env',
          paymentId: '$flowContext("prefix") & "-" & payload.order',
          paymentIdType: 'jsonata',
          splits: '[{"to":"tax","amount":"0.1 IOTA"}]',
          splitsType: 'json',
        }),
      );
      helper.getNode('pay').context().flow.set('payee', ADDRESS);
      helper.getNode('pay').context().flow.set('prefix', 'order');
      const { order } = await pay({ payload: { order: 7 } });
      const { origin: _, ...rest } = order;
      assert.deepEqual(rest, {
        to: ADDRESS,
        amount: 250000,
        reference: 'from the environment',
        paymentId: 'order-7',
        splits: [{ to: 'tax', amount: '0.1 IOTA' }],
      });
    } finally {
      delete process.env.ME_TEST_REFERENCE;
    }
  });

  it('tells Catch of an expression that cannot be evaluated, and pays nothing', async () => {
    await start(flow({ amount: '$number(payload.amount)', amountType: 'jsonata' }));
    const caught = nextMessage('caught');
    helper.getNode('pay').receive({ payload: { amount: 'much' } });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    assert.equal(machine().payments.length, 0);
  });

  it('sends progress on its second output, with copies, and keeps the message open', async () => {
    await start(flow());
    const progress = messagesOf('progress');
    const receipts = messagesOf('receipt');
    const payment = await pay({ _msgid: 'm1', topic: 'bar', kept: [1], payload: { to: ADDRESS, amount: 1 } });
    payment.progress('submitted');
    payment.progress('unknown');
    await settled();
    assert.deepEqual(
      progress.map(({ payload, topic, kept, _msgid }) => ({ payload, topic, kept, _msgid })),
      ['submitted', 'unknown'].map((status) => ({
        payload: { paymentId: 'payment-1', status, transactionId: '0xabc' },
        topic: 'bar',
        kept: [1],
        _msgid: 'm1',
      })),
    );
    assert.notEqual(progress[0]?.kept, progress[1]?.kept);
    assert.equal(receipts.length, 0);
    payment.confirm();
    await settled();
    assert.equal(receipts.length, 1);
  });

  it('gives each message of a joined payment its receipt', async () => {
    await start(flow());
    const receipts = messagesOf('receipt');
    const payload = { to: ADDRESS, amount: 1, paymentId: 'same' };
    const first = await pay({ _msgid: 'a', payload });
    const second = await pay({ _msgid: 'b', payload });
    first.confirm();
    second.confirm();
    await settled();
    assert.deepEqual(receipts.map(({ _msgid }) => _msgid).sort(), ['a', 'b']);
  });

  it('hands a failure to Catch with its code, and shows it', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    const shown = nextStatus('pay', /short\.POLICY_BUDGET$/);
    const payment = await pay({ _msgid: 'm1', kept: 1, payload: { to: ADDRESS, amount: 1 } });
    payment.fail(new CodedError('POLICY_BUDGET', 'default', 'the budget is used up'));
    const message = await caught;
    assert.equal(message.error?.code, 'POLICY_BUDGET');
    assert.match(message.error?.message ?? '', /the budget is used up/);
    assert.deepEqual([message._msgid, message.kept], ['m1', 1]);
    assert.equal((await shown).fill, 'red');
  });

  it('hands an error that nobody expected to Catch as well, instead of ending Node-RED', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    const payment = await pay({ payload: { to: ADDRESS, amount: 1 } });
    payment.fail(new TypeError('a defect'));
    assert.match((await caught).error?.message ?? '', /a defect/);
  });

  it('refuses what this version cannot do rather than paying without it', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    helper.getNode('pay').receive({ payload: { to: ADDRESS, amount: 1, expiresIn: 60 } });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    assert.equal(machine().payments.length, 0);
  });

  it('says that it needs a machine', async () => {
    await start(flow({ machine: '' }));
    const caught = nextMessage('caught');
    helper.getNode('pay').receive({ payload: {} });
    assert.equal((await caught).error?.code, 'CONFIG_INVALID');
  });

  it('shows that the ledger is down, and that it is back', async () => {
    await start(flow());
    const down = nextStatus('pay', /short\.LEDGER_UNREACHABLE$/);
    const ready = machine().state;
    machine().become({ phase: 'down', error: UNREACHABLE });
    await down;
    const back = nextStatus('pay', 'iota-pay.status.ready');
    machine().become(ready);
    assert.equal((await back).fill, 'green');
  });

  it('shows submitted and confirmed', async () => {
    await start(flow());
    const submitted = nextStatus('pay', 'iota-pay.status.submitted');
    const payment = await pay({ payload: { to: ADDRESS, amount: 1 } });
    payment.progress('submitted');
    await submitted;
    const confirmed = nextStatus('pay', 'iota-pay.status.confirmed');
    payment.confirm();
    await confirmed;
  });
});

describe('a pay node that is deployed again', () => {
  afterEach(stop);

  it('leaves its open payments to its successor, and nothing behind', async () => {
    await start(flow());
    const opened = machine();
    const receipts = messagesOf('receipt');
    const listenersBefore = redEvents().listenerCount('flows:started');
    const payment = await pay({ payload: { to: ADDRESS, amount: 1 } });
    assert.equal(payment.signal?.aborted, false);
    await deploy(flow({ name: 'changed' }), 'nodes');
    assert.equal(payment.signal?.aborted, true);
    assert.equal(opened.closed, 0, 'the machine was not touched');
    // One watch, one redelivery: those of the successor.
    assert.deepEqual([opened.listeners.size, opened.redelivery.size], [1, 1]);
    assert.equal(redEvents().listenerCount('flows:started'), listenersBefore);
    await settled();
    assert.equal(receipts.length, 0);
  });

  it('sends what its predecessor could not, under the old message id, marked', async () => {
    await start(flow());
    const received = nextMessage('receipt');
    const redeliver = machine().redelivery.get('pay');
    assert.ok(redeliver, 'the node asks for redelivery once flows have started');
    const origin = { nodeId: 'pay', topic: 'bar', messageId: 'old' };
    const receipt = receiptFor({ to: ADDRESS, amount: 1, origin });
    redeliver({ kind: 'confirmed', paymentId: 'payment-1', receipt, redelivered: true, origin });
    const { _msgid, topic, payload, redelivered } = await received;
    assert.deepEqual(
      { _msgid, topic, payload, redelivered },
      { _msgid: 'old', topic: 'bar', payload: receipt, redelivered: true },
    );
  });

  it('does not ask for redelivery before all flows run', async () => {
    let early: number | undefined;
    const look = () => {
      early = fake.machines.at(-1)?.redelivery.size;
    };
    redEvents().prependOnceListener('flows:started', look);
    await start(flow());
    assert.equal(early, 0);
    assert.equal(machine().redelivery.size, 1);
  });

  it('takes its status away', async () => {
    await start(flow());
    const node = helper.getNode('pay') as unknown as NodeJS.EventEmitter;
    const statuses: object[] = [];
    node.on('call:status', (call: { args: [object] }) => statuses.push(call.args[0]));
    const payment = await pay({ payload: { to: ADDRESS, amount: 1 } });
    payment.progress('submitted');
    await deploy(
      flow().filter((entry) => !('id' in entry) || entry.id !== 'pay'),
      'nodes',
    );
    await settled();
    assert.deepEqual(statuses.at(-1), {});
    payment.progress('unknown');
    await settled();
    assert.deepEqual(statuses.at(-1), {}, 'what comes later is not shown');
  });

  it('leaves nothing behind when it closes with the machine', async () => {
    await start(flow());
    const opened = machine();
    await stop();
    assert.equal(opened.held, 0);
    assert.equal(opened.closed, 1);
    assert.equal(fake.ledgers[0]?.closed, 1);
    await start(flow());
  });
});
