import type { Connection } from './connection';
import type { Witness, Witnessed } from './witness';

/** What a journal lies on. {@link FileDisk} is the real one, {@link SimulatedDisk} is for simulations. */
export interface JournalDisk {
  /** Read-only, where the disk can tell the difference, until `startWriting`: examining damage must not change it. */
  readonly connection: Connection;
  readonly witness: Witness;
  startWriting(): void;
  /**
   * Makes the open transaction durable, then witnesses its head. When it throws, nothing may be acknowledged and nothing
   * may be written any more.
   */
  commit(head: Witnessed): void;
  /** The journal was found sound at start and is about to be written. */
  settle(head: Witnessed): void;
  close(): void;
  /** Like a process that ends without closing: what is on the disk stays exactly as it is. */
  abandon(): void;
}
