import { isRecordKey } from '../../../lib/payments/payment-id';
import type { SimulatedMachine } from './machine';

interface AttemptBody {
  readonly transactionId?: string;
  readonly paymentId?: string;
  readonly payments?: readonly string[];
  readonly inputs?: readonly string[];
  readonly reason?: string;
}

/** Counts what the machines' journals went through. */
export function eventsSeen(machines: readonly SimulatedMachine[]): Record<string, number> {
  const seen: Record<string, number> = {};
  const count = (what: string) => {
    seen[what] = (seen[what] ?? 0) + 1;
  };
  for (const machine of machines) {
    const open = new Set<string>();
    const signedOnce = new Set<string>();
    const dead = new Set<string>();
    for (const row of machine.journal?.sql.all('SELECT type, body FROM journal_event ORDER BY sequence') ?? []) {
      const type = String(row.type);
      const { transactionId = '', payments = [], reason } = JSON.parse(String(row.body)) as AttemptBody;
      const records = payments.filter(isRecordKey);
      const paid = payments.filter((id) => !isRecordKey(id));
      count(type);
      switch (type) {
        case 'attempt.signed':
          if (payments.length === 0) count('merge of outputs');
          if (paid.length > 1) count('payments coalesced');
          if (records.length > 0) count(paid.length > 0 ? 'record along with payments' : 'record by itself');
          if (records.some((id) => signedOnce.has(id))) count('record signed anew');
          if (paid.some((id) => signedOnce.has(id))) count('replacement');
          if (dead.has(transactionId)) count('the same transaction revived');
          if (open.size > 0) count('signed beside an attempt in doubt');
          for (const id of payments) signedOnce.add(id);
          open.add(transactionId);
          break;
        case 'attempt.dead':
          count(`dead: ${reason}`);
          dead.add(transactionId);
          open.delete(transactionId);
          break;
        case 'attempt.final':
          if (dead.has(transactionId)) count('final after it was called dead');
          open.delete(transactionId);
      }
    }
    for (const reports of machine.witnessed.receipts.values()) if (reports.length > 1) count('receipt reported again');
    for (const deliveries of machine.witnessed.received.values())
      if (deliveries.length > 1) count('payment received told again');
    for (const reports of machine.witnessed.records.values()) if (reports.length > 1) count('record told again');
    for (let waits = machine.witnessed.waits; waits > 0; waits -= 1) count('record waits for money');
    for (const { outcome } of machine.orders) count(`order ${outcome ?? 'open'}`);
  }
  return seen;
}
