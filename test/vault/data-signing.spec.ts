import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { CodedError } from '../../lib/errors';
import { type BacklogLimit, Log, log, readSigned, signableDocument } from '../../lib/evidence';
import { type Append, type Journal, openJournal, SimulatedDisk, type Sql } from '../../lib/journal';
import { didKeyOf } from '../../lib/values';
import { DataSigning, type ReadingToSign, type SigningResult } from '../../lib/vault/data-signing';

function identity() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32));
  return {
    did: didKeyOf(raw),
    publicKey: raw,
    sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

function desk(options: { backlogLimit?: BacklogLimit } = {}) {
  const me = identity();
  const journal = openJournal({ memory: true, projections: [log] });
  const merkleLog = new Log(journal, me, options);
  let appended = 0;
  const signing = new DataSigning(merkleLog, me, { appended: () => (appended += 1), now: () => 1_790_000_000_123 });
  return { me, journal, merkleLog, signing, appends: () => appended };
}

const reading = (payload: unknown, more: Partial<ReadingToSign> = {}): ReadingToSign => ({
  document: signableDocument(payload),
  format: 'data-integrity',
  readers: [],
  ...more,
});

function signed(result: SigningResult | undefined): { payload: string; sequence: number } {
  assert.ok(result && 'payload' in result, JSON.stringify(result));
  return result;
}

describe('signing data', () => {
  it('numbers documents in the order they came, whatever their format', async () => {
    const { me, merkleLog, signing } = desk();
    const results = await Promise.all([
      signing.sign([reading({ n: 0 }), reading({ n: 1 }, { format: 'jws' })]),
      signing.sign([reading({ n: 2 })]),
    ]);
    for (const [n, result] of results.flat().entries()) {
      const { payload, sequence } = signed(result);
      assert.equal(sequence, n);
      const { content, signatures } = readSigned(payload);
      assert.deepEqual(content, { n });
      const [signature] = signatures;
      assert.deepEqual([signature?.signer, signature?.sequence, signature?.verify()], [me.did, n, true]);
    }
    assert.equal(merkleLog.size, 3);
  });

  it('writes what came in one moment in one go', async () => {
    const { signing, appends } = desk();
    await Promise.all(Array.from({ length: 300 }, (_, n) => signing.sign([reading({ n })])));
    assert.ok(appends() <= 3, `${appends()} writes for 300 documents`);
  });

  it('splits what is too much for one go, and leaves no number out', async () => {
    const { signing, merkleLog, appends } = desk();
    const results = await signing.sign(Array.from({ length: 1200 }, (_, n) => reading({ n })));
    assert.deepEqual(
      results.map((result) => signed(result).sequence),
      results.map((_, n) => n),
    );
    assert.equal(merkleLog.size, 1200);
    assert.ok(appends() >= 3);
  });

  it('refuses who waits for evidence when there is no room for more, and signs for everybody else', async () => {
    const { signing, merkleLog } = desk({ backlogLimit: { count: 2, bytes: 1_000_000 } });
    const waiting = { origin: { nodeId: 'node' } };
    await signing.sign([reading({ n: 0 }, waiting), reading({ n: 1 }, waiting)]);
    const [refused, plain, another] = await signing.sign([
      reading({ n: 2 }, waiting),
      reading({ n: 3 }),
      reading({ n: 4 }),
    ]);
    assert.ok(refused && 'refused' in refused && refused.refused.code === 'BACKLOG_FULL');
    assert.deepEqual([signed(plain).sequence, signed(another).sequence], [2, 3]);
    assert.equal(readSigned(signed(plain).payload).signatures[0]?.sequence, 2, 'its number is the one it signed');
    assert.equal(merkleLog.size, 4);
  });

  it('says what is wrong with a reader, and gives the number to the next document', async () => {
    const { signing } = desk();
    const [bad, good] = await signing.sign([reading({ n: 0 }, { readers: ['did:key:zNobody'] }), reading({ n: 1 })]);
    assert.ok(bad && 'refused' in bad);
    assert.equal(signed(good).sequence, 0);
  });

  it('gives readers a document that only they can open, and keeps that very text for the evidence', async () => {
    const { me, merkleLog, signing } = desk();
    const [result] = await signing.sign([reading({ secret: 7 }, { readers: [me.did], origin: { nodeId: 'node' } })]);
    const { payload } = signed(result);
    assert.doesNotMatch(payload, /secret/);
    const [waiting] = merkleLog.waiting({ nodeId: 'node', after: -1, below: 1, limit: 10 });
    assert.equal(waiting?.payload, payload);
    assert.match(waiting?.leaf ?? '', /secret/);
  });

  it('lets a statement take its turn: nothing is numbered meanwhile', async () => {
    const { signing, merkleLog } = desk();
    await signing.sign([reading({ n: 0 })]);
    const alone = signing.alone(async () => {
      assert.equal(merkleLog.size, 1);
      await merkleLog.append([{ text: '{"statement":true}' }]);
    });
    const after = signing.sign([reading({ n: 2 })]);
    await alone;
    const [last] = await after;
    assert.equal(signed(last).sequence, 2);
  });

  it('signs nothing any more once it was stopped, and says why', async () => {
    const { signing, merkleLog } = desk();
    await signing.sign([reading({ n: 0 })]);
    signing.stop(new CodedError('JOURNAL_DAMAGED', 'log-behind', 'an old copy'));
    const [result] = await signing.sign([reading({ n: 1 })]);
    assert.ok(result && 'refused' in result && result.refused.detail === 'log-behind');
    assert.equal(merkleLog.size, 1);
    assert.equal(signing.stopped?.detail, 'log-behind');
    await assert.rejects(
      signing.alone(() => merkleLog.append([{ text: 'last words' }])),
      { code: 'JOURNAL_DAMAGED', detail: 'log-behind' },
      'nor does it hand its voice over',
    );
    assert.equal(merkleLog.size, 1);
  });

  for (const moment of ['before-commit', 'after-commit', 'before-acknowledge'] as const) {
    it(`lets nothing out that a power cut ${moment.replace('-', ' ')} can take back`, async () => {
      const me = identity();
      for (let commit = 1; commit <= 6; commit += 1) {
        let commits = 0;
        const disk = new SimulatedDisk({
          cutsPowerAt: (now) => {
            if (now === moment) commits += 1;
            return now === moment && commits === commit;
          },
        });
        const open = () => new Log(openJournal({ memory: disk, projections: [log] }), me);
        const signing = new DataSigning(open(), me, { appended: () => {}, now: () => 0 });
        const letOut: number[] = [];
        for (let n = 0; n < 5 && disk.cuts === 0; n += 1) {
          void signing.sign([reading({ n })]).then((results) => {
            for (const result of results) letOut.push(signed(result).sequence);
          });
          for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        }
        if (disk.cuts === 0) disk.cutPower();
        const { size } = open();
        assert.ok(letOut.length <= size, `${letOut.length} documents are out, ${size} in the log`);
        if (moment === 'before-commit') assert.equal(letOut.length, size);
        disk.dispose();
      }
    });
  }

  describe('with a note', () => {
    const noting = (type: string) => (append: Append, _sql: Sql, texts: readonly string[]) =>
      void append(type, { count: texts.length });

    function eventsOf(journal: Journal): string[] {
      return journal.sql.all('SELECT type FROM journal_event ORDER BY sequence').map(({ type }) => String(type));
    }

    it('writes the leaf and what it means together', async () => {
      const { journal, signing, me } = desk();
      const [text = ''] = await signing.signNoted([signableDocument({ n: 0 })], noting('contract.moved'));
      assert.deepEqual(eventsOf(journal), ['log.grew', 'contract.moved']);
      const { signatures } = readSigned(text);
      assert.deepEqual([signatures[0]?.signer, signatures[0]?.sequence, signatures[0]?.verify()], [me.did, 0, true]);
    });

    it('does neither when the note fails, and leaves those beside it alone', async () => {
      const { journal, signing, merkleLog } = desk();
      const failing = () => {
        throw new CodedError('CONFIG_INVALID', 'contract-state', 'too late');
      };
      const results = await Promise.allSettled([
        signing.signNoted([signableDocument({ n: 'first' })], noting('a')),
        signing.signNoted([signableDocument({ n: 'bad' })], failing),
        signing.signNoted([signableDocument({ n: 'last' }), signableDocument({ n: 'very last' })], noting('b')),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled'],
      );
      assert.equal(merkleLog.size, 3);
      assert.deepEqual(eventsOf(journal), ['log.grew', 'a', 'log.grew', 'b']);
      const sequences = results.flatMap((result) =>
        result.status === 'fulfilled' ? result.value.map((text) => readSigned(text).signatures[0]?.sequence) : [],
      );
      assert.deepEqual(sequences, [0, 1, 2]);
    });

    it('shares one write among those that come together', async () => {
      const { journal, signing } = desk();
      await Promise.all(
        Array.from({ length: 50 }, (_, n) => signing.signNoted([signableDocument({ n })], noting('note'))),
      );
      const grown = eventsOf(journal).filter((type) => type === 'log.grew');
      assert.ok(grown.length <= 2, `${grown.length} writes for 50 documents`);
    });

    it('takes its turn with data, and refuses once signing has stopped', async () => {
      const { signing, merkleLog } = desk();
      await Promise.all([
        signing.sign([reading({ n: 0 })]),
        signing.signNoted([signableDocument({ n: 1 })], noting('note')),
        signing.sign([reading({ n: 2 })]),
      ]);
      assert.equal(merkleLog.size, 3);
      signing.stop(new CodedError('JOURNAL_DAMAGED', 'log-behind', 'an old copy'));
      await assert.rejects(signing.signNoted([signableDocument({ n: 3 })], noting('note')), {
        code: 'JOURNAL_DAMAGED',
      });
    });
  });
});
