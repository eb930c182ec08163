import type { JsonObject } from '../journal';
import { publicKeyOfDidKey } from '../values';
import type { SignedDocument } from './signed-document';
import type { ProblemParameters } from './verification/problems';

export const SUCCESSION_TYPE = 'MachineSuccession';

/** A machine hands its voice over to another key: signed by both, and the last document of the predecessor's log. */
export interface Succession {
  readonly predecessor: string;
  readonly successor: string;
  /** Place of the statement in the predecessor's log: nothing may follow it there. */
  readonly sequence: number;
  /** Unix milliseconds by the predecessor's clock, or null. */
  readonly signedAt: number | null;
}

/** What both keys sign. @param at Unix milliseconds */
export function successionStatement(predecessor: string, successor: string, at: number): JsonObject {
  return { type: SUCCESSION_TYPE, predecessor, successor, at: new Date(at).toISOString() };
}

/** Whether a document says to be a statement of succession, valid or not. */
export function isSuccession(document: Pick<SignedDocument, 'content'>): boolean {
  return isObject(document.content) && document.content['type'] === SUCCESSION_TYPE;
}

/**
 * Reads a statement whose signatures were found good. Members that we do not know do not change what it says.
 *
 * @returns a text that says why it is none
 */
export function readSuccession({ content, signatures }: SignedDocument): Succession | string {
  if (!isObject(content) || content['type'] !== SUCCESSION_TYPE) return 'it is no statement of succession';
  const { predecessor, successor } = content;
  if (!isDid(predecessor) || !isDid(successor)) return 'it does not name two machines by their did:key';
  if (predecessor === successor) return 'it names the same machine twice';
  // Who else signs may mean something else by it.
  const signers = signatures.map(({ signer }) => signer);
  const both = signers.length === 2 && signers.includes(predecessor) && signers.includes(successor);
  if (!both) return 'it is not signed by the two machines that it names, and by nobody else';
  const own = signatures.find(({ signer }) => signer === predecessor);
  if (own?.sequence === undefined || own.sequence === null) return 'it has no place in the log of the predecessor';
  return { predecessor, successor, sequence: own.sequence, signedAt: own.signedAt };
}

type Report = (code: 'SUCCESSION_FORK' | 'SUCCESSION_CYCLE', parameters: ProblemParameters) => void;

/** Who speaks for whom, by the statements that were found valid. */
export class Successions {
  /** By predecessor; a machine that names two successors has an entry for each. */
  readonly #found = new Map<string, Map<string, Succession>>();

  add(statement: Succession): void {
    const successors = this.#found.get(statement.predecessor) ?? new Map<string, Succession>();
    this.#found.set(statement.predecessor, successors);
    // The same is stated twice: the machine was silent from the first time on.
    const before = successors.get(statement.successor);
    if (!before || statement.sequence < before.sequence) successors.set(statement.successor, statement);
  }

  /** The statement after which this machine was to sign nothing any more. */
  endOf(did: string): Succession | undefined {
    let first: Succession | undefined;
    for (const statement of this.#found.get(did)?.values() ?? []) {
      if (!first || statement.sequence < first.sequence) first = statement;
    }
    return first;
  }

  /** Those who speak for one of these: themselves and their successors, as far as there is one only. */
  voices(trusted: readonly string[]): ReadonlySet<string> {
    const voices = new Set<string>();
    for (const start of trusted) {
      for (let did: string | undefined = start; did !== undefined && !voices.has(did); did = this.#successorOf(did)) {
        voices.add(did);
      }
    }
    return voices;
  }

  /** Tells of machines that cannot be followed. */
  report(report: Report): void {
    const walked = new Set<string>();
    for (const [predecessor, successors] of this.#found) {
      const [one, two] = [...successors.keys()];
      if (two !== undefined) report('SUCCESSION_FORK', { predecessor, successor: one ?? '', other: two });
      const way = new Set<string>();
      let did: string | undefined = predecessor;
      while (did !== undefined && !walked.has(did)) {
        walked.add(did);
        way.add(did);
        did = this.#successorOf(did);
      }
      if (did !== undefined && way.has(did)) report('SUCCESSION_CYCLE', { did });
    }
  }

  #successorOf(did: string): string | undefined {
    const successors = this.#found.get(did);
    return successors?.size === 1 ? successors.keys().next().value : undefined;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDid(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  try {
    publicKeyOfDidKey(value);
    return true;
  } catch {
    return false;
  }
}
