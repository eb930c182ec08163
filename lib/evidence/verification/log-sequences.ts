import type { ReadDocument } from './document-check';
import type { ProblemCollection } from './problem-collection';
import { type ProblemParameters, problem, warning } from './problems';
import { type LogSummary, MOST_LISTED } from './verdict';

interface Entry {
  readonly position: number;
  readonly sequence: number;
  /** Null also where the signature is not good: then only the place counts as taken. */
  readonly signedAt: number | null;
  readonly clockStep: number;
  readonly leaf: string;
  readonly authentic: boolean;
}

interface LogPart {
  /** In the order given. */
  readonly entries: Entry[];
  anchored: number;
  /** Size of the largest checkpoint behind a document of this log. */
  size: number;
}

/** Documents of the same log that were given together: none is missing, none is double, none goes back in time. */
export class LogSequences {
  readonly #logs = new Map<string, LogPart>();

  /** @param log the did of the signer whose log it is */
  add(log: string, sequence: number, signedAt: number | null, document: ReadDocument, position: number): void {
    const part = this.#partOf(log);
    const { authentic, clockStep } = document;
    const entry: Entry = {
      position,
      sequence,
      signedAt: authentic ? signedAt : null,
      clockStep,
      leaf: Buffer.from(document.leafHash).toString('latin1'),
      authentic,
    };
    part.entries.push(entry);
  }

  /** A good proof showed that the log has this size at least. */
  seenSize(log: string, size: number): void {
    const part = this.#partOf(log);
    part.size = Math.max(part.size, size);
  }

  anchored(log: string): void {
    this.#partOf(log).anchored += 1;
  }

  report(problems: ProblemCollection): void {
    for (const [log, part] of this.#logs) {
      // What nobody signed is nobody's log.
      if (!part.entries.some(({ authentic }) => authentic)) continue;
      reportOrder(log, part.entries, problems);
      const sorted = [...part.entries].sort((a, b) => a.sequence - b.sequence || a.position - b.position);
      reportPlaces(log, sorted, problems);
      reportClock(log, sorted, problems);
      reportEnds(log, part, sorted, problems);
    }
  }

  summaries(): LogSummary[] {
    const summaries: LogSummary[] = [];
    for (const [log, { entries, anchored }] of this.#logs) {
      const authentic = entries.filter((entry) => entry.authentic);
      const sequences = extremes(authentic.map(({ sequence }) => sequence));
      if (!sequences) continue;
      const times = extremes(authentic.flatMap(({ signedAt }) => signedAt ?? []));
      summaries.push({
        log,
        count: authentic.length,
        firstSequence: sequences[0],
        lastSequence: sequences[1],
        firstSignedAt: isoTime(times?.[0]),
        lastSignedAt: isoTime(times?.[1]),
        anchored,
      });
      if (summaries.length === MOST_LISTED) break;
    }
    return summaries;
  }

  #partOf(log: string): LogPart {
    let part = this.#logs.get(log);
    if (!part) {
      part = { entries: [], anchored: 0, size: 0 };
      this.#logs.set(log, part);
    }
    return part;
  }
}

/** A document that stands behind a later one. */
function reportOrder(log: string, entries: readonly Entry[], problems: ProblemCollection): void {
  let before: Entry | undefined;
  for (const entry of entries) {
    if (before && entry.sequence < before.sequence) {
      const parameters = { log, sequence: entry.sequence, after: before.sequence };
      problems.add(problem('SEQUENCE_ORDER', parameters, entry.position));
    }
    before = entry;
  }
}

function reportPlaces(log: string, sorted: readonly Entry[], problems: ProblemCollection): void {
  let before: Entry | undefined;
  for (const entry of sorted) {
    const { sequence, position } = entry;
    const report = (code: 'SEQUENCE_DUPLICATE' | 'SEQUENCE_CONFLICT' | 'SEQUENCE_GAP', parameters: ProblemParameters) =>
      problems.add(problem(code, { log, ...parameters }, position));
    if (before?.sequence === sequence) {
      // Nobody is accused of two histories by a document that he did not sign.
      const conflict = entry.authentic && before.authentic && entry.leaf !== before.leaf;
      report(conflict ? 'SEQUENCE_CONFLICT' : 'SEQUENCE_DUPLICATE', { sequence });
    } else if (before && sequence !== before.sequence + 1) {
      const missing = sequence - before.sequence - 1;
      report('SEQUENCE_GAP', { missing, after: before.sequence, before: sequence });
    }
    before = entry;
  }
}

function reportClock(log: string, sorted: readonly Entry[], problems: ProblemCollection): void {
  let before: { readonly sequence: number; readonly signedAt: number } | undefined;
  for (const { sequence, signedAt, clockStep, position } of sorted) {
    if (signedAt === null) continue;
    if (before && signedAt + clockStep <= before.signedAt) {
      const [previous, date] = [before.signedAt, signedAt].map((time) => new Date(time).toISOString());
      const parameters = { log, sequence, signedAt: date ?? '', after: before.sequence, previous: previous ?? '' };
      problems.add(problem('CLOCK_BACKWARDS', parameters, position));
    }
    before = { sequence, signedAt };
  }
}

/** What no document can show: how the log goes on beyond them. */
function reportEnds(log: string, { size }: LogPart, sorted: readonly Entry[], problems: ProblemCollection): void {
  const first = sorted[0];
  const last = sorted.at(-1);
  if (!first || !last) return;
  if (first.sequence > 0)
    problems.warn(warning('LOG_BEGINS_EARLIER', { log, missing: first.sequence }, first.position));
  const after = size - 1 - last.sequence;
  if (after > 0) problems.warn(warning('LOG_GOES_ON', { log, missing: after }, last.position));
}

/** Not by spreading into `Math.min`: there may be a million. */
export function extremes(values: readonly number[]): readonly [number, number] | undefined {
  let [least, most] = [values[0], values[0]];
  for (const value of values) {
    if (least === undefined || value < least) least = value;
    if (most === undefined || value > most) most = value;
  }
  return least === undefined || most === undefined ? undefined : [least, most];
}

export function isoTime(time: number | null | undefined): string | null {
  return time === null || time === undefined ? null : new Date(time).toISOString();
}
