export { type KeyDescription, type KeystoreOptions, type MachineKeystore, openKeystore } from './keystore';
export { MachineKey } from './machine-key';
