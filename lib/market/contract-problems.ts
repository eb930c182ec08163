/** What can be wrong with a contract that somebody shows, as data: a code is never renamed or reused. */
export const CONTRACT_PROBLEMS = {
  CONTRACT_UNREADABLE: 'This is not a contract: __reason__.',
  MESSAGE_INVALID: 'It is not a signed message of the marketplace, or it was changed (__reason__).',
  MESSAGE_TWICE: 'The same message is there more than once.',
  MESSAGE_NETWORK: 'The message belongs to another network than the contract.',
  MESSAGE_CONTRACT: 'The message belongs to another contract.',
  MESSAGE_ROLE: 'A message "__type__" is not for its sender to send, or not to this one.',
  CALL_MISSING: 'The call that the contract is named after is not among the messages.',
  CHAIN_BROKEN: 'The message "__type__" answers nothing that its receiver had sent to its sender.',
  ADDRESS_FOREIGN: 'The address of the __side__ is not that of its did.',
  TERMS_DIFFER: 'The contract says another __term__ than the signed messages.',
  AGREEMENT_MISSING: 'There is no proposal that buyer and seller have both accepted.',
  RECEIPT_PAYEE: 'The receipt is of a payment to somebody else, or from somebody else.',
  RECEIPT_AMOUNT: 'The receipt is over __amount__, and not over what was agreed.',
  RECEIPT_REFERENCE: 'The receipt is of a payment for something else: its reference is not that of the contract.',
  RECEIPT_NETWORK: 'The receipt is from another network, or in another token.',
  RECEIPT_MISSING: 'There is no receipt of the payment.',
  VERDICT_UNSUPPORTED: 'The messages and receipts do not support that it is "__status__".',
  PARTY_UNTRUSTED: 'The __side__, __did__, is not trusted.',
} as const;

/** What could not be told offline; a valid contract may have these. */
export const CONTRACT_WARNINGS = {
  LEDGER_NOT_ASKED: 'The receipts are not signed: the ledger has the payments, in __transactions__. It was not asked.',
  BUYER_SILENT: 'The buyer has not confirmed it: that it was paid and delivered is said by the seller only.',
  REFUND_UNSAID: 'That the money came back is said by the buyer only: the ledger knows.',
  REFUND_ELSEWHERE: 'Money went back to somebody who is not the buyer: to whom it had come from.',
} as const;

export type ContractProblemCode = keyof typeof CONTRACT_PROBLEMS;
export type ContractWarningCode = keyof typeof CONTRACT_WARNINGS;

type Parameters = Readonly<Record<string, string>>;

export interface ContractProblem {
  readonly code: ContractProblemCode | ContractWarningCode;
  /** English. */
  readonly message: string;
  /** Position among the contract's messages, from 0. */
  readonly position?: number;
  readonly parameters: Parameters;
}

export function contractProblem(
  code: ContractProblemCode,
  parameters: Parameters = {},
  position?: number,
): ContractProblem {
  return sentence(code, CONTRACT_PROBLEMS[code], parameters, position);
}

export function contractWarning(code: ContractWarningCode, parameters: Parameters = {}): ContractProblem {
  return sentence(code, CONTRACT_WARNINGS[code], parameters, undefined);
}

const LONGEST_SHOWN = 200;

function sentence(
  code: ContractProblem['code'],
  template: string,
  raw: Parameters,
  position: number | undefined,
): ContractProblem {
  // They come from a file that anyone may have written, and end up in a terminal.
  const parameters = Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [
      name,
      value.slice(0, LONGEST_SHOWN).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}<>&]/gu, '·'),
    ]),
  );
  const message = template.replace(/__(\w+?)__/g, (_, name: string) => parameters[name] ?? '');
  return { code, message, ...(position !== undefined && { position }), parameters };
}
