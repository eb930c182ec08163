export type { ReadingToSign, Refusal, SigningResult } from './data-signing';
export type { ListenerPosition } from './record-listeners';
export type {
  AccountId,
  AccountOpening,
  AnchoringSettings,
  AttachLedger,
  AttachMarket,
  EvidencePage,
  LogId,
  LogOpening,
  LogStopped,
  MarketCalls,
  OpenedAccount,
  Vault,
  VaultSignal,
  VaultWorkerData,
} from './vault-contract';
