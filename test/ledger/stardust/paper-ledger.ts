import type {
  BasicOutputQuery,
  IndexerPage,
  NodeInfo,
  OutputMetadata,
  UtxoChanges,
} from '../../../lib/ledger/stardust/node-api';
import { outputIdAt, partsOfOutputId } from '../../../lib/ledger/stardust/node-api';
import type { BasicOutput } from '../../../lib/ledger/stardust/output';
import { type Address, writeAddress } from '../../../lib/values';

export const FORM = { kind: 'bech32', prefix: 'tst' } as const;

/** One step of the ledger: who gets an output, and which of the unspent ones are spent. */
export interface Step {
  /** Owner of each new output, by number. */
  readonly creates: readonly number[];
  /** Picks among what is unspent before this step. */
  readonly consumes: readonly number[];
}

interface PaperOutput {
  readonly outputId: string;
  readonly owner: number;
  readonly booked: number;
  spent?: { readonly by: string; readonly at: number };
}

/** A ledger on paper, with the questions that our readers ask of a node, and answers in no particular order. */
export class PaperLedger {
  readonly outputs: PaperOutput[] = [];
  readonly milestones: { created: string[]; consumed: string[] }[] = [];
  pruned = 0;
  /** How far the node's own word on what is confirmed lags behind its indexer. */
  lag = 0;
  asked = 0;
  /** Happens before each page of the indexer after the first. */
  turning: () => void = () => {};

  constructor(private readonly pageSize = 1000) {}

  get height(): number {
    return this.milestones.length;
  }

  static owner(number: number): { address: Address; hash: string } {
    const bytes = Buffer.alloc(32, number + 1);
    return { address: writeAddress(bytes, FORM), hash: `0x${bytes.toString('hex')}` };
  }

  issue({ creates, consumes }: Step): void {
    const index = this.height + 1;
    const by = `0x${index.toString(16).padStart(64, 'f')}`;
    const unspent = this.outputs.filter(({ spent }) => !spent);
    const consumed = new Set(consumes.flatMap((pick) => unspent[pick % Math.max(1, unspent.length)] ?? []));
    for (const output of consumed) output.spent = { by, at: index };
    const created = creates.map((owner, i) => ({ outputId: outputIdAt(by, i), owner, booked: index }));
    this.outputs.push(...created);
    this.milestones.push({ created: ids(created), consumed: ids([...consumed]) });
  }

  /** What an owner had unspent at a height. */
  heldAt(owner: number, height: number): string[] {
    return ids(
      this.outputs.filter(
        (output) =>
          output.owner === owner && output.booked <= height && (output.spent?.at ?? Number.POSITIVE_INFINITY) > height,
      ),
    ).sort();
  }

  readonly look = async (): Promise<NodeInfo> => ({
    networkName: 'paper',
    hrp: FORM.prefix,
    minPowScore: 0,
    rent: { vByteCost: 100, vByteFactorKey: 10, vByteFactorData: 1 },
    token: 'TEST',
    decimals: 6,
    healthy: true,
    latest: { index: this.height, time: timeOf(this.height) },
    confirmed: { index: this.height - this.lag, time: timeOf(this.height - this.lag) },
    pruned: this.pruned,
    features: [],
  });

  async utxoChanges(index: number): Promise<UtxoChanges | undefined> {
    this.asked += 1;
    const milestone = index > this.pruned ? this.milestones[index - 1] : undefined;
    return milestone && { created: shuffled(milestone.created), consumed: shuffled(milestone.consumed) };
  }

  async output(outputId: string): Promise<{ output: BasicOutput | null; metadata: OutputMetadata } | undefined> {
    this.asked += 1;
    const found = this.#find(outputId);
    if (!found) return undefined;
    const { hash } = PaperLedger.owner(found.owner);
    const output = {
      amount: 1n,
      address: { kind: 'ed25519', hash },
      foreign: false,
      ...PaperLedger.record(found),
    } as const;
    return { output, metadata: metadataOf(found) };
  }

  /** Two of three outputs are records, by three authors in turn, under two tags. */
  static record({ outputId, booked }: Pick<PaperOutput, 'outputId' | 'booked'>): Pick<BasicOutput, 'sender' | 'tag'> {
    const kind = partsOfOutputId(outputId).index % 3;
    if (kind === 0) return {};
    return { sender: { kind: 'ed25519', hash: PaperLedger.owner(booked % 3).hash }, tag: `0x0${kind}` };
  }

  async outputMetadata(outputId: string): Promise<OutputMetadata | undefined> {
    this.asked += 1;
    const found = this.#find(outputId);
    return found && metadataOf(found);
  }

  async milestoneTime(index: number): Promise<number | undefined> {
    return index > this.pruned && index <= this.height ? timeOf(index) : undefined;
  }

  /** Like inx-indexer: unspent ones only, by key, the cursor being the key to go on from. */
  async basicOutputIds({ address, sender, tag }: BasicOutputQuery, cursor: string | undefined): Promise<IndexerPage> {
    if (cursor !== undefined) this.turning();
    const mine = this.outputs
      .filter((output) => {
        const record = PaperLedger.record(output);
        const by = [0, 1, 2].find((number) => PaperLedger.owner(number).hash === record.sender?.hash);
        return (
          !output.spent &&
          (address === undefined || PaperLedger.owner(output.owner).address === address) &&
          (sender === undefined || (by !== undefined && PaperLedger.owner(by).address === sender)) &&
          (tag === undefined || record.tag === tag)
        );
      })
      .map((output) => ({ ...output, key: `${String(output.booked).padStart(6, '0')}.${output.outputId}` }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
      .filter(({ key }) => cursor === undefined || key >= cursor);
    return { outputIds: ids(mine.slice(0, this.pageSize)), ledgerIndex: this.height, cursor: mine[this.pageSize]?.key };
  }

  #find(outputId: string): PaperOutput | undefined {
    const found = this.outputs.find((output) => output.outputId === outputId);
    return found?.spent && found.spent.at <= this.pruned ? undefined : found;
  }
}

export function timeOf(height: number): number {
  return 1_700_000_000_000 + height * 1000;
}

function metadataOf({ booked, spent }: PaperOutput): OutputMetadata {
  const mark = (index: number) => ({ index, time: timeOf(index) });
  return { booked: mark(booked), ...(spent ? { spent: { by: spent.by, at: mark(spent.at) } } : {}) };
}

function ids(outputs: readonly { outputId: string }[]): string[] {
  return outputs.map(({ outputId }) => outputId);
}

function shuffled(list: readonly string[]): string[] {
  return list
    .map((id) => ({ id, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ id }) => id);
}
