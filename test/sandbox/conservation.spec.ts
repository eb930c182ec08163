import assert from 'node:assert/strict';
import fc from 'fast-check';
import { startTangle } from '../../lib/sandbox/tangle';
import { type BasicOutput, decodeBlock, type Hex } from '../../lib/sandbox/tangle/codec';
import { Account, type Owned, transactionBlock } from './account';
import { NodeClient, outputId } from './node-client';

const IOTA = 1_000_000n;
const SUPPLY = 4_600_000_000n * IOTA;

/** What somebody tries with the coins there are; indices are taken modulo what exists. */
interface Attempt {
  readonly coins: readonly number[];
  readonly payee: number;
  readonly parts: number;
  /** Added to what goes out: 0 is honest. */
  readonly theft: bigint;
  readonly foreignKey: boolean;
  readonly milestone: boolean;
}

const attempt: fc.Arbitrary<Attempt> = fc.record({
  coins: fc.array(fc.nat({ max: 50 }), { minLength: 1, maxLength: 3 }),
  payee: fc.nat({ max: 3 }),
  parts: fc.integer({ min: 1, max: 4 }),
  theft: fc.constantFrom(0n, 0n, 0n, 0n, 1n, -1n, 1_000n * IOTA),
  foreignKey: fc.constantFrom(false, false, false, true),
  milestone: fc.boolean(),
});

describe('the money of the Tangle', function () {
  this.timeout(60_000);

  it('stays the same sum, whoever tries what: double spends, thefts, chains within a milestone', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { minLength: 5, maxLength: 25 }), async (attempts) => {
        const tangle = await startTangle({ port: 0, milestoneInterval: 0 });
        try {
          const node = new NodeClient(tangle);
          const accounts = Array.from({ length: 4 }, () => new Account());
          const owners = new Map<Hex, Account>();
          const coins: Owned[] = [];
          const know = (coin: Owned) => {
            coins.push(coin);
            owners.set(coin.outputId, accounts.find(({ address }) => address === coin.output.address)!);
          };
          for (const account of accounts) know(await node.fund(account));
          const honest: Hex[] = [];
          for (const one of attempts) {
            const blockId = await tryIt(node, one, accounts, coins, owners, know);
            if (blockId && one.theft === 0n && !one.foreignKey) honest.push(blockId);
            if (one.milestone) tangle.issueMilestone();
          }
          tangle.issueMilestone();
          assert.equal(await node.supply(), SUPPLY);
          for (const id of honest) assert.ok([undefined, 1, 2, 3].includes((await node.metadata(id)).conflictReason));
        } finally {
          await tangle.close();
        }
      }),
      { numRuns: 12 },
    );
  });
});

async function tryIt(
  node: NodeClient,
  { coins: picks, payee, parts, theft, foreignKey }: Attempt,
  accounts: readonly Account[],
  coins: readonly Owned[],
  owners: ReadonlyMap<Hex, Account>,
  know: (coin: Owned) => void,
): Promise<Hex | undefined> {
  const inputs = [...new Set(picks.map((pick) => coins[pick % coins.length]!))];
  const total = inputs.reduce((sum, { output }) => sum + output.amount, 0n) + theft;
  const share = total / BigInt(parts);
  if (share < IOTA) return undefined;
  const to = accounts[payee]!;
  const outputs: BasicOutput[] = Array.from({ length: parts }, (_, n) =>
    to.output(n === 0 ? total - share * BigInt(parts - 1) : share),
  );
  const signers = inputs.map(({ outputId: id }) => (foreignKey ? to : owners.get(id)!));
  const bytes = transactionBlock(node.sign({ inputs, outputs, signers }), await node.tips());
  const blockId = await node.postBlock(bytes);
  // Whether it was booked or not: what it would have made is tried to be spent later.
  const { transaction } = decodeBlock(bytes);
  for (const [index, output] of outputs.entries()) know({ outputId: outputId(transaction!.id, index), output });
  return blockId;
}
