import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Evidence, parseStrictJson, readSigned, type Verification, verify } from '../../../lib/evidence';
import { FakeLedger, Notary, parsed } from './notary';

/** What a verdict says of a document that was found good. */
const told = ({ signer, signedAt, sequence, anchored, anchoredAt }: Verification) =>
  JSON.stringify([signer, signedAt, sequence, anchored, anchoredAt]);

describe('a document and its evidence, with any bit of them flipped', () => {
  const machine = new Notary(1);
  const ledger = new FakeLedger();
  for (let n = 0; n < 6; n++) machine.next({ at: 'pump 2', bar: 4.5 + n, ok: true });
  const token = machine.next({ bar: 7 }, { format: 'jws' });
  ledger.record(machine, 7);
  const trusted = [machine.did];

  interface Flip {
    readonly text: string;
    readonly where: string;
  }

  /** Every text that differs from this one in one bit. What is no UTF-8 any more is tried as bytes. */
  function* flips(text: string): Generator<Flip & { readonly payload: unknown }> {
    const bytes = Buffer.from(text, 'utf8');
    for (let at = 0; at < bytes.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        const where = `byte ${at} (${text.slice(Math.max(0, at - 10), at + 10)}), bit ${bit}`;
        yield { payload: flipped, text: flipped.toString('utf8'), where };
      }
    }
  }

  /** The same value: spelled differently, or with a member that nobody reads. Everything else must be noticed. */
  function contentOf(text: string): string | undefined {
    try {
      const value = parseStrictJson(text) as { document: unknown; evidence: Evidence };
      const { type, proof, anchor } = value.evidence;
      const { network, tag, transactionId, milestone } = anchor;
      const second = Math.floor(Date.parse(anchor.confirmedAt) / 1_000);
      const { leaf, signatures } = readSigned(value.document);
      const { signer, signedAt, sequence } = signatures[0] ?? {};
      const signed = [Buffer.from(leaf).toString('latin1'), signer, signedAt, sequence];
      return JSON.stringify([signed, type, proof, network, tag, transactionId.toLowerCase(), milestone, second]);
    } catch {
      return undefined;
    }
  }

  for (const [format, document, index] of [
    ['data-integrity', parsed(machine.leaves[3] as string), 3],
    ['jws', token, 6],
  ] as const) {
    it(`is not accepted on a ledger, unless it still says the same (${format})`, async () => {
      const whole = JSON.stringify({ document, evidence: machine.evidence(index) });
      const content = contentOf(whole);
      const request = { trusted, requireAnchor: true };
      const before = await verify({ payload: whole, ...request }, { ledger });
      assert.ok(before.valid && before.anchored);
      let count = 0;
      const accepted: string[] = [];
      for (const { payload, text, where } of flips(whole)) {
        count += 1;
        const verdict = await verify({ payload, ...request }, { ledger });
        if (!verdict.valid) {
          assert.ok(verdict.problems.length > 0, where);
          continue;
        }
        accepted.push(where);
        const milestoneGone = contentOf(text.replace(/"[^"]*":107,/, '"milestone":107,'));
        assert.equal(milestoneGone, content, where);
        assert.equal(told(verdict), told(before), where);
      }
      assert.equal(count, Buffer.byteLength(whole) * 8);
      // Milliseconds of a ledger that counts seconds, the name "milestone" (which may be left out), another spelling of 0x.
      assert.ok(accepted.length > 0 && accepted.length < 100, accepted.join('\n'));
    }).timeout(120_000);

    it(`is not accepted without a ledger, unless what the machine signed is the same (${format})`, async () => {
      const whole = JSON.stringify({ document, evidence: machine.evidence(index) });
      const before = await verify({ payload: whole, trusted, requireAnchor: false });
      const leafOf = (text: string) => {
        const { document: found } = parseStrictJson(text) as { document: unknown };
        return Buffer.from(readSigned(found).leaf).toString('latin1');
      };
      const leaf = leafOf(whole);
      const anchorFrom = Buffer.from(whole).indexOf('"anchor"');
      for (const { payload, text, where } of flips(whole)) {
        const verdict = await verify({ payload, trusted, requireAnchor: false });
        if (!verdict.valid) continue;
        // What says where the checkpoint is on a ledger is a claim as long as no ledger was asked; the rest is proved.
        const at = Number(/byte (\d+)/.exec(where)?.[1]);
        assert.ok(at >= anchorFrom || isNameOf('evidence', whole, at), where);
        assert.equal(leafOf(text), leaf, where);
        assert.equal(told(verdict), told(before), where);
      }
    }).timeout(120_000);
  }

  /** The one member name whose loss leaves a valid message: a document without evidence. */
  function isNameOf(name: string, text: string, at: number): boolean {
    const start = Buffer.from(text).indexOf(`"${name}"`);
    return at >= start && at < start + name.length + 2;
  }
});

describe('a thousand documents in a row', function () {
  this.timeout(120_000);
  const machine = new Notary(1);
  const COUNT = 1_000;
  for (let n = 0; n < COUNT; n++) machine.next({ n });
  const complete = machine.leaves.map((document, at) => ({ document, sequence: at }));
  const evidence = machine.evidence(COUNT - 1);
  type Row = (typeof complete)[number];

  /** The codes that were found; reading a document takes most of the time, so a window around the change is enough. */
  async function judge(rows: readonly Row[], around: readonly number[]): Promise<string[]> {
    const [from, to] = [Math.max(0, Math.min(...around) - 3), Math.max(...around) + 4];
    const payload = rows.slice(from, to).map(({ document, sequence }) => ({
      document,
      ...(sequence === COUNT - 1 && { evidence }),
    }));
    const { problems, warnings } = await verify({ payload, trusted: [machine.did], requireAnchor: false });
    const missing = warnings.filter(({ code, parameters }) =>
      code === 'LOG_BEGINS_EARLIER' ? parameters['missing'] !== from : code === 'LOG_GOES_ON',
    );
    return [...problems, ...missing].map(({ code }) => code);
  }

  it('are complete', async () => {
    const payload = complete.map(({ document }) => document).join('\n');
    const { valid, documents, warnings } = await verify({ payload, trusted: [machine.did], requireAnchor: false });
    assert.deepEqual([valid, documents?.count, warnings], [true, COUNT, []]);
    assert.deepEqual(await judge(complete, [0]), []);
    assert.deepEqual(await judge(complete, [COUNT - 1]), []);
  });

  it('are not without any one of them', async () => {
    for (let gone = 0; gone < COUNT; gone++) {
      const found = await judge(complete.toSpliced(gone, 1), [gone]);
      const expected = gone === 0 ? 'LOG_BEGINS_EARLIER' : gone === COUNT - 1 ? undefined : 'SEQUENCE_GAP';
      if (expected) assert.deepEqual(found, [expected], String(gone));
    }
  });

  it('are not without the last one, as soon as one of them has evidence of a later checkpoint', async () => {
    const payload = machine.leaves.slice(0, -1).map((document, at) => ({
      document,
      ...(at === 0 && { evidence: machine.evidence(0) }),
    }));
    const { warnings } = await verify({ payload, trusted: [machine.did], requireAnchor: false });
    const goesOn = warnings.find(({ code }) => code === 'LOG_GOES_ON');
    assert.deepEqual(goesOn?.parameters, { log: machine.did, missing: 1 });
  });

  it('are not with one of them twice, wherever the second one stands', async () => {
    for (let twice = 0; twice < COUNT; twice++) {
      const found = await judge(complete.toSpliced(twice, 0, complete[twice] as Row), [twice]);
      assert.deepEqual(found, ['SEQUENCE_DUPLICATE'], String(twice));
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(COUNT - 1), fc.nat(COUNT), async (which, where) => {
        const found = await judge(complete.toSpliced(where, 0, complete[which] as Row), [which, where]);
        assert.ok(found.includes('SEQUENCE_DUPLICATE'));
      }),
      { numRuns: 30 },
    );
  });

  it('are not with two of them exchanged', async () => {
    for (let at = 0; at < COUNT - 1; at++) {
      const [a, b] = [complete[at] as Row, complete[at + 1] as Row];
      assert.ok((await judge(complete.toSpliced(at, 2, b, a), [at, at + 1])).includes('SEQUENCE_ORDER'), String(at));
    }
    await fc.assert(
      fc.asyncProperty(fc.nat(COUNT - 1), fc.nat(COUNT - 1), async (one, two) => {
        fc.pre(one !== two);
        const [a, b] = [complete[one] as Row, complete[two] as Row];
        const found = await judge(complete.with(one, b).with(two, a), [one, two]);
        assert.ok(found.includes('SEQUENCE_ORDER'));
      }),
      { numRuns: 30 },
    );
  });

  it('are not with one more, whoever made it and whatever number it has', async () => {
    const twin = new Notary(1);
    await fc.assert(
      fc.asyncProperty(fc.nat(COUNT), fc.nat(COUNT - 1), async (where, sequence) => {
        const document = twin.next({ n: 'more' }, { sequence });
        const found = await judge(complete.toSpliced(where, 0, { document, sequence: -1 }), [where, sequence]);
        assert.ok(found.includes('SEQUENCE_CONFLICT'));
      }),
      { numRuns: 60 },
    );
    const stranger = new Notary(2);
    const foreign = { document: stranger.next({ n: 500 }, { sequence: 500 }), sequence: -1 };
    assert.ok((await judge(complete.toSpliced(500, 0, foreign), [500])).includes('SIGNER_UNTRUSTED'));
  });
});
