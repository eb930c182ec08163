import { CodedError, isCodedError } from '../errors';
import { type Log, readCheckpoint, type SignedCheckpoint } from '../evidence';
import type { Ledger } from '../ledger';
import type { Clock, RecordOrder, RecordReport } from '../payments';
import type { Address } from '../values';
import type { AnchoringSettings } from './vault-contract';

export interface AnchoringPorts {
  readonly identity: { readonly did: string; readonly address: Address };
  readonly networkId: string;
  readonly log: Log;
  readonly account: {
    record(order: RecordOrder): Promise<void>;
    recordReported(recordId: string): Promise<void>;
  };
  readonly ledger: Pick<Ledger, 'latestRecords'>;
  readonly clock: Clock;
  /** Why this log must not go on, if somebody has found out: the way to another ledger, perhaps. */
  readonly stopped: () => CodedError | undefined;
  /** A checkpoint is on the ledger, or something stands in the way of it. */
  readonly changed: () => void;
  /** This log must not go on: the ledger knows another history of it. */
  readonly damaged: (problem: CodedError) => void;
}

const RETRY_MS = 5_000;
/** What a ledger does not take it may take later: another node of it, another configuration, or a person has looked. */
const REFUSED_RETRY_MS = 600_000;
// Size and tag: they are those of the day it was handed over, whatever the settings say when it is on the ledger.
const RECORD_ID = /^checkpoint:(\d{1,16}):(.+)$/;

/**
 * Brings the checkpoints of one log to one ledger: as soon as enough documents wait for their evidence, or the oldest has
 * waited long enough. One checkpoint is on its way at a time; what is signed meanwhile goes into the next. The log itself
 * never waits for any of this.
 */
export class Anchoring {
  #settings: AnchoringSettings;
  #problem: CodedError | undefined;
  /** Size of the checkpoint that was handed to the account and is not on the ledger yet. */
  #underWay: number | undefined;
  /** This log is not behind what the ledger holds of it. */
  #compared = false;
  /** Nothing is handed over before that; by a clock that nobody sets. */
  #notBefore = Number.NEGATIVE_INFINITY;
  #running = false;
  #again = false;
  #closed = false;
  #cancelTimer: (() => void) | undefined;

  constructor(
    private readonly ports: AnchoringPorts,
    settings: AnchoringSettings,
  ) {
    this.#settings = settings;
  }

  /** Why nothing is anchored at the moment, if so. */
  get problem(): CodedError | undefined {
    return this.#problem;
  }

  configure(settings: AnchoringSettings): void {
    this.#settings = settings;
    // It may have been the tag.
    this.#notBefore = Number.NEGATIVE_INFINITY;
    this.kick();
  }

  /** Something may have to be done: documents were signed, the ledger is back, time has passed. */
  kick(): void {
    if (this.#closed) return;
    this.#again = true;
    if (!this.#running) void this.#run();
  }

  /** The account had to put a checkpoint off, or can go on with it. */
  waits(problem: CodedError | undefined): void {
    this.#say(problem);
  }

  /** The ledger does not take this checkpoint, whatever one pays for it: nothing of it is there. */
  refused(recordId: string, message: string): void {
    if (this.#closed || Number(RECORD_ID.exec(recordId)?.[1]) !== this.#underWay) return;
    this.#underWay = undefined;
    this.#refuse(new CodedError('EVIDENCE_INVALID', 'anchoring', message));
    this.kick();
  }

  /** The account's report on a checkpoint that it was given, perhaps by an earlier process. */
  async recorded(report: RecordReport): Promise<void> {
    try {
      await this.#recorded(report);
    } catch (error) {
      if (this.#closed) return;
      if (this.#fail(error)) this.ports.clock.after(RETRY_MS, () => void this.recorded(report));
    }
  }

  async #recorded({ recordId, transactionId, height, confirmedAt }: RecordReport): Promise<void> {
    const { log, networkId, account } = this.ports;
    const [, digits, tag] = RECORD_ID.exec(recordId) ?? [];
    if (this.#closed || digits === undefined || tag === undefined) return;
    const size = Number(digits);
    if (size > log.size) throw behind(size, log.size);
    const text = log.checkpointOf(size);
    await log.anchored(networkId, { size, text, tag, transactionId, height, confirmedAt });
    await account.recordReported(recordId);
    if (this.#underWay !== undefined && this.#underWay <= size) this.#underWay = undefined;
    this.#say(undefined);
    this.ports.changed();
    this.kick();
  }

  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }

  async #run(): Promise<void> {
    this.#running = true;
    this.#cancelTimer?.();
    let delay: number | undefined;
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        delay = await this.#step();
      } catch (error) {
        delay = this.#fail(error) ? RETRY_MS : undefined;
      }
    }
    this.#running = false;
    if (delay !== undefined && !this.#closed) this.#cancelTimer = this.ports.clock.after(delay, () => this.kick());
  }

  /** @returns milliseconds until something is due */
  async #step(): Promise<number | undefined> {
    const { log, networkId, stopped, clock } = this.ports;
    const reason = stopped();
    if (reason) throw reason;
    if (this.#underWay !== undefined) return undefined;
    const anchored = log.lastAnchor(networkId)?.size ?? 0;
    const made = log.lastCheckpoint();
    // Handed over by an earlier process, or about to be: asking again under the same id changes nothing. One that was made
    // for another ledger is of no use here while nobody waits for it.
    const checkpoint = made && this.#awaited(anchored, made.size) ? made : undefined;
    const wait = checkpoint ? 0 : this.#dueIn(anchored);
    if (!this.#compared) {
      try {
        await this.#compareWithLedger();
      } catch (error) {
        // As long as nobody waits for a checkpoint a ledger that is away is nobody's problem.
        if (wait === 0 || isCodedError(error, 'JOURNAL_DAMAGED')) throw error;
        return RETRY_MS;
      }
    }
    const pause = this.#notBefore - clock.elapsed();
    if (pause > 0) return wait === undefined ? undefined : Math.max(wait, pause);
    if (wait === undefined || wait > 0) {
      this.#say(undefined);
      return wait;
    }
    await this.#handOver(checkpoint ?? (await log.checkpoint()));
    return undefined;
  }

  async #handOver({ size, text }: SignedCheckpoint): Promise<void> {
    const { tag } = this.#settings;
    const order = {
      recordId: `checkpoint:${size}:${tag}`,
      tag: Buffer.from(tag, 'utf8'),
      bytes: Buffer.from(text, 'utf8'),
    };
    this.#underWay = size;
    try {
      await this.ports.account.record(order);
    } catch (error) {
      this.#underWay = undefined;
      // The account is frozen. That is no reason to sign nothing: if it were the journal, the log would know by itself.
      if (!isCodedError(error, 'JOURNAL_DAMAGED')) throw error;
      this.#refuse(error);
      this.#again = true;
    }
  }

  /** Somebody waits for a document that is in the tree of `size`, and was not in the one of `anchored`. */
  #awaited(anchored: number, size: number): boolean {
    const { log } = this.ports;
    return size > anchored && log.backlogFrom(anchored).count > log.backlogFrom(size).count;
  }

  /** Milliseconds until the next checkpoint; undefined when nobody waits for one. */
  #dueIn(anchored: number): number | undefined {
    const { count, oldestAt } = this.ports.log.backlogFrom(anchored);
    if (count === 0 || oldestAt === null) return undefined;
    if (count >= this.#settings.batchCount) return 0;
    const waited = this.ports.clock.now() - oldestAt;
    const patience = this.#settings.batchSeconds * 1000;
    // A clock that was set back must not make anybody wait for years.
    return waited < 0 || waited >= patience ? 0 : patience - waited;
  }

  /**
   * The ledger remembers what a log that was put back from an old copy has forgotten: what it signs from then on would be
   * a second history, and every verifier would see two checkpoints that contradict each other.
   *
   * @throws CodedError `JOURNAL_DAMAGED` (`log-behind`, `log-differs`)
   */
  async #compareWithLedger(): Promise<void> {
    const { identity, log, ledger } = this.ports;
    for (const { bytes } of await ledger.latestRecords(identity.address)) {
      const recorded = checkpointIn(bytes, identity.did);
      if (!recorded) continue;
      const { size } = recorded;
      if (size > log.size) {
        throw behind(size, log.size);
      }
      if (!Buffer.from(log.rootAt(size)).equals(recorded.root))
        throw new CodedError('JOURNAL_DAMAGED', 'log-differs', 'the ledger holds another history of this log', {
          size,
        });
    }
    this.#compared = true;
  }

  #refuse(problem: CodedError): void {
    this.#notBefore = this.ports.clock.elapsed() + REFUSED_RETRY_MS;
    this.#say(problem);
  }

  /** @returns whether it may get better by itself; a damaged log waits for a person */
  #fail(error: unknown): boolean {
    const problem = isCodedError(error) ? error : new CodedError('EVIDENCE_INVALID', 'anchoring', String(error));
    const isDamage = problem.code === 'JOURNAL_DAMAGED';
    const isNews = this.#problem?.code !== problem.code || this.#problem.detail !== problem.detail;
    this.#say(problem);
    if (isDamage && isNews) this.ports.damaged(problem);
    return !isDamage;
  }

  #say(problem: CodedError | undefined): void {
    const before = this.#problem;
    this.#problem = problem;
    if (before?.code !== problem?.code || before?.detail !== problem?.detail) this.ports.changed();
  }
}

function behind(ledger: number, ours: number): CodedError {
  return new CodedError('JOURNAL_DAMAGED', 'log-behind', 'the ledger holds more of this log than we do', {
    ledger,
    ours,
  });
}

/** Records may hold anything. */
function checkpointIn(
  bytes: Uint8Array,
  did: string,
): { readonly size: number; readonly root: Uint8Array } | undefined {
  try {
    const checkpoint = readCheckpoint(Buffer.from(bytes).toString('utf8'));
    return checkpoint.origin === did ? checkpoint : undefined;
  } catch {
    return undefined;
  }
}
