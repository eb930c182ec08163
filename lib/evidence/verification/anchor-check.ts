import { isCodedError } from '../../errors';
import type { LedgerRecord, NetworkInfo } from '../../ledger';
import { type Address, addressHash, publicKeyOfDidKey, writeAddress } from '../../values';
import type { Checkpoint } from '../checkpoint';
import type { Anchor } from '../evidence';
import { sameHash } from '../merkle-tree';
import type { ProblemCode, ProblemParameters, WarningCode } from './problems';
import { ownCheckpoint, RecordChain, type RecordLedger } from './record-chain';

/** A checkpoint, and where its machine says it is. */
export interface AnchoredCheckpoint {
  readonly checkpoint: Checkpoint;
  /** As it was signed: what must be on the ledger, byte for byte. */
  readonly text: string;
  readonly anchor: Anchor;
}

export interface AnchorReports {
  readonly problem: (code: ProblemCode, parameters: ProblemParameters) => void;
  readonly warning: (code: WarningCode, parameters: ProblemParameters) => void;
  /** Whether the checkpoint is on the ledger could not be told. */
  readonly untold: (code: ProblemCode & WarningCode, parameters: ProblemParameters) => void;
}

/** Clocks of ledgers tell seconds. */
const SAME_TIME_MS = 1_000;

/** Looks on one ledger whether checkpoints are there, and whether their machines have put others there as well. */
export class AnchorCheck {
  readonly #chains = new Map<string, RecordChain>();
  readonly #reported = new Set<string>();

  private constructor(
    private readonly ledger: RecordLedger,
    private readonly network: NetworkInfo,
  ) {}

  /** @throws CodedError when the ledger cannot be reached: then nothing can be told */
  static async on(ledger: RecordLedger): Promise<AnchorCheck> {
    return new AnchorCheck(ledger, await ledger.network());
  }

  /** @returns when the checkpoint was confirmed (Unix milliseconds), null if that could not be found on the ledger */
  async check({ checkpoint, text, anchor }: AnchoredCheckpoint, reports: AnchorReports): Promise<number | null> {
    const { networkId } = this.network;
    if (anchor.network !== networkId) {
      reports.problem('ANCHOR_NETWORK', { network: anchor.network, ledger: networkId });
      return null;
    }
    const { origin, size } = checkpoint;
    const author = writeAddress(addressHash(publicKeyOfDidKey(origin)), this.network.addressForm);
    const chain = this.#chainOf(origin, author);
    await chain.reach(size);
    const records = await this.#recordsOf(anchor.transactionId, text, chain);
    this.#reportChain(origin, chain, reports);
    this.#reportOthers(checkpoint, chain, records, reports);
    if (records === 'gone') {
      reports.untold('ANCHOR_HISTORY_GONE', { transactionId: anchor.transactionId });
      return null;
    }
    return this.#compare({ anchor, text, author, records }, reports);
  }

  #chainOf(did: string, author: Address): RecordChain {
    let chain = this.#chains.get(did);
    if (!chain) {
      chain = new RecordChain(this.ledger, { did, author });
      this.#chains.set(did, chain);
    }
    return chain;
  }

  /** @returns `gone` if the node may have forgotten them */
  async #recordsOf(transactionId: string, text: string, chain: RecordChain): Promise<readonly LedgerRecord[] | 'gone'> {
    const met = chain.recordsOf(transactionId);
    if (met.some((record) => holds(record, text))) return met;
    try {
      const records = await this.ledger.recordsOf(transactionId);
      // A node cannot always tell what it has forgotten from what never was; that it forgets, the walk has shown.
      return records.length === 0 && chain.end === 'pruned' ? 'gone' : records;
    } catch (error) {
      if (isCodedError(error, 'HISTORY_PRUNED')) return 'gone';
      throw error;
    }
  }

  /** The record must hold the checkpoint, be its machine's, and be what the evidence says it is. */
  #compare(
    found: {
      readonly anchor: Anchor;
      readonly text: string;
      readonly author: Address;
      readonly records: readonly LedgerRecord[];
    },
    reports: AnchorReports,
  ): number | null {
    const { anchor, text, author, records } = found;
    const { transactionId, tag } = anchor;
    if (records.length === 0) {
      reports.problem('ANCHOR_NOT_FOUND', { transactionId });
      return null;
    }
    const same = records.filter((record) => holds(record, text));
    if (same.length === 0) {
      reports.problem('ANCHOR_DIFFERS', { transactionId });
      return null;
    }
    const own = same.filter((record) => record.author === author);
    if (own.length === 0) {
      reports.problem('ANCHOR_AUTHOR', { author: same[0]?.author ?? '?', expected: author });
      return null;
    }
    const record = own.find((each) => isTag(each.tag, tag)) ?? (own[0] as LedgerRecord);
    if (!isTag(record.tag, tag)) {
      reports.problem('ANCHOR_TAG', { tag: Buffer.from(record.tag).toString('utf8'), claimed: tag });
      return null;
    }
    return this.#compareTime(record, anchor, reports);
  }

  #compareTime({ confirmedAt, height }: LedgerRecord, anchor: Anchor, reports: AnchorReports): number | null {
    const [claimed, other] =
      this.network.protocol === 'tangle'
        ? [anchor.milestone, anchor.checkpoint]
        : [anchor.checkpoint, anchor.milestone];
    if (other !== undefined || (claimed !== undefined && claimed !== height)) {
      reports.problem('ANCHOR_HEIGHT', { height, claimed: other ?? claimed ?? 0 });
      return null;
    }
    if (Math.abs(Date.parse(anchor.confirmedAt) - confirmedAt) >= SAME_TIME_MS) {
      const time = new Date(confirmedAt).toISOString();
      reports.problem('ANCHOR_TIME', { confirmedAt: time, claimed: anchor.confirmedAt });
      return null;
    }
    return confirmedAt;
  }

  /** What is wrong with a machine's chain, whichever checkpoint was asked for. */
  #reportChain(origin: string, chain: RecordChain, reports: AnchorReports): void {
    const { heads } = chain;
    if (heads > 1) this.#once(`${origin} heads`, () => reports.problem('LEDGER_FORK', { origin, heads }));
    for (const { size, otherSize } of chain.contradictions) this.#reportConflict(origin, size, otherSize, reports);
  }

  #reportConflict(origin: string, size: number, otherSize: number, reports: AnchorReports): void {
    const pair = [size, otherSize].sort().join(' ');
    this.#once(`${origin} ${pair}`, () => reports.problem('CHECKPOINT_CONFLICT', { origin, size, otherSize }));
  }

  /** One contradiction may be met on the way to many checkpoints. */
  #once(what: string, report: () => void): void {
    if (this.#reported.has(what)) return;
    this.#reported.add(what);
    report();
  }

  /** Whether the machine has put another checkpoint on the ledger that contradicts this one. */
  #reportOthers(
    { origin, size, root }: Checkpoint,
    chain: RecordChain,
    records: readonly LedgerRecord[] | 'gone',
    reports: AnchorReports,
  ): void {
    const own = (records === 'gone' ? [] : records).flatMap((record) => {
      const checkpoint = ownCheckpoint(record, origin);
      return checkpoint ? [{ record, checkpoint }] : [];
    });
    const known = [chain.rootAt(size), ...own.map(({ checkpoint }) => checkpoint.size === size && checkpoint.root)];
    const [contradicting] = own.flatMap(({ record, checkpoint }) => chain.contradicting(record, checkpoint.size) ?? []);
    const otherSize = known.some((other) => other && !sameHash(other, root)) ? size : contradicting;
    if (otherSize !== undefined) this.#reportConflict(origin, size, otherSize, reports);
    else if (!chain.rootAt(size)) reports.warning(UNSEEN[chain.end ?? 'first'], { origin, size });
  }
}

/** Why a checkpoint was not met on the way back from the newest one. */
const UNSEEN = {
  first: 'HISTORY_ELSEWHERE',
  'no-record': 'HISTORY_ELSEWHERE',
  pruned: 'HISTORY_FORGOTTEN',
  steps: 'HISTORY_TOO_LONG',
} as const satisfies Record<NonNullable<RecordChain['end']>, WarningCode>;

function holds({ bytes }: LedgerRecord, text: string): boolean {
  return Buffer.compare(bytes, Buffer.from(text, 'utf8')) === 0;
}

function isTag(tag: Uint8Array, claimed: string): boolean {
  return Buffer.compare(tag, Buffer.from(claimed, 'utf8')) === 0;
}
