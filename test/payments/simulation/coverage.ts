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
      count(type);
      switch (type) {
        case 'attempt.signed':
          if (payments.length === 0) count('merge of outputs');
          if (payments.length > 1) count('payments coalesced');
          if (payments.some((id) => signedOnce.has(id))) count('replacement');
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
    for (const { outcome } of machine.orders) count(`order ${outcome ?? 'open'}`);
  }
  return seen;
}
