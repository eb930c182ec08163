import assert from 'node:assert/strict';
import { DEPOSITS, recordsOn, UNREACHABLE } from './records-on-stage';
import { Stage, type StageOptions } from './stage';

describe('a record that is found on the ledger', () => {
  let stage: Stage;
  const { record, told, signed, state, onLedger, heads, made } = recordsOn(() => stage);
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }

  /** Another journal of the same machine has put it there. */
  function putOnLedger(text: string, amount = 20n): void {
    const { truth, self } = stage;
    truth.mint(self, amount);
    const coin = truth.unspentOf(self, truth.height).at(-1);
    const hex = (value: string) => Buffer.from(value).toString('hex');
    const record = { tag: hex('log'), bytes: hex(text) };
    truth.submit({
      id: `earlier ${text}`,
      inputs: [coin?.outputId ?? ''],
      outputs: [{ to: self, amount, reference: '', from: self, spendable: true, record }],
      expiresEpoch: undefined,
    });
  }
  /** The same, paid for by somebody whose outputs we do not know. */
  function appears(id: string, spendable = true): void {
    const { truth, self } = stage;
    const other = stage.address(`other ${id}`);
    truth.mint(other, 20n);
    const coin = truth.unspentOf(other, truth.height).at(-1);
    const record = { tag: '6c6f67', bytes: '00' };
    const outputs = [{ to: self, amount: 20n, reference: '', from: self, spendable, record }];
    truth.submit({ id, inputs: [coin?.outputId ?? ''], outputs, expiresEpoch: undefined });
  }
  const advance = () =>
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );

  it('is where the chain goes on, when the account is opened for the first time', async () => {
    stage = await Stage.open({ ...DEPOSITS, closed: true });
    putOnLedger('earlier');
    advance();
    await stage.start();
    await stage.pass(1_000);
    const { total, reserved, available } = stage.account.balance();
    assert.deepEqual([total, reserved, available], ['1020', '20', '1000']);
    await made('c1');
    assert.equal(heads().length, 1);
    assert.equal(stage.truth.spent.get('earlier earlier.0')?.by, signed()[0]?.transactionId);
  });

  it('is one chain again when there were several', async () => {
    stage = await Stage.open({ ...DEPOSITS, closed: true });
    for (const text of ['one', 'two', 'three']) putOnLedger(text);
    advance();
    await stage.start();
    await stage.pass(1_000);
    assert.equal(heads().length, 3);
    await made('c1');
    assert.equal(heads().length, 1);
    assert.deepEqual(stage.account.balance().reserved, '20');
  });

  it('becomes one chain step by step when there are more than one transaction takes', async () => {
    stage = await Stage.open({ ...DEPOSITS, closed: true, network: { maxInputs: 3 } });
    for (const text of ['one', 'two', 'three', 'four']) putOnLedger(text);
    advance();
    await stage.start();
    await stage.pass(1_000);
    for (const id of ['c1', 'c2', 'c3']) await made(id);
    assert.equal(told().length, 3);
    assert.equal(heads().length, 1);
  });

  it('is spent by the next one even when it is found while that is being signed', async () => {
    await open();
    let found = false;
    stage.intercept = (method) => {
      if (method !== 'seal' || found) return undefined;
      found = true;
      appears('late');
      advance();
      stage.account.wake(stage.truth.height);
      return new Promise((resolve) => stage.timeline.after(1_000, () => resolve(undefined)));
    };
    await record('c1');
    await stage.pass(20_000);
    await stage.milestone();
    assert.equal(state('c1'), 'CONFIRMED');
    assert.equal(stage.truth.spent.get('late.0')?.by, onLedger().at(-1)?.transactionId);
    assert.equal(heads().length, 1);
  });

  it('is no payment received when it comes later, and no deposit of ours when we may not spend it', async () => {
    await open();
    await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
    appears('late');
    appears('locked', false);
    await stage.milestone();
    assert.deepEqual(stage.heard(), []);
    const { total, reserved, pending } = stage.account.balance();
    assert.deepEqual([total, reserved, pending], ['1020', '20', '20']);
  });

  it('is no payment received, whatever a node makes of it', async () => {
    await open();
    await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
    // The history comes before the outcome, and the node keeps the tag to itself.
    stage.intercept = liarAboutTags(stage);
    await record('c1');
    await stage.pass(500);
    await stage.milestone();
    await stage.pass(30_000);
    stage.intercept = () => undefined;
    await stage.pass(30_000);
    assert.deepEqual(stage.heard(), []);
    assert.equal(stage.account.balance().reserved, '20');
  });

  it('is ordinary money when somebody else sent it', async () => {
    await open();
    await stage.soon(stage.account.listen({ listenerId: 'l1', from: 'beginning' }));
    const buyer = stage.address('buyer');
    stage.truth.mint(buyer, 50n);
    const coin = stage.truth.unspentOf(buyer, stage.truth.height).at(-1);
    const record = { tag: '6c6f67', bytes: '00' };
    stage.truth.submit({
      id: 'tagged',
      inputs: [coin?.outputId ?? ''],
      outputs: [{ to: stage.self, amount: 50n, reference: null, from: buyer, spendable: true, record }],
      expiresEpoch: undefined,
    });
    await stage.milestone();
    assert.deepEqual(
      stage.heard().map(({ payment }) => payment.amount),
      ['50'],
    );
    assert.deepEqual(stage.account.balance().available, '1050');
  });

  it('freezes the account when somebody else spends it, and a frozen account signs no record', async () => {
    await open();
    await made('c1');
    const [head] = heads();
    stage.truth.submit({
      id: 'thief',
      inputs: [head?.outputId ?? ''],
      outputs: [{ to: stage.address('thief'), amount: 20n, reference: null, from: stage.self, spendable: true }],
      expiresEpoch: undefined,
    });
    stage.intercept = (method) => (method === 'read' ? UNREACHABLE : undefined);
    await record('c2');
    stage.intercept = () => undefined;
    await stage.milestone();
    assert.equal(stage.account.frozen, 'foreign-spend');
    const before = signed().length;
    await assert.rejects(record('c3'), { code: 'JOURNAL_DAMAGED' });
    await stage.crash();
    await stage.pass(60_000);
    assert.equal(signed().length, before);
  });

  it('is noticed at the start, too, when somebody else has spent it', async () => {
    await open();
    await made('c1');
    const [head] = heads();
    stage.truth.submit({
      id: 'thief',
      inputs: [head?.outputId ?? ''],
      outputs: [{ to: stage.address('thief'), amount: 20n, reference: null, from: stage.self, spendable: true }],
      expiresEpoch: undefined,
    });
    advance();
    stage.intercept = (method) => (method === 'read' ? UNREACHABLE : undefined);
    await stage.crash();
    assert.equal(stage.account.frozen, 'foreign-spend');
  });
});

/** Outcomes are late, and what is read has no tag. */
function liarAboutTags(stage: Stage): Stage['intercept'] {
  const { truth } = stage;
  return (method) => {
    if (method === 'outcome') return UNREACHABLE;
    if (method !== 'read') return undefined;
    const { height } = truth;
    const received = [...truth.outputs.values()]
      .filter(({ to, height: at, record }) => to === stage.self && at > 1 && record)
      .map((output) => ({ ...output, outputIndex: output.index, tag: null, confirmedAt: 0 }));
    return { received, spent: [], cursor: '1', height, ledgerTime: truth.times[height], reached: true };
  };
}
