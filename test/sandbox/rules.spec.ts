import assert from 'node:assert/strict';
import { type SandboxTangle, startTangle } from '../../lib/sandbox/tangle';
import type { BasicOutput, Hex, Transaction } from '../../lib/sandbox/tangle/codec';
import { CONFLICT } from '../../lib/sandbox/tangle/semantics';
import { Account, type Draft, type Owned, transactionBlock } from './account';
import { NodeClient } from './node-client';

const IOTA = 1_000_000n;

describe('what the Tangle does with a transaction', () => {
  let tangle: SandboxTangle;
  let node: NodeClient;
  let now: number;
  let alice: Account;
  let bob: Account;
  let coin: Owned;

  beforeEach(async () => {
    now = 1_700_000_000_000;
    tangle = await startTangle({ port: 0, milestoneInterval: 0, now: () => now });
    node = new NodeClient(tangle);
    alice = new Account();
    bob = new Account();
    coin = await node.fund(alice);
  });

  afterEach(() => tangle.close());

  const pay = (parts: Partial<Draft> = {}): Omit<Draft, 'networkName'> => ({
    inputs: [coin],
    outputs: [bob.output(IOTA), alice.output(coin.output.amount - IOTA)],
    signers: [alice],
    ...parts,
  });

  async function conflict(draft: Omit<Draft, 'networkName'>): Promise<number | undefined> {
    const { ledgerInclusionState, conflictReason } = await node.confirm(draft);
    assert.equal(ledgerInclusionState, conflictReason === undefined ? 'included' : 'conflicting');
    return conflictReason;
  }

  /** Makes an output by a payment of Alice and finds it. */
  async function made(output: BasicOutput): Promise<Owned> {
    const transaction = node.sign({
      inputs: [coin],
      outputs: [output, alice.output(coin.output.amount - output.amount)],
      signers: [alice],
    });
    const blockId = await node.send(transaction);
    tangle.issueMilestone();
    assert.equal((await node.metadata(blockId)).ledgerInclusionState, 'included');
    for (const id of (await latestChanges()).createdOutputs) {
      const found = await node.output(id);
      if (JSON.stringify(found, bigints) === JSON.stringify(output, bigints)) return { outputId: id, output };
    }
    throw new Error('not found');
  }

  const bigints = (_: string, value: unknown) => (typeof value === 'bigint' ? value.toString() : value);
  async function latestChanges(): Promise<{ createdOutputs: Hex[]; consumedOutputs: Hex[] }> {
    const { status } = await node.read('/api/core/v2/info');
    return node.read(`/api/core/v2/milestones/by-index/${status.confirmedMilestone.index}/utxo-changes`);
  }

  async function refusal(draft: Omit<Draft, 'networkName'>): Promise<string> {
    const bytes = transactionBlock(node.sign(draft), await node.tips());
    const { status, body } = await node.post(
      '/api/core/v2/blocks',
      Uint8Array.from(bytes),
      'application/vnd.iota.serializer-v1',
    );
    assert.equal(status, 400);
    assert.equal(body.error.code, '400');
    return body.error.message;
  }

  it('books it when all is right', async () => {
    assert.equal(await conflict(pay()), undefined);
    assert.equal((await node.outputs(`address=${bob.bech32}`)).length, 1);
    const { metadata } = await node.read(`/api/core/v2/outputs/${coin.outputId}`);
    assert.equal(metadata.isSpent, true);
    assert.ok((await latestChanges()).consumedOutputs.includes(coin.outputId));
  });

  describe('that spends what it must not', () => {
    it('an output that never was', async () => {
      const nothing = { ...coin, outputId: `0x${'11'.repeat(34)}`.replace(/1111$/, '0000') as Hex };
      assert.equal(await conflict(pay({ inputs: [nothing] })), CONFLICT.inputNotFound);
    });

    it('an output that is spent', async () => {
      await conflict(pay());
      const again = pay({ outputs: [bob.output(2n * IOTA), alice.output(coin.output.amount - 2n * IOTA)] });
      assert.equal(await conflict(again), CONFLICT.inputAlreadySpent);
    });

    it('the same output as another in this milestone: the first in white-flag order wins', async () => {
      const one = node.sign(pay());
      const two = node.sign(pay({ outputs: [bob.output(3n * IOTA), alice.output(coin.output.amount - 3n * IOTA)] }));
      const parents = await node.tips();
      const ids = [
        await node.postBlock(transactionBlock(one, parents)),
        await node.postBlock(transactionBlock(two, parents)),
      ];
      tangle.issueMilestone();
      const [first, second] = (await Promise.all(ids.map((id) => node.metadata(id)))).sort(
        (a, b) => a.whiteFlagIndex - b.whiteFlagIndex,
      );
      assert.equal(first.ledgerInclusionState, 'included');
      assert.equal(second.conflictReason, CONFLICT.inputAlreadySpentInThisMilestone);
      assert.equal((await node.outputs(`address=${bob.bech32}`)).length, 1);
    });

    it('its own inputs again, in another block', async () => {
      const transaction = node.sign(pay());
      const first = await node.send(transaction);
      tangle.issueMilestone();
      const second = await node.send(transaction);
      tangle.issueMilestone();
      assert.notEqual(first, second);
      assert.equal((await node.metadata(first)).ledgerInclusionState, 'included');
      assert.equal((await node.metadata(second)).conflictReason, CONFLICT.inputAlreadySpent);
    });

    it('but may spend what came into being in the same milestone, after it', async () => {
      const first = node.sign(pay({ outputs: [bob.output(coin.output.amount)] }));
      const bytes = transactionBlock(first, await node.tips());
      const blockId = await node.postBlock(bytes);
      const { decodeBlock } = await import('../../lib/sandbox/tangle/codec');
      const made = `${decodeBlock(bytes).transaction?.id}0000` as Hex;
      const second = node.sign({
        inputs: [{ outputId: made, output: bob.output(coin.output.amount) }],
        outputs: [alice.output(coin.output.amount)],
        signers: [bob],
      });
      const secondId = await node.postBlock(transactionBlock(second, [blockId]));
      tangle.issueMilestone();
      assert.equal((await node.metadata(secondId)).ledgerInclusionState, 'included');
      const changes = await latestChanges();
      assert.ok(changes.createdOutputs.includes(made) && changes.consumedOutputs.includes(made));
      assert.deepEqual(await node.outputs(`address=${bob.bech32}`), []);
    });
  });

  describe('that is not unlocked', () => {
    it('by a stranger', async () => {
      assert.equal(await conflict(pay({ signers: [bob] })), CONFLICT.invalidSignature);
    });

    it('by a signature over something else', async () => {
      const transaction = node.sign(pay());
      const other = node.sign(pay({ outputs: [bob.output(coin.output.amount)] }));
      const blockId = await node.send({ ...transaction, unlocks: other.unlocks });
      tangle.issueMilestone();
      assert.equal((await node.metadata(blockId)).conflictReason, CONFLICT.invalidSignature);
    });

    it('when one of two inputs of one address is not unlocked by reference to the first', async () => {
      const second = await node.fund(alice);
      const outputs = [alice.output(coin.output.amount + second.output.amount)];
      assert.equal(await conflict({ inputs: [coin, second], outputs, signers: [alice, alice] }), undefined);
    });

    it('when a reference names the signature of another address', async () => {
      const bobs = await node.fund(bob);
      const sum = coin.output.amount + bobs.output.amount;
      const draft = { inputs: [coin, bobs], outputs: [alice.output(sum)], signers: [alice, alice] };
      assert.equal(await conflict(draft), CONFLICT.invalidInputUnlock);
    });

    it('when an address signs where it should refer back', async () => {
      const second = await node.fund(alice);
      const outputs = [alice.output(coin.output.amount + second.output.amount)];
      const draft = { inputs: [coin, second], outputs };
      const signedOnce = node.sign({ ...draft, signers: [alice, bob] });
      const [own, foreign] = signedOnce.unlocks;
      assert.ok(own?.kind === 'signature' && foreign?.kind === 'signature');
      // Two signatures must differ in their bytes, so the second is one that does not fit.
      const unlocks: Transaction['unlocks'] = [own, { ...own, signature: foreign.signature }];
      const blockId = await node.send({ ...signedOnce, unlocks });
      tangle.issueMilestone();
      assert.equal((await node.metadata(blockId)).conflictReason, CONFLICT.invalidInputUnlock);
    });

    it('when the commitment is to other outputs', async () => {
      const change = (transaction: Transaction): Transaction => ({
        ...transaction,
        inputsCommitment: `0x${'22'.repeat(32)}`,
      });
      assert.equal(await conflict(pay({ change })), CONFLICT.invalidInputsCommitment);
    });

    it('when it names a sender that has not signed', async () => {
      const outputs = [bob.output(IOTA, { sender: bob.address }), alice.output(coin.output.amount - IOTA)];
      assert.equal(await conflict(pay({ outputs })), CONFLICT.invalidSender);
      const honest = [bob.output(IOTA, { sender: alice.address }), alice.output(coin.output.amount - IOTA)];
      assert.equal(await conflict(pay({ outputs: honest })), undefined);
    });

    it('when it is locked to an alias, of which there are none', async () => {
      const locked = await made({ amount: IOTA, nativeTokens: [], address: `0x08${'33'.repeat(32)}` });
      assert.equal(
        await conflict({ inputs: [locked], outputs: [alice.output(IOTA)], signers: [alice] }),
        CONFLICT.invalidInputUnlock,
      );
    });
  });

  describe('whose sums are wrong', () => {
    for (const [name, difference] of [
      ['more', 1n],
      ['less', -1n],
    ] as const) {
      it(`${name} goes out than comes in`, async () => {
        const outputs = [bob.output(IOTA), alice.output(coin.output.amount - IOTA + difference)];
        assert.equal(await conflict(pay({ outputs })), CONFLICT.sumMismatch);
      });
    }

    it('a token comes from nowhere', async () => {
      const token = { id: `0x${'44'.repeat(38)}` as const, amount: 1n };
      const outputs = [bob.output(IOTA, { nativeTokens: [token] }), alice.output(coin.output.amount - IOTA)];
      assert.equal(await conflict(pay({ outputs })), CONFLICT.invalidNativeTokens);
    });

    it('more than there is at all is not even taken', async () => {
      const outputs = [bob.output(4_600_000_000n * IOTA), bob.output(IOTA)];
      assert.match(await refusal(pay({ outputs })), /total supply/);
    });
  });

  describe('with conditions in time', () => {
    const seconds = () => Math.floor(now / 1000);

    it('a time lock holds until its second', async () => {
      const locked = await made(bob.output(IOTA, { timelock: seconds() + 10 }));
      const spend = { inputs: [locked], outputs: [bob.output(IOTA)], signers: [bob] };
      now += 9_000;
      assert.equal(await conflict(spend), CONFLICT.timelockNotExpired);
      now += 1_000;
      assert.equal(await conflict(spend), undefined);
    });

    it('before its expiration only the payee can take it, from then on only the payer', async () => {
      const expiring = () => bob.output(IOTA, { expiration: { address: alice.address, unixTime: seconds() + 10 } });
      const locked = await made(expiring());
      const back = { inputs: [locked], outputs: [alice.output(IOTA)], signers: [alice] };
      const claim = { inputs: [locked], outputs: [bob.output(IOTA)], signers: [bob] };
      now += 9_000;
      assert.equal(await conflict(back), CONFLICT.invalidSignature);
      now += 1_000;
      assert.equal(await conflict(claim), CONFLICT.invalidSignature);
      assert.equal(await conflict(back), undefined);
    });

    it('the payee in time', async () => {
      const locked = await made(bob.output(IOTA, { expiration: { address: alice.address, unixTime: seconds() + 10 } }));
      assert.equal(await conflict({ inputs: [locked], outputs: [bob.output(IOTA)], signers: [bob] }), undefined);
    });

    it('a deposit is returned by a plain output, of at least its amount', async () => {
      const deposit = 42_600n;
      const lent = await made(bob.output(IOTA, { storageReturn: { address: alice.address, amount: deposit } }));
      const take = (outputs: BasicOutput[]) => ({ inputs: [lent], outputs, signers: [bob] });
      assert.equal(await conflict(take([bob.output(IOTA)])), CONFLICT.returnAmountNotFulfilled);
      const tagged = alice.output(46_000n, { tag: '0x01' });
      assert.equal(await conflict(take([bob.output(IOTA - 46_000n), tagged])), CONFLICT.returnAmountNotFulfilled);
      assert.equal(await conflict(take([bob.output(IOTA - deposit), alice.output(deposit)])), undefined);
    });

    it('who takes its own deposit back after expiration owes nothing', async () => {
      const lent = await made(
        bob.output(IOTA, {
          storageReturn: { address: alice.address, amount: 42_600n },
          expiration: { address: alice.address, unixTime: seconds() + 10 },
        }),
      );
      now += 10_000;
      assert.equal(
        await conflict({ inputs: [lent], outputs: [alice.output(IOTA, { tag: '0x01' })], signers: [alice] }),
        undefined,
      );
    });
  });

  describe('that breaks the syntax is refused at the door', () => {
    const cases: [string, () => Partial<Draft>, RegExp][] = [
      [
        'another network',
        () => ({ change: (t: Transaction) => ({ ...t, networkId: t.networkId + 1n }) }),
        /wrong networkID/,
      ],
      [
        'an output below its storage deposit',
        () => ({ outputs: [bob.output(42_599n), alice.output(coin.output.amount - 42_599n)] }),
        /storage deposit is not covered: output 0, needed 42600, have 42599/,
      ],
      [
        'a deposit return that is too small for an output of its own',
        () => ({
          outputs: [
            bob.output(IOTA, { storageReturn: { address: alice.address, amount: 42_599n } }),
            alice.output(coin.output.amount - IOTA),
          ],
        }),
        /storage deposit return is less/,
      ],
      [
        'a deposit return larger than the output',
        () => ({
          outputs: [
            bob.output(IOTA, { storageReturn: { address: alice.address, amount: IOTA + 1n } }),
            alice.output(coin.output.amount - IOTA),
          ],
        }),
        /exceeds/,
      ],
      ['the same input twice', () => ({ inputs: [coin, coin], signers: [alice, alice] }), /inputs are not unique/],
      ['fewer unlocks than inputs', () => ({ signers: [] }), /0 unlocks for 1 inputs/],
      ['no outputs', () => ({ outputs: [] }), /outputs: 0/],
      ['too many outputs', () => ({ outputs: Array.from({ length: 129 }, () => bob.output(IOTA)) }), /outputs: 129/],
      [
        'a tag that is too long',
        () => ({ outputs: [bob.output(IOTA, { tag: `0x${'00'.repeat(65)}` })] }),
        /tag length/,
      ],
    ];
    for (const [name, parts, message] of cases) {
      it(name, async () => {
        assert.match(await refusal(pay(parts())), message);
      });
    }
  });

  it('neither makes money nor loses any, whatever comes', async () => {
    await conflict(pay());
    await conflict(pay());
    await conflict(pay({ signers: [bob] }));
    assert.equal(await node.supply(), 4_600_000_000n * IOTA);
  });
});
