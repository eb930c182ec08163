import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import { type Evidence, type Problem, rememberingRecords, verify } from '../../../lib/evidence';
import type { LedgerRecord } from '../../../lib/ledger';
import { EVENING, FakeLedger, Notary, parsed, transactionId } from './notary';

const codes = (problems: readonly Problem[]) => problems.map(({ code }) => code);

describe('evidence with a ledger', () => {
  let machine: Notary;
  let ledger: FakeLedger;

  beforeEach(() => {
    machine = new Notary(1);
    ledger = new FakeLedger();
    for (let n = 0; n < 12; n++) machine.next({ temperature: n });
    for (const size of [2, 5, 8, 12]) ledger.record(machine, size);
  });

  const check = (evidence: Evidence, index = 3, requireAnchor = true) =>
    verify(
      { payload: parsed(machine.leaves[index] as string), evidence, trusted: [machine.did], requireAnchor },
      { ledger },
    );
  const found = async (evidence: Evidence, index?: number) => {
    const { valid, anchored, anchoredAt, problems } = await check(evidence, index);
    // That a machine tells two stories does not change that this one is on the ledger.
    const isThere = codes(problems).every((code) => ['CHECKPOINT_CONFLICT', 'LEDGER_FORK'].includes(code));
    assert.deepEqual([valid, anchored, anchoredAt !== null], [problems.length === 0, isThere, isThere]);
    return codes(problems);
  };

  it('shows since when the document exists, by the clock of the ledger', async () => {
    for (const size of [5, 8, 12]) {
      const { valid, anchored, anchoredAt, problems, warnings } = await check(machine.evidence(3, { size }));
      assert.deepEqual(
        [valid, anchored, anchoredAt, problems, warnings],
        [true, true, new Date(EVENING).toISOString(), [], []],
      );
    }
  });

  it('walks back no further than to the checkpoint in question', async () => {
    await check(machine.evidence(3, { size: 8 }));
    assert.deepEqual(ledger.questions, [
      'network',
      `latestRecords ${machine.address}`,
      `previousRecord ${transactionId(12)}0000`,
      `previousRecord ${transactionId(8)}0000`,
    ]);
  });

  it('asks for every checkpoint once, however many documents lean on it', async () => {
    const payload = machine.leaves.map((document, at) => ({
      document,
      evidence: machine.evidence(at, { size: at < 5 ? 5 : 12 }),
    }));
    const { valid, anchored, documents } = await verify({ payload, trusted: [], requireAnchor: true }, { ledger });
    assert.deepEqual([valid, anchored, documents?.logs[0]?.anchored], [true, true, 12]);
    assert.equal(new Set(ledger.questions).size, ledger.questions.length);
    assert.ok(ledger.questions.length <= 6, ledger.questions.join('\n'));
  });

  it('of some documents anchors not all of them', async () => {
    const payload = [{ document: machine.leaves[0], evidence: machine.evidence(0) }, machine.leaves[1]];
    const { valid, anchored, anchoredAt, documents } = await verify(
      { payload, trusted: [], requireAnchor: false },
      { ledger },
    );
    assert.deepEqual([valid, anchored, anchoredAt, documents?.logs[0]?.anchored], [true, false, null, 1]);
  });

  it('asks for what never changes once, and for what is newest each time', async () => {
    const remembering = rememberingRecords(ledger);
    const request = {
      payload: { document: machine.leaves[3], evidence: machine.evidence(3, { size: 5 }) },
      trusted: [],
      requireAnchor: true,
    };
    for (let time = 0; time < 3; time++) assert.ok((await verify(request, { ledger: remembering })).anchored);
    const asked = (question: string) => ledger.questions.filter((each) => each.startsWith(question)).length;
    assert.deepEqual([asked('previousRecord'), asked('latestRecords')], [3, 3]);
    ledger.unreachable = true;
    await assert.rejects(verify(request, { ledger: remembering }), (error) =>
      isCodedError(error, 'LEDGER_UNREACHABLE'),
    );
  });

  it('asks again for a transaction that the ledger did not know yet', async () => {
    const remembering = rememberingRecords(ledger);
    machine.next({ temperature: 12 });
    const payload = { document: machine.leaves[12], evidence: machine.evidence(12) };
    const request = { payload, trusted: [], requireAnchor: true };
    assert.equal((await verify(request, { ledger: remembering })).anchored, false);
    // Not its newest one, so that it is found by its transaction and not on the way.
    ledger.spend(ledger.record(machine, 13, { after: null }));
    assert.equal((await verify(request, { ledger: remembering })).anchored, true);
  });

  it('says nothing when the ledger cannot be reached, not even of a document without evidence', async () => {
    ledger.unreachable = true;
    for (const evidence of [machine.evidence(3, { size: 5 }), undefined]) {
      await assert.rejects(
        verify({ payload: machine.leaves[3], evidence, trusted: [], requireAnchor: false }, { ledger }),
        (error) => isCodedError(error, 'LEDGER_UNREACHABLE'),
      );
    }
  });

  it('says nothing when the ledger goes away in the middle', async () => {
    for (const method of ['latestRecords', 'previousRecord', 'recordsOf'] as const) {
      const dying = rememberingRecords(ledger);
      dying[method] = async () => {
        ledger.unreachable = true;
        return (await ledger.network()) as never;
      };
      ledger.unreachable = false;
      const anchor = method === 'recordsOf' ? { transactionId: transactionId(77) } : {};
      const evidence = machine.evidence(3, { size: 5, anchor });
      await assert.rejects(
        verify({ payload: machine.leaves[3], evidence, trusted: [], requireAnchor: false }, { ledger: dying }),
        (error) => isCodedError(error, 'LEDGER_UNREACHABLE'),
        method,
      );
    }
  });

  it('is not confirmed by a transaction that the ledger does not know', async () => {
    for (const id of [transactionId(77), '../../info', 'x'.repeat(200)]) {
      assert.deepEqual(await found(machine.evidence(3, { size: 5, anchor: { transactionId: id } })), [
        'ANCHOR_NOT_FOUND',
      ]);
    }
  });

  it('is not confirmed by a transaction with another checkpoint', async () => {
    const evidence = machine.evidence(3, { size: 5, anchor: { transactionId: transactionId(8), milestone: 108 } });
    assert.deepEqual(await found(evidence), ['ANCHOR_DIFFERS']);
  });

  it('is not confirmed by a checkpoint that was never recorded', async () => {
    const evidence = machine.evidence(3, { size: 7, anchor: { transactionId: transactionId(8), milestone: 108 } });
    const { valid, problems, warnings } = await check(evidence);
    assert.deepEqual([valid, codes(problems), codes(warnings)], [false, ['ANCHOR_DIFFERS'], ['HISTORY_ELSEWHERE']]);
  });

  it('is not confirmed by what somebody else has recorded', async () => {
    const copier = new Notary(2);
    ledger.record(copier, 0, { text: machine.checkpoint(6), transactionId: transactionId(6), height: 106 });
    assert.deepEqual(await found(machine.evidence(3, { size: 6 })), ['ANCHOR_AUTHOR']);
    ledger.record(machine, 7, { author: null, after: null });
    assert.deepEqual(await found(machine.evidence(3, { size: 7 })), ['ANCHOR_AUTHOR']);
  });

  for (const [what, anchor, code] of [
    ['another tag', { tag: 'other' }, 'ANCHOR_TAG'],
    ['an earlier time', { confirmedAt: new Date(EVENING - 1_000).toISOString() }, 'ANCHOR_TIME'],
    ['a later time', { confirmedAt: new Date(EVENING + 1_000).toISOString() }, 'ANCHOR_TIME'],
    ['another milestone', { milestone: 104 }, 'ANCHOR_HEIGHT'],
    ['the checkpoint of another kind of ledger', { milestone: undefined, checkpoint: 105 }, 'ANCHOR_HEIGHT'],
    ['another network', { network: 'test-tangle-2' }, 'ANCHOR_NETWORK'],
  ] as const) {
    it(`must not claim ${what}`, async () => {
      assert.deepEqual(await found(machine.evidence(3, { size: 5, anchor: anchor as object })), [code]);
    });
  }

  it('may leave the milestone out', async () => {
    const evidence = machine.evidence(3, { size: 5, anchor: { milestone: undefined } as object });
    assert.deepEqual(await found(JSON.parse(JSON.stringify(evidence)) as Evidence), []);
  });

  it('may be in a transaction with other records', async () => {
    const beside = { transactionId: transactionId(5), height: 105, after: null } as const;
    ledger.record(new Notary(2), 0, { ...beside, text: 'an offer', outputId: `${transactionId(5)}0100` });
    assert.deepEqual(await found(machine.evidence(3, { size: 5 })), []);
  });

  it('is contradicted by another checkpoint of that size on the ledger', async () => {
    const twin = new Notary(1);
    for (let n = 0; n < 12; n++) twin.next({ temperature: -n });
    ledger.record(twin, 12, { transactionId: transactionId(99), height: 120 });
    assert.deepEqual(await found(machine.evidence(3, { size: 12 })), ['CHECKPOINT_CONFLICT']);
    // The older one is not contradicted itself; but this machine is no witness any more.
    const { valid, problems } = await check(machine.evidence(3, { size: 5 }));
    assert.deepEqual([valid, codes(problems)], [false, ['CHECKPOINT_CONFLICT']]);
  });

  it('is contradicted by another checkpoint of that size in the same transaction', async () => {
    const twin = new Notary(1);
    for (let n = 0; n < 12; n++) twin.next({ temperature: -n });
    ledger.record(twin, 5, { transactionId: transactionId(5), outputId: `${transactionId(5)}0100`, after: null });
    assert.ok((await found(machine.evidence(3, { size: 5 }))).includes('CHECKPOINT_CONFLICT'));
  });

  it('is contradicted by a log that shrank afterwards', async () => {
    ledger.record(machine, 4, { transactionId: transactionId(99), height: 120 });
    for (const size of [12, 5]) {
      const { valid, problems } = await check(machine.evidence(3, { size }));
      assert.equal(valid, false);
      assert.ok(codes(problems).includes('CHECKPOINT_CONFLICT'), String(size));
    }
  });

  it('is doubtful when the log shrank in the meantime, and grew again', async () => {
    machine.next({ temperature: 12 });
    ledger.record(machine, 10, { height: 120 });
    ledger.record(machine, 13, { height: 130 });
    const { valid, problems } = await check(machine.evidence(3, { size: 5 }));
    assert.deepEqual([valid, codes(problems)], [false, ['CHECKPOINT_CONFLICT']]);
    assert.deepEqual([problems[0]?.parameters['size'], problems[0]?.parameters['otherSize']], [10, 12]);
  });

  it('is not contradicted by the same checkpoint recorded again', async () => {
    ledger.record(machine, 12, { transactionId: transactionId(99), height: 120 });
    assert.deepEqual(await found(machine.evidence(3, { size: 12 })), []);
    assert.deepEqual(await found(machine.evidence(3, { size: 5 })), []);
  });

  it('is doubtful when a machine has two newest checkpoints', async () => {
    ledger.record(machine, 9, { after: `${transactionId(8)}0000` });
    const problems = (await check(machine.evidence(3, { size: 5 }))).problems;
    assert.deepEqual([codes(problems), problems[0]?.parameters['heads']], [['LEDGER_FORK'], 2]);
  });

  it('is not confused by other records of the machine', async () => {
    const offer: Partial<LedgerRecord> & { text: string } = { tag: Buffer.from('offers'), text: 'an offer' };
    ledger.record(machine, 0, { ...offer, transactionId: transactionId(50), height: 150, after: null });
    const { problems, warnings } = await check(machine.evidence(3, { size: 5 }));
    assert.deepEqual([problems, warnings], [[], []]);
    // One chain for everything: the newest record is no checkpoint, but leads to one.
    ledger.record(machine, 0, {
      ...offer,
      transactionId: transactionId(51),
      height: 151,
      after: `${transactionId(12)}0000`,
    });
    assert.deepEqual(await found(machine.evidence(3, { size: 12 })), []);
  });

  it('is not confused by what others say of this machine', async () => {
    const liar = new Notary(2);
    ledger.record(liar, 0, { text: machine.checkpoint(3), transactionId: transactionId(60), height: 160 });
    assert.deepEqual(await found(machine.evidence(3, { size: 5 })), []);
  });

  it('is not confused by what this machine has recorded for others', async () => {
    const guest = new Notary(2);
    guest.next({ humidity: 1 });
    ledger.record(machine, 0, { text: guest.checkpoint(1), transactionId: transactionId(60), height: 160 });
    assert.deepEqual(await found(machine.evidence(3, { size: 5 })), []);
  });

  it('is confirmed, with a warning, when the chain it was in has ended', async () => {
    ledger.spend(ledger.records.at(-1) as LedgerRecord);
    const ended = await check(machine.evidence(3, { size: 5 }));
    assert.deepEqual([ended.valid, ended.anchored, codes(ended.warnings)], [true, true, ['HISTORY_ELSEWHERE']]);
    for (let n = 12; n < 14; n++) machine.next({ temperature: n });
    ledger.record(machine, 14, { after: null });
    const begun = await check(machine.evidence(3, { size: 5 }));
    assert.deepEqual([begun.valid, begun.anchored, codes(begun.warnings)], [true, true, ['HISTORY_ELSEWHERE']]);
  });

  it('is contradicted by a new chain that knows less than the one that ended', async () => {
    ledger.spend(ledger.records.at(-1) as LedgerRecord);
    ledger.record(machine, 4, { after: null, transactionId: transactionId(99), height: 130 });
    assert.deepEqual(await found(machine.evidence(3, { size: 12 })), ['CHECKPOINT_CONFLICT']);
  });

  it('is contradicted when it knows less than what was recorded before it', async () => {
    ledger.spend(ledger.record(machine, 4, { after: null, transactionId: transactionId(99), height: 130 }));
    const anchor = { transactionId: transactionId(99), milestone: 130 };
    assert.deepEqual(await found(machine.evidence(3, { size: 4, anchor })), ['CHECKPOINT_CONFLICT']);
  });

  it('that the ledger has forgotten is neither confirmed nor refuted', async () => {
    ledger.pruned = 110;
    for (const admits of [true, false]) {
      ledger.admits = admits;
      const evidence = machine.evidence(3, { size: 5 });
      const lenient = await check(evidence, 3, false);
      assert.deepEqual(
        [lenient.valid, lenient.anchored, codes(lenient.problems), codes(lenient.warnings)],
        [true, false, [], ['HISTORY_FORGOTTEN', 'ANCHOR_HISTORY_GONE']],
      );
      const strict = await check(evidence, 3, true);
      assert.deepEqual([strict.valid, codes(strict.problems)], [false, ['ANCHOR_HISTORY_GONE']]);
    }
  });

  it('is found on a ledger that has forgotten its transaction, as long as the record is there', async () => {
    ledger.pruned = 112;
    assert.deepEqual(await found(machine.evidence(3, { size: 12 })), []);
  });

  it('is looked for in a chain of bounded length', async () => {
    const { RecordChain } = await import('../../../lib/evidence/verification/record-chain');
    const chain = new RecordChain(ledger, { did: machine.did, author: machine.address }, 2);
    await chain.reach(2);
    assert.deepEqual(
      [chain.end, chain.rootAt(8) !== undefined, chain.rootAt(5) !== undefined, chain.rootAt(2)],
      ['steps', true, true, undefined],
    );
  });

  it('is looked for in a chain that goes round in circles only once', async () => {
    let asked = 0;
    ledger.previousRecord = async (record) => {
      asked += 1;
      return ledger.records.find(({ height }) => height !== record.height) ?? null;
    };
    await check(machine.evidence(1, { size: 2 }), 1);
    assert.ok(asked > 0 && asked <= ledger.records.length, String(asked));
  });

  it('shows when the clock of the machine was ahead', async () => {
    machine.next({ temperature: 12 }, { at: EVENING + 61_000 });
    ledger.record(machine, 13);
    const { valid, warnings } = await check(machine.evidence(12), 12);
    assert.deepEqual([valid, codes(warnings)], [true, ['CLOCK_AHEAD']]);
    machine.next({ temperature: 13 }, { at: EVENING + 60_000 });
    ledger.record(machine, 14);
    assert.deepEqual((await check(machine.evidence(13), 13)).warnings, []);
  });
});
