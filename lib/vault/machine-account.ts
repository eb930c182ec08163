import { randomBytes } from 'node:crypto';
import { CodedError } from '../errors';
import type { Ledger, NetworkInfo } from '../ledger';
import { type Channels, MARKET_NODE, TIMES } from '../market';
import { Account, type AccountSettings, type AccountSignal, systemClock } from '../payments';
import { type Address, addressHash, writeAddress } from '../values';
import { AccountMarket } from './account-market';
import { Anchoring } from './anchoring';
import type { OpenIdentity } from './identities';
import type { AnchoringSettings, VaultSignal } from './vault-contract';

/** At most so often: documents come by the thousand. */
const LOG_SIGNAL_MS = 250;

export interface MachineAccountPorts {
  readonly identity: OpenIdentity;
  readonly network: NetworkInfo;
  readonly ledger: Ledger;
  readonly channels: Channels;
}

type Told = VaultSignal extends infer S ? (S extends VaultSignal ? Omit<S, 'accountId'> : never) : never;

/** An account with what hangs on it: the way of its identity's checkpoints to its ledger, and its market. */
export class MachineAccount {
  #logTimer: NodeJS.Timeout | undefined;

  private constructor(
    readonly identity: OpenIdentity,
    readonly network: NetworkInfo,
    readonly address: Address,
    readonly account: Account,
    readonly anchoring: Anchoring,
    readonly market: AccountMarket,
    private readonly tell: (told: Told) => void,
  ) {}

  /** @throws CodedError as {@link Account.open} */
  static async open(
    { identity, network, ledger, channels }: MachineAccountPorts,
    settings: AccountSettings & { readonly anchoring: AnchoringSettings },
    tell: (told: Told) => void,
  ): Promise<MachineAccount> {
    const { publicKey, did } = identity.key;
    const address = writeAddress(addressHash(publicKey), network.addressForm);
    // What is taken up again while the account is being opened finds nobody there yet.
    let open: MachineAccount | undefined;
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
    const market = new AccountMarket({
      identity: { did, address, publicKey },
      network,
      journal: identity.journal,
      account,
      sign: (documents, note) => identity.signing.signNoted(documents, note),
      channels,
      clock: systemClock,
      random: (length) => new Uint8Array(randomBytes(length)),
      emit: (signal) => tell({ market: signal }),
      times: TIMES,
    });
    open = new MachineAccount(identity, network, address, account, anchoring, market, tell);
    identity.watchers.add(open.#appended);
    anchoring.kick();
    await market.resume();
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
    await this.market.close();
    await this.account.close();
  }

  readonly #appended = (): void => {
    this.anchoring.kick();
    this.tellLog();
  };

  /** Not before everything of it is settled and reported: an account that nobody uses any more is closed later. */
  get unsettled(): boolean {
    return this.account.unsettled || this.market.unsettled;
  }

  /** Checkpoints are the business of the anchoring, contracts' money that of the market; everything else is for the flows. */
  #hear(signal: AccountSignal): void {
    if ('report' in signal && signal.report.origin.nodeId === MARKET_NODE) {
      this.market.hearReport(signal.report);
      return;
    }
    if ('payment' in signal && signal.listenerId === MARKET_NODE) {
      this.market.hearPayment(signal.payment, signal.redelivered);
      return;
    }
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
