import { createHash } from 'node:crypto';
import { type Address, type AddressForm, addressHash, publicKeyOfDidKey, writeAddress } from '../../values';

/**
 * The name of a signed document: lower-case hex SHA-256 of its RFC 8785 text. `previous` is one, and `contractId` is that of
 * the call.
 */
export function hashOf(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** The reference of a contract's payment: with it the seller knows what the money is for. */
export function referenceOf(contractId: string): string {
  return `me1:${contractId.slice(0, 32)}`;
}

/** The reference of money that goes back. */
export function refundReferenceOf(contractId: string): string {
  return `${referenceOf(contractId)}/refund`;
}

/**
 * The reference of money that goes back because the contract never asked for it (too much, twice, from somebody else): who
 * reads it must not take it for the end of the contract.
 */
export function excessReferenceOf(contractId: string): string {
  return `${referenceOf(contractId)}/excess`;
}

/** Of one received payment there is one refund, whatever happens in between: this is its paymentId. */
export function refundPaymentIdOf(eventId: string): string {
  return `refund:${hashOf(eventId).slice(0, 48)}`;
}

/**
 * The account of a did: who signed the proposal is who gets the money. Never taken from the body of a message.
 *
 * @throws CodedError `ADDRESS_INVALID`
 */
export function addressOfDid(did: string, form: AddressForm): Address {
  return writeAddress(addressHash(publicKeyOfDidKey(did)), form);
}
