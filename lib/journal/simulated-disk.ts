import { Database } from 'node-sqlite3-wasm';
import { GENESIS } from './chain';
import { Connection } from './connection';
import type { JournalDisk } from './disk';
import type { Witness, Witnessed } from './witness';

/** The moments of a group commit at which a simulated power cut can strike. */
export type CommitMoment =
  /** Nothing of the group is on the disk. */
  | 'before-commit'
  /** The group is on the disk, its witness is not. */
  | 'after-commit'
  /** Everything is on the disk, and nobody has been told. */
  | 'before-acknowledge';

export interface SimulatedDiskOptions {
  /** Asked at each moment of each commit that has something to commit: true cuts the power right there. */
  readonly cutsPowerAt?: (moment: CommitMoment) => boolean;
  /**
   * Mutant "no fsync": acknowledges without committing; the disk really gets only every n-th group (default 8), and a
   * crash loses what was acknowledged since.
   */
  readonly acknowledgesWithoutCommit?: boolean | { readonly everyGroups: number };
}

/**
 * FOR SIMULATIONS AND TESTS ONLY: a disk in memory that survives simulated crashes of the process that writes it.
 *
 * `openJournal({ memory: disk, … })` opens a journal on it. After a power cut (`cutPower()`, or `cutsPowerAt` answering
 * true) everything uncommitted is gone and the journal that was open is dead: its pending and later `write` promises never
 * settle, as in a process that is no more, and its queries throw {@link PowerCut}. Then `openJournal` on the same disk
 * again: about 0.1 ms with `sealEvery: 16`, since only what follows the last seal is verified. Open the next one only after the cut (or after `close`). Call `dispose` at the end: SQLite's memory is not
 * garbage-collected.
 */
export class SimulatedDisk {
  readonly connection = new Connection(new Database(':memory:'));
  readonly #options: SimulatedDiskOptions;
  #witnessed: Witnessed | 'missing' = 'missing';
  #session: SimulatedSession | undefined;
  #groups = 0;
  /** How many times the power was cut. */
  cuts = 0;

  constructor(options: SimulatedDiskOptions = {}) {
    this.#options = options;
  }

  /** Cuts the power now. */
  cutPower(): void {
    this.cuts += 1;
    if (this.connection.inTransaction) this.connection.run('ROLLBACK');
    if (this.#session) this.#session.dead = true;
    this.#session = undefined;
  }

  dispose(): void {
    this.cutPower();
    this.connection.close();
  }

  /** @internal what {@link openJournal} calls */
  plugIn(): JournalDisk {
    if (this.#session) throw new Error('the journal before was neither closed nor crashed');
    const session = new SimulatedSession(this);
    this.#session = session;
    return session;
  }

  /** @internal */
  commit(head: Witnessed): void {
    if (!this.connection.inTransaction) return;
    const every = this.#commitEvery();
    this.#groups += 1;
    this.#moment('before-commit');
    if (this.#groups % every !== 0) return;
    this.connection.run('COMMIT');
    this.#moment('after-commit');
    this.#witnessed = head;
    this.#moment('before-acknowledge');
  }

  /** @internal */
  get witnessed(): Witnessed | 'missing' {
    return this.#witnessed;
  }

  /** @internal */
  set witnessed(head: Witnessed) {
    this.#witnessed = head;
  }

  /** @internal */
  unplug(): void {
    if (this.connection.inTransaction) this.connection.run('COMMIT');
    this.#session = undefined;
  }

  #commitEvery(): number {
    const mutant = this.#options.acknowledgesWithoutCommit ?? false;
    if (typeof mutant === 'object') return mutant.everyGroups;
    return mutant ? 8 : 1;
  }

  #moment(moment: CommitMoment): void {
    if (!this.#options.cutsPowerAt?.(moment)) return;
    this.cutPower();
    throw new PowerCut();
  }
}

/** What a journal meets that lies on a disk without power: only simulations see it. */
export class PowerCut extends Error {
  override readonly name = 'PowerCut';
  constructor() {
    super('simulated power cut');
  }
}

class SimulatedSession implements JournalDisk {
  dead = false;
  readonly witness: Witness;

  constructor(readonly disk: SimulatedDisk) {
    this.witness = {
      read: () => disk.witnessed,
      write: (head) => {
        disk.witnessed = head;
      },
      close: () => {},
    };
    if (disk.witnessed === 'missing') disk.witnessed = { sequence: 0, hash: GENESIS };
  }

  get connection(): Connection {
    if (this.dead) throw new PowerCut();
    return this.disk.connection;
  }

  startWriting(): void {}

  commit(head: Witnessed): void {
    if (this.dead) throw new PowerCut();
    this.disk.commit(head);
  }

  settle(head: Witnessed): void {
    this.witness.write(head);
  }

  close(): void {
    if (!this.dead) this.disk.unplug();
  }

  abandon(): void {
    if (!this.dead) this.disk.cutPower();
  }
}
