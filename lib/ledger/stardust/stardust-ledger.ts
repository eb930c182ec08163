import { CodedError } from '../../errors';
import { type Address, type BaseUnits, parseAddress } from '../../values';
import type {
  Cursor,
  Holdings,
  Ledger,
  LedgerPage,
  LedgerRecord,
  LedgerSignal,
  NetworkInfo,
  Outcome,
  PaymentPart,
  PreparedTransaction,
  RecordFilter,
  RecordPage,
  SealedTransaction,
  SpendableOutput,
  SpendState,
  SubmittedTransaction,
  TransactionRequest,
  TransactionSignature,
} from '../ledger';
import { parseNodeUrl } from '../node-url';
import { Connection, formOf } from './connection';
import { minimumDeposit } from './deposit';
import { nonsense, printable, unreachable } from './failures';
import { History } from './history';
import { holdingsOf } from './holdings';
import { exchange, guardFetchTo } from './http';
import { Lookout } from './lookout';
import { MilestoneFeed } from './milestone-feed';
import { NodeApi, type NodeInfo } from './node-api';
import { Posting } from './posting';
import { Records } from './records';
import { loadSdk, type SdkBuild, type StardustSdk } from './sdk';
import { buildEssence, checkedInput, type InputContent, paymentOutput, sealEssence } from './transaction';

/** Plain data, so that it can be a worker's `workerData`. */
export interface StardustOptions {
  /** The node's REST API, e.g. `http://127.0.0.1:14265`. */
  readonly url: string;
  /** MQTT over websocket; derived from `url` if absent, `null` = polling only. */
  readonly mqttUrl?: string | null;
  /** Takes `POST {"address"}`. */
  readonly faucetUrl?: string;
  /** Base of the indexer if it is not at `url`. */
  readonly indexerUrl?: string;
  /** JWT of a node that demands one; sent to the origin of `url` only. */
  readonly authToken?: string;
  /** Refuse every other network. */
  readonly expectedNetworkId?: string;
  /** The node does the proof of work, if it offers to. */
  readonly remotePow?: boolean;
  /** Milliseconds for one request (10 s); posting has 2 minutes where the node does the proof of work. */
  readonly timeout?: number;
  /** Milliseconds that the latest milestone may be old (5 minutes; 0 = whatever the node calls healthy). */
  readonly maximumAge?: number;
  /** Milliseconds between two looks at the node while its events are silent (5 s). */
  readonly pollInterval?: number;
  /** Outputs per page of the indexer; its own default if absent. */
  readonly pageSize?: number;
}

const TIMEOUT = 10_000;
const REMOTE_POW_TIMEOUT = 120_000;
const POSTING_BYTES = 4 * 1024 * 1024;
const MAXIMUM_AGE = 5 * 60_000;
const POLL_INTERVAL = 5_000;
const QUIET_INTERVAL = 20_000;
const LONGEST_PAUSE = 15_000;

/**
 * A Tangle of the Stardust protocol, as our ledger port. Runs in the `stardust` worker, because the SDK computes on the
 * thread that calls it; holds no key.
 */
export class StardustLedger implements Ledger {
  readonly #url: URL;
  readonly #api: NodeApi;
  readonly #connection: Connection;
  readonly #history: History;
  readonly #records: Records;
  readonly #timeout: number;
  readonly #lookout: Lookout;
  readonly #feed: MilestoneFeed | undefined;
  readonly #listeners = new Set<(signal: LedgerSignal) => void>();
  #lastInfo: NodeInfo | undefined;
  #sdk: StardustSdk | undefined;
  #posting: Posting | undefined;
  #releaseFetch: (() => void) | undefined;

  /** @throws CodedError `CONFIG_INVALID` (`url`) */
  constructor(private readonly options: StardustOptions) {
    this.#url = baseUrl(options.url);
    this.#timeout = options.timeout ?? TIMEOUT;
    this.#api = new NodeApi({
      url: this.#url,
      indexerUrl: options.indexerUrl === undefined ? this.#url : baseUrl(options.indexerUrl),
      timeout: this.#timeout,
      ...(options.authToken === undefined ? {} : { authToken: options.authToken }),
      ...(options.pageSize === undefined ? {} : { pageSize: options.pageSize }),
    });
    this.#connection = new Connection(this.#api, {
      faucet: options.faucetUrl !== undefined,
      maximumAge: options.maximumAge ?? MAXIMUM_AGE,
      ...(options.expectedNetworkId === undefined ? {} : { expectedNetworkId: options.expectedNetworkId }),
    });
    this.#history = new History(this.#api, this.#connection);
    this.#records = new Records(this.#api, this.#connection, this.#history, (payload) =>
      this.#loadedSdk().transactionId(payload),
    );
    const interval = options.pollInterval ?? POLL_INTERVAL;
    this.#lookout = new Lookout(
      () => this.#connection.network(),
      (signal) => {
        for (const listener of this.#listeners) listener(signal);
      },
      { interval, quietInterval: Math.max(QUIET_INTERVAL, interval), longestPause: LONGEST_PAUSE },
    );
    this.#feed = this.#startFeed();
  }

  /** Which build of the SDK runs; loads it. */
  get sdkBuild(): SdkBuild {
    return this.#loadedSdk().build;
  }

  /** Calls back at once with the last `up` or `down`, then with every signal. Returns how to stop. */
  onSignal(listener: (signal: LedgerSignal) => void): () => void {
    this.#listeners.add(listener);
    const { state } = this.#lookout;
    if (state) listener(state);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
    this.#lookout.close();
    this.#releaseFetch?.();
    await this.#feed?.close();
  }

  async network(): Promise<NetworkInfo> {
    return this.#connection.known ?? (await this.#reach(() => this.#connection.network())).network;
  }

  holdings(address: Address): Promise<Holdings> {
    return this.#reach(() => holdingsOf(address, this.#api, this.#connection, this.#history));
  }

  async minimumAmounts(parts: readonly PaymentPart[]): Promise<BaseUnits[]> {
    const info = await this.#protocol();
    return parts.map((part) => minimumDeposit(paymentOutput(part, undefined, formOf(info)), info.rent));
  }

  async prepare(request: TransactionRequest, inputs: readonly SpendableOutput[]): Promise<PreparedTransaction> {
    const info = await this.#protocol();
    const content = await Promise.all(
      inputs.map(async (input) => checkedInput(input, (await this.#content(input.outputId, info)).output)),
    );
    const claims = await Promise.all(
      request.claims.map(async (outputId): Promise<InputContent> => {
        const { output } = await this.#content(outputId, info);
        if (!output) throw nonsense('a claimed output is no basic output');
        return { outputId, output };
      }),
    );
    const ledgerTime =
      claims.length === 0 ? info.confirmed.time : (await this.#reach(() => this.#connection.look())).confirmed.time;
    return buildEssence(request, content, claims, {
      sdk: this.#loadedSdk(),
      networkName: info.networkName,
      form: formOf(info),
      rent: info.rent,
      ledgerTime,
    });
  }

  async seal(essence: Uint8Array, signature: TransactionSignature): Promise<SealedTransaction> {
    return sealEssence(essence, signature, this.#loadedSdk());
  }

  async submit(sealed: SealedTransaction): Promise<void> {
    await this.#reach(async () => (await this.#post()).submit(sealed));
  }

  outcome(transaction: SubmittedTransaction): Promise<Outcome> {
    return this.#reach(async () => (await this.#post()).outcome(transaction));
  }

  async spends(outputIds: readonly string[]): Promise<SpendState[]> {
    return this.#reach(async () => {
      await this.#connection.look();
      const found = await Promise.all(outputIds.map((id) => this.#api.outputMetadata(id)));
      return found.map((metadata): SpendState => {
        if (!metadata) return { state: 'unknown' };
        return metadata.spent ? { state: 'spent', by: metadata.spent.by } : { state: 'unspent' };
      });
    });
  }

  read(address: Address, cursor: Cursor): Promise<LedgerPage> {
    return this.#reach(() => this.#history.read(address, cursor));
  }

  recordsOf(transactionId: string): Promise<LedgerRecord[]> {
    return this.#reach(() => this.#records.of(transactionId));
  }

  latestRecords(author: Address): Promise<LedgerRecord[]> {
    return this.#reach(() => this.#records.latest(author));
  }

  previousRecord(record: LedgerRecord): Promise<LedgerRecord | null> {
    return this.#reach(() => this.#records.previous(record));
  }

  readRecords(filter: RecordFilter, cursor: Cursor): Promise<RecordPage> {
    return this.#reach(() => this.#records.read(filter, cursor));
  }

  recordsCursor(from: 'now' | 'last' | 'beginning', filter: RecordFilter): Promise<Cursor> {
    return this.#reach(() => this.#records.cursor(from, filter));
  }

  async requestFunds(address: Address): Promise<void> {
    const { faucetUrl } = this.options;
    if (faucetUrl === undefined)
      throw new CodedError('CONFIG_INVALID', 'faucet', 'this ledger has no faucet configured');
    const { addressForm } = await this.network();
    const url = parseNodeUrl(faucetUrl);
    const body = JSON.stringify({ address: parseAddress(address, addressForm) });
    const headers = { 'content-type': 'application/json' };
    const answer = await exchange(
      url,
      { milliseconds: this.#timeout, bytes: 65_536 },
      { method: 'POST', headers, body },
    );
    if (answer.status < 200 || answer.status > 299) {
      throw unreachable('faucet', `the faucet gives nothing (HTTP ${answer.status}): ${printable(answer.body)}`, {
        host: url.host,
        status: answer.status,
      });
    }
  }

  /** A failed call means that it is worth looking now whether the node is still there. */
  async #reach<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof CodedError && error.code.startsWith('LEDGER_') && this.#lookout.state?.kind === 'up')
        this.#lookout.lookSoon();
      throw error;
    }
  }

  /** Protocol parameters do not change while a node runs, so one look is enough for pure calls. */
  async #protocol(): Promise<NodeInfo> {
    this.#lastInfo ??= await this.#reach(() => this.#connection.look());
    return this.#lastInfo;
  }

  #content(outputId: string, info: NodeInfo): ReturnType<History['output']> {
    return this.#reach(() => this.#history.output(outputId, info.confirmed.index));
  }

  #loadedSdk(): StardustSdk {
    if (this.#sdk) return this.#sdk;
    const { remotePow, authToken } = this.options;
    const milliseconds = remotePow === true ? Math.max(REMOTE_POW_TIMEOUT, this.#timeout) : this.#timeout;
    this.#releaseFetch = guardFetchTo(this.#url.origin, { milliseconds, bytes: POSTING_BYTES });
    this.#sdk = loadSdk({
      url: this.#url.href.replace(/\/$/, ''),
      localPow: () =>
        !(remotePow === true && this.#lastInfo?.features.some((feature) => feature.toLowerCase() === 'pow') === true),
      seconds: Math.ceil(milliseconds / 1000),
      ...(authToken === undefined ? {} : { authToken }),
    });
    return this.#sdk;
  }

  async #post(): Promise<Posting> {
    await this.#protocol();
    this.#posting ??= new Posting(this.#api, this.#connection, this.#loadedSdk(), this.#url.host);
    return this.#posting;
  }

  #startFeed(): MilestoneFeed | undefined {
    const { mqttUrl, authToken } = this.options;
    if (mqttUrl === null) return undefined;
    const url = mqttUrl === undefined ? derivedMqttUrl(this.#url) : parseNodeUrl(mqttUrl);
    const sameHost = url.host === this.#url.host;
    return new MilestoneFeed(
      { url: url.href, ...(authToken !== undefined && sameHost ? { authToken } : {}) },
      {
        confirmed: (height) => {
          this.#connection.heard(height);
          this.#lookout.heard(height);
        },
        lost: () => this.#lookout.lookSoon(),
      },
    );
  }
}

function derivedMqttUrl(url: URL): URL {
  const mqtt = new URL('api/mqtt/v1', url);
  mqtt.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return mqtt;
}

/** With a slash at its end, so that paths are taken relative to all of it. */
function baseUrl(text: string): URL {
  const url = parseNodeUrl(text);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url;
}
