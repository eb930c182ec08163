export type { ReadingToSign, Refusal, SigningResult } from './data-signing';
export type { ListenerPosition } from './record-listeners';
export type {
  AccountId,
  AccountOpening,
  AnchoringSettings,
  AttachLedger,
  EvidencePage,
  LogId,
  LogOpening,
  LogStopped,
  OpenedAccount,
  Vault,
  VaultSignal,
  VaultWorkerData,
} from './vault-contract';
