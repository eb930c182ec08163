import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  type BundleItem,
  MOST_CHARACTERS,
  type Problem,
  parseStrictJson,
  type RecordLedger,
  type Verification,
  verify,
} from '../evidence';
import { parseNodeUrl, RemoteLedger, SupervisedLedger } from '../ledger';
import { publicKeyOfDidKey } from '../values';
import { contractsIn, verifyContracts } from './verify-contracts';

export const VERIFY_USAGE = `Usage: machine-economy verify FILE [--trust DID ...] [--evidence FILE] [--succession FILE] [--ledger URL] [--json]

Verifies signed documents offline: one, or the text of many (JSON Lines, or a JSON list), each with or without its evidence
as { "document", "evidence" }. Or contracts of the marketplace: one, or the text of many. FILE may be - for the standard
input.
Exit code: 0 valid, 1 invalid, 2 could not tell.

  --trust       did:key whose signature counts; may be given more than once (default: anybody's, with a warning);
                of a contract both sides must be named
  --evidence    file with the evidence of a single document
  --succession  file with the statements by which machines handed over to their next keys
  --ledger      URL of a Tangle node: every document must also be on that ledger, with its evidence
  --json        prints the verdict as JSON
`;

const [VALID, INVALID, COULD_NOT_TELL] = [0, 1, 2];
const MOST_PRINTED = 20;

interface VerifyParameters {
  readonly file: string;
  readonly trusted: readonly string[];
  readonly evidence: string | undefined;
  readonly successions: string | undefined;
  readonly ledger: string | undefined;
  readonly json: boolean;
}

/** Something stood in the way of a verdict. */
class CouldNotTell extends Error {}

/** @returns the exit code: 0 valid, 1 invalid, 2 could not tell, or called wrongly */
export async function runVerify(parameters: readonly string[]): Promise<number> {
  try {
    const parsed = parse(parameters);
    if (!parsed) {
      process.stdout.write(VERIFY_USAGE);
      return VALID;
    }
    const payload = await contentOf(parsed.file);
    const contracts = contractsIn(payload);
    if (contracts) return judgeContracts(contracts, parsed);
    const verdict = await judge(payload, parsed);
    const code = exitCodeOf(verdict);
    process.stdout.write(parsed.json ? `${JSON.stringify(verdict)}\n` : report(verdict, code));
    return code;
  } catch (error) {
    process.stderr.write(`machine-economy verify: ${error instanceof Error ? error.message : String(error)}\n`);
    return COULD_NOT_TELL;
  }
}

/** @returns undefined when only an explanation is wanted */
function parse(parameters: readonly string[]): VerifyParameters | undefined {
  const one = { type: 'string' } as const;
  const many = { type: 'string', multiple: true } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    trust: many,
    evidence: one,
    succession: one,
    ledger: one,
    json: flag,
    help: { type: 'boolean', short: 'h' },
  } as const;
  const { values, positionals } = parsed(() => parseArgs({ args: [...parameters], options, allowPositionals: true }));
  if (values.help) return undefined;
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw wrong('give one FILE');
  const trusted = values.trust ?? [];
  for (const did of trusted) parsed(() => publicKeyOfDidKey(did));
  const { ledger } = values;
  if (ledger !== undefined) parsed(() => parseNodeUrl(ledger));
  const { evidence, succession: successions, json = false } = values;
  if ([file, evidence, successions].filter((name) => name === '-').length > 1) {
    throw wrong('only one file can be the standard input');
  }
  return { file, trusted, evidence, successions, ledger, json };
}

function parsed<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error));
  }
}

const wrong = (message: string) => new CouldNotTell(`${message}\n\n${VERIFY_USAGE}`);

async function judge(
  payload: Uint8Array,
  { evidence, successions, trusted, ledger }: VerifyParameters,
): Promise<Verification> {
  const request = {
    payload,
    trusted,
    requireAnchor: ledger !== undefined,
    ...(evidence !== undefined && { evidence: await evidenceIn(evidence) }),
    ...(successions !== undefined && { successions: await contentOf(successions) }),
  };
  return ledger === undefined ? verify(request) : withLedger(ledger, (records) => verify(request, { ledger: records }));
}

function judgeContracts(contracts: Iterable<BundleItem>, { trusted, json, ...given }: VerifyParameters): number {
  for (const option of ['evidence', 'successions', 'ledger'] as const) {
    // It would be passed over, and who asked for it would believe that it was looked at.
    if (given[option] === undefined) continue;
    throw new CouldNotTell(`contracts are verified without --${option === 'successions' ? 'succession' : option}`);
  }
  const { code, text, verdict } = verifyContracts(contracts, trusted);
  process.stdout.write(json ? `${JSON.stringify(verdict)}\n` : text);
  return code;
}

async function contentOf(file: string): Promise<Uint8Array> {
  try {
    return file === '-' ? await standardInput() : await readFile(file);
  } catch (error) {
    throw new CouldNotTell(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** It may have no end. */
async function standardInput(): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Uint8Array);
    length += (chunk as Uint8Array).length;
    if (length > MOST_CHARACTERS) throw new Error(`more than ${MOST_CHARACTERS} characters; verify it in parts`);
  }
  return Buffer.concat(chunks);
}

async function evidenceIn(file: string): Promise<unknown> {
  const content = await contentOf(file);
  try {
    return parseStrictJson(Buffer.from(content).toString('utf8'));
  } catch (error) {
    throw new CouldNotTell(`${file} holds no evidence: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function withLedger<T>(url: string, use: (ledger: RecordLedger) => Promise<T>): Promise<T> {
  const remote = new RemoteLedger();
  const worker = new SupervisedLedger({ workerPath: join(__dirname, 'stardust-worker.js'), workerData: { url } });
  try {
    worker.connect((port) => remote.use(port));
    return await use(remote.ledger);
  } finally {
    remote.close();
    await worker.close();
  }
}

/** Problems that say nothing about a document, only that there is none to be judged. */
const NO_DOCUMENT: ReadonlySet<string> = new Set<Problem['code']>([
  'BUNDLE_UNREADABLE',
  'BUNDLE_EMPTY',
  'BUNDLE_TOO_LARGE',
  'DOCUMENT_UNREADABLE',
  'DOCUMENT_UNSIGNED',
  'DOCUMENT_ENCRYPTED',
  'EVIDENCE_ALONE',
]);

function exitCodeOf({ valid, problems, signer, documents }: Verification): number {
  if (valid) return VALID;
  // Among good documents one that is none is damage; on its own it is something that we do not know.
  const isNone = signer === null && (documents?.signers.length ?? 0) === 0;
  if (isNone && problems.every(({ code }) => NO_DOCUMENT.has(code))) return COULD_NOT_TELL;
  return problems.every(({ code }) => code === 'ANCHOR_HISTORY_GONE') ? COULD_NOT_TELL : INVALID;
}

function report(verdict: Verification, code: number): string {
  const { problems, problemCount, warnings, warningCount } = verdict;
  const headline = code === VALID ? 'VALID' : code === INVALID ? 'INVALID' : 'COULD NOT TELL';
  return [
    `${headline}  ${summaryOf(verdict)}`,
    ...listed('', problems, problemCount),
    ...listed('note: ', warnings, warningCount),
    '',
  ].join('\n');
}

function summaryOf({ signer, signedAt, sequence, anchored, anchoredAt, documents }: Verification): string {
  const onLedger = anchored ? `, on the ledger since ${anchoredAt}` : '';
  if (documents) {
    const { count, firstSignedAt, lastSignedAt, signers } = documents;
    const dates = firstSignedAt === null ? '' : `, from ${firstSignedAt} to ${lastSignedAt}`;
    return `${count} documents signed by ${signers.join(', ') || 'nobody'}${dates}${onLedger}`;
  }
  if (signer === null) return 'no document with a good signature';
  const place = sequence === null ? '' : `, document ${sequence} of its log`;
  return `signed by ${signer}${signedAt === null ? '' : ` at ${signedAt}`}${place}${onLedger}`;
}

function listed(prefix: string, problems: readonly Problem[], count: number): string[] {
  const shown = problems.slice(0, MOST_PRINTED).map(({ code, message, document }) => {
    const which = document === undefined ? '' : `document ${document + 1}: `;
    return `  ${prefix}${which}${message} (${code})`;
  });
  return count > shown.length ? [...shown, `  ${prefix}and ${count - shown.length} more`] : shown;
}
