import { CodedError } from '../../errors';
import { hashOfAddress } from '../../values';
import {
  type BasicOutput,
  type BlockId,
  ByteWriter,
  blake2b256Bytes,
  type Hex,
  hexOf,
  MAX_OUTPUTS,
  type Transaction,
  type Unlock,
  writeEssence,
} from './codec';
import { PROTOCOL_VERSION } from './coordinator';
import { storageDeposit } from './parameters';
import { commitmentTo } from './semantics';
import type { StoredMilestone, StoredOutput } from './storage';
import type { Tangle } from './tangle';
import type { Mutations } from './white-flag';

/** The faucet's answer to a request that it does not grant; the sentence is for the person who asked. */
export class FaucetRefusal extends Error {
  override readonly name = 'FaucetRefusal';

  constructor(
    readonly kind: 'request' | 'faucet',
    message: string,
  ) {
    super(message);
  }
}

/** 1,000 IOTA. */
export const FAUCET_AMOUNT = 1_000_000_000n;
const MAX_QUEUE = 5_000;
const MAX_INPUTS_USED = 8;
const TAG = hexOf(Buffer.from('SANDBOX FAUCET'));

/** Pays test money out of the genesis output, by transactions like everybody's, one per milestone. */
export class Faucet {
  /** Waiting or on its way: address in bech32 → the address. */
  readonly #queue = new Map<string, Hex>();
  #inFlight: { readonly blockId: BlockId; readonly addresses: readonly string[] } | undefined;

  constructor(private readonly tangle: Tangle) {}

  /** @throws FaucetRefusal */
  enqueue(address: unknown): { address: string; waitingRequests: number } {
    const text = typeof address === 'string' ? address.slice(0, 120) : '';
    const target = this.#parse(text);
    if (this.#queue.has(text)) throw new FaucetRefusal('request', 'Address is already in the queue.');
    if (this.#queue.size >= MAX_QUEUE)
      throw new FaucetRefusal('faucet', 'Faucet queue is full. Please try again later!');
    if (this.balance() < FAUCET_AMOUNT * BigInt(this.#queue.size + 1)) {
      throw new FaucetRefusal(
        'faucet',
        'Faucet does not have enough funds to process your request. Please try again later!',
      );
    }
    this.#queue.set(text, target);
    return { address: text, waitingRequests: this.#queue.size };
  }

  /** Base units that nobody can take but the faucet. */
  balance(): bigint {
    return this.#plainOutputs().reduce((sum, { output }) => sum + output.amount, 0n);
  }

  /** Sends what was asked for, unless the last transaction is still on its way. To be called before each milestone. */
  flush(): void {
    if (this.#queue.size === 0 || this.#inFlight) return;
    const batch = [...this.#queue].slice(0, MAX_OUTPUTS - 1);
    const needed = FAUCET_AMOUNT * BigInt(batch.length);
    const inputs: StoredOutput[] = [];
    let held = 0n;
    for (const candidate of this.#plainOutputs()) {
      inputs.push(candidate);
      held += candidate.output.amount;
      if (held > needed || inputs.length === MAX_INPUTS_USED) break;
    }
    const change = { amount: held - needed, nativeTokens: [], address: this.tangle.identity.faucet.address };
    if (change.amount < storageDeposit(change, this.tangle.parameters)) {
      this.#queue.clear();
      return;
    }
    const outputs = batch.map(([, address]) => ({ amount: FAUCET_AMOUNT, nativeTokens: [], address }));
    const payload = { kind: 'transaction', ...this.#sign(inputs, [...outputs, change]) } as const;
    const parents = [...this.tangle.tips()].sort();
    const blockId = this.tangle.attachOwn({ protocolVersion: PROTOCOL_VERSION, parents, payload, nonce: 0n });
    this.#inFlight = { blockId, addresses: batch.map(([address]) => address) };
  }

  /** Forgets the requests that a milestone has settled. */
  confirmed(_milestone: StoredMilestone, { referenced }: Mutations): void {
    const inFlight = this.#inFlight;
    if (!inFlight || !referenced.some(({ decoded }) => decoded.id === inFlight.blockId)) return;
    for (const address of inFlight.addresses) this.#queue.delete(address);
    this.#inFlight = undefined;
  }

  #plainOutputs(): StoredOutput[] {
    return this.tangle.store
      .unspentOf(this.tangle.identity.faucet.address)
      .filter(({ output }) => !output.expiration && !output.timelock && !output.storageReturn)
      .sort((a, b) => (a.output.amount < b.output.amount ? 1 : -1));
  }

  #sign(inputs: readonly StoredOutput[], outputs: readonly BasicOutput[]): Transaction {
    const essence = {
      networkId: this.tangle.parameters.networkId,
      inputs: inputs.map(({ outputId }) => outputId),
      inputsCommitment: commitmentTo(inputs),
      outputs,
      taggedData: { tag: TAG, data: '0x' as const },
    };
    const writer = new ByteWriter();
    writeEssence(writer, essence);
    const { publicKey } = this.tangle.identity.faucet;
    const signature = this.tangle.identity.faucet.sign(blake2b256Bytes(writer.since()));
    const unlocks: Unlock[] = inputs.map((_, index) =>
      index === 0 ? { kind: 'signature', publicKey, signature } : { kind: 'reference', index: 0 },
    );
    return { ...essence, unlocks };
  }

  #parse(address: string): Hex {
    const { bech32Hrp } = this.tangle.parameters;
    try {
      return `0x00${Buffer.from(hashOfAddress(address, { kind: 'bech32', prefix: bech32Hrp })).toString('hex')}`;
    } catch (error) {
      if (error instanceof CodedError && error.detail === 'network') {
        throw new FaucetRefusal(
          'request',
          `Invalid bech32 address provided! Address does not start with "${bech32Hrp}".`,
        );
      }
      throw new FaucetRefusal('request', 'Invalid bech32 address provided!');
    }
  }
}
