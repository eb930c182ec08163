import type { NodeDef } from '../node-red';
import type { Status } from '../status';

export interface ListenConfig extends NodeDef {
  readonly source?: string;
  readonly machine?: string;
  /** Data: the ledger, where that is not the machine's. */
  readonly ledger?: string;
  /** Data: a text, or hex after `0x`; empty: every tag. */
  readonly tag?: string;
  readonly from?: string;
}

export const STARTING: Status = { fill: 'grey', shape: 'ring', text: 'iota-listen.status.starting' };
export const LISTENING: Status = { fill: 'green', shape: 'ring', text: 'iota-listen.status.listening' };
export const RECEIVED: Status = { fill: 'green', shape: 'dot', text: 'iota-listen.status.received' };
