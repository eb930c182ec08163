import { readFileSync } from 'node:fs';
import { CodedError } from '../errors';

const LARGEST_FILE = 4096;

/**
 * The passphrase that protects keys here: the one handed in (the credential of the machine node), else
 * `MACHINE_ECONOMY_PASSPHRASE`, else the content of the file that `MACHINE_ECONOMY_PASSPHRASE_FILE` names (a systemd
 * credential), without the line end that editors append. Undefined when there is none. The caller zeroes it.
 *
 * @throws CodedError `KEY_LOCKED` (`passphrase-file`): falling back to no passphrase would hide a mistake
 */
export function findPassphrase(handedIn: string | undefined, environment: NodeJS.ProcessEnv): Uint8Array | undefined {
  const file = environment['MACHINE_ECONOMY_PASSPHRASE_FILE'];
  const given = handedIn || environment['MACHINE_ECONOMY_PASSPHRASE'] || (file ? readPassphraseFile(file) : undefined);
  // The same passphrase typed on another system may be other code points.
  return given === undefined ? undefined : Buffer.from(given.normalize('NFKC'), 'utf8');
}

function readPassphraseFile(file: string): string {
  let content: Buffer | undefined;
  try {
    content = readFileSync(file);
    const text = content.length <= LARGEST_FILE ? content.toString('utf8').replace(/\r?\n$/, '') : '';
    if (text !== '') return text;
  } catch {
    // Told below.
  } finally {
    content?.fill(0);
  }
  throw new CodedError('KEY_LOCKED', 'passphrase-file', `the passphrase file ${file} cannot be read or is empty`, {
    file,
  });
}
