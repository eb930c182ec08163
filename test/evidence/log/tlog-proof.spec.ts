import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { readProof, writeCheckpoint, writeProof } from '../../../lib/evidence';
import { machine } from './machine';

const own = machine();
const checkpoint = writeCheckpoint({ origin: own.did, size: 109_482, root: Buffer.alloc(32, 9) }, own.sign);
const hashes = [1, 2, 0xff].map((byte) => new Uint8Array(32).fill(byte));
const text = writeProof({ index: 73_894, hashes, checkpoint });
const line = (byte: number) => Buffer.alloc(32, byte).toString('base64');

function refused(text: string): void {
  assert.throws(
    () => readProof(text),
    (error) => isCodedError(error, 'EVIDENCE_INVALID') && error.detail === 'proof-form',
    JSON.stringify(text.slice(0, 200)),
  );
}

describe('the text of a proof', () => {
  it('is what c2sp.org/tlog-proof describes', () => {
    assert.equal(text, `c2sp.org/tlog-proof@v1\nindex 73894\n${line(1)}\n${line(2)}\n${line(255)}\n\n${checkpoint}`);
    assert.equal(writeProof({ index: 0, hashes: [], checkpoint }), `c2sp.org/tlog-proof@v1\nindex 0\n\n${checkpoint}`);
  });

  it('is read as it was written', () => {
    const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        fc.array(hash, { maxLength: 64 }),
        (index, hashes) => {
          assert.deepEqual(readProof(writeProof({ index, hashes, checkpoint })), { index, hashes, checkpoint });
        },
      ),
    );
  });

  it('may hold extra data, which proves nothing', () => {
    const extra = text.replace('\n', '\nextra YWdlLXYxLjIuMS1kYXJ3aW4tYXJtNjQudGFyLmd6kYXJ3aW4tYXJ=\n');
    refused(extra);
    assert.deepEqual(readProof(text.replace('\n', '\nextra AAEC\n')), readProof(text));
    for (const bad of [
      'extra',
      'extra ',
      'extra AAEC\nextra AAEC',
      'Extra AAEC',
      'extra  AAEC',
      'extra AAE',
      'extra A-_C',
    ])
      refused(text.replace('\n', `\n${bad}\n`));
  });

  it('gives the checkpoint on byte for byte, whatever it is', () => {
    const odd = 'anything\n\n at all\n\n\n';
    assert.equal(readProof(writeProof({ index: 1, hashes, checkpoint: odd })).checkpoint, odd);
  });

  it('is refused when it is written in any other way', () => {
    const head = 'c2sp.org/tlog-proof@v1';
    for (const first of ['', 'c2sp.org/tlog-proof@v2', ` ${head}`, `${head} `, `${head}\r`, head.toUpperCase()])
      refused(text.replace(head, first));
    for (const index of ['', '-1', '01', '1.5', ' 1', '1 ', '0x1', '9007199254740992', '1e3', '1\r'])
      refused(text.replace('index 73894', `index ${index}`));
    for (const name of ['Index 1', 'index', 'index1', 'size 1']) refused(text.replace('index 73894', name));
    for (const hash of [
      line(1).slice(0, -1),
      `${line(1)}=`,
      ` ${line(1)}`,
      `${line(1)}\r`,
      line(1).slice(4),
      'AAAA',
      '—',
    ])
      refused(text.replace(line(1), hash));
    // The bits that 32 bytes leave unused in their last character.
    refused(text.replace(line(1), `${line(1).slice(0, -2)}F=`));
    refused(writeProof({ index: 1, hashes: Array.from({ length: 65 }, () => Buffer.alloc(32)), checkpoint }));
    refused(text.replace('\n\n', '\n'));
    refused(text + 'x'.repeat(300_000));
    for (const nothing of ['', '\n', '\n\n', head, `${head}\n`, `${head}\n\n`]) refused(nothing);
  });

  it('is not the same proof any more when a bit of it is flipped', () => {
    const bytes = Buffer.from(text);
    const good = readProof(text);
    for (let bit = 0; bit < 8 * (text.length - checkpoint.length); bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      let read: unknown;
      try {
        read = readProof(changed.toString('utf8'));
      } catch (error) {
        assert.ok(isCodedError(error, 'EVIDENCE_INVALID'));
        continue;
      }
      assert.notDeepEqual(read, good);
    }
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\n A-Za-z0-9+/=]*$/)), (garbage) => {
        refused(garbage);
        refused(`c2sp.org/tlog-proof@v1\n${garbage}`.replaceAll('\n\n', '\n'));
      }),
      { numRuns: 2000 },
    );
  });
});
