import type { ListenFrom } from '../../lib/payments/order';
import type { ChannelProperties } from '../channel';
import { configInvalid } from '../failure';
import type { NodeDef } from '../node-red';
import type { Status } from '../status';

export interface ListenConfig extends NodeDef, ChannelProperties {
  readonly source?: string;
  readonly machine?: string;
  /** Data: the ledger, where that is not the machine's. */
  readonly ledger?: string;
  /** Data: a text, or hex after `0x`; empty: every tag. */
  readonly tag?: string;
  readonly from?: string;
  /** Offers: empty for every service. */
  readonly service?: string;
  /** Offers: "lat,lng", from where distances are measured. */
  readonly near?: string;
  /** Offers: kilometres. */
  readonly maxDistance?: string | number;
  /** Offers: an amount per unit. */
  readonly maxPrice?: string | number;
}

export const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-listen.status.starting' };
export const LISTENING: Status = { fill: 'green', shape: 'ring', text: 'iota-listen.status.listening' };
export const OFFLINE: Status = { fill: 'yellow', shape: 'ring', text: 'iota-listen.status.offline' };
export const RECEIVED: Status = { fill: 'green', shape: 'dot', text: 'iota-listen.status.received' };

const BEGINNINGS: readonly string[] = ['now', 'last', 'beginning'] satisfies ListenFrom[];

/** Where a node begins that listens for the first time. @throws CodedError `CONFIG_INVALID` (`listen-from`) */
export function beginningOf({ from }: ListenConfig): ListenFrom {
  if (!from) return 'now';
  if (!BEGINNINGS.includes(from)) throw configInvalid('listen-from', `cannot listen from ${from}`, { value: from });
  return from as ListenFrom;
}
