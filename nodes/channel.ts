import type { ChannelSettings } from '../lib/market/market-order';
import { configInvalid } from './failure';
import { brokerSettings } from './mqtt-broker';
import type { Api } from './node-red';

/** Properties of a node that meets other machines. */
export interface ChannelProperties {
  readonly channel?: string;
  /** An `mqtt-broker` config node. */
  readonly broker?: string;
}

/** Where this node meets other machines. @throws CodedError `CONFIG_INVALID` */
export function channelOf(RED: Api, { channel, broker }: ChannelProperties): ChannelSettings {
  if (channel && channel !== 'mqtt') {
    throw configInvalid('not-available', `the channel ${channel} is not available`, { name: `channel ${channel}` });
  }
  return brokerSettings(RED, broker);
}
