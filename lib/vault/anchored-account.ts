import { randomBytes } from 'node:crypto';
import { CodedError } from '../errors';
import type { Ledger, NetworkInfo } from '../ledger';
import { Account, type AccountSettings, type AccountSignal, systemClock } from '../payments';
import { type Address, addressHash, writeAddress } from '../values';
import { Anchoring } from './anchoring';
import type { OpenIdentity } from './identities';
import type { AnchoringSettings, VaultSignal } from './vault-contract';

/** At most so often: documents come by the thousand. */
const LOG_SIGNAL_MS = 250;

type Told = VaultSignal extends infer S ? (S extends VaultSignal ? Omit<S, 'accountId'> : never) : never;

/** An account, and the way of its identity's checkpoints to its ledger. */
export class AnchoredAccount {
  #logTimer: NodeJS.Timeout | undefined;

  private constructor(
    readonly identity: OpenIdentity,
    readonly network: NetworkInfo,
    readonly address: Address,
    readonly account: Account,
    readonly anchoring: Anchoring,
    private readonly tell: (told: Told) => void,
  ) {}

  /** @throws CodedError as {@link Account.open} */
  static async open(
    { identity, network, ledger }: { identity: OpenIdentity; network: NetworkInfo; ledger: Ledger },
    settings: AccountSettings & { readonly anchoring: AnchoringSettings },
    tell: (told: Told) => void,
  ): Promise<AnchoredAccount> {
    const { publicKey, did } = identity.key;
    const address = writeAddress(addressHash(publicKey), network.addressForm);
    // What is taken up again while the account is being opened finds nobody there yet.
    let open: AnchoredAccount | undefined;
    const early: AccountSignal[] = [];
    const account = await Account.open(
      {
        identity: { did, address, publicKey },
        network,
        journal: identity.journal,
        ledger,
        sign: (bytes) => identity.key.sign(bytes),
        clock: systemClock,
        random: (length) => new Uint8Array(randomBytes(length)),
        emit: (signal) => {
          if (open) open.#hear(signal);
          else early.push(signal);
        },
      },
      settings,
    );
    const anchoring = new Anchoring(
      {
        identity: { did, address },
        networkId: network.networkId,
        log: identity.log,
        account,
        ledger,
        clock: systemClock,
        stopped: () => identity.signing.stopped,
        changed: () => open?.tellLog(),
        damaged: (problem) => {
          identity.signing.stop(problem);
          tell({ event: { event: 'log-stopped', code: 'JOURNAL_DAMAGED', message: problem.message } });
        },
      },
      settings.anchoring,
    );
    open = new AnchoredAccount(identity, network, address, account, anchoring, tell);
    identity.watchers.add(open.#appended);
    anchoring.kick();
    for (const signal of early) open.#hear(signal);
    return open;
  }

  configure(settings: AccountSettings & { readonly anchoring: AnchoringSettings }): void {
    this.account.configure(settings);
    this.anchoring.configure(settings.anchoring);
  }

  ledgerUp(): void {
    this.account.ledgerUp();
    this.anchoring.kick();
  }

  /** The log, or its way to the ledger, has changed. */
  tellLog(): void {
    this.#logTimer ??= setTimeout(() => {
      this.#logTimer = undefined;
      this.tell({ log: 'changed' });
    }, LOG_SIGNAL_MS).unref();
  }

  async close(): Promise<void> {
    clearTimeout(this.#logTimer);
    this.identity.watchers.delete(this.#appended);
    this.anchoring.close();
    await this.account.close();
  }

  readonly #appended = (): void => {
    this.anchoring.kick();
    this.tellLog();
  };

  /** Checkpoints are the business of the anchoring; everything else is for the flows. */
  #hear(signal: AccountSignal): void {
    if ('record' in signal) {
      void this.anchoring.recorded(signal.record);
      return;
    }
    if ('event' in signal && signal.event.event === 'record-waiting')
      this.anchoring.waits(new CodedError('FUNDS_INSUFFICIENT', 'record', signal.event.message));
    if ('event' in signal && signal.event.event === 'record-failed')
      this.anchoring.refused(signal.event.recordId, signal.event.message);
    this.tell(signal);
  }
}
