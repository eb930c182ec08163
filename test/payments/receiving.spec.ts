import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { Stage } from './stage';

describe('a machine that is paid', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  let count = 0;
  /** Somebody pays the machine; it is on the ledger with the next milestone. */
  function arrives(amount: bigint, reference: string | null = null, spendable = true): string {
    const buyer = stage.address('buyer');
    stage.truth.mint(buyer, amount);
    const coin = stage.truth.unspentOf(buyer, stage.truth.height).at(-1);
    count += 1;
    const id = `incoming ${count}`;
    stage.truth.submit({
      id,
      inputs: [coin?.outputId ?? ''],
      outputs: [{ to: stage.self, amount, reference, from: buyer, spendable }],
      expiresEpoch: undefined,
    });
    return id;
  }
  const listen = (from: 'now' | 'last' | 'beginning', listenerId = 'l1') =>
    stage.soon(stage.account.listen({ listenerId, from }));
  const amounts = () => stage.heard().map(({ payment }) => payment.amount);
  const acknowledge = async () => {
    for (const { payment } of stage.heard()) await stage.soon(stage.account.delivered('l1', payment.eventId));
  };

  it('hears of each payment once it is final, with an id that stays', async () => {
    stage = await Stage.open();
    await listen('now');
    const transactionId = arrives(70n, 'parking');
    await stage.pass(5_000);
    assert.deepEqual(stage.heard(), []);
    await stage.milestone();
    const [{ payment, redelivered } = { payment: undefined, redelivered: true }] = stage.heard();
    assert.equal(redelivered, false);
    assert.deepEqual(payment, {
      eventId: `stage:${transactionId}:0`,
      transactionId,
      from: stage.address('buyer'),
      to: stage.self,
      amount: '70',
      token: 'STG',
      decimals: 6,
      reference: 'parking',
      confirmedAt: payment?.confirmedAt,
      status: 'confirmed',
    });
    assert.equal(stage.account.balance().total, '1070');
  });

  it('hears of it without any signal from the ledger, too', async () => {
    stage = await Stage.open();
    await listen('now');
    arrives(70n);
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    await stage.pass(15_000);
    assert.deepEqual(amounts(), ['70']);
  });

  it('hears again after a restart what it has not acknowledged, marked as redelivered', async () => {
    stage = await Stage.open();
    await listen('now');
    arrives(1n);
    arrives(2n);
    await stage.milestone();
    await stage.soon(stage.account.delivered('l1', stage.heard()[0]?.payment.eventId ?? ''));
    await stage.crash();
    await listen('now');
    assert.deepEqual(
      stage.heard().map(({ payment, redelivered }) => [payment.amount, redelivered]),
      [
        ['1', false],
        ['2', false],
        ['2', true],
      ],
    );
    assert.deepEqual(stage.heard()[2]?.payment, stage.heard()[1]?.payment);
  });

  it('does not hear of what is not on the disk yet', async () => {
    stage = await Stage.open();
    await listen('now');
    stage.account.stopListening('l1');
    arrives(5n);
    await stage.milestone();
    stage.commitDelay = 10_000;
    arrives(6n);
    await stage.milestone();
    await listen('now');
    assert.equal(stage.journal.sql.all('SELECT * FROM received_payments').length, 2);
    assert.deepEqual(amounts(), ['5']);
    await stage.pass(10_000);
    assert.deepEqual(amounts(), ['5', '6']);
  });

  it('hears of what came while it was switched off', async () => {
    stage = await Stage.open();
    await listen('now');
    await stage.soon(stage.account.close());
    arrives(5n);
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    await stage.crash();
    await listen('now');
    await stage.pass(15_000);
    assert.deepEqual(
      stage.heard().map(({ payment, redelivered }) => [payment.amount, redelivered]),
      [['5', false]],
    );
  });

  it('is not flooded: what a flow has not acknowledged waits', async () => {
    stage = await Stage.open();
    await listen('now');
    for (let amount = 1n; amount <= 100n; amount += 1n) arrives(amount);
    await stage.milestone();
    assert.equal(stage.heard().length, 32);
    await acknowledge();
    await acknowledge();
    await acknowledge();
    await acknowledge();
    assert.deepEqual(
      amounts(),
      Array.from({ length: 100 }, (_, index) => String(index + 1)),
    );
  });

  it('begins where a new listener wants to begin, and goes on where an old one was', async () => {
    stage = await Stage.open();
    for (const amount of [1n, 2n, 3n]) arrives(amount);
    await stage.milestone();
    await listen('beginning');
    await listen('last', 'l2');
    await listen('now', 'l3');
    const by = (id: string) =>
      stage.signals.flatMap((signal) =>
        'payment' in signal && signal.listenerId === id ? [signal.payment.amount] : [],
      );
    assert.deepEqual([by('l1'), by('l2'), by('l3')], [['1', '2', '3'], ['3'], []]);
    await acknowledge();
    stage.account.stopListening('l1');
    arrives(4n);
    await stage.milestone();
    await listen('beginning');
    assert.deepEqual([by('l1'), by('l2'), by('l3')], [['1', '2', '3', '4'], ['3', '4'], ['4']]);
  });

  it('does not take its own change for a payment', async () => {
    stage = await Stage.open();
    await listen('beginning');
    await stage.pay();
    await stage.pass(500);
    await stage.milestone();
    await stage.crash();
    await listen('beginning');
    await stage.milestone();
    assert.deepEqual(stage.heard(), []);
    assert.equal(stage.account.balance().total, '900');
  });

  it('shows money under a condition as pending, and does not mind when it is taken back', async () => {
    stage = await Stage.open();
    await listen('beginning');
    const id = arrives(50n, null, false);
    await stage.milestone();
    const { total, pending } = stage.account.balance();
    assert.deepEqual([total, pending, stage.heard()], ['1000', '50', []]);
    const back = { to: stage.address('buyer'), amount: 50n, reference: null, from: null, spendable: true };
    stage.truth.submit({ id: 'back', inputs: [`${id}.0`], outputs: [back], expiresEpoch: undefined });
    await stage.milestone();
    assert.equal(stage.account.balance().pending, '0');
    assert.equal(stage.account.frozen, undefined);
  });

  it('keeps hostile references short and storable', async () => {
    stage = await Stage.open();
    await listen('now');
    // What is cut off may be half of a character.
    arrives(1n, `a\0${'x'.repeat(1_021)}\u{1f600}${'x'.repeat(5_000)}`);
    await stage.milestone();
    const reference = stage.heard()[0]?.payment.reference ?? '';
    assert.equal(reference.length, 1_024);
    assert.ok(reference.startsWith('a\ufffdx'));
    assert.equal(Buffer.from(reference).toString(), reference);
    assert.doesNotMatch(reference, /\p{Surrogate}/u);
  });

  it('says loudly that history is missing, never skips it, and goes on paying', async () => {
    stage = await Stage.open();
    await listen('now');
    stage.intercept = (method) =>
      method === 'read' ? new CodedError('HISTORY_PRUNED', 'default', 'the node has pruned it') : undefined;
    arrives(5n);
    await stage.milestone();
    await stage.pass(300_000);
    assert.deepEqual(stage.events(), [
      { event: 'history-pruned', code: 'HISTORY_PRUNED', message: 'the node has pruned it' },
    ]);
    await stage.pay();
    await stage.pass(500);
    await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
    stage.intercept = () => undefined;
    await stage.pass(61_000);
    assert.deepEqual(amounts(), ['5'], 'a node that still has it brings it back');
  });
});
