import { CodedError } from '../errors';
import { fromBase64, toBase64 } from './base64';
import { PROOF_TYPE } from './evidence';
import { HASH_LENGTH } from './merkle-tree';
import { readSize } from './note-lines';

/** c2sp.org/tlog-proof: that a leaf is in the tree of a checkpoint. */
export interface LogProof {
  /** Of the leaf; from 0. */
  readonly index: number;
  /** RFC 6962 §2.1.1, from the leaf's sibling upwards. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note, byte for byte. */
  readonly checkpoint: string;
}

/** No tree is higher. */
const MOST_HASHES = 64;
/** The longest checkpoint that we read, 64 hashes, and as much again for a foreign `extra` line. */
const LONGEST_PROOF = 256 * 1024;

export function writeProof({ index, hashes, checkpoint }: LogProof): string {
  const path = hashes.map((hash) => `${toBase64(hash)}\n`).join('');
  return `${PROOF_TYPE}\nindex ${index}\n${path}\n${checkpoint}`;
}

/**
 * A proof from outside. Its checkpoint is still to be read ({@link readCheckpoint}), and that it proves anything to be
 * verified. An `extra` line is passed over: it is not authenticated, and ours have none.
 *
 * @throws CodedError `EVIDENCE_INVALID` (`proof-form`)
 */
export function readProof(text: string): LogProof {
  if (text.length > LONGEST_PROOF) throw malformed('length');
  const border = text.indexOf('\n\n');
  if (border < 0) throw malformed('checkpoint');
  const lines = text.slice(0, border).split('\n');
  if (lines.shift() !== PROOF_TYPE) throw malformed('type');
  if (lines[0]?.startsWith('extra ')) {
    if (!fromBase64(lines.shift()?.slice('extra '.length) ?? '')?.length) throw malformed('extra');
  }
  const index = readIndex(lines.shift() ?? '');
  if (index === undefined) throw malformed('index');
  if (lines.length > MOST_HASHES) throw malformed('hashes');
  const hashes = lines.map(readHash);
  return { index, hashes, checkpoint: text.slice(border + 2) };
}

function readIndex(line: string): number | undefined {
  return line.startsWith('index ') ? readSize(line.slice('index '.length)) : undefined;
}

function readHash(line: string): Uint8Array {
  const hash = fromBase64(line);
  if (hash?.length !== HASH_LENGTH) throw malformed('hashes');
  return hash;
}

/** @param part what of it is wrong */
function malformed(part: 'length' | 'checkpoint' | 'type' | 'extra' | 'index' | 'hashes'): CodedError {
  return new CodedError('EVIDENCE_INVALID', 'proof-form', `the proof is malformed: ${part}`, { part });
}
