import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Log, log } from '../evidence';
import { type Journal, openJournal } from '../journal';
import type { MachineKey } from '../machine';
import { contracts } from '../market';
import { book } from '../payments';
import { DataSigning } from './data-signing';

/** One key at work, with its journal and its log: shared by its accounts on several networks and by whoever signs data. */
export interface OpenIdentity {
  readonly key: MachineKey;
  readonly journal: Journal;
  readonly log: Log;
  readonly signing: DataSigning;
  /** Called when the log has grown on disk. */
  readonly watchers: Set<() => void>;
  users: number;
}

/** The identities that are open in this vault, one journal each. */
export class Identities {
  readonly #open = new Map<string, OpenIdentity>();

  /** @param directory `<userDir>/machine-economy` */
  constructor(private readonly directory: string) {}

  get(did: string): OpenIdentity | undefined {
    return this.#open.get(did);
  }

  /** Joins the identity of this key, or opens its journal; the key is used or wiped. Give it back with {@link release}. */
  use(key: MachineKey): OpenIdentity {
    const known = this.#open.get(key.did);
    if (known) {
      key.wipe();
      known.users += 1;
      return known;
    }
    const identity = this.#openIdentity(key);
    this.#open.set(key.did, identity);
    return identity;
  }

  /** The last one to give it back closes the journal and wipes the key. */
  async release(identity: OpenIdentity): Promise<void> {
    identity.users -= 1;
    if (identity.users > 0) return;
    await identity.signing.idle();
    if (identity.users > 0) return;
    this.#open.delete(identity.key.did);
    await identity.journal.close();
    identity.key.wipe();
  }

  #openIdentity(key: MachineKey): OpenIdentity {
    const folder = join(this.directory, 'machines', key.did.slice('did:key:'.length));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const journal = openJournal({ file: join(folder, 'journal.db'), projections: [book, log, contracts] });
    const signer = { did: key.did, publicKey: key.publicKey, sign: (bytes: Uint8Array) => key.sign(bytes) };
    let merkleLog: Log;
    try {
      merkleLog = new Log(journal, signer);
    } catch (error) {
      void journal.close();
      key.wipe();
      throw error;
    }
    const watchers = new Set<() => void>();
    const signing = new DataSigning(merkleLog, signer, {
      appended: () => {
        for (const watcher of watchers) watcher();
      },
      now: () => Date.now(),
    });
    return { key, journal, log: merkleLog, signing, watchers, users: 1 };
  }
}
