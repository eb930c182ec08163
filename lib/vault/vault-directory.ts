import { CodedError } from '../errors';
import { acquireProcessLock, type ProcessLock } from '../journal';
import { type MachineKeystore, openKeystore } from '../machine';

/** `<userDir>/machine-economy`: whoever reads or writes in it has its lock. */
export class VaultDirectory {
  /** Shared by everyone who asks meanwhile: the lock is ours once, and a second try would meet the first. */
  #lock: Promise<ProcessLock> | undefined;
  #keystore: MachineKeystore | undefined;
  #closed = false;

  constructor(readonly path: string) {}

  async locked(): Promise<void> {
    if (this.#closed) throw new CodedError('CONFIG_INVALID', 'shutting-down', 'Node-RED is stopping');
    this.#lock ??= acquireProcessLock(this.path).catch((error: unknown) => {
      this.#lock = undefined; // its holder may end
      throw error;
    });
    await this.#lock;
  }

  async keystore(): Promise<MachineKeystore> {
    await this.locked();
    this.#keystore ??= openKeystore({ directory: this.path });
    return this.#keystore;
  }

  /** Nobody gets in any more. */
  refuse(): void {
    this.#closed = true;
  }

  async release(): Promise<void> {
    await (await this.#lock?.catch(() => undefined))?.release();
  }
}
