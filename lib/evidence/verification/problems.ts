/**
 * Everything that verification can find wrong, and everything that it could not tell, as data: nodes translate the codes, flows
 * route on them, and a code is never renamed or reused. `__name__` in a sentence stands for a parameter.
 */
export const PROBLEMS = {
  // What was handed in
  BUNDLE_UNREADABLE: 'This is neither a signed document nor a text of signed documents: __reason__.',
  BUNDLE_EMPTY: 'There is no document in it.',
  BUNDLE_TOO_LARGE: 'That is more than can be verified at once: __size__, at most __limit__. Verify it in parts.',
  DOCUMENT_UNREADABLE: 'The document cannot be read: __reason__.',
  DOCUMENT_UNSIGNED: 'The document is not signed: it has no "proof", and it is no compact JWS.',
  DOCUMENT_ENCRYPTED: 'The document is encrypted. One of its readers must decrypt it first.',
  EVIDENCE_ALONE: 'This is evidence without its document. Give both.',

  // Signatures
  SIGNATURE_UNREADABLE: 'The document has a signature of a kind or form that is not known: __reason__.',
  PAYLOAD_CHANGED: 'The signature of __signer__ does not fit the document: one of the two was changed.',
  SIGNATURE_EXPIRED: 'The signature of __signer__ was good until __expiresAt__ only.',
  CONTEXT_UNSIGNED: 'Something was added to the "@context" of the document that no signature covers.',
  SIGNER_UNTRUSTED: 'The document is signed by __signer__, who is not trusted.',

  // Evidence and checkpoints
  EVIDENCE_UNREADABLE: 'The evidence cannot be read: __reason__.',
  EVIDENCE_OF_ANOTHER_MACHINE: 'The evidence is from the log of __origin__, the document is signed by __signer__.',
  EVIDENCE_OF_ANOTHER_DOCUMENT: 'The evidence is of document __index__ of the log, this is document __sequence__.',
  PROOF_BROKEN:
    'The proof does not lead from this document, number __index__, to the checkpoint of size __size__: it was changed, or it is of another document.',
  CHECKPOINT_UNREADABLE: 'The checkpoint in the evidence cannot be read: __reason__.',
  CHECKPOINT_SIGNATURE_INVALID: 'The signature of the checkpoint in the evidence is not that of the machine it names.',
  CHECKPOINT_CONFLICT:
    'The machine __origin__ keeps two histories: its checkpoints of size __size__ and __otherSize__ contradict each other.',

  // The ledger
  ANCHOR_MISSING: 'There is no evidence that the document is on a ledger.',
  ANCHOR_UNCHECKED:
    'According to the evidence, the checkpoint is in transaction __transactionId__ of __network__. No ledger was asked.',
  ANCHOR_NETWORK: 'The evidence names the network __network__, the ledger that was asked is __ledger__.',
  ANCHOR_NOT_FOUND: 'The ledger does not know the transaction __transactionId__ that the evidence names.',
  ANCHOR_DIFFERS: 'The transaction __transactionId__ is on the ledger, but the checkpoint is not in it.',
  ANCHOR_AUTHOR: 'The checkpoint was put on the ledger by __author__, and not by its machine __expected__.',
  ANCHOR_TAG: 'The checkpoint is on the ledger under the tag __tag__, the evidence names __claimed__.',
  ANCHOR_TIME: 'The checkpoint is on the ledger since __confirmedAt__, the evidence claims __claimed__.',
  ANCHOR_HEIGHT: 'The checkpoint is on the ledger at height __height__, the evidence claims __claimed__.',
  LEDGER_FORK:
    'The machine __origin__ has __heads__ newest checkpoints on the ledger: somebody keeps a second history with its key.',
  ANCHOR_HISTORY_GONE:
    'The ledger has forgotten what was in transaction __transactionId__. Ask a node that keeps the whole history.',

  // Documents of one log that were given together
  SEQUENCE_GAP: 'In the log of __log__, __missing__ documents are missing between __after__ and __before__.',
  SEQUENCE_ORDER: 'Document __sequence__ of the log of __log__ stands behind document __after__.',
  SEQUENCE_DUPLICATE: 'Document __sequence__ of the log of __log__ is there more than once.',
  SEQUENCE_CONFLICT: 'The machine __log__ has signed two different documents as number __sequence__ of its log.',
  CLOCK_BACKWARDS:
    'Document __sequence__ of the log of __log__ is dated __signedAt__, and document __after__ before it __previous__.',

  // Successors
  SUCCESSION_INVALID: 'A statement of succession is not valid: __reason__.',
  SUCCESSION_FORK:
    'The machine __predecessor__ has named two successors, __successor__ and __other__: neither is believed.',
  SUCCESSION_CYCLE: 'The machine __did__ is its own successor in the end.',
  SIGNED_AFTER_SUCCESSION:
    'The document is signed by __predecessor__ after it had handed over to __successor__ with document __sequence__.',
} as const;

/** What could not be told, or what a person should know; a valid document may have these. */
export const WARNINGS = {
  SIGNER_UNCHECKED: 'No trusted signers are named: anyone may have signed this.',
  ANCHOR_UNCHECKED: PROBLEMS.ANCHOR_UNCHECKED,
  ANCHOR_HISTORY_GONE: PROBLEMS.ANCHOR_HISTORY_GONE,
  HISTORY_ELSEWHERE:
    'The record is not among those that lead to the newest one of __origin__: whether there is another checkpoint of size __size__ on the ledger could not be told.',
  HISTORY_FORGOTTEN:
    'The ledger has forgotten older records of __origin__: whether there is another checkpoint of size __size__ could not be told.',
  HISTORY_TOO_LONG:
    'Since then __origin__ has put more records on the ledger than are walked back: whether there is another checkpoint of size __size__ could not be told.',
  SEQUENCE_MISSING: 'The document does not say which place it has in a log: a missing document would not be noticed.',
  LOG_BEGINS_EARLIER: 'The log of __log__ has __missing__ documents before the first one here.',
  LOG_GOES_ON: 'The log of __log__ has at least __missing__ documents after the last one here.',
  CLOCK_AHEAD:
    'The document is dated __signedAt__, but its checkpoint is on the ledger since __anchoredAt__: the clock of the machine is wrong.',
  EVIDENCE_IGNORED:
    'Evidence was given beside documents that bring their own, or beside several documents: it was not used.',
} as const;

export type ProblemCode = keyof typeof PROBLEMS;
export type WarningCode = keyof typeof WARNINGS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as readonly ProblemCode[];
export const WARNING_CODES = Object.keys(WARNINGS) as readonly WarningCode[];

export type ProblemParameters = Readonly<Record<string, string | number>>;

export interface Problem {
  readonly code: ProblemCode | WarningCode;
  /** English; nodes translate by code and parameters. */
  readonly message: string;
  /** Position of the document among those given together, from 0. */
  readonly document?: number;
  readonly parameters: ProblemParameters;
}

export const problem = (code: ProblemCode, parameters: ProblemParameters = {}, document?: number): Problem =>
  sentence(code, PROBLEMS[code], parameters, document);

export const warning = (code: WarningCode, parameters: ProblemParameters = {}, document?: number): Problem =>
  sentence(code, WARNINGS[code], parameters, document);

function sentence(
  code: ProblemCode | WarningCode,
  template: string,
  raw: ProblemParameters,
  document: number | undefined,
): Problem {
  const parameters = Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [name, typeof value === 'string' ? shown(value) : value]),
  );
  const message = template.replace(/__(\w+?)__/g, (_, name: string) => String(parameters[name] ?? ''));
  return { code, message, ...(document !== undefined && { document }), parameters };
}

const LONGEST_SHOWN = 200;

/** Parameters come from documents that anyone may have written, and end up in terminals and on pages. */
function shown(text: string): string {
  const plain = text.slice(0, LONGEST_SHOWN).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}<>&]/gu, '·');
  return text.length > LONGEST_SHOWN ? `${plain}…` : plain;
}
