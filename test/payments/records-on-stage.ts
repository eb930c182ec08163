import { CodedError } from '../../lib/errors';
import type { TransactionRequest } from '../../lib/ledger';
import type { Stage } from './stage';

export const UNREACHABLE = new CodedError('LEDGER_UNREACHABLE', 'timeout', 'no answer');
export const EXPIRING = { epochLength: 4, network: { protocol: 'iota', addressForm: { kind: 'hex' } } } as const;
/** Record outputs hold 10 and one more for every 8 bytes; change is at least 10. */
export const DEPOSITS = { deposit: 10n };
/** Bytes whose record, tagged `log`, needs a deposit of 20. */
export const TEXT = 'checkpoint'.padEnd(77, '.');
export const LONGER = 'checkpoint'.padEnd(117, '.'); // 25
export const SHORTER = 'checkpoint'.padEnd(37, '.'); // 15

interface Signed {
  readonly transactionId: string;
  readonly payments: string[];
  readonly inputs: string[];
}

export const lost = (method: string) => (method === 'submit' ? UNREACHABLE : undefined);
export const liar = (method: string) =>
  method === 'outcome' ? { state: 'dead', height: 9, conflictingId: null, reason: 'lie', node: 'liar' } : undefined;
export const withRecords = (method: string, [request]: readonly unknown[]) =>
  method === 'prepare' && (request as TransactionRequest).records.length > 0;

/** Asks for records on a stage, and looks at what became of them. Most tests open their own: so it is asked for each time. */
export function recordsOn(stage: () => Stage) {
  const record = (recordId: string, text = TEXT, tag = 'log') =>
    stage().soon(stage().account.record({ recordId, tag: Buffer.from(tag), bytes: Buffer.from(text) }));
  const told = () => stage().signals.flatMap((signal) => ('record' in signal ? [signal] : []));
  const signed = () => stage().journalled('attempt.signed') as Signed[];
  const state = (recordId: string) => stage().stateOf(`\u0001${recordId}`);
  /** What the ledger holds of records, spent or not, in the order in which it came there. */
  const onLedger = () =>
    [...stage().truth.outputs.values()].flatMap((output) =>
      output.record && output.to === stage().self
        ? [{ ...output, text: Buffer.from(output.record.bytes, 'hex').toString() }]
        : [],
    );
  const heads = () => onLedger().filter(({ outputId }) => !stage().truth.spent.has(outputId));
  /** The record is made, on the ledger, and whoever wanted it knows. */
  async function made(recordId: string, text = TEXT): Promise<void> {
    await record(recordId, text);
    await stage().pass(500);
    await stage().milestone();
    await stage().soon(stage().account.recordReported(recordId));
  }
  /** Somebody pays the machine. */
  function arrives(amount: bigint): void {
    stage().truth.advance(
      stage().timeline.now(),
      () => true,
      () => false,
    );
    stage().truth.mint(stage().self, amount);
    stage().account.wake(stage().truth.height);
  }

  return { record, told, signed, state, onLedger, heads, made, arrives };
}
