import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  type BasicOutput,
  ByteWriter,
  blake2b256,
  blake2b256Bytes,
  encodeBlock,
  type Hex,
  hexOf,
  outputBytes,
  type Transaction,
  type Unlock,
  writeEssence,
} from '../../lib/sandbox/tangle/codec';
import { networkIdOf } from '../../lib/sandbox/tangle/parameters';
import { writeAddress } from '../../lib/values';

/** An output and where it is. */
export interface Owned {
  readonly outputId: Hex;
  readonly output: BasicOutput;
}

export interface Draft {
  readonly networkName: string;
  readonly inputs: readonly Owned[];
  readonly outputs: readonly BasicOutput[];
  /** Whose signatures unlock the inputs, in their order; one account unlocks all by default. */
  readonly signers?: readonly Account[];
  readonly change?: (transaction: Transaction) => Transaction;
}

/** A key on the Tangle that builds its transactions by hand, so that it can also build wrong ones. */
export class Account {
  readonly publicKey: Hex;
  readonly address: Hex;
  readonly bech32: string;
  readonly #key: KeyObject;

  constructor(seed: Uint8Array = randomBytes(32)) {
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    this.#key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
    const publicKey = createPublicKey(this.#key).export({ format: 'der', type: 'spki' }).subarray(-32);
    this.publicKey = hexOf(publicKey);
    const hash = blake2b256Bytes(publicKey);
    this.address = `0x00${Buffer.from(hash).toString('hex')}`;
    this.bech32 = writeAddress(hash, { kind: 'bech32', prefix: 'tst' });
  }

  signature(message: Uint8Array): Hex {
    return hexOf(sign(null, message, this.#key));
  }

  /** A plain output to this account. */
  output(amount: bigint, parts: Partial<BasicOutput> = {}): BasicOutput {
    return { amount, nativeTokens: [], address: this.address, ...parts };
  }
}

export function signedTransaction({ networkName, inputs, outputs, signers, change }: Draft): Transaction {
  const inputsCommitment = blake2b256(...inputs.map(({ output }) => blake2b256Bytes(outputBytes(output))));
  const essence: Transaction = {
    networkId: networkIdOf(networkName),
    inputs: inputs.map(({ outputId }) => outputId),
    inputsCommitment,
    outputs,
    unlocks: [],
  };
  const changed = change?.(essence) ?? essence;
  const writer = new ByteWriter();
  writeEssence(writer, changed);
  const message = blake2b256Bytes(writer.since());
  const unlocks: Unlock[] = [];
  const first = new Map<Account, number>();
  for (const [index, account] of (signers ?? []).entries()) {
    const before = first.get(account);
    if (before !== undefined) unlocks.push({ kind: 'reference', index: before });
    else {
      first.set(account, index);
      unlocks.push({ kind: 'signature', publicKey: account.publicKey, signature: account.signature(message) });
    }
  }
  return { ...changed, unlocks };
}

export function transactionBlock(transaction: Transaction, parents: readonly Hex[]): Buffer {
  return encodeBlock({
    protocolVersion: 2,
    parents: [...parents].sort(),
    payload: { kind: 'transaction', ...transaction },
    nonce: 0n,
  });
}
