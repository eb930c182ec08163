import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { DEPOSITS, LONGER, lost, recordsOn, SHORTER, withRecords } from './records-on-stage';
import { Stage, type StageOptions } from './stage';

describe('a record whose deposit is not there', () => {
  let stage: Stage;
  const { record, told, state, made, arrives } = recordsOn(() => stage);
  afterEach(() => stage.dispose());

  async function open(options: StageOptions = {}): Promise<void> {
    stage = await Stage.open({ ...DEPOSITS, ...options });
  }

  it('says so once, and is made when money arrives', async () => {
    await open({ funds: [] });
    await record('c1');
    await stage.pass(600_000);
    const waiting = stage.events();
    assert.deepEqual(
      waiting.map((event) => 'recordId' in event && [event.event, event.recordId]),
      [['record-waiting', 'c1']],
    );
    assert.equal(state('c1'), 'READY');
    assert.equal(stage.account.unsettled, true);
    arrives(15n);
    await stage.pass(60_000);
    assert.equal(stage.events().length, 1);
    arrives(15n);
    await stage.pass(3_000);
    await stage.milestone();
    assert.equal(told().length, 1);
    assert.deepEqual(stage.account.balance().available, '10');
  });

  it('does not say so while others may bring back what they hold', async () => {
    await open({ funds: [100n] });
    stage.intercept = lost;
    await stage.pay({ amount: '50' });
    await record('c1');
    await stage.pass(120_000);
    assert.deepEqual(stage.events(), []);
    stage.intercept = () => undefined;
    await stage.pass(40_000);
    for (let count = 0; count < 3; count += 1) await stage.milestone();
    assert.equal(state('c1'), 'CONFIRMED');
  });

  it('needs nothing where it takes over the deposit of the one before it', async () => {
    await open({ funds: [20n] });
    await made('c1');
    arrives(5n);
    await stage.pass(3_000);
    assert.equal(stage.account.balance().available, '5', 'too little for change');
    await made('c2');
    assert.equal(state('c2'), 'REPORTED');
  });

  it('does not fail when the ledger has come to want more for it than it said', async () => {
    await open();
    let asked = 0;
    stage.intercept = (method, parameters) => {
      if (!withRecords(method, parameters)) return undefined;
      asked += 1;
      return asked === 2 ? new CodedError('FUNDS_INSUFFICIENT', 'inputs', 'more') : undefined;
    };
    await record('c1');
    await stage.pass(20_000);
    await stage.milestone();
    assert.equal(state('c1'), 'CONFIRMED');
    assert.deepEqual(stage.events(), []);
  });

  it('says so again for the next one', async () => {
    await open({ funds: [20n] });
    await made('c1');
    await record('c2', LONGER);
    await stage.pass(60_000);
    assert.equal(stage.events().length, 1);
    arrives(15n);
    await stage.pass(3_000);
    await stage.milestone();
    assert.deepEqual([state('c2'), stage.account.balance().reserved], ['CONFIRMED', '25']);
    await record('c3', `${LONGER}${LONGER}`);
    await stage.pass(60_000);
    assert.equal(stage.events().length, 2);
  });

  it('does not split off change that the ledger would not keep', async () => {
    await open({ funds: [20n] });
    await made('c1');
    // 15 would do, but 5 are no output.
    await record('c2', SHORTER);
    await stage.pass(60_000);
    assert.equal(state('c2'), 'READY');
    arrives(10n);
    await stage.pass(3_000);
    await stage.milestone();
    assert.deepEqual([state('c2'), stage.account.balance().available], ['CONFIRMED', '15']);
  });

  it('merges small outputs first when it needs more of them than fit', async () => {
    await open({ funds: Array.from({ length: 9 }, () => 4n), network: { maxInputs: 3, minimumChange: 4n } });
    await record('c1', `${LONGER}`);
    for (let count = 0; count < 8; count += 1) await stage.milestone();
    await stage.pass(20_000);
    await stage.milestone();
    assert.equal(state('c1'), 'CONFIRMED');
  });
});
