import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { Stage } from './stage';

describe('an account that was closed in the middle of a question, and opened again', () => {
  let stage: Stage;
  afterEach(() => stage.dispose());

  /** Holds back the next answer of this kind until it is let go. */
  function holdBack(method: string, answer: object = new Answer()): () => void {
    let letGo = () => {};
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    let first = true;
    stage.intercept = (called) => {
      if (called !== method || !first) return undefined;
      first = false;
      return held.then(() => answer);
    };
    return letGo;
  }

  class Answer {
    readonly state = 'final';
    readonly height = 2;
    readonly confirmedAt = 1_000;
    readonly node = 'late';
  }

  it('leaves the receipt to its successor, which tells it', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(500);
    const letGo = holdBack('outcome');
    await stage.pass(2_000);
    stage.truth.advance(
      stage.timeline.now(),
      () => true,
      () => false,
    );
    await stage.soon(stage.reopen());
    letGo();
    await stage.pass(60_000);
    assert.equal(stage.stateOf('p1'), 'CONFIRMED');
    assert.equal(stage.reports('confirmed').length, 1);
  });

  it('leaves it to its successor to say that the network has the payment', async () => {
    stage = await Stage.open();
    const letGo = holdBack('submit');
    await stage.pay();
    await stage.pass(500);
    await stage.soon(stage.reopen());
    letGo();
    await stage.pass(20_000);
    assert.equal(stage.journalled('attempt.submitted').length, 1);
    assert.equal(stage.reports('submitted').length, 1, 'whoever wrote it has told it');
  });

  it('buries no attempt that its successor follows', async () => {
    stage = await Stage.open();
    await stage.pay();
    await stage.pass(500);
    const dead = { state: 'dead', height: 2, conflictingId: null, reason: 'late', node: 'late' };
    const letGo = holdBack('outcome', dead);
    await stage.pass(2_000);
    await stage.soon(stage.reopen());
    letGo();
    await stage.pass(2_000);
    assert.deepEqual(stage.journalled('attempt.dead'), []);
    await stage.milestone();
    assert.equal(stage.reports('confirmed').length, 1);
  });

  it('gives up no payment behind its back', async () => {
    stage = await Stage.open();
    let answer = () => {};
    let held = false;
    stage.intercept = (method) => {
      if (method !== 'prepare' || held) return undefined;
      held = true;
      return new Promise((_, reject) => {
        answer = () => reject(new CodedError('PAYMENT_FAILED', 'too-large', 'no'));
      });
    };
    await stage.pay();
    await stage.pass(500);
    await stage.soon(stage.reopen());
    answer();
    await stage.pass(2_000);
    await stage.milestone();
    assert.equal(stage.reports('failed').length + stage.reports('confirmed').length, 1, 'it ended, and somebody heard');
    assert.equal(stage.reports('confirmed').length, 1);
  });
});
