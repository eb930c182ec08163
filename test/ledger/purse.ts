import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { type TransactionEssence, Utils } from '@iota/sdk-wasm/node';
import type {
  Ledger,
  PreparedTransaction,
  SealedTransaction,
  SpendableOutput,
  TransactionRequest,
} from '../../lib/ledger';
import { type Address, type AddressForm, addressHash, writeAddress } from '../../lib/values';

/** A transaction that is signed and not sent. */
export interface SignedTransaction {
  readonly prepared: PreparedTransaction;
  readonly sealed: SealedTransaction;
  readonly transactionId: string;
  readonly inputs: readonly string[];
}

/** A Stardust essence in JSON. */
export interface ForgedEssence {
  outputs: { amount: string }[];
}

/** A key of its own, and nothing that the ledger does not tell: what a vault is to the ledger, in the smallest form. */
export class Purse {
  readonly address: Address;
  readonly publicKey: Uint8Array;
  readonly #privateKey: KeyObject;

  constructor(form: AddressForm) {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    this.publicKey = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
    this.#privateKey = privateKey;
    this.address = writeAddress(addressHash(this.publicKey), form);
  }

  async sign(
    ledger: Ledger,
    request: Partial<Omit<TransactionRequest, 'from'>>,
    inputs: readonly SpendableOutput[],
  ): Promise<SignedTransaction> {
    return this.#seal(ledger, await this.#prepare(ledger, request, inputs));
  }

  /** Signs what no honest adapter would have built. */
  async forge(
    ledger: Ledger,
    prepared: PreparedTransaction,
    alter: (essence: ForgedEssence) => void,
  ): Promise<SignedTransaction> {
    const essence = JSON.parse(Buffer.from(prepared.essence).toString('utf8')) as ForgedEssence;
    alter(essence);
    const hash = Utils.hashTransactionEssence(essence as unknown as TransactionEssence);
    const signingHash = Buffer.from(hash.slice(2), 'hex');
    return this.#seal(ledger, { ...prepared, essence: Buffer.from(JSON.stringify(essence)), signingHash });
  }

  #prepare(
    ledger: Ledger,
    request: Partial<Omit<TransactionRequest, 'from'>>,
    inputs: readonly SpendableOutput[],
  ): Promise<PreparedTransaction> {
    return ledger.prepare({ from: this.address, payments: [], records: [], claims: [], ...request }, inputs);
  }

  async #seal(ledger: Ledger, prepared: PreparedTransaction): Promise<SignedTransaction> {
    const signature = sign(null, prepared.signingHash, this.#privateKey);
    const sealed = await ledger.seal(prepared.essence, { publicKey: this.publicKey, signature });
    return { prepared, sealed, transactionId: sealed.transactionId, inputs: prepared.inputs };
  }
}
