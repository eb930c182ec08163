import assert from 'node:assert/strict';
import type { SandboxTangle } from '../../lib/sandbox/tangle';
import { type BasicOutput, type Hex, outputFromJson, type Transaction } from '../../lib/sandbox/tangle/codec';
import { type Account, type Draft, type Owned, signedTransaction, transactionBlock } from './account';

// biome-ignore lint/suspicious/noExplicitAny: what a node answers is looked into freely in tests
type Body = any;

export interface Reply {
  readonly status: number;
  readonly body: Body;
}

/** A client that only knows HTTP. */
export class NodeClient {
  constructor(readonly tangle: SandboxTangle) {}

  async get(path: string): Promise<Reply> {
    const response = await fetch(`${this.tangle.url}${path}`);
    return { status: response.status, body: await response.json() };
  }

  /** @throws AssertionError unless it is 200 */
  async read(path: string): Promise<Body> {
    const { status, body } = await this.get(path);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  async post(path: string, body: BodyInit, type = 'application/json'): Promise<Reply> {
    const response = await fetch(`${this.tangle.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    return { status: response.status, body: await response.json() };
  }

  async postBlock(bytes: Uint8Array): Promise<Hex> {
    const { status, body } = await this.post(
      '/api/core/v2/blocks',
      Uint8Array.from(bytes),
      'application/vnd.iota.serializer-v1',
    );
    assert.equal(status, 201, JSON.stringify(body));
    return body.blockId;
  }

  async tips(): Promise<Hex[]> {
    return (await this.read('/api/core/v2/tips')).tips;
  }

  async send(transaction: Transaction): Promise<Hex> {
    return this.postBlock(transactionBlock(transaction, await this.tips()));
  }

  /** Signs, sends and confirms; the metadata of the block tells what became of it. */
  async confirm(draft: Omit<Draft, 'networkName'>): Promise<Body> {
    const blockId = await this.send(this.sign(draft));
    this.tangle.issueMilestone();
    return this.metadata(blockId);
  }

  sign(draft: Omit<Draft, 'networkName'>): Transaction {
    return signedTransaction({ networkName: this.tangle.networkName, ...draft });
  }

  metadata(blockId: Hex): Promise<Body> {
    return this.read(`/api/core/v2/blocks/${blockId}/metadata`);
  }

  async outputs(query: string): Promise<Hex[]> {
    return (await this.read(`/api/indexer/v1/outputs/basic?${query}`)).items;
  }

  async output(outputId: Hex): Promise<BasicOutput> {
    return outputFromJson((await this.read(`/api/core/v2/outputs/${outputId}`)).output);
  }

  /** Lets the faucet pay the account 1,000 IOTA, into one output. */
  async fund(account: Account): Promise<Owned> {
    const before = new Set(await this.outputs(`address=${account.bech32}`));
    const { status, body } = await this.post('/api/enqueue', JSON.stringify({ address: account.bech32 }));
    assert.equal(status, 202, JSON.stringify(body));
    this.tangle.issueMilestone();
    const outputId = (await this.outputs(`address=${account.bech32}`)).find((id) => !before.has(id));
    assert.ok(outputId);
    return { outputId, output: await this.output(outputId) };
  }

  /** Sum of everything that is unspent. */
  async supply(): Promise<bigint> {
    let sum = 0n;
    let cursor = '';
    do {
      const page = await this.read(`/api/indexer/v1/outputs/basic?pageSize=100${cursor}`);
      for (const id of page.items) sum += (await this.output(id)).amount;
      cursor = page.cursor ? `&cursor=${page.cursor}` : '';
    } while (cursor);
    return sum;
  }
}

/** Of the transaction that the block carries. */
export function outputId(transactionId: Hex, index: number): Hex {
  return `${transactionId}${index.toString(16).padStart(2, '0')}00`;
}
