import type { CodedError } from '../lib/errors';
import type { LedgerConnection } from '../lib/runtime';
import type { Node } from './node-red';

/** What an `iota-machine` node sees of its `iota-ledger` node. */
export interface LedgerNode extends Node {
  /** The connection, or why there is none; opened when first asked for, so that an unused ledger costs nothing. */
  connect(): { readonly ledger: LedgerConnection } | { readonly problem: CodedError };
  addUser(node: Node): void;
  removeUser(node: Node): void;
}
