import type { JournalEvent, Sql } from '../../journal';
import type { Receipt } from '../../payments';

/** `agreed`: money that the contract had counted. `excess`: money that was never asked for. */
export type RefundKind = 'agreed' | 'excess';

/** What a seller writes of money that came in for its contracts. Amounts are decimal strings of base units. */
export type MoneyEvents = {
  'contract-money.received': {
    readonly network: string;
    readonly contractId: string;
    readonly eventId: string;
    readonly transactionId: string;
    readonly payer: string | null;
    readonly amount: string;
    /** How much of it the contract asked for. */
    readonly counted: string;
    readonly at: string;
  };
  'refund.owed': {
    readonly network: string;
    readonly contractId: string;
    readonly eventId: string;
    readonly paymentId: string;
    readonly kind: RefundKind;
    readonly amount: string;
  };
  /** It is on the ledger for good. */
  'refund.paid': { readonly network: string; readonly paymentId: string; readonly receipt: Receipt };
};

type Handlers = { readonly [T in keyof MoneyEvents]: (body: MoneyEvents[T], event: JournalEvent, sql: Sql) => void };

export const MONEY_HANDLERS: Handlers = {
  'contract-money.received'({ network, contractId, eventId, transactionId, payer, amount, counted, at }, _event, sql) {
    if (BigInt(counted) > BigInt(amount)) throw new Error('more counts than came in');
    sql.run('INSERT INTO contract_money VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [
      network,
      eventId,
      contractId,
      transactionId,
      payer,
      BigInt(amount),
      BigInt(counted),
      at,
    ]);
  },

  'refund.owed'({ network, contractId, eventId, paymentId, kind, amount }, _event, sql) {
    const money = sql.get('SELECT contract_id, payer, amount FROM contract_money WHERE network = ? AND event_id = ?', [
      network,
      eventId,
    ]);
    const owed = sql.get('SELECT sum(amount) AS owed FROM refunds WHERE network = ? AND event_id = ?', [
      network,
      eventId,
    ]);
    // Whatever asks for it: never more than came in, and only for what did.
    const most =
      money?.['contract_id'] === contractId && money['payer'] !== null
        ? BigInt(money['amount'] as number | bigint)
        : 0n;
    const sum = BigInt((owed?.['owed'] ?? 0) as number | bigint) + BigInt(amount);
    if (BigInt(amount) <= 0n || sum > most) throw new Error('more would go back than came in');
    sql.run(
      'INSERT INTO refunds (network, payment_id, event_id, contract_id, kind, amount) VALUES (?, ?, ?, ?, ?, ?)',
      [network, paymentId, eventId, contractId, kind, BigInt(amount)],
    );
  },

  'refund.paid'({ network, paymentId, receipt }, _event, sql) {
    sql.run('UPDATE refunds SET receipt = ? WHERE network = ? AND payment_id = ? AND receipt IS NULL', [
      JSON.stringify(receipt),
      network,
      paymentId,
    ]);
  },
};
