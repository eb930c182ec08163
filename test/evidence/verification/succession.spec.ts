import assert from 'node:assert/strict';
import {
  type Problem,
  readSigned,
  readSuccession,
  signableDocument,
  signProofSet,
  successionStatement,
  type VerificationRequest,
  verify,
} from '../../../lib/evidence';
import { FakeLedger, MORNING, Notary } from './notary';

const codes = (problems: readonly Problem[]) => problems.map(({ code }) => code);

describe('a machine that got another key', () => {
  let first: Notary;
  let second: Notary;
  let third: Notary;

  beforeEach(() => {
    [first, second, third] = [new Notary(1), new Notary(2), new Notary(3)];
    for (let n = 0; n < 3; n++) first.next({ n });
  });

  const check = (payload: unknown, rest: Partial<VerificationRequest> = {}) =>
    verify({ payload, trusted: [first.did], requireAnchor: false, ...rest });
  const text = (documents: readonly string[]) => documents.join('\n');

  it('is believed under the new one when its statement comes along', async () => {
    const statement = first.handOver(second);
    const reading = second.next({ n: 3 });
    const { valid, signer, problems } = await check(reading, { successions: statement });
    assert.deepEqual([valid, signer, problems], [true, second.did, []]);
    for (const payload of [text([...first.leaves, ...second.leaves]), text([...second.leaves, ...first.leaves])]) {
      assert.deepEqual((await check(payload)).problems, []);
    }
  });

  it('is not believed without it', async () => {
    first.handOver(second);
    const { problems } = await check(second.next({ n: 3 }));
    assert.deepEqual(codes(problems), ['SIGNER_UNTRUSTED']);
  });

  it('is followed through several keys, but not backwards', async () => {
    const successions = [first.handOver(second), second.handOver(third)];
    assert.ok((await check(third.next({ n: 3 }), { successions })).valid);
    const backwards = await check(first.leaves[0], { successions, trusted: [second.did] });
    assert.deepEqual(codes(backwards.problems), ['SIGNER_UNTRUSTED']);
  });

  it('may show its statements in any form that documents have', async () => {
    const statement = first.handOver(second);
    const reading = second.next({ n: 3 });
    const evidence = first.evidence(3);
    for (const successions of [
      JSON.parse(statement),
      [statement],
      { document: JSON.parse(statement), evidence },
      JSON.stringify([{ document: JSON.parse(statement), evidence }]),
      `${statement}\n${statement}\n`,
    ]) {
      const { valid, problems } = await check(reading, { successions });
      assert.deepEqual([valid, problems], [true, []]);
    }
  });

  it('signs nothing any more under the old one', async () => {
    const statement = first.handOver(second);
    const late = first.next({ n: 4 });
    for (const payload of [late, text(first.leaves)]) {
      const { problems } = await check(payload, { successions: statement });
      assert.deepEqual(codes(problems), ['SIGNED_AFTER_SUCCESSION']);
      assert.deepEqual(problems[0]?.parameters, { predecessor: first.did, successor: second.did, sequence: 3 });
    }
    assert.ok((await check(text(first.leaves.slice(0, 4)), { successions: statement })).valid);
  });

  it('cannot give the place of its statement to another document', async () => {
    const statement = first.handOver(second);
    const twin = new Notary(1);
    for (let n = 0; n < 4; n++) twin.next({ n });
    const { problems } = await check(twin.leaves[3], { successions: statement });
    assert.deepEqual(codes(problems), ['SIGNED_AFTER_SUCCESSION']);
  });

  it('is held to the date where a document has no place in the log', async () => {
    const statement = first.handOver(second, MORNING + 3_000);
    const foreign = (created: number) => signProofSet(signableDocument({ n: 9 }), [{ signer: first, created }]);
    const later = await check(foreign(MORNING + 4_000), { successions: statement });
    assert.deepEqual(codes(later.problems), ['SIGNED_AFTER_SUCCESSION']);
    assert.ok((await check(foreign(MORNING), { successions: statement })).valid);
    // Without either, it was signed after the handover, for all we know.
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const input = `${part({ alg: 'Ed25519', kid: `${first.did}#${first.did.slice(8)}` })}.${part({ n: 9 })}`;
    const token = `${input}.${Buffer.from(first.sign(Buffer.from(input))).toString('base64url')}`;
    assert.ok((await check(token)).valid);
    const undated = await check(token, { successions: statement });
    assert.deepEqual(codes(undated.problems), ['SIGNED_AFTER_SUCCESSION']);
  });

  it('cannot name two successors: then neither is believed', async () => {
    const one = first.handOver(second);
    const twin = new Notary(1);
    for (let n = 0; n < 3; n++) twin.next({ n });
    const other = twin.handOver(third);
    const { problems } = await check(second.next({ n: 3 }), { successions: [one, other] });
    assert.deepEqual(codes(problems), ['SUCCESSION_FORK', 'SIGNER_UNTRUSTED']);
  });

  it('is silent from its first handover on, whichever one hears of first', async () => {
    const [early, between, late] = [first.handOver(second), first.next({ n: 4 }), first.handOver(third)];
    for (const successions of [
      [early, late],
      [late, early],
    ]) {
      const { problems } = await check(between, { successions });
      assert.deepEqual(codes(problems), ['SUCCESSION_FORK', 'SIGNED_AFTER_SUCCESSION']);
    }
  });

  it('cannot come back to a key it has given up', async () => {
    const successions = [first.handOver(second), second.handOver(third), third.handOver(first)];
    const { problems } = await check(second.leaves[0], { successions });
    assert.deepEqual(codes(problems), ['SUCCESSION_CYCLE']);
  });

  it('is still followed after it handed over twice to the same key', async () => {
    const successions = [first.handOver(second), first.handOver(second)];
    assert.deepEqual(codes((await check(second.next({ n: 3 }), { successions })).problems), []);
    // But the second time it should have been silent already, in whatever order one hears of it.
    for (const order of [first.leaves, [...first.leaves.slice(0, 3), ...successions.toReversed()]]) {
      const { problems } = await check(text(order));
      const late = problems.filter(({ code }) => code === 'SIGNED_AFTER_SUCCESSION');
      assert.deepEqual(
        late.map(({ parameters, document }) => [parameters['sequence'], order[document as number]]),
        [[3, successions[1]]],
      );
    }
  });

  it('is not followed by a statement whose evidence is not its own', async () => {
    const statement = first.handOver(second);
    const payload = [{ document: statement, evidence: first.evidence(0) }, second.next({ n: 3 })];
    const { problems } = await check(payload);
    assert.deepEqual(
      problems.map(({ code, document }) => [code, document]),
      [
        ['EVIDENCE_OF_ANOTHER_DOCUMENT', 0],
        ['SIGNER_UNTRUSTED', 0],
        ['SIGNER_UNTRUSTED', 1],
      ],
    );
  });

  const sign = (content: unknown, ...signers: Notary[]) =>
    signProofSet(
      signableDocument(content),
      signers.map((signer, at) => ({ signer, created: MORNING + 3_000, ...(at === 0 && { sequence: 3 }) })),
    );

  it('needs the consent of both keys, and of nobody else', async () => {
    const content = successionStatement(first.did, second.did, MORNING);
    for (const statement of [
      sign(content, first),
      sign(content, second),
      sign(content, first, third),
      sign(content, first, second, third),
      sign(content, first, first),
      sign({ ...content, successor: first.did }, first, second),
      sign({ ...content, successor: 'did:key:z6Mk' }, first, second),
      sign({ ...content, type: 'Succession' }, first, second),
      sign({ n: 1 }, first, second),
      signProofSet(signableDocument(content), [
        { signer: first, created: MORNING },
        { signer: second, created: MORNING, sequence: 0 },
      ]),
    ]) {
      const { valid, problems } = await check(second.next({ n: 3 }), { successions: statement });
      assert.equal(valid, false);
      assert.deepEqual(codes(problems), ['SUCCESSION_INVALID', 'SIGNER_UNTRUSTED'], statement);
    }
    const forged = first.handOver(second).replace(first.did.slice(-5), third.did.slice(-5));
    assert.deepEqual(codes((await check(second.leaves[0], { successions: forged })).problems), [
      'SUCCESSION_INVALID',
      'SIGNER_UNTRUSTED',
    ]);
  });

  it('may say more in its statement', async () => {
    const statement = sign({ ...successionStatement(first.did, second.did, MORNING), reason: 'repair' }, first, second);
    assert.deepEqual(readSuccession(readSigned(JSON.parse(statement))), {
      predecessor: first.did,
      successor: second.did,
      sequence: 3,
      signedAt: MORNING + 3_000,
    });
  });

  it('is not believed by a statement that is among the documents and is none', async () => {
    const statement = sign(successionStatement(first.did, second.did, MORNING), first);
    const { problems } = await check(text([...first.leaves, statement, second.next({ n: 3 })]));
    assert.deepEqual(
      problems.map(({ code, document }) => [code, document]),
      [
        ['SUCCESSION_INVALID', 3],
        ['SIGNER_UNTRUSTED', 4],
      ],
    );
  });

  it('puts its statement on the ledger, where an anchor is required', async () => {
    const statement = first.handOver(second);
    second.next({ n: 3 });
    const ledger = new FakeLedger();
    ledger.record(second, 1);
    const payload = { document: second.leaves[0], evidence: second.evidence(0) };
    const request = { payload, trusted: [first.did], requireAnchor: true };
    const bare = await verify({ ...request, successions: statement }, { ledger });
    assert.deepEqual(codes(bare.problems), ['SUCCESSION_INVALID']);
    const successions = { document: statement, evidence: first.evidence(3) };
    const claimed = await verify({ ...request, successions }, { ledger });
    assert.deepEqual(codes(claimed.problems), ['SUCCESSION_INVALID']);
    assert.match(claimed.problems[0]?.message ?? '', /ANCHOR_NOT_FOUND/);
    ledger.record(first, 4);
    assert.deepEqual((await verify({ ...request, successions }, { ledger })).problems, []);
  });

  it('is followed by nobody who names no one to trust, but held to its word', async () => {
    const statement = first.handOver(second);
    const { problems, warnings } = await check(first.next({ n: 4 }), { successions: statement, trusted: [] });
    assert.deepEqual([codes(problems), codes(warnings)], [['SIGNED_AFTER_SUCCESSION'], ['SIGNER_UNCHECKED']]);
  });

  it('with unreadable statements is told so', async () => {
    for (const successions of ['hello', 7, [7], [[]], '[]', {}]) {
      const { problems } = await check(first.leaves[0], { successions });
      assert.deepEqual(codes(problems), ['SUCCESSION_INVALID'], JSON.stringify(successions));
    }
    assert.ok((await check(first.leaves[0], { successions: null })).valid);
  });
});
