import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { contract } from './fake-marketplace';
import { ADDRESS, DID, type FakeMachine, NETWORK, receiptFor } from './fake-runtime';
import { fake, helper, LEDGER, MACHINE, nextMessage, nextStatus, sink, start, stop, TAB } from './palette';

const WALLET = {
  id: 'wallet',
  type: 'iota-wallet',
  z: 'tab',
  machine: 'machine',
  action: '',
  wires: [['result'], ['events']],
};
const CATCH = { id: 'catcher', type: 'catch', z: 'tab', scope: null, wires: [['caught']] };
const flow = (wallet: object = {}) => [
  TAB,
  LEDGER,
  MACHINE,
  { ...WALLET, ...wallet },
  CATCH,
  sink('result'),
  sink('events'),
  sink('caught'),
];
const machine = () => fake.machines.at(-1) as FakeMachine;

async function ask(message: object) {
  const result = nextMessage('result');
  helper.getNode('wallet').receive(message as never);
  return result;
}

describe('a wallet node', () => {
  afterEach(stop);

  it('answers what the topic asks and passes everything else on', async () => {
    await start(flow());
    const { payload, kept, topic } = await ask({ topic: 'balance', kept: 1 });
    assert.deepEqual([(payload as { available: string }).available, kept, topic], ['12500000', 1, 'balance']);
  });

  it('shows the balance it was asked for, with its unit', async () => {
    await start(flow({ action: 'balance' }));
    const shown = nextStatus('wallet', '12.5 IOTA');
    await ask({ topic: 'temperature' });
    await shown;
  });

  it('knows where it is paid', async () => {
    await start(flow());
    const { payload } = await ask({ topic: 'address' });
    assert.deepEqual(payload, { address: ADDRESS, did: DID, network: NETWORK.networkId });
  });

  it('waits for a machine that is still starting', async () => {
    await start(flow());
    const ready = machine().state;
    machine().become({ phase: 'starting' });
    const answer = ask({ topic: 'address' });
    machine().become(ready);
    assert.equal(((await answer).payload as { address: string }).address, ADDRESS);
    assert.equal(machine().listeners.size, 1, 'it stopped watching when it knew');
  });

  it('lists as much history as is wanted', async () => {
    await start(flow());
    await ask({ topic: 'history', payload: { limit: 5 } });
    assert.equal(machine().askedLimit, 5);
    await ask({ topic: 'history', payload: 'now' });
    assert.equal(machine().askedLimit, 100);
  });

  it('makes a payment request that a wallet app can open, as text and as QR code', async () => {
    await start(flow());
    const { payload } = await ask({ topic: 'request', payload: { amount: '1.5 IOTA', reference: 'table 4' } });
    const { text, svg, amount, reference } = payload as Record<string, string>;
    assert.deepEqual([amount, reference], ['1500000', 'table 4']);
    const link = new URL(text as string);
    assert.equal(link.protocol, 'iota:');
    assert.deepEqual(Object.fromEntries(link.searchParams), {
      address: ADDRESS,
      amount: '1500000',
      metadata: 'table 4',
    });
    assert.match(svg ?? '', /^<svg/);
  });

  it('asks for any amount where none is given', async () => {
    await start(flow({ action: 'request' }));
    const { payload } = await ask({ payload: '' });
    const { text, amount } = payload as Record<string, string>;
    assert.equal(amount, null);
    assert.equal(new URL(text as string).searchParams.has('amount'), false);
  });

  it('asks the faucet', async () => {
    await start(flow());
    const { payload } = await ask({ topic: 'fund' });
    assert.deepEqual(payload, { address: ADDRESS, requested: true });
    assert.equal(machine().funded, 1);
  });

  for (const topic of ['freeze', 'sweep', 'close', 'approve', 'constructor', '']) {
    it(`refuses "${topic}", which it cannot do`, async () => {
      await start(flow());
      const caught = nextMessage('caught');
      helper.getNode('wallet').receive({ topic });
      assert.equal((await caught).error?.code, 'CONFIG_INVALID');
    });
  }

  it('hands what the machine refuses to Catch', async () => {
    await start(flow());
    machine().nextError = new CodedError('JOURNAL_DAMAGED', 'default', 'no disk');
    const caught = nextMessage('caught');
    helper.getNode('wallet').receive({ topic: 'balance' });
    assert.equal((await caught).error?.code, 'JOURNAL_DAMAGED');
  });

  it('refuses an amount that is none', async () => {
    await start(flow());
    const caught = nextMessage('caught');
    helper.getNode('wallet').receive({ topic: 'request', payload: { amount: '1,5 IOTA' } });
    assert.equal((await caught).error?.code, 'AMOUNT_INVALID');
  });

  it('tells everything that happens to its machine on the second output', async () => {
    await start(flow());
    const tell = (event: Parameters<FakeMachine['onEvent']>[0] extends (event: infer E) => void ? E : never) => {
      for (const listener of machine().events) listener(event);
    };
    const unknown = nextMessage('events');
    tell({ event: 'unknown', paymentId: 'p1', transactionId: null });
    assert.deepEqual((({ topic, payload }) => ({ topic, payload }))(await unknown), {
      topic: 'unknown',
      payload: { event: 'unknown', paymentId: 'p1', transactionId: null },
    });
    const receipt = receiptFor({ to: ADDRESS, amount: 1, origin: { nodeId: 'gone' } });
    const late = nextMessage('events');
    tell({ event: 'receipt', receipt });
    assert.deepEqual((await late).payload, receipt);
    const bought = nextMessage('events');
    tell({ event: 'contract', contract: contract() });
    const { topic, payload } = await bought;
    assert.deepEqual([topic, payload], ['contract', contract()]);
  });

  it('says when the key is not protected', async () => {
    await start(flow());
    const { state } = machine();
    assert.equal(state.phase, 'ready');
    const shown = nextStatus('wallet', 'iota-wallet.status.unprotected');
    if (state.phase === 'ready') machine().become({ ...state, identity: { ...state.identity, protected: false } });
    await shown;
  });

  it('leaves nothing behind when it closes', async () => {
    await start(flow());
    const opened = machine();
    await stop();
    assert.equal(opened.held, 0);
    await start(flow());
  });
});
