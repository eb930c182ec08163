import { type BundleItem, readBundle } from '../evidence';
import { type ContractProblem, type ContractVerification, looksLikeContract, verifyContract } from '../market';
import { formatAmount } from '../values';

const [VALID, INVALID, COULD_NOT_TELL] = [0, 1, 2];
const MOST_PRINTED = 20;

export interface ContractsVerdict {
  readonly valid: boolean;
  readonly contracts: readonly ContractVerification[];
}

/** The contracts in a text (one, a list, or a line each); undefined when it holds something else. */
export function contractsIn(payload: Uint8Array): Iterable<BundleItem> | undefined {
  for (const first of itemsIn(payload)) {
    // From the beginning: what was looked at is read again.
    return isContract(first) ? itemsIn(payload) : undefined;
  }
  return undefined;
}

function itemsIn(payload: Uint8Array): Iterable<BundleItem> {
  const bundle = readBundle(payload);
  if (bundle.kind === 'several') return bundle.items;
  return bundle.kind === 'single' ? [bundle.item] : [];
}

function isContract(item: BundleItem): boolean {
  return !item.problem && looksLikeContract(item.document);
}

/** Exit code, what a person reads and what a program does. */
export function verifyContracts(
  items: Iterable<BundleItem>,
  trusted: readonly string[],
): { readonly code: number; readonly text: string; readonly verdict: ContractsVerdict } {
  const contracts = Array.from(items, (item) => verifyContract(item.problem ? undefined : item.document, trusted));
  const valid = contracts.every((contract) => contract.valid);
  const isNone = contracts.length === 1 && contracts[0]?.contract === null;
  const code = valid ? VALID : isNone ? COULD_NOT_TELL : INVALID;
  return { code, text: report(contracts, code), verdict: { valid, contracts } };
}

function report(contracts: readonly ContractVerification[], code: number): string {
  const headline = code === VALID ? 'VALID' : code === INVALID ? 'INVALID' : 'COULD NOT TELL';
  const [only] = contracts;
  if (contracts.length === 1 && only) return [`${headline}  ${summaryOf(only)}`, ...linesOf(only, ''), ''].join('\n');
  const bad = contracts.filter(({ valid }) => !valid).length;
  const summary = `${contracts.length} contracts${bad > 0 ? `, ${bad} of them not valid` : ''}`;
  const lines = contracts.flatMap((contract, index) => linesOf(contract, `contract ${index + 1}: `));
  return [`${headline}  ${summary}`, ...cut(lines), ''].join('\n');
}

function summaryOf({ contract }: ContractVerification): string {
  if (!contract) return 'no contract';
  const { contractId, status, side, buyer, seller, amount, decimals } = contract;
  const price = amount === null ? '' : ` for ${formatAmount(BigInt(amount), decimals)}`;
  const sides = seller === null ? `${buyer} found no seller` : `${buyer} from ${seller}`;
  return `${status}: ${sides}${price}, as its ${side} says; contract ${contractId}`;
}

function linesOf({ problems, warnings }: ContractVerification, which: string): string[] {
  const line = (prefix: string) => (problem: ContractProblem) => {
    const { message, code, position } = problem;
    return `  ${prefix}${which}${position === undefined ? '' : `message ${position + 1}: `}${message} (${code})`;
  };
  return cut([...problems.map(line('')), ...warnings.map(line('note: '))]);
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MOST_PRINTED) return [...lines];
  return [...lines.slice(0, MOST_PRINTED), `  and ${lines.length - MOST_PRINTED} more`];
}
