import { CodedError } from '../../errors';
import type { AddressForm } from '../../values';
import type { NetworkInfo } from '../ledger';
import { minimumDeposit } from './deposit';
import { outOfSync } from './failures';
import { MOST_INPUTS, MOST_OUTPUTS, type NodeApi, type NodeInfo } from './node-api';
import type { BasicOutput } from './output';
import { BYTES_FOR_PAYMENTS } from './transaction';

// Three milestones of the slowest networks, and clocks that are not quite right.
const FRESH = 30_000;

export interface ConnectionOptions {
  readonly expectedNetworkId?: string;
  readonly faucet: boolean;
  /** Milliseconds that the latest milestone may be old; 0 asks the node's own opinion only. */
  readonly maximumAge: number;
}

/**
 * Who we are connected to, checked with every look at the node: it must be the same network for as long as this connection
 * lives, and it must be in sync.
 */
export class Connection {
  #network: NetworkInfo | undefined;
  #looking: Promise<NodeInfo> | undefined;
  #seenHeight = 0;

  constructor(
    private readonly api: NodeApi,
    private readonly options: ConnectionOptions,
    private readonly now: () => number = Date.now,
  ) {}

  /** Set once the node has answered for the first time. */
  get known(): NetworkInfo | undefined {
    return this.#network;
  }

  /** What the node says now. @throws CodedError `LEDGER_UNREACHABLE`, `LEDGER_WRONG_NETWORK`, `LEDGER_OUT_OF_SYNC` */
  async look(): Promise<NodeInfo> {
    let info = await this.#sharedLook();
    // Joined a look that began before the news that our caller woke up for.
    if (info.confirmed.index < this.#seenHeight) info = await this.#sharedLook();
    return info;
  }

  /** Somebody says that the ledger has come to this height. */
  heard(height: number): void {
    if (height > this.#seenHeight) this.#seenHeight = height;
  }

  async network(): Promise<{ readonly network: NetworkInfo; readonly info: NodeInfo }> {
    const info = await this.look();
    return { info, network: this.#network ?? describeNetwork(info, this.options.faucet) };
  }

  #sharedLook(): Promise<NodeInfo> {
    this.#looking ??= this.#freshLook().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #freshLook(): Promise<NodeInfo> {
    const info = await this.api.info();
    const expected = this.#network?.networkId ?? this.options.expectedNetworkId;
    if (expected !== undefined && info.networkName !== expected) {
      throw new CodedError(
        'LEDGER_WRONG_NETWORK',
        this.#network ? 'changed' : 'default',
        `the node is of network ${info.networkName}, not ${expected}`,
        {
          expected,
          found: info.networkName,
        },
      );
    }
    this.#checkSync(info);
    this.#network ??= describeNetwork(info, this.options.faucet);
    return info;
  }

  #checkSync(info: NodeInfo): void {
    const age = this.now() - info.latest.time;
    if (!info.healthy && !keepsPace(info, age)) throw outOfSync('unhealthy', 'the node says that it is not in sync');
    if (this.options.maximumAge > 0 && age > this.options.maximumAge) {
      const seconds = Math.round(age / 1000);
      throw outOfSync('stale', `the node's latest milestone is ${seconds} s old, or this machine's clock is wrong`, {
        seconds,
      });
    }
  }
}

/**
 * A node without neighbours calls itself unhealthy even if the coordinator itself is attached to it, which is how a small
 * private Tangle may be built. One that has just confirmed the latest milestone is in sync, whatever it says.
 */
function keepsPace({ latest, confirmed }: NodeInfo, age: number): boolean {
  return latest.index - confirmed.index <= 1 && Math.abs(age) <= FRESH;
}

/** In the words of the port. IOTA's public networks have left this protocol: what speaks it now is never live money. */
function describeNetwork(info: NodeInfo, faucet: boolean): NetworkInfo {
  return {
    protocol: 'tangle',
    networkId: info.networkName,
    token: info.token,
    decimals: info.decimals,
    addressForm: formOf(info),
    live: false,
    faucet,
    capabilities: { expiry: true, feeless: true, minimumDeposit: true, announce: true, offersOnLedger: true },
    minimumChange: minimumDeposit(ADDRESS_ONLY, info.rent),
    maxOutputs: MOST_OUTPUTS,
    maxInputs: MOST_INPUTS,
    maxTransactionBytes: BYTES_FOR_PAYMENTS,
  };
}

const ADDRESS_ONLY: BasicOutput = {
  amount: 0n,
  address: { kind: 'ed25519', hash: `0x${'00'.repeat(32)}` },
  foreign: false,
};

export function formOf(info: NodeInfo): AddressForm {
  return { kind: 'bech32', prefix: info.hrp };
}
