import { CodedError } from '../errors';
import type { NetworkInfo } from '../ledger';
import { type Address, type BaseUnits, parsePayable } from '../values';
import type { PaymentOrigin } from './order';
import { type Contacts, resolvePayee } from './payees';
import { isRecordKey } from './payment-id';
import { divide, type Part, parseShare, type Split, splitsInvalid } from './splits';

/** An order whose fields are all understood; nothing about the account has been asked yet. */
export interface CheckedOrder {
  readonly paymentId: string | undefined;
  readonly to: Address;
  readonly amount: BaseUnits;
  readonly reference: string;
  /** Who gets what; together exactly `amount`. */
  readonly parts: readonly Part[];
  /** Everyone named, also who gets nothing after rounding: all must satisfy the policy. */
  readonly payees: readonly Address[];
  readonly origin: PaymentOrigin;
}

/** UTF-8 bytes that a reference may take: it travels in an output, whose deposit grows with every byte. */
export const LONGEST_REFERENCE = 1024;
const LONGEST_ID = 128;
const LONGEST_TOPIC = 4096;
const FIELDS = new Set(['to', 'amount', 'reference', 'paymentId', 'splits', 'origin']);

export interface OrderContext {
  readonly self: Address;
  readonly contacts: Contacts;
  readonly network: NetworkInfo;
}

/**
 * Parses an order in the order that contract.md "Amounts" prescribes: address, amount, paymentId; frozen, policy,
 * deposit and funds are the account's to judge.
 *
 * @throws CodedError `CONFIG_INVALID` (its `field` parameter names the field), `ADDRESS_INVALID`, `AMOUNT_INVALID`
 */
export function checkOrder(order: object, context: OrderContext): CheckedOrder {
  const fields = order as Readonly<Record<string, unknown>>;
  for (const [field, value] of Object.entries(fields)) {
    // Passing over what is not understood would pay without the condition that the flow asked for.
    if (!FIELDS.has(field) && value !== undefined && value !== null && value !== '')
      throw invalid(field, 'is not supported');
  }
  const { self, contacts, network } = context;
  const items = splitItems(fields.splits, network.maxOutputs);
  const to = payeeOf(fields.to, self, contacts, network);
  const splitPayees = items.map((item) => payeeOf(item.to, self, contacts, network));
  const amount = parsePayable(fields.amount, network.decimals);
  const splits = items.map((item, index) => splitOf(item, splitPayees[index] as Address, index, network));
  return {
    paymentId: paymentIdOf(fields.paymentId),
    to,
    amount,
    reference: referenceOf(fields.reference),
    parts: divide(to, amount, splits),
    payees: [to, ...splitPayees],
    origin: originOf(fields.origin),
  };
}

function payeeOf(to: unknown, self: Address, contacts: Contacts, network: NetworkInfo): Address {
  const address = resolvePayee(to, contacts, network.addressForm);
  if (address === self)
    throw new CodedError('ADDRESS_INVALID', 'self', 'a machine does not pay itself', { value: address });
  return address;
}

function splitItems(value: unknown, maxOutputs: number): Readonly<Record<string, unknown>>[] {
  if (value === undefined || value === null || value === '') return [];
  if (!Array.isArray(value)) throw splitsInvalid('is not a list', 'splits');
  // One output is the payee's, one our change.
  if (value.length > maxOutputs - 2) throw splitsInvalid(`more than ${maxOutputs - 2} payees`, 'splits');
  return value.map((item: unknown, index) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      throw splitsInvalid('is not an object', `splits[${index}]`);
    for (const field of Object.keys(item)) {
      if (field !== 'to' && field !== 'share' && field !== 'amount')
        throw splitsInvalid(`${field} is not supported`, `splits[${index}].${field}`);
    }
    return item as Readonly<Record<string, unknown>>;
  });
}

function splitOf(
  item: Readonly<Record<string, unknown>>,
  address: Address,
  index: number,
  network: NetworkInfo,
): Split {
  const { share, amount } = item;
  if ((share === undefined) === (amount === undefined))
    throw splitsInvalid('needs either share or amount', `splits[${index}]`);
  return {
    address,
    share:
      share === undefined
        ? { amount: parsePayable(amount, network.decimals) }
        : parseShare(share, `splits[${index}].share`),
  };
}

function paymentIdOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const id = textOf(value, 'paymentId');
  if (isRecordKey(id)) throw invalid('paymentId', 'begins with a control character');
  if (id.length > LONGEST_ID) throw invalid('paymentId', `is longer than ${LONGEST_ID} characters`);
  return id;
}

function referenceOf(value: unknown): string {
  if (value === undefined || value === null) return '';
  const reference = textOf(value, 'reference');
  if (Buffer.byteLength(reference) > LONGEST_REFERENCE)
    throw invalid('reference', `is longer than ${LONGEST_REFERENCE} bytes`);
  return reference;
}

/** Text, or a whole number as flows like to count their orders. */
function textOf(value: unknown, field: string): string {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  // A lone surrogate has no UTF-8 form, NUL none in the journal's tables.
  if (typeof text !== 'string' || text.includes('\0') || /\p{Surrogate}/u.test(text))
    throw invalid(field, 'is not text');
  return text;
}

function originOf(value: unknown): PaymentOrigin {
  if (typeof value !== 'object' || value === null) throw invalid('origin', 'is missing');
  const { nodeId, topic, messageId } = value as Readonly<Record<string, unknown>>;
  if (typeof nodeId !== 'string') throw invalid('origin', 'has no nodeId');
  return {
    nodeId,
    ...(isKept(topic) ? { topic } : {}),
    ...(isKept(messageId) ? { messageId } : {}),
  };
}

/** A topic of megabytes is not kept in the journal for ever, only to come back with a redelivered receipt. */
function isKept(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_TOPIC;
}

function invalid(field: string, what: string): CodedError {
  return new CodedError('CONFIG_INVALID', field, `${field} ${what}`, { field });
}
