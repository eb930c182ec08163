import assert from 'node:assert/strict';
import { isCodedError } from '../../../lib/errors';
import { parseAddress } from '../../../lib/values';
import type { Scene } from './scene';

export function connections(scene: () => Scene): void {
  describe('a connection', () => {
    it('says which network it is on, in the words of the port', async () => {
      const { network } = scene();
      assert.equal(network.protocol, 'tangle');
      assert.ok(network.networkId.length > 0);
      assert.ok(network.token.length > 0);
      assert.ok(network.decimals >= 0 && network.decimals <= 18);
      assert.equal(network.live, false);
      assert.equal(network.faucet, true);
      assert.ok(network.capabilities.feeless && network.capabilities.minimumDeposit);
      assert.ok(network.minimumChange > 0n);
      assert.ok(network.maxInputs >= 100 && network.maxOutputs >= 100);
    });

    it('shows what the faucet gave, as money that can be spent', async () => {
      const { address } = scene().purse();
      const before = await scene().ledger.holdings(address);
      assert.deepEqual(before.outputs, []);
      await scene().ledger.requestFunds(address);
      const outputs = await scene().until('the faucet', async () => {
        const holdings = await scene().ledger.holdings(address);
        return holdings.outputs.length > 0 ? holdings.outputs : undefined;
      });
      assert.ok(outputs.every(({ spendable, amount, confirmedAt }) => spendable && amount > 0n && confirmedAt > 0));
    });

    it('without a faucet says so', async () => {
      const { url, mqttUrl } = scene().running;
      const { StardustLedger } = await import('../../../lib/ledger/stardust');
      const ledger = new StardustLedger({ url, mqttUrl: mqttUrl ?? null });
      try {
        assert.equal((await ledger.network()).faucet, false);
        await assert.rejects(
          ledger.requestFunds(scene().purse().address),
          (error) => isCodedError(error, 'CONFIG_INVALID') && error.detail === 'faucet',
        );
      } finally {
        await ledger.close();
      }
    });

    it('refuses a network that is not the expected one, and says so to who listens', async () => {
      const ledger = scene().connect({ expectedNetworkId: 'some-other-network' });
      const heard = new Promise<string>((resolve) => {
        ledger.onSignal((signal) => resolve(signal.kind === 'down' ? signal.code : signal.kind));
      });
      const { address } = scene().purse();
      const wrong = (error: unknown) => isCodedError(error, 'LEDGER_WRONG_NETWORK');
      await assert.rejects(ledger.network(), wrong);
      await assert.rejects(ledger.holdings(address), wrong);
      await assert.rejects(ledger.read(address, '1:0'), wrong);
      assert.equal(await heard, 'LEDGER_WRONG_NETWORK');
      await scene().disconnect(ledger);
    });

    it('hears of every step of the ledger, with the height it has come to', async () => {
      const heights: number[] = [];
      await new Promise<void>((resolve) => {
        const stop = scene().ledger.onSignal((signal) => {
          if (signal.kind === 'wake') heights.push(signal.height);
          if (heights.length < 3) return;
          stop();
          resolve();
        });
      });
      assert.deepEqual(
        heights,
        [...new Set(heights)].sort((a, b) => a - b),
      );
    });

    it('hears of new milestones by looking, where there are no events', async () => {
      const ledger = scene().connect({ mqttUrl: null, pollInterval: 200 });
      const heights: number[] = [];
      await new Promise<void>((resolve) => {
        ledger.onSignal((signal) => {
          if (signal.kind === 'wake' && heights.push(signal.height) >= 2) resolve();
        });
      });
      assert.ok((heights[1] ?? 0) > (heights[0] ?? 0));
      await scene().disconnect(ledger);
    });

    it('writes addresses in the form that it declares', () => {
      const { address } = scene().purse();
      assert.equal(parseAddress(address, scene().network.addressForm), address);
    });
  });
}
