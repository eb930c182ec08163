import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import fs, { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import fc from 'fast-check';
import sinon from 'sinon';
import { isCodedError } from '../../lib/errors';
import { openKeystore } from '../../lib/machine';
import { fileNameOfKey, normalizeKeyName } from '../../lib/machine/key-name';

const PASSPHRASE = 'correct horse battery staple';

describe('the keystore', () => {
  let directory: string;
  let environment: NodeJS.ProcessEnv;
  const keystore = () => openKeystore({ directory, environment });
  const keysFolder = () => join(directory, 'keys');
  const keyFiles = () => readdirSync(keysFolder()).filter((name) => name.endsWith('.key.json'));
  const onlyKeyFile = () => {
    const [name, ...more] = keyFiles();
    assert.ok(name !== undefined && more.length === 0);
    return join(keysFolder(), name);
  };

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keystore-'));
    environment = {};
  });
  afterEach(() => {
    sinon.restore();
    rmSync(directory, { recursive: true, force: true });
  });

  describe('a new key', () => {
    it('shows its 24 words once, and opens with its passphrase to the same identity after a restart', async () => {
      const { words, description } = await keystore().create('car', PASSPHRASE);
      assert.equal(words.split(' ').length, 24);
      assert.deepEqual(description, { key: 'car', did: description.did, protected: true, backedUp: false });

      const key = await keystore().open('car', PASSPHRASE, 0);
      assert.equal(key.did, description.did);
      assert.equal(key.protected, true);
      assert.equal(key.backedUp, false);
    });

    it('signs what anybody can verify with the public key', async () => {
      await keystore().create('car');
      const key = await keystore().open('car', undefined, 0);
      const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), key.publicKey]);
      const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
      assert.ok(verify(null, Buffer.from('essence'), publicKey, key.sign(Buffer.from('essence'))));
    });

    it('is a different identity on each account index', async () => {
      await keystore().create('car');
      const dids = await Promise.all(
        [0, 1, 2].map(async (index) => (await keystore().open('car', undefined, index)).did),
      );
      assert.equal(new Set(dids).size, 3);
    });

    it('is never made over an existing one, not even by two at the same moment', async () => {
      const store = keystore();
      const results = await Promise.allSettled([1, 2, 3, 4].map(() => store.create('car')));
      const made = results.filter((result) => result.status === 'fulfilled');
      assert.equal(made.length, 1);
      for (const result of results) {
        if (result.status === 'rejected')
          assert.ok(isCodedError(result.reason, 'CONFIG_INVALID') && result.reason.detail === 'key-exists');
      }
      assert.equal((await store.open('car', undefined, 0)).did, made[0]?.value.description.did);
      await assert.rejects(store.import('car', `${'abandon '.repeat(23)}art`), {
        code: 'CONFIG_INVALID',
        detail: 'key-exists',
      });
    });

    it('keeps to itself: 0600 in a 0700 folder, also where the folder was open before', async function () {
      if (process.platform === 'win32') this.skip();
      await keystore().create('car');
      assert.equal(statSync(keysFolder()).mode & 0o777, 0o700);
      for (const name of readdirSync(keysFolder()))
        assert.equal(statSync(join(keysFolder(), name)).mode & 0o777, 0o600, name);
    });

    for (const call of ['openSync', 'writeSync', 'fsyncSync', 'linkSync'] as const) {
      it(`is not there at all when the disk fails at ${call}, and can be made once it works again`, async () => {
        const store = keystore();
        sinon.stub(fs, call).throws(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
        await assert.rejects(store.create('car', PASSPHRASE), { code: 'CONFIG_INVALID', detail: 'keys-unwritable' });
        sinon.restore();
        assert.deepEqual(readdirSync(keysFolder()), []);
        await store.create('car', PASSPHRASE);
      });
    }

    it('can be made where the file system has no hard links', async () => {
      sinon.stub(fs, 'linkSync').throws(Object.assign(new Error('not supported'), { code: 'EPERM' }));
      const { description } = await keystore().create('car');
      await assert.rejects(keystore().create('car'), { detail: 'key-exists' });
      assert.equal((await keystore().open('car', undefined, 0)).did, description.did);
    });
  });

  describe('a passphrase', () => {
    it('that is wrong locks the key, and says so', async () => {
      await keystore().create('car', PASSPHRASE);
      await assert.rejects(keystore().open('car', 'wrong', 0), { code: 'KEY_LOCKED', detail: 'passphrase-wrong' });
    });

    it('that is nowhere to be found locks a protected key', async () => {
      await keystore().create('car', PASSPHRASE);
      await assert.rejects(keystore().open('car', undefined, 0), { code: 'KEY_LOCKED', detail: 'passphrase-missing' });
    });

    it('may come from the environment or from a file, the credential first', async () => {
      const file = join(directory, 'credential');
      writeFileSync(file, `${PASSPHRASE}\n`);
      environment = { MACHINE_ECONOMY_PASSPHRASE_FILE: file };
      const { description } = await keystore().create('car');
      assert.equal(description.protected, true);
      environment = { MACHINE_ECONOMY_PASSPHRASE: PASSPHRASE };
      assert.equal((await keystore().open('car', undefined, 0)).did, description.did);
      environment = { MACHINE_ECONOMY_PASSPHRASE: 'another' };
      assert.equal((await keystore().open('car', PASSPHRASE, 0)).did, description.did);
      await assert.rejects(keystore().open('car', '', 0), { detail: 'passphrase-wrong' });
    });

    it('whose file cannot be read is an error and not an unprotected key', async () => {
      environment = { MACHINE_ECONOMY_PASSPHRASE_FILE: join(directory, 'nothing') };
      await assert.rejects(keystore().create('car'), { code: 'KEY_LOCKED', detail: 'passphrase-file' });
      assert.equal(readdirSync(keysFolder()).length, 0);
    });

    it('is the same passphrase whichever way its accents are composed', async () => {
      await keystore().create('car', 'Brücke'.normalize('NFC'));
      await keystore().open('car', 'Brücke'.normalize('NFD'), 0);
    });

    it('that nobody gave is a random one beside the key, which is then called unprotected', async () => {
      const { description } = await keystore().create('car');
      assert.equal(description.protected, false);
      const key = await keystore().open('car', undefined, 0);
      assert.equal(key.protected, false);
      // A passphrase given later does not lock out its owner.
      assert.equal((await keystore().open('car', PASSPHRASE, 0)).protected, false);
    });

    it('that lay beside the key and is gone locks it', async () => {
      await keystore().create('car');
      for (const name of readdirSync(keysFolder())) if (name.endsWith('.passphrase')) rmSync(join(keysFolder(), name));
      await assert.rejects(keystore().open('car', undefined, 0), { code: 'KEY_LOCKED', detail: 'passphrase-lost' });
    });
  });

  describe('words', () => {
    it('bring the same identity back under another name', async () => {
      const { words, description } = await keystore().create('car', PASSPHRASE);
      const restored = await keystore().import('new car', words.toUpperCase(), 'another passphrase');
      assert.deepEqual(restored, { key: 'new car', did: description.did, protected: true, backedUp: true });
      const [a, b] = await Promise.all([
        keystore().open('car', PASSPHRASE, 3),
        keystore().open('new car', 'another passphrase', 3),
      ]);
      assert.equal(a.did, b.did);
    });

    it('typed back confirm the backup for good; others do not', async () => {
      const { words } = await keystore().create('car', PASSPHRASE);
      const other = `${'abandon '.repeat(23)}art`;
      assert.equal(await keystore().confirmBackup('car', other, PASSPHRASE), false);
      assert.equal(await keystore().confirmBackup('car', 'not words', PASSPHRASE), false);
      await assert.rejects(keystore().confirmBackup('car', words, 'wrong'), { code: 'KEY_LOCKED' });
      assert.equal((await keystore().list())[0]?.backedUp, false);
      assert.equal(await keystore().confirmBackup('car', `  ${words} `, PASSPHRASE), true);
      assert.equal((await keystore().list())[0]?.backedUp, true);
      assert.equal((await keystore().open('car', PASSPHRASE, 0)).backedUp, true);
    });
  });

  describe('a key that is not there', () => {
    it('is missing', async () => {
      await assert.rejects(keystore().open('nobody', undefined, 0), { code: 'KEY_MISSING' });
      await assert.rejects(keystore().confirmBackup('nobody', 'x', undefined), { code: 'KEY_MISSING' });
    });
  });

  describe('a file that somebody or something changed', () => {
    const change = (edit: (file: Record<string, unknown>) => void) => {
      const file = JSON.parse(readFileSync(onlyKeyFile(), 'utf8')) as Record<string, unknown>;
      edit(file);
      writeFileSync(onlyKeyFile(), JSON.stringify(file));
    };

    it('is told apart from a wrong passphrase, whichever byte flipped', async () => {
      await keystore().create('car');
      const file = onlyKeyFile();
      const sound = readFileSync(file);
      for (let at = 0; at < sound.length; at += 1) {
        const flipped = Buffer.from(sound);
        flipped[at] = (sound[at] as number) ^ 0x01;
        writeFileSync(file, flipped);
        const outcome = await keystore()
          .open('car', undefined, 0)
          .then(
            () => 'opened',
            (error: unknown) => (isCodedError(error, 'KEY_LOCKED') ? error.detail : `raw ${String(error)}`),
          );
        // Only white space between members may change without a trace.
        const harmless = /\s/.test(String.fromCharCode(sound[at] as number)) && outcome === 'opened';
        assert.ok(harmless || outcome === 'key-damaged' || outcome === 'key-newer', `byte ${at}: ${outcome}`);
      }
    });

    it('is damaged when it is cut off, empty, huge, or not ours', async () => {
      await keystore().create('car');
      const sound = readFileSync(onlyKeyFile());
      for (const content of [
        '',
        sound.subarray(0, 100),
        '[]',
        'null',
        '{}',
        '7',
        Buffer.alloc(1_000_000, 0x20),
        Buffer.from([0xff, 0xfe]),
      ]) {
        writeFileSync(onlyKeyFile(), content);
        await assert.rejects(keystore().open('car', undefined, 0), { code: 'KEY_LOCKED', detail: 'key-damaged' });
        await assert.rejects(keystore().create('car'), { code: 'CONFIG_INVALID', detail: 'key-exists' });
        assert.deepEqual(await keystore().list(), []);
      }
    });

    it('cannot make us compute for hours: its scrypt parameters have limits', async () => {
      await keystore().create('car', PASSPHRASE);
      for (const cost of [
        { N: 2 ** 30 },
        { N: 3 },
        { r: 1e9 },
        { p: 1e9 },
        { N: 2 ** 20, r: 32 },
        { N: '1024' },
        { N: 1.5 },
      ]) {
        change((file) => Object.assign(file['scrypt'] as object, cost));
        await assert.rejects(keystore().open('car', PASSPHRASE, 0), { detail: 'key-damaged' });
        change((file) => Object.assign(file['scrypt'] as object, { N: 2 ** 15, r: 8, p: 3 }));
      }
      await keystore().open('car', PASSPHRASE, 0);
    });

    it('cannot point at a passphrase elsewhere', async () => {
      await keystore().create('car');
      for (const passphraseFile of ['../x.passphrase', '/etc/passwd', 'x/../../y.passphrase', '']) {
        change((file) => Object.assign(file, { protection: { by: 'unprotected', passphraseFile } }));
        await assert.rejects(keystore().open('car', undefined, 0), { detail: 'key-damaged' });
      }
    });

    it('does not become a backed-up or another key by an edit of what is in the clear', async () => {
      const { createHash } = await import('node:crypto');
      await keystore().create('car', PASSPHRASE);
      change((file) => {
        file['backedUp'] = true;
        const { checksum: _, ...rest } = file;
        file['checksum'] = createHash('sha256').update(JSON.stringify(rest)).digest('hex');
      });
      await assert.rejects(keystore().open('car', PASSPHRASE, 0), { code: 'KEY_LOCKED', detail: 'passphrase-wrong' });
    });

    it('copied to another name does not open as that key', async () => {
      await keystore().create('car', PASSPHRASE);
      writeFileSync(join(keysFolder(), `${fileNameOfKey('bus')}.key.json`), readFileSync(onlyKeyFile()));
      await assert.rejects(keystore().open('bus', PASSPHRASE, 0), { detail: 'key-damaged' });
      assert.deepEqual(
        (await keystore().list()).map(({ key }) => key),
        ['car'],
      );
    });

    it('of a later version is left alone', async () => {
      await keystore().create('car');
      change((file) => Object.assign(file, { version: 2 }));
      await assert.rejects(keystore().open('car', undefined, 0), { code: 'KEY_LOCKED', detail: 'key-newer' });
    });
  });

  describe('names of keys', () => {
    it('may be anything, and never leave the folder or meet on any file system', async () => {
      const names = [
        '../../etc/passwd',
        '..',
        '.',
        'CON',
        'car',
        'Car',
        'CAR',
        'a/b',
        'a\\b',
        'ä',
        '日本',
        'x\0y',
        'x'.repeat(900),
        ' ',
        '-',
        'car.key.json',
      ];
      for (const name of names) await keystore().create(name);
      assert.deepEqual((await keystore().list()).map(({ key }) => key).sort(), [...names].sort());
      assert.deepEqual(readdirSync(directory), ['keys']);
      const files = keyFiles();
      assert.equal(new Set(files.map((name) => name.toLowerCase())).size, names.length);
      for (const name of names) await keystore().open(name, undefined, 0);
    }).timeout(20_000);

    it('map to short, plain file names, one each', () => {
      fc.assert(
        fc.property(
          fc.string({ unit: 'grapheme', minLength: 1 }),
          fc.string({ unit: 'grapheme', minLength: 1 }),
          (a, b) => {
            const [first, second] = [normalizeKeyName(a), normalizeKeyName(b)];
            assert.match(fileNameOfKey(first), /^[a-z0-9][a-z0-9-]{0,80}$/);
            assert.equal(fileNameOfKey(first) === fileNameOfKey(second), first === second);
          },
        ),
      );
    });

    it('are the same name whichever way accents are composed', async () => {
      await keystore().create('Brücke'.normalize('NFD'));
      await keystore().open('Brücke'.normalize('NFC'), undefined, 0);
    });

    it('that are none are refused', async () => {
      for (const name of ['', 'x'.repeat(1001), '\ud800', 7 as unknown as string]) {
        await assert.rejects(keystore().create(name), { code: 'CONFIG_INVALID', detail: 'key-name' });
      }
    });
  });

  describe('secrets', () => {
    it('show neither when an open key is printed nor in any error, nor in the clear on disk', async () => {
      const { words } = await keystore().create('car', PASSPHRASE);
      const key = await keystore().open('car', PASSPHRASE, 0);
      const shown = [inspect(key, { depth: 9, showHidden: true }), JSON.stringify(key), String(key)];
      const errors = await Promise.all(
        [
          keystore().open('car', 'hunter2-wrong', 0),
          keystore().create('car', 'hunter2-wrong'),
          keystore().import('bus', `${words} extra`, PASSPHRASE),
          keystore().confirmBackup('car', words, 'hunter2-wrong'),
        ].map((attempt) =>
          attempt.then(
            () => '',
            (error: unknown) => inspect(error, { depth: 9, showHidden: true }),
          ),
        ),
      );
      const stored = readFileSync(onlyKeyFile(), 'utf8');
      // Two together: one alone ("another", "machine") may be an honest word of an error or a path.
      const list = words.split(' ');
      const pairs = list.slice(1).map((word, index) => `${list[index]} ${word}`);
      const secrets = [PASSPHRASE, 'hunter2', ...pairs];
      for (const text of [...shown, ...errors, stored]) {
        assert.notEqual(text, '');
        for (const secret of secrets) assert.ok(!text.includes(secret), `${secret} in ${text}`);
      }
    });

    it('are gone after wiping: the key signs no more', async () => {
      await keystore().create('car');
      const key = await keystore().open('car', undefined, 0);
      key.wipe();
      assert.throws(() => key.sign(Buffer.from('x')), { code: 'KEY_LOCKED', detail: 'wiped' });
    });
  });

  it('stretches passphrases without standing in the way of anything else', async () => {
    await keystore().create('car', PASSPHRASE);
    const opening = keystore().open('car', PASSPHRASE, 0);
    let turns = 0;
    let done = false;
    void opening.then(() => {
      done = true;
    });
    while (!done) {
      await new Promise(setImmediate);
      turns += 1;
    }
    assert.ok(turns > 10, `${turns} turns of the event loop meanwhile`);
    assert.ok(existsSync(onlyKeyFile()));
  });
});
