import { CodedError } from '../errors';
import { type Address, type AddressForm, addressHash, parseAddress, publicKeyOfDidKey, writeAddress } from '../values';

/** name → address on this network. */
export type Contacts = ReadonlyMap<string, Address>;

const LONGEST_NAME = 100;

/**
 * Parses the `contacts` property: names for identities (`did:key`) or addresses of this network.
 *
 * @throws CodedError `CONFIG_INVALID` (`contacts`), `ADDRESS_INVALID` for the address behind a name
 */
export function parseContacts(value: unknown, form: AddressForm): Contacts {
  const contacts = new Map<string, Address>();
  for (const [name, target] of Object.entries(objectOf(value, 'contacts'))) {
    // A name that reads like an address would redirect money that is meant for that address.
    if (name === '' || name === '*' || name.length > LONGEST_NAME || looksLikeTarget(name))
      throw invalid('contacts', `contacts: ${name}`);
    contacts.set(name, addressOf(target, form));
  }
  return contacts;
}

/**
 * Whom a flow means by `to`: a contact's name, a `did:key`, or an address of this network.
 *
 * @throws CodedError `ADDRESS_INVALID`
 */
export function resolvePayee(to: unknown, contacts: Contacts, form: AddressForm): Address {
  return (typeof to === 'string' ? contacts.get(to) : undefined) ?? addressOf(to, form);
}

/** What a flow wrote behind a contact's name; undefined when there is no such contact. @throws CodedError `CONFIG_INVALID` */
export function contactTarget(contacts: unknown, name: string): string | undefined {
  const target = new Map(Object.entries(objectOf(contacts, 'contacts'))).get(name);
  return typeof target === 'string' ? target : undefined;
}

function addressOf(target: unknown, form: AddressForm): Address {
  return typeof target === 'string' && target.startsWith('did:')
    ? writeAddress(addressHash(publicKeyOfDidKey(target)), form)
    : parseAddress(target, form);
}

function looksLikeTarget(name: string): boolean {
  return name.startsWith('did:') || /^0x[0-9a-f]{64}$/i.test(name) || /^[a-z]+1[02-9ac-hj-np-z]{50,}$/i.test(name);
}

/** A property as the editor stores it: an object, its JSON text, or nothing. @throws CodedError `CONFIG_INVALID` */
export function objectOf(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null || value === '') return {};
  let parsed: unknown = value;
  if (typeof value === 'string') {
    try {
      parsed = JSON.parse(value);
    } catch {
      throw invalid(field, `${field} is not JSON`);
    }
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw invalid(field, `${field} is not an object`);
  return parsed as Readonly<Record<string, unknown>>;
}

function invalid(field: string, message: string): CodedError {
  return new CodedError('CONFIG_INVALID', field, message, { field });
}
