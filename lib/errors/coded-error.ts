/**
 * Every code a flow may see in `msg.error.code`. Flows in the wild route on these: a code is never renamed or reused.
 */
export const ERROR_CODES = [
  'CONFIG_INVALID',
  'KEY_MISSING',
  'KEY_LOCKED',
  'FROZEN',
  'AMOUNT_INVALID',
  'ADDRESS_INVALID',
  'POLICY_PAYMENT_LIMIT',
  'POLICY_BUDGET',
  'POLICY_PAYEE',
  'FUNDS_INSUFFICIENT',
  'DEPOSIT_TOO_SMALL',
  'PAYMENT_MISMATCH',
  'PAYMENT_FAILED',
  'PAYMENT_UNKNOWN',
  'LIVE_MONEY_OFF',
  'LEDGER_UNREACHABLE',
  'LEDGER_WRONG_NETWORK',
  'LEDGER_OUT_OF_SYNC',
  'JOURNAL_DAMAGED',
  'HISTORY_PRUNED',
  'SCHEMA_INVALID',
  'DATA_NOT_CANONICAL',
  'DATA_TOO_LARGE',
  'SIGNATURE_INVALID',
  'EVIDENCE_INVALID',
  'BACKLOG_FULL',
  'OFFER_EXPIRED',
  'NO_PROPOSAL',
  'DELIVERY_LATE',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

/** Values that a translated message names. Never a secret, never text that came from outside unchecked. */
export type ErrorParameters = Readonly<Record<string, string | number>>;

/**
 * The one error that crosses our boundaries: worker to main thread, runtime to node, node to Catch.
 *
 * `code` is what a flow routes on; `detail` picks the sentence that says what to do (`errors.<code>.<detail>` in the
 * locale catalogues, `errors.<code>.default` without one); `message` is the English fallback for logs.
 */
export class CodedError extends Error {
  override readonly name = 'CodedError';

  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    message: string,
    readonly parameters: ErrorParameters = {},
    options: { cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

export function isCodedError(value: unknown, code?: ErrorCode): value is CodedError {
  return value instanceof CodedError && (code === undefined || value.code === code);
}
