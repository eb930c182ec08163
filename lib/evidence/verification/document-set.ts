import type { Checkpoint } from '../checkpoint';
import { sameHash } from '../merkle-tree';
import { Successions } from '../succession';
import type { AnchoredCheckpoint, AnchorReports } from './anchor-check';
import type { CheckedDocument, LoggedDocument, ReadDocument, SignatureClaim } from './document-check';
import { extremes, isoTime, LogSequences } from './log-sequences';
import { ProblemCollection } from './problem-collection';
import { type Problem, type ProblemParameters, problem, type WarningCode, warning } from './problems';
import { SeenSubtrees } from './seen-subtrees';
import { type DocumentsSummary, MOST_LISTED, type Verification } from './verdict';

export interface Demands {
  readonly trusted: readonly string[];
  readonly requireAnchor: boolean;
  readonly hasLedger: boolean;
}

/** A checkpoint that documents lean on, with the first of them. */
export interface AnchorEntry {
  readonly checkpoint: AnchoredCheckpoint;
  readonly position: number | undefined;
  /** Needed for a statement of succession that was given as such. */
  readonly ofStatement: boolean;
  /** Unix milliseconds; null as long as it was not found on the ledger. */
  confirmedAt: number | null;
}

/** What is kept of a document: there may be a million. */
interface KeptDocument {
  readonly position: number | undefined;
  readonly authentic: boolean;
  readonly signatures: readonly SignatureClaim[];
  readonly main: SignatureClaim;
  readonly isStatement: boolean;
  readonly anchor: AnchorEntry | undefined;
}

interface KnownLog {
  readonly subtrees: SeenSubtrees;
  readonly roots: Map<number, Uint8Array>;
}

/** A machine's clock may be that much ahead of the ledger's. */
const CLOCK_TOLERANCE_MS = 60_000;

/** Documents that were checked one by one, judged together: trust, succession, completeness, contradictions. */
export class DocumentSet {
  readonly #problems = new ProblemCollection();
  readonly #documents: KeptDocument[] = [];
  readonly #sequences = new LogSequences();
  readonly #successions = new Successions();
  readonly #anchors = new Map<string, AnchorEntry>();
  readonly #logs = new Map<string, KnownLog>();
  /** Also those that could not be read. */
  #count = 0;

  constructor(private readonly demands: Demands) {}

  /** @param position undefined for a single document */
  add(checked: CheckedDocument, position: number | undefined): void {
    const { problems, read, logged, succession, checkpoint } = checked;
    this.#count += 1;
    for (const found of problems) this.#problems.add(found);
    if (checkpoint) this.#compareRoots(checkpoint, position);
    if (read && logged) this.#compareSubtrees(read, logged, position);
    if (succession) this.#successions.add(succession);
    if (!read) return;
    if (this.demands.requireAnchor && !checked.evidenced) this.#problems.add(problem('ANCHOR_MISSING', {}, position));
    if (position !== undefined) this.#place(read, logged, position);
    const { authentic, signatures, main } = read;
    if (signatures.every(({ sequence }) => sequence === null)) this.warn('SEQUENCE_MISSING', {}, position);
    const anchor = logged && this.#anchorOf(logged, position, false);
    this.#documents.push({ position, authentic, signatures, main, isStatement: succession !== undefined, anchor });
  }

  /** A statement of succession that was given as such. */
  addStatement({ problems, succession, logged, evidenced }: CheckedDocument): void {
    const [first] = problems;
    if (first) {
      this.#problems.add(badStatement(first));
      return;
    }
    if (!succession) {
      this.#problems.add(problem('SUCCESSION_INVALID', { reason: 'it is no statement of succession' }));
      return;
    }
    if (this.demands.requireAnchor && !evidenced) this.#problems.add(badStatement(problem('ANCHOR_MISSING')));
    if (logged) this.#anchorOf(logged, undefined, true);
    this.#successions.add(succession);
  }

  warn(code: WarningCode, parameters?: ProblemParameters, position?: number): void {
    this.#problems.warn(warning(code, parameters, position));
  }

  /** To be taken by several; whoever gives up ends it for all. */
  *anchors(): Generator<AnchorEntry> {
    yield* this.#anchors.values();
  }

  reportsOf({ position, ofStatement }: AnchorEntry): AnchorReports {
    const add = (found: Problem) => this.#problems.add(ofStatement ? badStatement(found) : found);
    return {
      problem: (code, parameters) => add(problem(code, parameters, position)),
      warning: (code, parameters) => this.warn(code, parameters, position),
      untold: (code, parameters) =>
        this.demands.requireAnchor ? add(problem(code, parameters, position)) : this.warn(code, parameters, position),
    };
  }

  verdict(isSingle: boolean): Verification {
    this.#successions.report((code, parameters) => this.#problems.add(problem(code, parameters)));
    this.#reportUnchecked();
    this.#reportTrust();
    for (const document of this.#documents) this.#reportTimes(document);
    for (const { anchor, authentic, main } of this.#documents) {
      if (authentic && anchor && anchor.confirmedAt !== null) this.#sequences.anchored(main.signer);
    }
    this.#sequences.report(this.#problems);
    const { problems, warnings, problemCount, warningCount } = this.#problems;
    return {
      valid: problemCount === 0,
      ...this.#facts(isSingle),
      problems,
      warnings,
      problemCount,
      warningCount,
      ...(!isSingle && { documents: this.#summary() }),
    };
  }

  #place(read: ReadDocument, logged: LoggedDocument | undefined, position: number): void {
    for (const { signer, sequence, signedAt } of read.signatures) {
      if (sequence !== null) this.#sequences.add(signer, sequence, signedAt, read, position);
    }
    if (logged) this.#sequences.seenSize(logged.checkpoint.origin, logged.checkpoint.size);
  }

  #anchorOf({ proof, checkpoint, anchor }: LoggedDocument, position: number | undefined, ofStatement: boolean) {
    const { network, tag, transactionId, milestone, checkpoint: height, confirmedAt } = anchor;
    const key = JSON.stringify([proof.checkpoint, network, tag, transactionId, milestone, height, confirmedAt]);
    let entry = this.#anchors.get(key);
    if (!entry) {
      const text = proof.checkpoint;
      entry = { checkpoint: { checkpoint, text, anchor }, position, ofStatement, confirmedAt: null };
      this.#anchors.set(key, entry);
    }
    return entry;
  }

  #logOf(origin: string): KnownLog {
    let log = this.#logs.get(origin);
    if (!log) {
      log = { subtrees: new SeenSubtrees(), roots: new Map() };
      this.#logs.set(origin, log);
    }
    return log;
  }

  #compareRoots({ origin, size, root }: Checkpoint, position: number | undefined): void {
    const { roots } = this.#logOf(origin);
    const other = roots.get(size);
    if (!other) roots.set(size, root);
    else if (!sameHash(other, root)) this.#conflict({ origin, size, otherSize: size }, position);
  }

  #compareSubtrees(read: ReadDocument, { proof, checkpoint }: LoggedDocument, position: number | undefined): void {
    const { origin, size } = checkpoint;
    const { index, hashes } = proof;
    const otherSize = this.#logOf(origin).subtrees.add({ leafHash: read.leafHash, index, hashes, checkpoint });
    // Two roots of one size have been noticed already.
    if (otherSize !== undefined && otherSize !== size) this.#conflict({ origin, size, otherSize }, position);
  }

  #conflict(parameters: ProblemParameters, position: number | undefined): void {
    this.#problems.add(problem('CHECKPOINT_CONFLICT', parameters, position));
  }

  /** Without a ledger, what evidence says of one is a claim. */
  #reportUnchecked(): void {
    if (this.demands.hasLedger) return;
    for (const entry of this.#anchors.values()) {
      const { network, transactionId } = entry.checkpoint.anchor;
      const reports = this.reportsOf(entry);
      reports.untold('ANCHOR_UNCHECKED', { network, transactionId });
      if (!this.demands.requireAnchor) return;
    }
  }

  #reportTrust(): void {
    if (this.demands.trusted.length === 0) {
      if (this.#documents.length > 0) this.warn('SIGNER_UNCHECKED');
      return;
    }
    const voices = this.#successions.voices(this.demands.trusted);
    for (const { position, authentic, signatures } of this.#documents) {
      if (!authentic) continue;
      for (const { signer } of signatures) {
        if (!voices.has(signer)) this.#problems.add(problem('SIGNER_UNTRUSTED', { signer }, position));
      }
    }
  }

  #reportTimes({ position, authentic, signatures, main, isStatement, anchor }: KeptDocument): void {
    if (!authentic) return;
    for (const { signer, sequence, signedAt } of signatures) {
      const end = this.#successions.endOf(signer);
      if (!end || (isStatement && sequence === end.sequence)) continue;
      // Without a place in the log, the date decides; without a date, the handover was long ago.
      const isLater =
        sequence !== null
          ? sequence >= end.sequence
          : signedAt === null || end.signedAt === null || signedAt > end.signedAt;
      if (!isLater) continue;
      const parameters = { predecessor: signer, successor: end.successor, sequence: end.sequence };
      this.#problems.add(problem('SIGNED_AFTER_SUCCESSION', parameters, position));
    }
    const anchoredAt = anchor?.confirmedAt ?? null;
    if (main.signedAt !== null && anchoredAt !== null && main.signedAt > anchoredAt + CLOCK_TOLERANCE_MS) {
      const parameters = { signedAt: isoTime(main.signedAt) ?? '', anchoredAt: isoTime(anchoredAt) ?? '' };
      this.warn('CLOCK_AHEAD', parameters, position);
    }
  }

  #facts(isSingle: boolean) {
    const authentic = this.#documents.filter((document) => document.authentic);
    const signers = new Set(authentic.map(({ main }) => main.signer));
    const times = authentic.flatMap(({ anchor }) => anchor?.confirmedAt ?? []);
    const [only] = authentic;
    const isAnchored = times.length > 0 && times.length === this.#count;
    return {
      signer: signers.size === 1 ? (only?.main.signer ?? null) : null,
      signedAt: isSingle ? isoTime(only?.main.signedAt) : null,
      sequence: isSingle ? (only?.main.sequence ?? null) : null,
      anchored: isAnchored,
      anchoredAt: isAnchored ? isoTime(extremes(times)?.[1]) : null,
    };
  }

  #summary(): DocumentsSummary {
    const authentic = this.#documents.filter((document) => document.authentic);
    const times = extremes(authentic.flatMap(({ main }) => main.signedAt ?? []));
    return {
      count: this.#count,
      firstSignedAt: isoTime(times?.[0]),
      lastSignedAt: isoTime(times?.[1]),
      signers: [...new Set(authentic.flatMap(({ signatures }) => signatures.map(({ signer }) => signer)))].slice(
        0,
        MOST_LISTED,
      ),
      logs: this.#sequences.summaries(),
    };
  }
}

/** What is wrong with a statement that was given as such is not a problem of a document. */
function badStatement(found: Problem): Problem {
  if (found.code === 'SUCCESSION_INVALID') return found;
  return problem('SUCCESSION_INVALID', { reason: `${found.code}, ${found.message}` });
}
