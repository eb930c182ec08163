import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { type Evidence, PROOF_TYPE, readEvidence } from '../../../lib/evidence';

const anchor = {
  network: 'sandbox-tangle',
  tag: 'evidence',
  transactionId: `0x${'ab'.repeat(32)}`,
  milestone: 17,
  confirmedAt: '2026-03-01T12:00:00.000Z',
};
const evidence: Evidence = { type: PROOF_TYPE, proof: `${PROOF_TYPE}\nindex 0\n\n…`, anchor };

function refused(value: unknown, member: string): void {
  assert.throws(
    () => readEvidence(value),
    (error) => isCodedError(error, 'EVIDENCE_INVALID') && error.parameters['member'] === member,
    JSON.stringify(value),
  );
}

describe('evidence from outside', () => {
  it('is taken as it is, without what we do not know', () => {
    assert.deepEqual(readEvidence(evidence), evidence);
    assert.deepEqual(readEvidence({ ...evidence, more: 1, anchor: { ...anchor, more: 2 } }), evidence);
    const { milestone, ...unnumbered } = anchor;
    assert.deepEqual(readEvidence({ ...evidence, anchor: unnumbered }).anchor, unnumbered);
    const iota = { ...unnumbered, checkpoint: 5 };
    assert.deepEqual(readEvidence({ ...evidence, anchor: iota }).anchor, iota);
    assert.equal(milestone, 17);
  });

  it('is refused with the member that is wrong', () => {
    for (const value of [undefined, null, 5, 'text', [], [evidence]]) refused(value, '');
    for (const type of [undefined, 'c2sp.org/tlog-proof@v2', 5]) refused({ ...evidence, type }, 'type');
    for (const proof of [undefined, '', 5, {}, 'x'.repeat(300_000)]) refused({ ...evidence, proof }, 'proof');
    for (const value of [undefined, null, 5, 'text', []]) refused({ ...evidence, anchor: value }, 'anchor');
    for (const member of ['network', 'tag', 'transactionId'])
      for (const value of [undefined, '', 5, null, 'x'.repeat(300)])
        refused({ ...evidence, anchor: { ...anchor, [member]: value } }, `anchor.${member}`);
    for (const milestone of [-1, 1.5, '17', null, 2 ** 53, Number.NaN])
      refused({ ...evidence, anchor: { ...anchor, milestone } }, 'anchor.milestone');
    for (const checkpoint of [-1, '17', null])
      refused({ ...evidence, anchor: { ...anchor, milestone: undefined, checkpoint } }, 'anchor.checkpoint');
    refused({ ...evidence, anchor: { ...anchor, checkpoint: 5 } }, 'anchor.checkpoint');
    for (const confirmedAt of [
      undefined,
      '',
      5,
      'today',
      '2026-03-01',
      '2026-13-01T00:00:00Z',
      '2026-03-01T12:00:00+01:00',
    ])
      refused({ ...evidence, anchor: { ...anchor, confirmedAt } }, 'anchor.confirmedAt');
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (value) => {
        for (const candidate of [value, { ...evidence, anchor: value }, { ...evidence, proof: value }]) {
          try {
            readEvidence(candidate);
          } catch (error) {
            assert.ok(isCodedError(error, 'EVIDENCE_INVALID'));
          }
        }
      }),
    );
  });
});
