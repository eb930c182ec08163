import type { Outcome, SealedTransaction, SubmittedTransaction } from '../ledger';
import { CONFLICTS } from './conflicts';
import type { Connection } from './connection';
import { Lru } from './lru';
import { type BlockMetadata, type NodeApi, type OutputMetadata, outputIdAt } from './node-api';
import type { StardustSdk } from './sdk';
import { payloadOf } from './transaction';

interface PostedBlock {
  readonly blockId: string;
  readonly height: number;
}

const TRANSACTIONS_REMEMBERED = 5000;
const BLOCKS_PER_TRANSACTION = 8;

// A block that this many milestones passed by will hardly be referenced any more (belowMaxDepth is 15 on every known network).
const MILESTONES_OF_PATIENCE = 5;

/** Puts signed transactions into blocks and follows what becomes of them. */
export class Posting {
  /** Blocks by transaction id. Lost with the worker: then a transaction is merely put into one more block. */
  readonly #blocks = new Lru<string, readonly PostedBlock[]>(TRANSACTIONS_REMEMBERED);

  constructor(
    private readonly api: Pick<NodeApi, 'outputMetadata' | 'blockMetadata'>,
    private readonly connection: Pick<Connection, 'look'>,
    private readonly sdk: Pick<StardustSdk, 'post' | 'transactionId'>,
    private readonly node: string,
  ) {}

  /** See the port's `submit`: a new block, unless an earlier one is on its way. */
  async submit(sealed: SealedTransaction): Promise<void> {
    const info = await this.connection.look();
    const payload = payloadOf(sealed, this.sdk);
    for (const { block, posted } of await this.#known(sealed.transactionId)) {
      const waiting = block !== undefined && block.inclusion === undefined && !block.lost;
      if (waiting && info.confirmed.index - posted.height < MILESTONES_OF_PATIENCE) return;
      if (block?.inclusion === 'included') return;
    }
    const blockId = await this.sdk.post(payload);
    const earlier = this.#blocks.get(sealed.transactionId) ?? [];
    this.#blocks.set(
      sealed.transactionId,
      [...earlier, { blockId, height: info.confirmed.index }].slice(-BLOCKS_PER_TRANSACTION),
    );
  }

  /** See the port's `outcome`. Only what the ledger has says `final` or `dead`; what the node lacks says nothing. */
  async outcome({ transactionId, inputs }: SubmittedTransaction): Promise<Outcome> {
    const { node } = this;
    // Asked together: a receipt waits for this. What the second says counts only if the node is still the right one.
    const [info, first] = await Promise.all([
      this.connection.look(),
      this.api.outputMetadata(outputIdAt(transactionId, 0)),
    ]);
    if (first) return { state: 'final', height: first.booked.index, confirmedAt: first.booked.time, node };

    const spends = (await Promise.all(inputs.map((id) => this.api.outputMetadata(id)))).flatMap(
      (input: OutputMetadata | undefined) => input?.spent ?? [],
    );
    const ours = spends.find(({ by }) => by === transactionId);
    if (ours) return { state: 'final', height: ours.at.index, confirmedAt: ours.at.time, node };
    const other = spends[0];
    if (other)
      return { state: 'dead', height: other.at.index, conflictingId: other.by, reason: 'input already spent', node };

    const blocks = (await this.#known(transactionId)).flatMap(({ block }) => block ?? []);
    for (const { inclusion, conflict, referencedBy } of blocks) {
      const known = inclusion === 'conflicting' && conflict !== undefined ? CONFLICTS.get(conflict) : undefined;
      if (known?.forEver)
        return {
          state: 'dead',
          height: referencedBy ?? info.confirmed.index,
          conflictingId: null,
          reason: known.reason,
          node,
        };
    }
    const pending = blocks.some(({ inclusion, lost }) => inclusion === undefined && !lost);
    return { state: pending ? 'pending' : 'unknown', height: info.confirmed.index, node };
  }

  async #known(
    transactionId: string,
  ): Promise<{ readonly posted: PostedBlock; readonly block: BlockMetadata | undefined }[]> {
    const posted = this.#blocks.get(transactionId) ?? [];
    return Promise.all(posted.map(async (one) => ({ posted: one, block: await this.api.blockMetadata(one.blockId) })));
  }
}
