import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39';
import { wordlist } from '@scure/bip39/wordlists/english.js';
import { CodedError } from '../errors';

const derive = promisify(pbkdf2);

// BIP-39: 256 bits of entropy are 24 words.
const ENTROPY_LENGTH = 32;
const LONGEST_WORDS = 1000;

export function newEntropy(): Uint8Array {
  return randomBytes(ENTROPY_LENGTH);
}

export function wordsOfEntropy(entropy: Uint8Array): string {
  return entropyToMnemonic(entropy, wordlist);
}

/**
 * The entropy behind 12 to 24 BIP-39 words, however they are spaced and capitalised.
 *
 * @throws CodedError `CONFIG_INVALID` (`words`); it does not quote them
 */
export function entropyOfWords(words: unknown): Uint8Array {
  if (typeof words === 'string' && words.length <= LONGEST_WORDS) {
    try {
      return mnemonicToEntropy(words.normalize('NFKD').trim().toLowerCase().split(/\s+/).join(' '), wordlist);
    } catch {
      // The library's error names the words.
    }
  }
  throw new CodedError(
    'CONFIG_INVALID',
    'words',
    'these are not the 24 words of a key: check their spelling and order',
  );
}

/** BIP-39 "From mnemonic to seed", without a passphrase: 64 bytes. */
export async function seedOfEntropy(entropy: Uint8Array): Promise<Uint8Array> {
  return derive(wordsOfEntropy(entropy).normalize('NFKD'), 'mnemonic', 2048, 64, 'sha512');
}
