import { CodedError, isCodedError } from '../errors';
import type { PaymentPart } from '../ledger';
import type { Engine } from './engine';
import type { CheckedOrder } from './order-check';

const RESTART_PAUSE_MS = 500;
const RESTART_TRIES = 20;

/** @throws CodedError `DEPOSIT_TOO_SMALL` for a payee who gets less than the ledger keeps as an output */
export async function assertDeposits({ parts, reference }: CheckedOrder, engine: Engine): Promise<void> {
  const wanted = parts.map(({ address, amount }) => ({ to: address, amount, reference }));
  const minimums = await minimumAmounts(wanted, engine);
  for (const [index, { to, amount }] of wanted.entries()) {
    const minimum = minimums[index] ?? 1n;
    if (amount >= minimum) continue;
    throw new CodedError('DEPOSIT_TOO_SMALL', 'default', `${to} must get at least ${minimum} on this ledger`, {
      payee: to,
      amount: amount.toString(),
      minimum: minimum.toString(),
    });
  }
}

/** A ledger whose thread or node restarts is back in moments: no reason to refuse an order. */
async function minimumAmounts(wanted: readonly PaymentPart[], engine: Engine): Promise<bigint[]> {
  const { clock } = engine.ports;
  for (let tries = 1; ; tries += 1) {
    try {
      return await engine.compute((ledger) => ledger.minimumAmounts(wanted));
    } catch (error) {
      if (!isCodedError(error, 'LEDGER_UNREACHABLE') || tries === RESTART_TRIES) throw error;
      await new Promise<void>((resume) => clock.after(RESTART_PAUSE_MS, resume));
      engine.assertOpen();
    }
  }
}

/** What speaks against this amount in the account, beside everything accepted before. */
export function fundsMissing({ amount }: CheckedOrder, { book, ports }: Engine): CodedError | undefined {
  const available = book.unspentSum(true).amount - book.reserved();
  const left = available - amount;
  if (left === 0n || (left > 0n && left >= ports.network.minimumChange)) return undefined;
  const parameters = { available: (available > 0n ? available : 0n).toString(), amount: amount.toString() };
  return left < 0n
    ? new CodedError(
        'FUNDS_INSUFFICIENT',
        'default',
        `${parameters.available} available, ${parameters.amount} needed`,
        parameters,
      )
    : new CodedError('FUNDS_INSUFFICIENT', 'change', 'what would be left is less than the ledger keeps as an output', {
        ...parameters,
        minimumChange: ports.network.minimumChange.toString(),
      });
}
