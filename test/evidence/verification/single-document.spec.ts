import assert from 'node:assert/strict';
import { signableDocument, signDocument, type VerificationRequest, verify } from '../../../lib/evidence';
import { MORNING, Notary, parsed } from './notary';

const offline = (payload: unknown, rest: Partial<VerificationRequest> = {}) =>
  verify({ payload, trusted: [], requireAnchor: false, ...rest });
const codes = (problems: readonly { readonly code: string }[]) => problems.map(({ code }) => code);

describe('a signed document', () => {
  const machine = new Notary(1);
  const stranger = new Notary(2);
  for (let reading = 0; reading < 7; reading++) machine.next({ temperature: reading });
  const token = machine.next({ temperature: 7 }, { format: 'jws' });
  for (let reading = 0; reading < 9; reading++) stranger.next({ temperature: reading });
  const document = parsed(machine.leaves[3] as string) as Record<string, unknown>;
  const evidence = machine.evidence(3);
  const trusted = [machine.did];

  it('tells who signed it, when, and its place in the log', async () => {
    assert.deepEqual(await offline(document, { trusted }), {
      valid: true,
      signer: machine.did,
      signedAt: '2026-03-01T06:00:03.000Z',
      sequence: 3,
      anchored: false,
      anchoredAt: null,
      problems: [],
      warnings: [],
      problemCount: 0,
      warningCount: 0,
    });
  });

  it('may be a JWS', async () => {
    const { valid, signer, sequence, signedAt } = await offline(token, { trusted });
    assert.deepEqual([valid, signer, sequence, signedAt], [true, machine.did, 7, '2026-03-01T06:00:07.000Z']);
  });

  for (const [how, payload] of [
    ['as text', machine.leaves[3]],
    ['as text over several lines', JSON.stringify(document, null, 2)],
    ['as a line with an end', `${machine.leaves[3]}\r\n`],
    ['as bytes of a file', Buffer.from(`\ufeff${machine.leaves[3]}\n`)],
    ['as a JWS in a file', `\n${token}\n`],
    ['as a JWS in JSON', JSON.stringify(token)],
    ['with its evidence', { document, evidence }],
    ['as a text, with its evidence', { document: machine.leaves[3], evidence }],
    ['with its evidence, as text', JSON.stringify({ document, evidence })],
    ['with no evidence', { document, evidence: null }],
  ] as const) {
    it(`may come ${how}`, async () => {
      const { valid, problems, documents } = await offline(payload, { trusted });
      assert.deepEqual([valid, problems, documents], [true, [], undefined]);
    });
  }

  it('that is signed by somebody else is not trusted, whatever else is right', async () => {
    const { valid, signer, problems } = await offline(parsed(stranger.leaves[0] as string), { trusted });
    assert.deepEqual([valid, signer, codes(problems)], [false, stranger.did, ['SIGNER_UNTRUSTED']]);
    assert.match(problems[0]?.message ?? '', new RegExp(stranger.did));
  });

  it('that somebody forged accuses nobody', async () => {
    const forged = { ...(parsed(stranger.leaves[0] as string) as object), temperature: 99 };
    assert.deepEqual(codes((await offline(forged, { trusted })).problems), ['PAYLOAD_CHANGED']);
  });

  it('by anyone is valid when nobody is named, with a warning', async () => {
    const { valid, warnings } = await offline(document);
    assert.deepEqual([valid, codes(warnings)], [true, ['SIGNER_UNCHECKED']]);
  });

  it('that was changed names no signer', async () => {
    const { valid, signer, signedAt, sequence, problems } = await offline({ ...document, temperature: 4 }, { trusted });
    assert.deepEqual([valid, signer, signedAt, sequence], [false, null, null, null]);
    assert.deepEqual(codes(problems), ['PAYLOAD_CHANGED']);
    assert.deepEqual(problems[0]?.parameters, { signer: machine.did });
  });

  it('that was changed has one problem, not one for each of its consequences', async () => {
    const { problems } = await offline({ document: { ...document, temperature: 4 }, evidence }, { trusted });
    assert.deepEqual(codes(problems), ['PAYLOAD_CHANGED']);
  });

  for (const [what, payload, code] of [
    ['nothing', undefined, 'DOCUMENT_UNSIGNED'],
    ['a number', 7, 'DOCUMENT_UNSIGNED'],
    ['an unsigned document', { temperature: 4 }, 'DOCUMENT_UNSIGNED'],
    ['an unsigned document as text', '{"temperature":4}', 'DOCUMENT_UNSIGNED'],
    ['a word', 'hello', 'BUNDLE_UNREADABLE'],
    ['an empty text', ' \n ', 'BUNDLE_EMPTY'],
    ['an empty list', [], 'BUNDLE_EMPTY'],
    ['the text of an empty list', ' [ ] ', 'BUNDLE_EMPTY'],
    ['bytes that are no text', Uint8Array.of(0xff, 0xfe), 'BUNDLE_UNREADABLE'],
    ['a document that says one thing twice', '{"a":1,"a":2,"proof":{}}', 'BUNDLE_UNREADABLE'],
    ['a document whose text ends too early', machine.leaves[3]?.slice(0, -1), 'BUNDLE_UNREADABLE'],
    ['a proof of another kind', { proof: { type: 'DataIntegrityProof', cryptosuite: 'x' } }, 'SIGNATURE_UNREADABLE'],
    ['an empty set of proofs', { proof: [] }, 'DOCUMENT_UNSIGNED'],
    ['three parts that are no JWS', 'a.b.c', 'SIGNATURE_UNREADABLE'],
    ['a JWS that nobody signed', `${token.split('.', 2).join('.')}.`, 'SIGNATURE_UNREADABLE'],
    ['a JWS without what it signs', token.replace(/\..*\./, '..'), 'SIGNATURE_UNREADABLE'],
    ['a JWS with padding', `${token}==`, 'SIGNATURE_UNREADABLE'],
    ['a document for readers', { protected: 'e30', iv: 'a', ciphertext: 'b', tag: 'c' }, 'DOCUMENT_ENCRYPTED'],
    ['evidence without a document', machine.evidence(3), 'EVIDENCE_ALONE'],
    ['what JSON cannot hold', { proof: {}, at: new Date(0) }, 'DOCUMENT_UNREADABLE'],
  ] as const) {
    it(`is not ${what}`, async () => {
      const { valid, signer, problems } = await offline(payload);
      assert.deepEqual([valid, signer, codes(problems)], [false, null, [code]]);
    });
  }

  it('that its signer let expire is told from one that was changed', async () => {
    const { valid, problems } = await offline({
      value: 1,
      proof: {
        type: 'DataIntegrityProof',
        cryptosuite: 'eddsa-jcs-2022',
        proofPurpose: 'assertionMethod',
        expires: '2020-01-01T00:00:00Z',
        verificationMethod: `${machine.did}#${machine.did.slice(8)}`,
        proofValue: (document['proof'] as { proofValue: string }).proofValue,
      },
    });
    assert.deepEqual([valid, codes(problems)], [false, ['SIGNATURE_EXPIRED']]);
  });

  it('got something into its context that its signer has not signed', async () => {
    const facts = { signer: machine, created: MORNING, sequence: 0 };
    const sign = (context: unknown) =>
      JSON.parse(signDocument(signableDocument({ '@context': context, value: 1 }), 'data-integrity', facts));
    for (const [signed, changed] of [
      ['u:a', ['u:a', 'u:b']],
      [['u:a'], ['u:a', { value: 'u:b' }]],
      [[], ['u:b']],
      [[], 'u:b'],
    ] as const) {
      const altered = { ...sign(signed), '@context': changed };
      const { valid, signer, problems } = await offline(altered, { trusted });
      assert.deepEqual([valid, signer, codes(problems)], [false, null, ['CONTEXT_UNSIGNED']], JSON.stringify(changed));
    }
    const [part, whole] = [sign(['u:a']), sign(['u:a', 'u:b'])];
    for (const payload of [part, whole, { ...whole, proof: [part.proof, whole.proof] }, { ...part, '@context': 'u:a' }])
      assert.deepEqual((await offline(payload, { trusted })).problems, []);
    const forged = { ...part, '@context': ['u:a', 'u:b'], value: 2 };
    assert.deepEqual(codes((await offline(forged, { trusted })).problems), ['PAYLOAD_CHANGED']);
  });

  it('without a place in a log is valid, with a warning', async () => {
    const facts = { signer: machine, created: MORNING };
    const foreign = JSON.parse(signDocument(signableDocument({ value: 1 }), 'data-integrity', facts));
    const { valid, sequence, warnings } = await offline(foreign, { trusted });
    assert.deepEqual([valid, sequence, codes(warnings)], [true, null, ['SEQUENCE_MISSING']]);
  });
});

describe('evidence without a ledger', () => {
  const machine = new Notary(1);
  const stranger = new Notary(2);
  for (const notary of [machine, stranger]) for (let n = 0; n < 9; n++) notary.next({ temperature: n });
  const document = parsed(machine.leaves[3] as string);
  const trusted = [machine.did];
  const check = (evidence: unknown, rest: Partial<VerificationRequest> = {}) =>
    offline(document, { trusted, evidence, ...rest });

  it('shows that the document is in the log, not that it is on a ledger', async () => {
    const { valid, anchored, anchoredAt, warnings } = await check(machine.evidence(3));
    assert.deepEqual([valid, anchored, anchoredAt], [true, false, null]);
    assert.deepEqual(codes(warnings), ['ANCHOR_UNCHECKED']);
  });

  it('is not enough where an anchor is required', async () => {
    const { valid, problems } = await check(machine.evidence(3), { requireAnchor: true });
    assert.deepEqual([valid, codes(problems)], [false, ['ANCHOR_UNCHECKED']]);
  });

  it('is missed where an anchor is required', async () => {
    const { valid, problems } = await check(undefined, { requireAnchor: true });
    assert.deepEqual([valid, codes(problems)], [false, ['ANCHOR_MISSING']]);
  });

  it('of a log with one document has nothing to show', async () => {
    assert.ok((await offline(document, { trusted, evidence: machine.evidence(3, { size: 4 }) })).valid);
    const lonely = new Notary(3);
    const only = parsed(lonely.next({ temperature: 1 }));
    assert.ok((await offline(only, { evidence: lonely.evidence(0) })).valid);
  });

  const proofOf = (change: (proof: string) => string) => {
    const evidence = machine.evidence(3);
    const proof = change(evidence.proof);
    assert.notEqual(proof, evidence.proof);
    return { ...evidence, proof };
  };
  const hashLine = (proof: string) => proof.split('\n')[3] as string;

  for (const [what, evidence, code] of [
    ['of another machine', stranger.evidence(3), 'EVIDENCE_OF_ANOTHER_MACHINE'],
    ['of another document', machine.evidence(4), 'EVIDENCE_OF_ANOTHER_DOCUMENT'],
    [
      'of another document, with the number of this one',
      { ...machine.evidence(4), proof: machine.evidence(4).proof.replace('index 4', 'index 3') },
      'PROOF_BROKEN',
    ],
    [
      'with another hash',
      proofOf((proof) => proof.replace(hashLine(proof), Buffer.alloc(32, 1).toString('base64'))),
      'PROOF_BROKEN',
    ],
    ['with a hash too few', proofOf((proof) => proof.replace(`${hashLine(proof)}\n`, '')), 'PROOF_BROKEN'],
    ['with a hash too many', proofOf((proof) => proof.replace('\n\n', `\n${hashLine(proof)}\n\n`)), 'PROOF_BROKEN'],
    ['with a checkpoint of before', machine.evidence(3, { checkpoint: machine.checkpoint(5) }), 'PROOF_BROKEN'],
    [
      'with a checkpoint that says another size',
      proofOf((proof) => proof.replace('\n9\n', '\n8\n')),
      'CHECKPOINT_SIGNATURE_INVALID',
    ],
    ['without a signature', proofOf((proof) => proof.slice(0, proof.indexOf('\u2014'))), 'CHECKPOINT_UNREADABLE'],
    ['without an index', proofOf((proof) => proof.replace('index 3', 'index x')), 'EVIDENCE_UNREADABLE'],
    ['that is a text', 'evidence', 'EVIDENCE_UNREADABLE'],
    ['that is empty', {}, 'EVIDENCE_UNREADABLE'],
    ['with a date that is none', machine.evidence(3, { anchor: { confirmedAt: 'once' } }), 'EVIDENCE_UNREADABLE'],
  ] as const) {
    it(`${what} is not accepted`, async () => {
      const { valid, problems } = await check(evidence);
      assert.deepEqual([valid, codes(problems)], [false, [code]]);
    });
  }

  it('that the document brings is used, and what lies beside it is not', async () => {
    const both = { document, evidence: machine.evidence(3) };
    const { valid, warnings } = await offline(both, { trusted, evidence: machine.evidence(4) });
    assert.deepEqual([valid, codes(warnings).sort()], [true, ['ANCHOR_UNCHECKED', 'EVIDENCE_IGNORED']]);
  });
});
