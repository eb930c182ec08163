import assert from 'node:assert/strict';
import {
  leafHash,
  type Problem,
  readCheckpoint,
  readProof,
  type Verification,
  verify,
  writeCheckpoint,
} from '../../../lib/evidence';
import { SeenSubtrees } from '../../../lib/evidence/verification/seen-subtrees';
import { MORNING, Notary, parsed } from './notary';

const together = (payload: unknown, trusted: readonly string[] = []) =>
  verify({ payload, trusted, requireAnchor: false });
const codes = (problems: readonly Problem[]) => problems.map(({ code }) => code);
const lines = (documents: readonly string[]) => documents.map((document) => `${document}\n`).join('');

describe('documents given together', () => {
  const machine = new Notary(1);
  const other = new Notary(2);
  for (let n = 0; n < 20; n++) machine.next({ temperature: n }, { format: n % 3 === 0 ? 'jws' : 'data-integrity' });
  for (let n = 0; n < 5; n++) other.next({ humidity: n });
  const { leaves } = machine;

  for (const [how, payload] of [
    ['a list', leaves.map(parsed)],
    ['a list of texts', leaves],
    ['the text of a list', JSON.stringify(leaves.map(parsed))],
    ['the text of a list over many lines', JSON.stringify(leaves.map(parsed), null, 2)],
    ['lines', lines(leaves)],
    ['lines of Windows, with empty ones', `\ufeff${leaves.join('\r\n\r\n')}\r\n`],
    ['lines that end without a line feed', leaves.join('\n')],
    ['the bytes of lines', Buffer.from(lines(leaves))],
  ] as const) {
    it(`may be ${how}`, async () => {
      const { valid, signer, sequence, signedAt, problems, documents } = await together(payload, [machine.did]);
      assert.deepEqual([valid, problems, signer, sequence, signedAt], [true, [], machine.did, null, null]);
      const part = {
        count: 20,
        firstSequence: 0,
        lastSequence: 19,
        firstSignedAt: new Date(MORNING).toISOString(),
        lastSignedAt: new Date(MORNING + 19_000).toISOString(),
        anchored: 0,
      };
      assert.deepEqual(documents, {
        count: 20,
        firstSignedAt: part.firstSignedAt,
        lastSignedAt: part.lastSignedAt,
        signers: [machine.did],
        logs: [{ log: machine.did, ...part }],
      });
    });
  }

  it('may come from several machines, mixed', async () => {
    const mixed = [leaves[0], other.leaves[0], other.leaves[1], leaves[1], other.leaves[2], leaves[2]];
    const { valid, signer, documents } = await together(lines(mixed as string[]), [machine.did, other.did]);
    assert.deepEqual([valid, signer], [true, null]);
    assert.deepEqual(documents?.signers, [machine.did, other.did]);
    assert.deepEqual(
      documents?.logs.map(({ log, count, lastSequence }) => [log, count, lastSequence]),
      [
        [machine.did, 3, 2],
        [other.did, 3, 2],
      ],
    );
  });

  it('are not valid when one of them is not, and it is said which', async () => {
    const damaged = [...leaves];
    damaged[7] = (damaged[7] as string).replace('"temperature":7', '"temperature":8');
    damaged[10] = '{"temperature":10}';
    const { valid, problems } = await together(lines(damaged));
    assert.equal(valid, false);
    assert.deepEqual(
      problems.map(({ code, document }) => [code, document]),
      [
        ['PAYLOAD_CHANGED', 7],
        ['DOCUMENT_UNSIGNED', 10],
        ['SEQUENCE_GAP', 11],
      ],
    );
  });

  it('are read to the end when one line is no JSON', async () => {
    for (const at of [0, 5, 19]) {
      const damaged = [...leaves];
      damaged[at] = `{${damaged[at]?.slice(0, -3)}}`;
      const { problems, documents } = await together(lines(damaged));
      assert.deepEqual([problems[0]?.code, problems[0]?.document], ['DOCUMENT_UNREADABLE', at]);
      assert.equal(documents?.count, 20);
    }
  });

  it('are read to the end when the first line is cut off', async () => {
    for (const all of [leaves, leaves.map((leaf) => leaf.replace('{', ' {'))]) {
      const { valid, problems, documents } = await together(lines([all[0]?.slice(0, 40) as string, ...all.slice(1)]));
      assert.deepEqual([valid, problems[0]?.code, problems[0]?.document], [false, 'DOCUMENT_UNREADABLE', 0]);
      assert.equal(documents?.count, leaves.length);
    }
    const notary = new Notary(1);
    const tokens = [0, 1, 2].map((temperature) => notary.next({ temperature }, { format: 'jws' }));
    const { problems } = await together(lines([(tokens[0] as string).slice(0, 40), ...tokens.slice(1)]));
    assert.deepEqual([problems[0]?.code, problems[0]?.document], ['DOCUMENT_UNREADABLE', 0]);
  });

  it('are read to the end when a list of them does not end as one', async () => {
    const list = JSON.stringify(leaves.map(parsed));
    for (const [text, count] of [
      [list.slice(0, -1), 20],
      [`${list},`, 21],
      [`${list}{}`, 21],
      [list.replace(/\]$/, ',]'), 21],
      [list.replace(/\]$/, '}'), 21],
    ] as const) {
      const { valid, problems, documents } = await together(text);
      assert.deepEqual([valid, documents?.count], [false, count], text.slice(-20));
      assert.equal(problems.at(-1)?.document, count - 1);
    }
  });

  it('are not looked for deeper than in the list', async () => {
    const { problems } = await together([[leaves[0]], { document: { document: parsed(leaves[1] as string) } }]);
    assert.deepEqual(codes(problems), ['DOCUMENT_UNSIGNED', 'DOCUMENT_UNSIGNED']);
  });

  it('begin and end where they do: what is before and behind them is said', async () => {
    const part = leaves.slice(5, 9).map((document, at) => ({ document, evidence: machine.evidence(5 + at) }));
    const { valid, warnings } = await together(part, [machine.did]);
    assert.equal(valid, true);
    assert.deepEqual(
      warnings.filter(({ code }) => code.startsWith('LOG_')).map(({ code, parameters }) => [code, parameters]),
      [
        ['LOG_BEGINS_EARLIER', { log: machine.did, missing: 5 }],
        ['LOG_GOES_ON', { log: machine.did, missing: 11 }],
      ],
    );
  });

  it('tell their dates from the seconds that a JWS knows', async () => {
    const clock = new Notary(3);
    clock.next({ n: 0 }, { at: MORNING + 900 });
    clock.next({ n: 1 }, { at: MORNING + 950, format: 'jws' });
    clock.next({ n: 2 }, { at: MORNING + 1_100, format: 'jws' });
    clock.next({ n: 3 }, { at: MORNING + 1_100 });
    assert.deepEqual((await together(clock.leaves)).problems, []);
    clock.next({ n: 4 }, { at: MORNING + 999, format: 'jws' });
    const { problems } = await together(clock.leaves);
    assert.deepEqual(
      problems.map(({ code, document, parameters }) => [code, document, parameters]),
      [
        [
          'CLOCK_BACKWARDS',
          4,
          {
            log: clock.did,
            sequence: 4,
            signedAt: '2026-03-01T06:00:00.000Z',
            after: 3,
            previous: '2026-03-01T06:00:01.100Z',
          },
        ],
      ],
    );
  });

  it('may be of the same moment', async () => {
    const clock = new Notary(3);
    for (let n = 0; n < 3; n++) clock.next({ n }, { at: MORNING });
    assert.deepEqual((await together(clock.leaves)).problems, []);
  });

  it('show when a machine has signed two documents for one place', async () => {
    const liar = new Notary(3);
    liar.next({ n: 0 });
    liar.next({ n: 1 });
    liar.next({ n: 'one' }, { sequence: 1 });
    const { problems } = await together(liar.leaves);
    assert.deepEqual(
      problems.map(({ code, document, parameters }) => [code, document, parameters]),
      [['SEQUENCE_CONFLICT', 2, { log: liar.did, sequence: 1 }]],
    );
  });

  it('accuse nobody of what he has not signed', async () => {
    const forged = (leaves[1] as string).replace('"temperature":1', '"temperature":9');
    const { problems, documents } = await together([leaves[0], leaves[1], forged, leaves[2]]);
    assert.deepEqual(codes(problems), ['PAYLOAD_CHANGED', 'SEQUENCE_DUPLICATE']);
    assert.equal(documents?.logs[0]?.count, 3);
    const misdated = (leaves[1] as string).replace('"created":"2026', '"created":"2036');
    assert.deepEqual(codes((await together([leaves[0], misdated, leaves[2]])).problems), ['PAYLOAD_CHANGED']);
    const alone = await together([forged, forged]);
    assert.deepEqual([codes(alone.problems), alone.documents?.logs], [['PAYLOAD_CHANGED', 'PAYLOAD_CHANGED'], []]);
  });

  it('are anchored only if all of them are', async () => {
    const { anchored, anchoredAt } = await together(leaves);
    assert.deepEqual([anchored, anchoredAt], [false, null]);
  });

  it('leave evidence that lies beside them alone', async () => {
    const { valid, warnings } = await verify({
      payload: leaves,
      evidence: machine.evidence(0),
      trusted: [],
      requireAnchor: false,
    });
    assert.ok(valid);
    assert.ok(codes(warnings).includes('EVIDENCE_IGNORED'));
  });

  it('may have brackets, quotes and commas in their texts', async () => {
    const writer = new Notary(3);
    for (const text of ['],[', '"],["', '\\"', '\\', '\\\\",{', '}]']) writer.next({ text });
    const { valid, documents } = await together(JSON.stringify(writer.leaves.map(parsed)));
    assert.deepEqual([valid, documents?.count], [true, 6]);
  });

  it('have at most a thousand problems written out, and all of them counted', async () => {
    const { problems, problemCount, documents } = await together('{x}\n'.repeat(5_000));
    assert.deepEqual([problems.length, problemCount, documents?.count], [1_000, 5_000, 5_000]);
  });

  it('are a million at most', async () => {
    const many = await together('1\n'.repeat(1_000_010));
    assert.equal(many.documents?.count, 1_000_001);
    const sparse: unknown[] = [];
    sparse.length = 2 ** 32 - 1;
    for (const { problems } of [await together(sparse)]) {
      assert.deepEqual(codes(problems), ['BUNDLE_TOO_LARGE']);
    }
  }).timeout(60_000);

  it('are a text of bounded length', async () => {
    const { problems, documents } = await together(' '.repeat(256 * 1024 * 1024 + 1));
    assert.deepEqual([codes(problems), documents], [['BUNDLE_TOO_LARGE'], undefined]);
  });
});

describe('checkpoints that contradict each other', () => {
  /** Two machines with one key: they agree on their first documents, and then do not. */
  function twins() {
    const [one, two] = [new Notary(1), new Notary(1)];
    for (let n = 0; n < 4; n++) for (const twin of [one, two]) twin.next({ n });
    one.next({ n: 4, says: 'one' });
    two.next({ n: 4, says: 'two' });
    for (let n = 5; n < 12; n++) for (const twin of [one, two]) twin.next({ n });
    return { one, two };
  }
  const conflicts = ({ problems }: Verification) =>
    problems
      .filter(({ code }) => code === 'CHECKPOINT_CONFLICT')
      .map(({ parameters, document }) => [document, parameters['size'], parameters['otherSize']]);

  it('of one size are found', async () => {
    const { one, two } = twins();
    const found = await together([
      { document: one.leaves[0], evidence: one.evidence(0, { size: 8 }) },
      { document: two.leaves[1], evidence: two.evidence(1, { size: 8 }) },
    ]);
    assert.deepEqual(conflicts(found), [[1, 8, 8]]);
  });

  it('of one size are found even if one of them is about another document', async () => {
    const { one, two } = twins();
    const found = await together([
      { document: one.leaves[0], evidence: one.evidence(0, { size: 8 }) },
      { document: two.leaves[1], evidence: two.evidence(2, { size: 8 }) },
    ]);
    assert.deepEqual(codes(found.problems), ['EVIDENCE_OF_ANOTHER_DOCUMENT', 'CHECKPOINT_CONFLICT']);
  });

  it('of different sizes are found where the proofs show the same part of the log', async () => {
    const { one, two } = twins();
    const found = await together([
      { document: one.leaves[3], evidence: one.evidence(3, { size: 8 }) },
      { document: two.leaves[5], evidence: two.evidence(5, { size: 12 }) },
    ]);
    assert.deepEqual(conflicts(found), [[1, 12, 8]]);
  });

  it('are not seen in a log that only grew, for any documents of any two of its checkpoints', async () => {
    const grown = new Notary(1);
    for (let n = 0; n < 23; n++) grown.next({ n });
    for (let size = 1; size <= 23; size++) {
      const documents = [];
      for (let index = 0; index < 23; index++) {
        for (const one of [size, 23]) {
          if (index >= one) continue;
          documents.push({ document: grown.leaves[index], evidence: grown.evidence(index, { size: one }) });
        }
      }
      assert.deepEqual(conflicts(await together(documents)), []);
    }
  });

  it('are found wherever the first different document is, from one document of each history', async () => {
    for (let split = 0; split < 8; split++) {
      const [one, two] = [new Notary(1), new Notary(1)];
      for (let n = 0; n < 8; n++) {
        one.next({ n });
        two.next({ n: n === split ? 'other' : n });
      }
      for (let n = 0; n < 8; n++) two.next({ later: n });
      for (let index = 0; index < 8; index++) {
        const found = await together([
          { document: one.leaves[index], evidence: one.evidence(index) },
          { document: two.leaves[12], evidence: two.evidence(12) },
        ]);
        assert.deepEqual(conflicts(found), [[1, 16, 8]], `split at ${split}, document ${index}`);
      }
    }
  });

  it('are looked for in bounded memory', () => {
    const machine = new Notary(1);
    for (let n = 0; n < 8; n++) machine.next({ n });
    const { hashes } = readProof(machine.evidence(3).proof);
    const checkpoint = readCheckpoint(machine.checkpoint());
    const add = (seen: SeenSubtrees, leaf: string) =>
      seen.add({ leafHash: leafHash(Buffer.from(leaf)), index: 3, hashes, checkpoint });
    for (const [most, found] of [
      [1, 8],
      [0, undefined],
    ] as const) {
      const seen = new SeenSubtrees(most);
      add(seen, 'one');
      assert.equal(add(seen, 'two'), found);
    }
  });

  it('of a made-up size are only as good as their proof', async () => {
    const machine = new Notary(1);
    machine.next({ n: 0 });
    const huge = writeCheckpoint({ origin: machine.did, size: 2 ** 53 - 1, root: Buffer.alloc(32, 7) }, (bytes) =>
      machine.sign(bytes),
    );
    const evidence = machine.evidence(0, { checkpoint: huge });
    const { problems } = await together([{ document: machine.leaves[0], evidence }]);
    assert.deepEqual(codes(problems), ['PROOF_BROKEN']);
  });
});
