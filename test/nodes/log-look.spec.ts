import assert from 'node:assert/strict';
import { CodedError } from '../../lib/errors';
import { logLook } from '../../nodes/iota-sign-data/log-look';

const log = { size: 3, anchored: 3, waiting: 0, waitingBytes: 0 };

describe('the status of a node that signs', () => {
  it('is red when nothing is signed any more, whether evidence is wanted or not', () => {
    const stopped = new CodedError('JOURNAL_DAMAGED', 'log-behind', 'an old copy');
    for (const wanted of [true, false]) {
      assert.equal(logLook({ ...log, stopped }, wanted).fill, 'red');
      assert.equal(logLook(log, wanted).fill, 'green');
    }
  });

  it('does not mind what only stands in the way of evidence when none is wanted', () => {
    const problem = new CodedError('EVIDENCE_INVALID', 'anchoring', 'refused');
    assert.deepEqual(
      [true, false].map((wanted) => logLook({ ...log, problem }, wanted).fill),
      ['red', 'green'],
    );
  });
});
