import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import fc from 'fast-check';
import { isCodedError } from '../../../lib/errors';
import { EMPTY_ROOT, leafHash, readCheckpoint, writeCheckpoint } from '../../../lib/evidence';
import { machine } from './machine';

const own = machine(1);
const root = new Uint8Array(leafHash(Buffer.from('a reading')));
const checkpoint = { origin: own.did, size: 20_852_163, root };
const text = writeCheckpoint(checkpoint, own.sign);

/** c2sp.org/signed-note, written out: body, key name, key, what signs. */
function note(body: string, signer = own, name = signer.did, type = 0x01): string {
  const id = createHash('sha256')
    .update(`${name}\n`)
    .update(Buffer.of(type))
    .update(signer.publicKey)
    .digest()
    .subarray(0, 4);
  return `${body}\n— ${name} ${Buffer.concat([id, signer.sign(Buffer.from(body))]).toString('base64')}\n`;
}

const body = (size: string, rootText = Buffer.from(root).toString('base64'), rest = '') =>
  `${own.did}\n${size}\n${rootText}\n${rest}`;
/** A signature line of somebody whom we do not know. */
const foreign = (bytes: number, name = 'witness.example') => `— ${name} ${Buffer.alloc(bytes, 7).toString('base64')}\n`;

function refused(note: string, detail?: string): void {
  assert.throws(
    () => readCheckpoint(note),
    (error) => isCodedError(error, 'EVIDENCE_INVALID') && (detail === undefined || error.detail === detail),
    JSON.stringify(note.slice(0, 300)),
  );
}

describe('a checkpoint', () => {
  it('is the note that the specifications describe', () => {
    const lines = text.split('\n');
    assert.equal(lines.length, 6);
    const [origin, size, rootLine, empty, signature, end] = lines as [string, string, string, string, string, string];
    assert.deepEqual([origin, size, empty, end], [own.did, '20852163', '', '']);
    assert.equal(rootLine, Buffer.from(root).toString('base64'));
    const [dash, name, encoded] = signature.split(' ') as [string, string, string];
    assert.deepEqual([dash, name], ['—', own.did]);
    const bytes = Buffer.from(encoded, 'base64');
    const id = createHash('sha256').update(`${own.did}\n`).update(Buffer.of(1)).update(own.publicKey).digest();
    assert.deepEqual(bytes.subarray(0, 4), id.subarray(0, 4));
    const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), own.publicKey]);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    assert.ok(verify(null, Buffer.from(`${lines.slice(0, 3).join('\n')}\n`), key, bytes.subarray(4)));
    assert.equal(text, note(body('20852163')));
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.integer({ min: 1, max: 5 }),
        (size, root, seed) => {
          const signer = machine(seed);
          const read = readCheckpoint(writeCheckpoint({ origin: signer.did, size, root }, signer.sign));
          assert.deepEqual(read, { origin: signer.did, size, root });
        },
      ),
    );
  });

  it('of an empty log has the root of the empty tree', () => {
    assert.equal(readCheckpoint(note(body('0', Buffer.from(EMPTY_ROOT).toString('base64')))).size, 0);
    refused(note(body('0')), 'checkpoint-form');
  });

  it('is refused when any bit of it is flipped', () => {
    const bytes = Buffer.from(text);
    for (let bit = 0; bit < 8 * bytes.length; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7));
      refused(changed.toString('utf8'));
    }
  });

  it('is refused when any character of it is gone, doubled, or followed by something', () => {
    for (let at = 0; at < text.length; at += 1) {
      refused(text.slice(0, at) + text.slice(at + 1));
      refused(text.slice(0, at));
      for (const extra of [text[at] as string, '\n', ' ', 'A', '\0', '\r'])
        refused(text.slice(0, at) + extra + text.slice(at));
    }
    refused(`${text}\n`);
    refused(`${text} `);
  });

  it('is refused when its numbers or its root are written in another way', () => {
    for (const size of [
      '',
      '-1',
      '+1',
      '01',
      '00',
      '1.0',
      '1e3',
      '0x10',
      ' 1',
      '1 ',
      '١',
      '9007199254740992',
      '1'.repeat(400),
    ])
      refused(note(body(size)), 'checkpoint-form');
    assert.equal(readCheckpoint(note(body('9007199254740991'))).size, Number.MAX_SAFE_INTEGER);
    const encoded = Buffer.from(root).toString('base64');
    const url = Buffer.alloc(32, 0xfb).toString('base64url');
    const shorter = Buffer.from(root).subarray(1).toString('base64');
    for (const other of [
      '',
      encoded.slice(0, -1),
      `${encoded}=`,
      `${url}=`,
      shorter,
      `${encoded.slice(0, -2)}B=`,
      ` ${encoded}`,
    ])
      refused(note(body('5', other)), 'checkpoint-form');
  });

  it('is refused when its signature line is written in another way', () => {
    const [before, after] = text.split('\n— ') as [string, string];
    const [name, signature] = after.trimEnd().split(' ') as [string, string];
    for (const line of [
      `- ${name} ${signature}`,
      `—${name} ${signature}`,
      `— ${name}  ${signature}`,
      `— ${name} ${signature} `,
      `— ${name} ${signature} more`,
      `— ${name}`,
      `— ${name} `,
      `— ${name} ${signature.replace(/=+$/, '')}`,
      `— ${name}\u00a0${signature}`,
      `— ${name}\u2028 ${signature}`,
      `— ${name}+ ${signature}`,
      `—  ${signature}`,
    ])
      refused(`${before}\n${line}\n`, 'checkpoint-form');
  });

  it('is refused when its origin is not the one that signed it', () => {
    const other = machine(2);
    refused(note(body('5'), other), 'checkpoint-unsigned');
    refused(note(body('5'), other, own.did), 'checkpoint-unsigned');
    refused(note(`${other.did}\n5\n${Buffer.from(root).toString('base64')}\n`), 'checkpoint-unsigned');
    refused(note(body('5'), own, own.did, 0x04), 'checkpoint-unsigned');
    refused(note(body('5'), own, 'example.com/log'), 'checkpoint-unsigned');
    refused(text.replace('20852163', '20852164'), 'checkpoint-signature');
    const id = Buffer.from(text.split(' ').at(-1) as string, 'base64').subarray(0, 4);
    for (const length of [1, 63, 65]) {
      const line = `— ${own.did} ${Buffer.concat([id, Buffer.alloc(length)]).toString('base64')}`;
      refused(`${body('5')}\n${line}\n`, 'checkpoint-signature');
    }
    refused(note(`example.com/log\n5\n${Buffer.from(root).toString('base64')}\n`), 'checkpoint-origin');
    // did:key of a key that is not Ed25519 (X25519).
    const x25519 = 'did:key:z6LSeu9HkTHSfLLeUs2nnzUSNedgDUevfNQgQjQC23ZCit6F';
    refused(note(`${x25519}\n5\n${Buffer.from(root).toString('base64')}\n`), 'checkpoint-origin');
  });

  it('may carry the signatures of others, as notes do, and still needs its own', () => {
    for (const [before, after] of [
      [foreign(76), ''],
      ['', foreign(5000)],
      [foreign(5), Array.from({ length: 15 }, (_, n) => foreign(76, `witness-${n}.example/ö`)).join('')],
      // The machine's name with another key id: a key that we do not know.
      [foreign(68, own.did), ''],
    ] as const) {
      const [unsigned, line] = text.split('\n\n') as [string, string];
      assert.deepEqual(readCheckpoint(`${unsigned}\n\n${before}${line}${after}`), checkpoint);
      if (before + after !== '') refused(`${unsigned}\n\n${before}${after}`, 'checkpoint-unsigned');
    }
  });

  it('has one signature of its origin', () => {
    refused(text + text.split('\n\n')[1], 'checkpoint-unsigned');
    const [unsigned, line] = text.split('\n\n') as [string, string];
    const id = Buffer.from(line.split(' ').at(-1) as string, 'base64').subarray(0, 4);
    const wrong = `— ${own.did} ${Buffer.concat([id, Buffer.alloc(64)]).toString('base64')}\n`;
    refused(`${unsigned}\n\n${wrong}${line}`, 'checkpoint-unsigned');
    refused(`${unsigned}\n\n${line}${wrong}`, 'checkpoint-unsigned');
  });

  it('may have extension lines, which say nothing to us', () => {
    assert.equal(readCheckpoint(note(body('5', undefined, 'extension 1\nзвук\n'))).size, 5);
    // An empty line would end the text.
    refused(note(body('5', undefined, '\nextension\n')));
    refused(note(`\n${body('5')}`));
  });

  it('is refused when it holds what no note may hold, or is too long', () => {
    for (const character of ['\0', '\t', '\r', '\x1f', '\ud800', '\udc00'])
      refused(note(body('5', undefined, `extension${character}\n`)));
    refused(note(body('5', undefined, `${'x'.repeat(200_000)}\n`)), 'checkpoint-form');
    for (const nothing of ['', '\n', '\n\n', '\n\n\n', '\n\n\n\n\n']) refused(nothing, 'checkpoint-form');
  });

  it('is read or refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\n— A-Za-z0-9+/=:]*$/)), (garbage) => {
        refused(garbage);
        refused(`${text.split('\n\n')[0]}\n\n${garbage}`);
      }),
      { numRuns: 2000 },
    );
  });
});
