import type { ChannelSettings } from '../lib/market/market-order';
import type { ChannelState } from '../lib/runtime';
import { configInvalid, translated } from './failure';
import { brokerSettings } from './mqtt-broker';
import type { Api, Node } from './node-red';

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

/** Says in the log why the broker is away, once for each reason: the status has no room for it. */
export function brokerWarnings(RED: Api, node: Node): (state: ChannelState) => void {
  let said: string | undefined;
  return (state) => {
    const reason = state.up ? undefined : state.message;
    if (reason !== undefined && reason !== said) {
      const text = translated(RED, '@machine-economy/node-red-iota/iota-ledger:broker.away', { reason });
      node.warn(text ?? reason);
    }
    said = reason;
  };
}
