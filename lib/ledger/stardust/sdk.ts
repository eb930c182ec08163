import { createRequire } from 'node:module';
import type * as Sdk from '@iota/sdk-wasm/node';
import type { Answer } from './answers';
import { printable, unreachable } from './failures';

export type SdkBuild = 'wasm' | 'native';

/** The few calls of the IOTA SDK that we use; it never sees a key. Both builds understand the same JSON. */
export interface StardustSdk {
  readonly build: SdkBuild;
  inputsCommitment(outputs: readonly Answer[]): string;
  essenceHash(essence: Answer): string;
  transactionId(payload: Answer): string;
  storageDeposit(output: Answer, rent: Answer): bigint;
  /** Puts the payload into a new block on fresh tips, does the proof of work that the network asks for, and posts it. */
  post(payload: Answer): Promise<string>;
}

export interface PostingOptions {
  readonly url: string;
  readonly authToken?: string;
  /** False: the node does the proof of work. Asked when the first block is posted, when the node is known. */
  readonly localPow: () => boolean;
  /** For one request. */
  readonly seconds: number;
}

/** Loads the SDK: the WASM build, or with `IOTA_SDK=native` the native one if it can really be loaded. */
export function loadSdk(posting: PostingOptions, wanted: string | undefined = process.env.IOTA_SDK): StardustSdk {
  // Not bundled: the WASM build finds its .wasm file beside itself only.
  const load = createRequire(__filename);
  let module: typeof Sdk | undefined;
  let build: SdkBuild = 'wasm';
  if (wanted === 'native') {
    try {
      module = load('@iota/sdk') as typeof Sdk;
      build = 'native';
    } catch {
      // Installed or not, it does not run here; the WASM build does everywhere.
    }
  }
  module ??= load('@iota/sdk-wasm/node') as typeof Sdk;
  return new LoadedSdk(build, module, posting);
}

class LoadedSdk implements StardustSdk {
  #client: Sdk.Client | undefined;

  constructor(
    readonly build: SdkBuild,
    private readonly module: typeof Sdk,
    private readonly posting: PostingOptions,
  ) {}

  inputsCommitment(outputs: readonly Answer[]): string {
    return this.#pure((utils) => utils.computeInputsCommitment(outputs as unknown as Sdk.Output[]));
  }

  essenceHash(essence: Answer): string {
    return this.#pure((utils) => utils.hashTransactionEssence(essence as unknown as Sdk.TransactionEssence));
  }

  transactionId(payload: Answer): string {
    return this.#pure((utils) => utils.transactionId(payload as unknown as Sdk.TransactionPayload));
  }

  storageDeposit(output: Answer, rent: Answer): bigint {
    return this.#pure((utils) =>
      utils.computeStorageDeposit(output as unknown as Sdk.Output, rent as unknown as Sdk.IRent),
    );
  }

  async post(payload: Answer): Promise<string> {
    try {
      // One for all posts: every Client that is dropped leaks.
      this.#client ??= this.#newClient();
      const [blockId] = await this.#client.postBlockPayload(payload as unknown as Sdk.Payload);
      return blockId;
    } catch (error) {
      throw sdkFailure(error);
    }
  }

  #newClient(): Sdk.Client {
    const { url, authToken, localPow, seconds } = this.posting;
    return new this.module.Client({
      nodes: [authToken === undefined ? url : { url, auth: { jwt: authToken } }],
      ignoreNodeHealth: true,
      localPow: localPow(),
      apiTimeout: { secs: seconds, nanos: 0 },
      remotePowTimeout: { secs: seconds, nanos: 0 },
      // With its default of 5 s the search for a nonce starts again at 0 whenever the tips did not change: for ever, on a quiet Tangle.
      ...{ tipsInterval: 600 },
    });
  }

  #pure<T>(call: (utils: typeof Sdk.Utils) => T): T {
    try {
      return call(this.module.Utils);
    } catch (error) {
      throw sdkFailure(error);
    }
  }
}

/** Its errors are strings or plain objects. What it says may quote anything, so only a short line of it is kept. */
function sdkFailure(error: unknown): Error {
  // A panic leaves the WASM instance in an unknown state: not an answer about the ledger, the worker must die of it.
  if (error instanceof WebAssembly.RuntimeError) return error;
  if (typeof error === 'object' && error !== null && 'type' in error && error.type === 'panic')
    return new WebAssembly.RuntimeError('the SDK panicked');
  const text = typeof error === 'string' ? error : error instanceof Error ? error.message : JSON.stringify(error);
  const status = /status(?: code)?\D{0,12}(\d{3})/i.exec(text)?.[1];
  const refused = status?.startsWith('4') === true || /invalid/i.test(text);
  return unreachable(refused ? 'refused' : 'default', `the block could not be posted: ${printable(sentenceIn(text))}`);
}

function sentenceIn(text: string): string {
  try {
    const said: unknown = JSON.parse(text);
    if (typeof said === 'object' && said !== null && 'payload' in said) {
      const { payload } = said;
      if (typeof payload === 'object' && payload !== null && 'error' in payload) return String(payload.error);
    }
  } catch {
    // Not JSON.
  }
  return text;
}
