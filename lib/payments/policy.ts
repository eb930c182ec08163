import { CodedError } from '../errors';
import type { NetworkInfo } from '../ledger';
import { type Address, type BaseUnits, formatAmount, parseAmount } from '../values';
import type { BudgetTime } from './budget-clock';
import { type Contacts, objectOf, resolvePayee } from './payees';

/** How long a rolling budget looks back, in milliseconds; `total` never forgets. */
const WINDOWS = { '1h': 3_600_000, '24h': 86_400_000, '30d': 2_592_000_000, total: undefined } as const;
export type BudgetWindow = keyof typeof WINDOWS;

export interface Budget {
  readonly amount: BaseUnits;
  readonly window: BudgetWindow;
}

/** What a machine may pay by itself. What is not allowed here is denied. */
export interface Policy {
  readonly maxPerPayment: BaseUnits | undefined;
  readonly budgets: readonly Budget[];
  /** `'*'`: anyone. */
  readonly payees: ReadonlySet<Address> | '*';
}

const DENY_ALL: Policy = { maxPerPayment: undefined, budgets: [], payees: new Set() };

/**
 * Parses the `policy` property of a machine. Strict: a field that is misspelt or that this version does not know must
 * not silently be no limit.
 *
 * @throws CodedError `CONFIG_INVALID`, its detail and `field` parameter name the field
 */
export function parsePolicy(value: unknown, contacts: Contacts, network: NetworkInfo): Policy {
  const fields = objectOf(value, 'policy');
  for (const field of Object.keys(fields)) {
    if (field !== 'maxPerPayment' && field !== 'budgets' && field !== 'payees')
      throw invalid(field, 'is not supported');
  }
  const { maxPerPayment, budgets, payees } = fields;
  return {
    ...DENY_ALL,
    ...(maxPerPayment === undefined ? {} : { maxPerPayment: amountOf(maxPerPayment, 'maxPerPayment', network) }),
    ...(budgets === undefined ? {} : { budgets: parseBudgets(budgets, network) }),
    ...(payees === undefined ? {} : { payees: parsePayees(payees, contacts, network) }),
  };
}

function parseBudgets(value: unknown, network: NetworkInfo): Budget[] {
  if (!Array.isArray(value)) throw invalid('budgets', 'is not a list');
  const seen = new Set<string>();
  return value.map((item: unknown, index) => {
    const field = `budgets[${index}]`;
    if (typeof item !== 'object' || item === null) throw invalid(field, 'is not an object');
    const { amount, window, ...rest } = item as Record<string, unknown>;
    for (const other of Object.keys(rest)) throw invalid(`${field}.${other}`, 'is not supported');
    if (typeof window !== 'string' || !Object.hasOwn(WINDOWS, window))
      throw invalid(`${field}.window`, 'is none of 1h, 24h, 30d, total');
    if (seen.has(window)) throw invalid(`${field}.window`, 'appears twice');
    seen.add(window);
    return { amount: amountOf(amount, `${field}.amount`, network), window: window as BudgetWindow };
  });
}

function parsePayees(value: unknown, contacts: Contacts, network: NetworkInfo): Policy['payees'] {
  if (!Array.isArray(value)) throw invalid('payees', 'is not a list');
  if (value.includes('*')) return '*';
  return new Set(
    value.map((payee: unknown, index) => {
      try {
        return resolvePayee(payee, contacts, network.addressForm);
      } catch {
        throw invalid(`payees[${index}]`, 'is no contact, did:key or address of this network');
      }
    }),
  );
}

function amountOf(value: unknown, field: string, network: NetworkInfo): BaseUnits {
  try {
    return parseAmount(value, network.decimals);
  } catch {
    throw invalid(field, 'is not an amount');
  }
}

function invalid(field: string, what: string): CodedError {
  return new CodedError('CONFIG_INVALID', field.replace(/\[.*/, ''), `policy: ${field} ${what}`, {
    field: `policy.${field}`,
  });
}

export interface PolicyQuestion {
  readonly payees: readonly Address[];
  readonly amount: BaseUnits;
  /** Budget time, see {@link BudgetClock}. */
  readonly at: BudgetTime;
}

/** What a window has already reserved: looked up in the book unless a test says otherwise. */
export type ReservedSince = (after: BudgetTime | undefined) => BaseUnits;

/**
 * Judges one payment. Belongs into the very write that appends its intent: then a hundred messages at once cannot all
 * find the same budget untouched.
 *
 * @throws CodedError `POLICY_PAYEE`, `POLICY_PAYMENT_LIMIT`, `POLICY_BUDGET`
 */
export function judge(policy: Policy, question: PolicyQuestion, reservedSince: ReservedSince, decimals: number): void {
  for (const payee of question.payees) {
    if (policy.payees === '*' || policy.payees.has(payee)) continue;
    throw new CodedError('POLICY_PAYEE', 'default', `the policy does not allow payments to ${payee}`, { payee });
  }
  const { amount } = question;
  if (policy.maxPerPayment !== undefined && amount > policy.maxPerPayment) {
    const limit = formatAmount(policy.maxPerPayment, decimals);
    throw new CodedError('POLICY_PAYMENT_LIMIT', 'default', `more than the policy allows for one payment (${limit})`, {
      amount: formatAmount(amount, decimals),
      limit,
    });
  }
  if (policy.budgets.length === 0) throw new CodedError('POLICY_BUDGET', 'none', 'the policy has no budget');
  for (const { budget, left } of remaining(policy, question.at, reservedSince)) {
    if (amount <= left) continue;
    const parameters = {
      window: budget.window,
      amount: formatAmount(amount, decimals),
      left: formatAmount(left, decimals),
    };
    throw new CodedError(
      'POLICY_BUDGET',
      'default',
      `${parameters.left} left in the budget of ${budget.window}`,
      parameters,
    );
  }
}

/** What every budget still has. */
export function remaining(
  policy: Policy,
  at: BudgetTime,
  reservedSince: ReservedSince,
): { readonly budget: Budget; readonly left: BaseUnits }[] {
  return policy.budgets.map((budget) => {
    const length = WINDOWS[budget.window];
    const left =
      budget.amount -
      reservedSince(length === undefined ? undefined : { ledger: at.ledger - length, system: at.system - length });
    return { budget, left: left > 0n ? left : 0n };
  });
}
