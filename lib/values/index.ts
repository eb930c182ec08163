export { type Address, type AddressForm, addressHash, hashOfAddress, parseAddress, writeAddress } from './address';
export { type BaseUnits, formatAmount, parseAmount, parsePayable } from './amount';
export { didKeyOf, publicKeyOfDidKey } from './did-key';
