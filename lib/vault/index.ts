export type {
  AccountId,
  AccountOpening,
  AttachLedger,
  OpenedAccount,
  Vault,
  VaultSignal,
  VaultWorkerData,
} from './vault-contract';
