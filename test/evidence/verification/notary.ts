import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';
import { CodedError } from '../../../lib/errors';
import {
  type Anchor,
  type Evidence,
  leafHash,
  nodeHash,
  PROOF_TYPE,
  type RecordLedger,
  rootOf,
  type SignatureFormat,
  type Signer,
  type Subtrees,
  signableDocument,
  signDocument,
  signProofSet,
  successionStatement,
  writeCheckpoint,
  writeProof,
} from '../../../lib/evidence';
import { inclusionProof } from '../../../lib/evidence/merkle-tree';
import type { LedgerRecord, NetworkInfo } from '../../../lib/ledger';
import { type Address, type AddressForm, addressHash, didKeyOf, writeAddress } from '../../../lib/values';

const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const FORM: AddressForm = { kind: 'bech32', prefix: 'tst' };
export const NETWORK = 'test-tangle-1';
export const TAG = 'evidence';
/** When the documents of these tests are signed. */
export const MORNING = Date.parse('2026-03-01T06:00:00.000Z');
export const EVENING = Date.parse('2026-03-01T18:00:00.000Z');

/** A machine that keeps a log as the contract says, without a journal or a ledger. */
export class Notary implements Signer {
  readonly did: string;
  readonly publicKey: Uint8Array;
  readonly address: Address;
  readonly leaves: string[] = [];
  readonly #hashes: Uint8Array[] = [];
  readonly #subtrees = new Map<string, Uint8Array>();
  readonly #key: KeyObject;

  constructor(seed: number) {
    this.#key = createPrivateKey({
      key: Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, seed)]),
      format: 'der',
      type: 'pkcs8',
    });
    const { x } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.publicKey = Buffer.from(x as string, 'base64url');
    this.did = didKeyOf(this.publicKey);
    this.address = writeAddress(addressHash(this.publicKey), FORM);
  }

  sign(bytes: Uint8Array): Uint8Array {
    return sign(null, bytes, this.#key);
  }

  /** Signs the next document of the log, a second after the one before. */
  next(content: unknown, options: { format?: SignatureFormat; at?: number; sequence?: number } = {}): string {
    const { format = 'data-integrity', at = MORNING + this.leaves.length * 1_000 } = options;
    const facts = { signer: this, created: at, sequence: options.sequence ?? this.leaves.length };
    return this.append(signDocument(signableDocument(content), format, facts));
  }

  /** The last word of this machine. */
  handOver(successor: Notary, at = MORNING + this.leaves.length * 1_000): string {
    const statement = signableDocument(successionStatement(this.did, successor.did, at));
    const own = { signer: this, created: at, sequence: this.leaves.length };
    return this.append(signProofSet(statement, [own, { signer: successor, created: at }]));
  }

  append(leaf: string): string {
    this.leaves.push(leaf);
    this.#hashes.push(leafHash(Buffer.from(leaf, 'utf8')));
    return leaf;
  }

  checkpoint(size = this.leaves.length): string {
    const root = rootOf(size, this.#tree);
    return writeCheckpoint({ origin: this.did, size, root }, (bytes) => this.sign(bytes));
  }

  evidence(index: number, options: { size?: number; checkpoint?: string; anchor?: Partial<Anchor> } = {}): Evidence {
    const size = options.size ?? this.leaves.length;
    const checkpoint = options.checkpoint ?? this.checkpoint(size);
    const proof = writeProof({ index, hashes: inclusionProof(index, size, this.#tree), checkpoint });
    return { type: PROOF_TYPE, proof, anchor: { ...anchorOf(size), ...options.anchor } };
  }

  get #tree(): Subtrees {
    return { subtree: (height, index) => this.#subtree(height, index) };
  }

  #subtree(height: number, index: number): Uint8Array {
    if (height === 0) return this.#hashes[index] as Uint8Array;
    const key = `${height} ${index}`;
    let hash = this.#subtrees.get(key);
    if (!hash) {
      hash = nodeHash(this.#subtree(height - 1, index * 2), this.#subtree(height - 1, index * 2 + 1));
      this.#subtrees.set(key, hash);
    }
    return hash;
  }
}

/** Documents as a flow has them: data-integrity as objects. */
export const parsed = (leaf: string): unknown => (leaf.startsWith('{') ? JSON.parse(leaf) : leaf);

/** What the evidence of the checkpoint of that size says, if nothing else is agreed on. */
function anchorOf(size: number): Anchor {
  return {
    network: NETWORK,
    tag: TAG,
    transactionId: transactionId(size),
    milestone: 100 + size,
    confirmedAt: new Date(EVENING).toISOString(),
  };
}

export const transactionId = (number: number): string => `0x${number.toString(16).padStart(64, '0')}`;

/** A ledger that holds what it is told to, and forgets what it is told to. */
export class FakeLedger implements RecordLedger {
  readonly records: LedgerRecord[] = [];
  readonly questions: string[] = [];
  readonly #previous = new Map<string, string | null>();
  /** Transactions below this height are forgotten. */
  pruned = 0;
  /** Whether it knows that it has forgotten a transaction. */
  admits = true;
  unreachable = false;

  /** Puts a checkpoint on the ledger; by default at the place that the evidence of that size names. */
  record(notary: Notary, size: number, options: Partial<LedgerRecord> & { text?: string; after?: string | null } = {}) {
    const { text = notary.checkpoint(size), after, ...changes } = options;
    const id = changes.transactionId ?? transactionId(size);
    const record: LedgerRecord = {
      transactionId: id,
      outputIndex: 0,
      outputId: `${id}0000`,
      tag: Buffer.from(TAG),
      bytes: Buffer.from(text),
      author: notary.address,
      height: 100 + size,
      confirmedAt: EVENING,
      ...changes,
    };
    const last = this.records.filter(({ author }) => author === record.author).at(-1)?.outputId ?? null;
    this.#previous.set(record.outputId, after === undefined ? last : after);
    this.records.push(record);
    return record;
  }

  async network(): Promise<NetworkInfo> {
    this.#ask('network');
    return { protocol: 'tangle', networkId: NETWORK, addressForm: FORM } as NetworkInfo;
  }

  async recordsOf(id: string): Promise<LedgerRecord[]> {
    this.#ask(`recordsOf ${id}`);
    const found = this.records.filter((record) => record.transactionId === id);
    if (!found.some(({ height }) => height < this.pruned)) return structuredClone(found);
    if (this.admits) throw forgotten();
    return [];
  }

  async latestRecords(author: Address): Promise<LedgerRecord[]> {
    this.#ask(`latestRecords ${author}`);
    const spent = new Set(this.#previous.values());
    return structuredClone(this.records.filter((record) => record.author === author && !spent.has(record.outputId)));
  }

  async previousRecord(record: LedgerRecord): Promise<LedgerRecord | null> {
    this.#ask(`previousRecord ${record.outputId}`);
    const id = this.#previous.get(record.outputId);
    const previous = this.records.find(({ outputId }) => outputId === id);
    if (previous && previous.height < this.pruned) throw forgotten();
    return previous ? structuredClone(previous) : null;
  }

  /** Somebody took the money of a record and put no other in its place. */
  spend({ outputId }: LedgerRecord): void {
    this.#previous.set(`spent ${outputId}`, outputId);
  }

  #ask(question: string): void {
    this.questions.push(question);
    if (this.unreachable) throw new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');
  }
}

function forgotten(): CodedError {
  return new CodedError('HISTORY_PRUNED', 'default', 'the node has forgotten that');
}
