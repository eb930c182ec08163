import { randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CodedError } from '../errors';
import { createDurableFile, replaceDurableFile, syncDirectoryAndAbove } from '../journal';
import { didKeyOf } from '../values';
import { derivePrivateKey, pathOfAccount } from './derivation';
import {
  type KeyFile,
  type KeySecret,
  locked,
  type Protection,
  readKeyFile,
  sealKey,
  unsealKey,
  wipeSecret,
} from './key-file';
import { fileNameOfKey, normalizeKeyName, shownKeyName } from './key-name';
import { MachineKey, publicKeyOfPrivate } from './machine-key';
import { entropyOfWords, newEntropy, seedOfEntropy, wordsOfEntropy } from './mnemonic';
import { findPassphrase } from './passphrase';

export interface KeystoreOptions {
  /** `<userDir>/machine-economy`; the keys lie in `keys/` below it. Its process lock is held. */
  readonly directory: string;
  /** Where a passphrase may come from; default `process.env`. */
  readonly environment?: NodeJS.ProcessEnv;
}

export interface KeyDescription {
  readonly key: string;
  /** `did:key` of account 0. */
  readonly did: string;
  /** False: encrypted with a passphrase that lies beside it. Live money must refuse such a key. */
  readonly protected: boolean;
  readonly backedUp: boolean;
}

export type MachineKeystore = ReturnType<typeof openKeystore>;

const ENDING = '.key.json';
const SMALLEST_RANDOM_PASSPHRASE = 32;

/**
 * The keys of this runtime's machines, one encrypted file each. A passphrase parameter left out (or empty) means: from the
 * environment ({@link findPassphrase}); a key made when there is none anywhere is `unprotected`.
 */
export function openKeystore({ directory, environment = process.env }: KeystoreOptions) {
  const folder = join(directory, 'keys');
  makePrivate(folder);
  const fileOf = (name: string) => join(folder, `${fileNameOfKey(name)}${ENDING}`);

  function read(name: string): KeyFile {
    const bytes = readIfThere(fileOf(name), name);
    if (!bytes) throw keyMissing(name);
    const file = readKeyFile(bytes, name);
    // Another key's file under this name: not damaged, but not this key either.
    if (file.key !== name) throw locked('key-damaged', name, 'has the file of another key');
    return file;
  }

  function passphraseFor(file: KeyFile, handedIn: string | undefined): Uint8Array {
    if (file.protection.by === 'unprotected') {
      const beside = readIfThere(join(folder, file.protection.passphraseFile), file.key);
      if (beside && beside.length >= SMALLEST_RANDOM_PASSPHRASE) return beside;
      throw locked('passphrase-lost', file.key, 'has lost the random passphrase beside it');
    }
    const passphrase = findPassphrase(handedIn, environment);
    if (passphrase) return passphrase;
    throw locked('passphrase-missing', file.key, 'needs its passphrase');
  }

  async function unlocked<T>(
    file: KeyFile,
    handedIn: string | undefined,
    use: (secret: KeySecret, passphrase: Uint8Array) => T,
  ): Promise<Awaited<T>> {
    const passphrase = passphraseFor(file, handedIn);
    try {
      const secret = await unsealKey(file, passphrase);
      try {
        return await use(secret, passphrase);
      } finally {
        wipeSecret(secret);
      }
    } finally {
      passphrase.fill(0);
    }
  }

  async function store(
    name: string,
    entropy: Uint8Array,
    handedIn: string | undefined,
    backedUp: boolean,
  ): Promise<KeyDescription> {
    const file = fileOf(name);
    // Checked again, atomically, when the file is written: this is only to fail before the work.
    if (statSync(file, { throwIfNoEntry: false })) throw keyExists(name);
    let passphrase = findPassphrase(handedIn, environment);
    const protection: Protection = passphrase
      ? { by: 'passphrase' }
      : { by: 'unprotected', passphraseFile: `${fileNameOfKey(name)}-${randomBytes(4).toString('hex')}.passphrase` };
    passphrase ??= Buffer.from(randomBytes(32).toString('hex'));
    const secret = { entropy, seed: await seedOfEntropy(entropy) };
    try {
      const text = await sealKey({ key: name, did: didOf(secret), protection, backedUp }, secret, passphrase);
      // Its passphrase first: a key without one could never be opened, a passphrase without a key does no harm.
      if (protection.by === 'unprotected') createDurableFile(join(folder, protection.passphraseFile), passphrase);
      createDurableFile(file, Buffer.from(text));
      return describe(readKeyFile(Buffer.from(text), name));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? keyExists(name) : unwritable(folder, error);
    } finally {
      secret.seed.fill(0);
      passphrase.fill(0);
    }
  }

  return {
    /** Every readable key, by name. */
    async list(): Promise<KeyDescription[]> {
      return readdirSync(folder)
        .filter((name) => name.endsWith(ENDING))
        .flatMap((name) => describeIfReadable(join(folder, name), name))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
    },

    /**
     * Makes a key; its 24 words are returned here and never again.
     *
     * @throws CodedError `CONFIG_INVALID` (`key-exists`, `key-name`, `keys-unwritable`), `KEY_LOCKED` (`passphrase-file`)
     */
    async create(
      key: string,
      passphrase?: string,
    ): Promise<{ readonly words: string; readonly description: KeyDescription }> {
      const name = normalizeKeyName(key);
      const entropy = newEntropy();
      try {
        const description = await store(name, entropy, passphrase, false);
        return { words: wordsOfEntropy(entropy), description };
      } finally {
        entropy.fill(0);
      }
    },

    /**
     * Restores a key from its words (12 to 24); whoever has them has a backup.
     *
     * @throws CodedError `CONFIG_INVALID` (`words`, `key-exists`, `key-name`, `keys-unwritable`), `KEY_LOCKED` (`passphrase-file`)
     */
    async import(key: string, words: string, passphrase?: string): Promise<KeyDescription> {
      const name = normalizeKeyName(key);
      const entropy = entropyOfWords(words);
      try {
        return await store(name, entropy, passphrase, true);
      } finally {
        entropy.fill(0);
      }
    },

    /**
     * True, and noted in the file, when these are the key's words.
     *
     * @throws CodedError `KEY_MISSING`, `KEY_LOCKED`
     */
    async confirmBackup(key: string, words: string, passphrase?: string): Promise<boolean> {
      const name = normalizeKeyName(key);
      const file = read(name);
      return unlocked(file, passphrase, async (secret, used) => {
        const typed = entropyIfWords(words);
        const right =
          typed !== undefined && typed.length === secret.entropy.length && timingSafeEqual(typed, secret.entropy);
        typed?.fill(0);
        if (right && !file.backedUp) {
          replaceDurableFile(fileOf(name), Buffer.from(await sealKey({ ...file, backedUp: true }, secret, used)));
        }
        return right;
      });
    },

    /**
     * Opens one account of a key, ready to sign. Wipe it when done.
     *
     * @throws CodedError `KEY_MISSING`; `KEY_LOCKED` (`passphrase-missing`, `passphrase-wrong`, `passphrase-file`,
     * `passphrase-lost`, `key-damaged`, `key-unreadable`, `key-newer`); `CONFIG_INVALID` (`account-index`, `key-name`)
     */
    async open(key: string, passphrase: string | undefined, accountIndex = 0): Promise<MachineKey> {
      const path = pathOfAccount(accountIndex);
      const file = read(normalizeKeyName(key));
      return unlocked(file, passphrase, (secret) => {
        const privateKey = derivePrivateKey(secret.seed, path);
        try {
          return new MachineKey(privateKey, describe(file));
        } finally {
          privateKey.fill(0);
        }
      });
    },
  };
}

function makePrivate(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  syncDirectoryAndAbove(resolve(folder));
  // Keys of a folder that others may read are as good as published; Windows has no such modes.
  if (process.platform !== 'win32' && (statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
}

function readIfThere(file: string, key: string): Uint8Array | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw locked('key-unreadable', key, `cannot be read (${(error as NodeJS.ErrnoException).code})`, error);
  }
}

function describeIfReadable(path: string, fileName: string): KeyDescription[] {
  try {
    const file = readKeyFile(readFileSync(path), fileName);
    return `${fileNameOfKey(file.key)}${ENDING}` === fileName ? [describe(file)] : [];
  } catch {
    return [];
  }
}

function describe({ key, did, protection, backedUp }: KeyFile): KeyDescription {
  return { key, did, protected: protection.by === 'passphrase', backedUp };
}

function didOf({ seed }: KeySecret): string {
  const privateKey = derivePrivateKey(seed, pathOfAccount(0));
  try {
    return didKeyOf(publicKeyOfPrivate(privateKey));
  } finally {
    privateKey.fill(0);
  }
}

function entropyIfWords(words: string): Uint8Array | undefined {
  try {
    return entropyOfWords(words);
  } catch {
    return undefined;
  }
}

function keyExists(name: string): CodedError {
  const key = shownKeyName(name);
  return new CodedError('CONFIG_INVALID', 'key-exists', `there is already a key ${key}: it is never replaced`, { key });
}

function unwritable(folder: string, cause: unknown): CodedError {
  const reason = (cause as NodeJS.ErrnoException).code ?? 'error';
  const parameters = { folder, reason };
  return new CodedError(
    'CONFIG_INVALID',
    'keys-unwritable',
    `no key can be written to ${folder}: ${reason}`,
    parameters,
    { cause },
  );
}

function keyMissing(name: string): CodedError {
  const key = shownKeyName(name);
  return new CodedError('KEY_MISSING', 'default', `there is no key ${key}`, { key });
}
