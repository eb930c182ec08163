import contractSchema from '../../schemas/contract.json';
import { isCodedError } from '../errors';
import { compileSchema } from '../evidence';
import type { Receipt } from '../payments/order';
import { type AddressForm, hashOfAddress } from '../values';
import {
  type ContractProblem,
  type ContractProblemCode,
  type ContractWarningCode,
  contractProblem,
  contractWarning,
} from './contract-problems';
import { Conversation } from './conversation';
import type { Contract } from './market-order';
import { addressOfDid, excessReferenceOf, referenceOf, refundReferenceOf } from './messages/names';
import { amountFor, compareQuantities } from './quantity';

export interface ContractVerification {
  /** True exactly if there is no problem. */
  readonly valid: boolean;
  /** Null where that could not be read. */
  readonly contract:
    | (Pick<Contract, 'contractId' | 'status' | 'side' | 'service' | 'amount' | 'token' | 'decimals'> & {
        readonly buyer: string;
        readonly seller: string | null;
      })
    | null;
  readonly problems: readonly ContractProblem[];
  readonly warnings: readonly ContractProblem[];
}

/** Whether somebody who reads this means a contract, good or bad. */
export function looksLikeContract(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || 'proof' in value) return false;
  return 'contractId' in value && 'status' in value && Array.isArray((value as { messages?: unknown }).messages);
}

/**
 * Whether a contract is what its messages say: who said what, to whom, in answer to what, and whether that and the receipts
 * support its verdict. Needs nobody and no network; what only the ledger knows is among the warnings.
 *
 * @param value plain data from outside
 * @param trusted dids that both sides must be among; none: anybody
 */
export function verifyContract(value: unknown, trusted: readonly string[] = []): ContractVerification {
  try {
    checkForm(value);
  } catch (error) {
    const reason = isCodedError(error) ? error.message : 'it is no plain data';
    return {
      valid: false,
      contract: null,
      problems: [contractProblem('CONTRACT_UNREADABLE', { reason })],
      warnings: [],
    };
  }
  const verifier = new ContractVerifier(value as Contract);
  verifier.verify(trusted);
  const { problems, warnings } = verifier;
  const { contractId, status, side, service, amount, token, decimals, buyer, seller } = value as Contract;
  const contract = { contractId, status, side, service, amount, token, decimals };
  return {
    valid: problems.length === 0,
    contract: { ...contract, buyer: buyer.did, seller: seller?.did ?? null },
    problems,
    warnings,
  };
}

let check: ((value: unknown) => void) | undefined;

function checkForm(value: unknown): void {
  check ??= compileSchema(contractSchema);
  check(value);
}

class ContractVerifier {
  readonly problems: ContractProblem[] = [];
  readonly warnings: ContractProblem[] = [];

  constructor(private readonly contract: Contract) {}

  verify(trusted: readonly string[]): void {
    const { buyer, seller } = this.contract;
    this.#party('buyer', buyer, trusted);
    if (seller) this.#party('seller', seller, trusted);
    const said = new Conversation(this.contract, (code, parameters, position) =>
      this.#problem(code, parameters, position),
    );
    const agreed = seller && said.agreementWith(seller.did);
    this.#terms(said, agreed);
    for (const receipt of this.contract.receipts) this.#receipt(receipt);
    if (!this.#isSupported(said, agreed !== null && agreed !== undefined))
      this.#problem('VERDICT_UNSUPPORTED', { status: this.contract.status });
    const transactions = this.contract.receipts.map(({ transactionId }) => transactionId);
    if (transactions.length > 0) this.#warn('LEDGER_NOT_ASKED', { transactions: transactions.join(', ') });
  }

  #party(side: 'buyer' | 'seller', { did, address }: Contract['buyer'], trusted: readonly string[]): void {
    if (!isAddressOf(address, did)) this.#problem('ADDRESS_FOREIGN', { side });
    if (trusted.length > 0 && !trusted.includes(did)) this.#problem('PARTY_UNTRUSTED', { side, did });
  }

  /** Everything that the contract repeats must be what was signed. */
  #terms(said: Conversation, agreed: ReturnType<Conversation['agreementWith']> | null): void {
    const { contract } = this;
    const call = said.call?.message.body;
    this.#same('service', contract.service, call?.service);
    if (call && compareQuantities(contract.quantity, call.quantity) !== 0)
      this.#problem('TERMS_DIFFER', { term: 'quantity' });
    if (!agreed) return;
    const { body } = agreed.proposal.message;
    for (const term of ['service', 'unit', 'price', 'amount', 'token', 'decimals'] as const)
      this.#same(term, contract[term], body[term]);
    if (compareQuantities(contract.quantity, body.quantity) !== 0) this.#problem('TERMS_DIFFER', { term: 'quantity' });
    if (amountFor(BigInt(body.price), body.quantity) !== BigInt(body.amount))
      this.#problem('TERMS_DIFFER', { term: 'amount' });
  }

  #same(term: string, written: unknown, signed: unknown): void {
    if (signed !== undefined && written !== signed) this.#problem('TERMS_DIFFER', { term });
  }

  #receipt({ from, to, amount, reference, network, token, decimals }: Receipt): void {
    const { contract } = this;
    const { contractId, buyer, seller, side } = contract;
    if (network !== contract.network || token !== contract.token || decimals !== contract.decimals)
      this.#problem('RECEIPT_NETWORK');
    const [payer, payee] = side === 'buyer' ? [buyer, seller] : [seller, buyer];
    const sum = to.reduce((total, part) => total + BigInt(part.amount), 0n);
    if (sum !== BigInt(amount)) this.#problem('RECEIPT_AMOUNT', { amount });
    const isTo = payee !== null && to.every(({ address }) => isAddressOf(address, payee.did));
    const isFrom = payer !== null && isAddressOf(from, payer.did);
    if (side === 'buyer') {
      if (!isTo || !isFrom) this.#problem('RECEIPT_PAYEE');
      if (amount !== contract.amount) this.#problem('RECEIPT_AMOUNT', { amount });
      if (reference !== referenceOf(contractId)) this.#problem('RECEIPT_REFERENCE');
      return;
    }
    if (!isFrom) this.#problem('RECEIPT_PAYEE');
    else if (!isTo) this.#warn('REFUND_ELSEWHERE');
    if (![refundReferenceOf(contractId), excessReferenceOf(contractId)].includes(reference))
      this.#problem('RECEIPT_REFERENCE');
  }

  #isSupported(said: Conversation, isAgreed: boolean): boolean {
    const { contractId, status, side, receipts, seller } = this.contract;
    const hasReceipt = receipts.length > 0;
    const delivered = said.has('delivered', ({ body }) => body.final, seller?.did);
    if (status === 'cancelled') return !hasReceipt && !delivered && !said.has('paid', () => true, seller?.did);
    // Money may come to a seller without an agreement (too late, or for an offer that is gone); a buyer pays none without one.
    if (!isAgreed && (side === 'buyer' || status === 'completed')) this.#problem('AGREEMENT_MISSING');
    if (side === 'buyer' && receipts.length === 0) this.#problem('RECEIPT_MISSING');
    const confirmed = said.has('complete', () => true, seller?.did);
    if (status === 'completed') {
      if (side === 'seller' && !confirmed) this.#warn('BUYER_SILENT');
      return delivered || confirmed;
    }
    const isBack = said.has('cancel', ({ body }) => body.refund !== null, seller?.did);
    if (status === 'failed') return !delivered && !confirmed;
    if (side === 'buyer' && !isBack) this.#warn('REFUND_UNSAID');
    return side === 'buyer' || receipts.some(({ reference }) => reference === refundReferenceOf(contractId));
  }

  #problem(code: ContractProblemCode, parameters: Readonly<Record<string, string>> = {}, position?: number): void {
    this.problems.push(contractProblem(code, parameters, position));
  }

  #warn(code: ContractWarningCode, parameters: Readonly<Record<string, string>> = {}): void {
    this.warnings.push(contractWarning(code, parameters));
  }
}

/** Written as on whatever network: the account is the same. */
function isAddressOf(address: string, did: string): boolean {
  try {
    const form = formOf(address);
    return Buffer.from(hashOfAddress(address, form)).equals(hashOfAddress(addressOfDid(did, form), form));
  } catch {
    return false;
  }
}

function formOf(address: string): AddressForm {
  if (address.startsWith('0x')) return { kind: 'hex' };
  return { kind: 'bech32', prefix: address.slice(0, Math.max(0, address.lastIndexOf('1'))) };
}
