export type { ChannelSignal, Channels } from './channel/channels';
export * from './desk/market-ports';
export * from './market-order';
export * from './messages/message';
export { TIMES, type Times } from './negotiation/terms-of-time';
export {
  BUYER_TRANSITIONS,
  type BuyerState,
  SELLER_TRANSITIONS,
  type SellerState,
} from './negotiation/transitions';
