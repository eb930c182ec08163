/** Proofs from a log of 100,000 documents, and verdicts on documents that come with them. */
import { createHash, createPublicKey, generateKeyPairSync, sign, verify as verifySignature } from 'node:crypto';
import {
  type Evidence,
  Log,
  log,
  PROOF_TYPE,
  type SignedPayload,
  signableDocument,
  signDocument,
  verify,
  writeProof,
} from '../../lib/evidence';
import { openJournal } from '../../lib/journal';
import { didKeyOf } from '../../lib/values';
import { scenario } from '../scenario';

export interface ProofsMeasured {
  readonly proofsPerSecond: number;
  readonly hashesPerSecond: number;
  readonly verificationsPerSecond: number;
  readonly rawVerifyPerSecond: number;
}

const LEAVES = 100_000;
const DOCUMENTS = 5_000;

scenario<object, ProofsMeasured>(async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  const did = didKeyOf(raw);
  const signer = { did, publicKey: raw, sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)) };
  const merkleLog = new Log(openJournal({ memory: true, projections: [log] }), signer);
  const texts = Array.from({ length: DOCUMENTS }, (_, sequence) =>
    signDocument(signableDocument({ sensor: 'press-7', pressure: 180 + (sequence % 77) }), 'data-integrity', {
      signer,
      created: 1_790_000_000_000 + sequence,
      sequence,
    }),
  );
  await merkleLog.append(texts.map((text) => ({ text })));
  for (let size = DOCUMENTS; size < LEAVES; size += 1000)
    await merkleLog.append(Array.from({ length: 1000 }, (_, n) => ({ text: `{"n":${size + n}}` })));
  const { size, text: checkpoint } = await merkleLog.checkpoint();

  const proofsPerSecond = rate(20_000, (n) => {
    merkleLog.proof((n * 7) % LEAVES, size);
  });
  const pair = Buffer.alloc(65);
  const hashesPerSecond = rate(200_000, () => {
    createHash('sha256').update(pair).digest();
  });

  const anchor = {
    network: 'bench',
    tag: 'me1:log',
    transactionId: `0x${'00'.repeat(32)}`,
    milestone: 1,
    confirmedAt: new Date(1_790_000_100_000).toISOString(),
  };
  const payload = texts.map((text, index) => {
    const proof = writeProof({ index, hashes: merkleLog.proof(index, size), checkpoint });
    const evidence: Evidence = { type: PROOF_TYPE, proof, anchor };
    return { document: JSON.parse(text) as SignedPayload, evidence };
  });
  const started = performance.now();
  const verdict = await verify({ payload, trusted: [did], requireAnchor: false }, {});
  const verificationsPerSecond = (DOCUMENTS * 1000) / (performance.now() - started);
  if (!verdict.valid) throw new Error(JSON.stringify(verdict.problems.slice(0, 3)));

  const key = createPublicKey(publicKey.export({ format: 'pem', type: 'spki' }));
  const bytes = Buffer.from(texts[0] ?? '');
  const signature = sign(null, bytes, privateKey);
  const rawVerifyPerSecond = rate(DOCUMENTS, () => {
    verifySignature(null, bytes, key, signature);
  });
  return { proofsPerSecond, hashesPerSecond, verificationsPerSecond, rawVerifyPerSecond };
});

function rate(count: number, work: (n: number) => void): number {
  const started = performance.now();
  for (let n = 0; n < count; n += 1) work(n);
  return (count * 1000) / (performance.now() - started);
}
