import assert from 'node:assert/strict';
import { AlteringProxy } from '../altering-proxy';
import type { Purse } from '../purse';
import { outputIdOf, readOn, type Scene } from './scene';

export function payers(scene: () => Scene): void {
  describe('a payment', () => {
    it('arrives with its exact amount, its sender and its reference, and the rest comes back', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 3n);
      const { address: payee } = scene().purse();
      const { cursor } = await ledger.holdings(payee);

      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: payee, amount: plenty + 1n, reference: 'Parkplatz 7 – 3 min' }] },
        outputs,
      );
      assert.deepEqual(transaction.prepared.change, [{ index: 1, amount: plenty * 2n - 1n }]);
      assert.equal(transaction.prepared.fee, 0n);
      await ledger.submit(transaction.sealed);
      const outcome = await scene().settle(transaction);
      assert.equal(outcome.state, 'final');

      const [received, ...more] = (await readOn(ledger, payee, cursor)).received;
      assert.deepEqual(more, []);
      assert.ok(outcome.state === 'final' && received);
      assert.deepEqual(received, {
        outputId: outputIdOf(transaction.transactionId, 0),
        transactionId: transaction.transactionId,
        outputIndex: 0,
        amount: plenty + 1n,
        from: purse.address,
        reference: 'Parkplatz 7 – 3 min',
        tag: null,
        height: outcome.height,
        confirmedAt: outcome.confirmedAt,
        spendable: true,
      });
      const rest = await ledger.holdings(purse.address);
      assert.deepEqual(
        rest.outputs.map(({ amount }) => amount),
        [plenty * 2n - 1n],
      );
    });

    it('to many payees at once reaches each with its own reference, or none', async () => {
      const { ledger, plenty } = scene();
      const payees = Array.from({ length: 20 }, () => scene().purse());
      const { cursor } = await ledger.holdings(payees[0]?.address ?? scene().purse().address);
      const { transactionId } = await scene().pay(
        payees.map(({ address }, i) => ({ to: address, amount: plenty + BigInt(i), reference: `share ${i}` })),
      );
      for (const [i, { address }] of payees.entries()) {
        const { received } = await readOn(ledger, address, cursor);
        assert.deepEqual(
          received.map((output) => [output.transactionId, output.amount, output.reference]),
          [[transactionId, plenty + BigInt(i), `share ${i}`]],
        );
      }
    });

    it('without a reference has none, and one of foreign bytes does no harm', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 4n);
      const { address: payee } = scene().purse();
      const bytes = Uint8Array.from([0xff, 0xfe, 0x00, 0x80]);
      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: payee, amount: plenty, reference: '' }], records: [{ tag: Buffer.from('odd'), bytes }] },
        outputs,
      );
      await ledger.submit(transaction.sealed);
      await scene().settle(transaction);
      const [paid] = (await ledger.holdings(payee)).outputs;
      assert.equal(paid?.reference, null);
      const mine = (await ledger.holdings(purse.address)).outputs;
      assert.deepEqual(
        new Set(mine.map(({ outputIndex, reference }) => `${outputIndex} ${reference}`)),
        new Set(['1 null', '2 null']),
      );
    });

    it('that is submitted again and again is made once', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 2n);
      const { address: payee } = scene().purse();
      const { cursor } = await ledger.holdings(payee);
      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: payee, amount: plenty, reference: 'once' }] },
        outputs,
      );
      await ledger.submit(transaction.sealed);
      await ledger.submit(transaction.sealed);
      await scene().settle(transaction);
      await ledger.submit(transaction.sealed);
      // Somebody who has lost his memory sends it once more.
      const other = scene().connect();
      await other.submit(transaction.sealed);
      const spends = await scene().until('a later milestone', async () => {
        const page = await readOn(ledger, payee, cursor);
        const state = await ledger.outcome(transaction);
        return state.state === 'final' && page.height > state.height + 1 ? page.received : undefined;
      });
      assert.equal(spends.length, 1);
      assert.equal((await other.outcome(transaction)).state, 'final');
      await scene().disconnect(other);
    });

    it('whose block never reached the network is put into another block', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const lossy = scene().connect({ url: proxy.url, mqttUrl: null });
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 2n);
      const transaction = await purse.sign(
        lossy,
        { payments: [{ to: scene().purse().address, amount: plenty, reference: '' }] },
        outputs,
      );
      const blockId = `0x${'ab'.repeat(32)}`;
      proxy.alter = ({ method }) => (method === 'POST' ? { instead: { status: 201, body: { blockId } } } : undefined);
      await lossy.submit(transaction.sealed);
      assert.equal((await lossy.outcome(transaction)).state, 'unknown');
      assert.equal((await ledger.outcome(transaction)).state, 'unknown');
      proxy.alter = () => undefined;
      await lossy.submit(transaction.sealed);
      assert.equal((await scene().settle(transaction, lossy)).state, 'final');
      await scene().disconnect(lossy);
      await proxy.close();
    });

    it('whose block is on its way is not sent a second time', async () => {
      const proxy = await AlteringProxy.before(scene().running.url);
      const ledger = scene().connect({ url: proxy.url, mqttUrl: null });
      const { plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 2n);
      const transaction = await purse.sign(
        ledger,
        { payments: [{ to: scene().purse().address, amount: plenty, reference: '' }] },
        outputs,
      );
      await ledger.submit(transaction.sealed);
      await ledger.submit(transaction.sealed);
      await ledger.submit(transaction.sealed);
      assert.equal(proxy.seen.filter(({ method }) => method === 'POST').length, 1);
      await scene().settle(transaction, ledger);
      await scene().disconnect(ledger);
      await proxy.close();
    });

    it('that spends what another one spent is dead, and says which one', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty * 2n);
      const [one, two] = [scene().purse().address, scene().purse().address];
      const first = await purse.sign(ledger, { payments: [{ to: one, amount: plenty, reference: 'first' }] }, outputs);
      const second = await purse.sign(
        ledger,
        { payments: [{ to: two, amount: plenty, reference: 'second' }] },
        outputs,
      );
      assert.notEqual(first.transactionId, second.transactionId);
      await Promise.all([ledger.submit(first.sealed), ledger.submit(second.sealed)]);
      const outcomes = await Promise.all([scene().settle(first), scene().settle(second)]);
      const [winner, loser] = outcomes[0].state === 'final' ? [first, second] : [second, first];
      assert.deepEqual(outcomes.map(({ state }) => state).sort(), ['dead', 'final']);
      const dead = await ledger.outcome(loser);
      assert.equal(dead.state === 'dead' && dead.conflictingId, winner.transactionId);
      assert.deepEqual(await ledger.spends(loser.inputs), [{ state: 'spent', by: winner.transactionId }]);
      assert.equal((await ledger.holdings(one)).outputs.length + (await ledger.holdings(two)).outputs.length, 1);
    });

    it('that nobody has heard of is unknown, never dead', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty);
      const { transactionId, inputs } = await purse.sign(
        ledger,
        { payments: [{ to: scene().purse().address, amount: plenty, reference: '' }] },
        outputs,
      );
      assert.equal((await ledger.outcome({ transactionId, inputs })).state, 'unknown');
      const nowhere = outputIdOf(`0x${'00'.repeat(31)}07`, 0);
      assert.equal((await ledger.outcome({ transactionId, inputs: [nowhere] })).state, 'unknown');
      assert.deepEqual(await ledger.spends([nowhere, ...inputs]), [{ state: 'unknown' }, { state: 'unspent' }]);
    });

    it('may be exactly as small as the ledger says, and not one base unit smaller', async () => {
      const { ledger, plenty } = scene();
      for (const reference of ['', 'x', 'R'.repeat(100)]) {
        const { address: payee } = scene().purse();
        const least = await scene().minimum(payee, reference);
        const { purse, outputs } = await scene().filledPurse(plenty * 2n + least);
        const payment = { to: payee, amount: least, reference };
        await assert.rejects(purse.sign(ledger, { payments: [{ ...payment, amount: least - 1n }] }, outputs), {
          code: 'DEPOSIT_TOO_SMALL',
          parameters: { payee, amount: `${least - 1n}`, minimum: `${least}` },
        });
        // The same past our own adapter: one base unit goes from the payment to the change.
        const { prepared } = await purse.sign(ledger, { payments: [payment] }, outputs);
        const tooSmall = await purse.forge(ledger, prepared, ({ outputs: [paid, change] }) => {
          if (!paid || !change) throw new Error('no such outputs');
          paid.amount = String(BigInt(paid.amount) - 1n);
          change.amount = String(BigInt(change.amount) + 1n);
        });
        await refused(tooSmall.sealed.bytes, scene());
        const { outcome } = await paidNow(purse, outputs, payment);
        assert.equal(outcome.state, 'final');
      }
    });

    it('may leave exactly the smallest change that the ledger takes, and not one base unit less', async () => {
      const { ledger, plenty, network } = scene();
      const { address: payee } = scene().purse();
      const { purse, outputs } = await scene().filledPurse(plenty * 2n);
      const most = plenty * 2n - network.minimumChange;
      await assert.rejects(
        purse.sign(ledger, { payments: [{ to: payee, amount: most + 1n, reference: '' }] }, outputs),
        { code: 'FUNDS_INSUFFICIENT' },
      );
      const { transaction, outcome } = await paidNow(purse, outputs, { to: payee, amount: most, reference: '' });
      assert.equal(outcome.state, 'final');
      assert.deepEqual(
        transaction.prepared.change.map(({ amount }) => amount),
        [network.minimumChange],
      );
    });

    it('may take everything, from many outputs at once, and leave nothing', async () => {
      const { plenty, ledger } = scene();
      const amounts = Array.from({ length: 12 }, (_, i) => plenty + BigInt(i));
      const { purse, outputs } = await scene().filledPurse(...amounts);
      const all = amounts.reduce((a, b) => a + b, 0n);
      const { transaction, outcome } = await paidNow(purse, outputs, {
        to: scene().purse().address,
        amount: all,
        reference: 'all of it',
      });
      assert.equal(outcome.state, 'final');
      assert.deepEqual(transaction.prepared.change, []);
      assert.deepEqual((await ledger.holdings(purse.address)).outputs, []);
    });

    it('to nobody merges outputs into one of our own', async () => {
      const { ledger, plenty } = scene();
      const { purse, outputs } = await scene().filledPurse(plenty, plenty + 1n, plenty + 2n);
      const transaction = await purse.sign(ledger, {}, outputs);
      await ledger.submit(transaction.sealed);
      assert.equal((await scene().settle(transaction)).state, 'final');
      const left = (await ledger.holdings(purse.address)).outputs;
      assert.deepEqual(
        left.map(({ amount, transactionId, spendable }) => [amount, transactionId, spendable]),
        [[plenty * 3n + 3n, transaction.transactionId, true]],
      );
    });

    async function paidNow(
      purse: Purse,
      outputs: Parameters<Purse['sign']>[2],
      payment: { to: Purse['address']; amount: bigint; reference: string },
    ) {
      const transaction = await purse.sign(scene().ledger, { payments: [payment] }, outputs);
      await scene().ledger.submit(transaction.sealed);
      return { transaction, outcome: await scene().settle(transaction) };
    }
  });
}

/** Past our own adapter and the SDK: it is the ledger that must refuse it. */
async function refused(signed: Uint8Array, { running }: Scene): Promise<void> {
  const payload: unknown = JSON.parse(Buffer.from(signed).toString('utf8'));
  const { tips } = (await (await fetch(`${running.url}/api/core/v2/tips`)).json()) as { tips: string[] };
  const block = { protocolVersion: 2, parents: [...tips].sort(), payload, nonce: '0' };
  const answer = await fetch(`${running.url}/api/core/v2/blocks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(block),
  });
  const said = await answer.text();
  assert.equal(answer.status, 400, said);
}
