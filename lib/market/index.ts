export type { ChannelSignal, Channels } from './channel/channels';
export { type AttachVaultMessage, RemoteChannels } from './channel/remote-channels';
export { type ContractVerification, looksLikeContract, verifyContract } from './contract-bundle';
export type { ContractProblem, ContractProblemCode, ContractWarningCode } from './contract-problems';
export { contracts } from './desk/contract-book';
export { hasContracts, Market } from './desk/market';
export { MARKET_NODE, type MarketDoors } from './desk/market-doors';
export * from './desk/market-ports';
export * from './market-order';
export * from './messages/limits';
export * from './messages/message';
export { MESSAGE_SCHEMAS } from './messages/message-schemas';
export * from './messages/names';
export { type MessageParts, messageDocument, newMessage } from './messages/new-message';
export { type Reader, type RefusedMessage, readMessage, readOldMessage } from './messages/read-message';
export { TIMES, type Times } from './negotiation/terms-of-time';
export {
  BUYER_TRANSITIONS,
  type BuyerState,
  SELLER_TRANSITIONS,
  type SellerState,
} from './negotiation/transitions';
export * from './quantity';
export * from './settings';
